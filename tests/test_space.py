"""Configurations, the unit cube, counting and conditions, by properties."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys

import pytest
from hypothesis import given, strategies as st

from tuitune.core.space import (
    Choice,
    Fixed,
    FloatRange,
    IntRange,
    PowerRange,
    Sampled,
    SearchSpace,
    from_unit,
    grid_axis,
    grid_size,
    grid_width,
    index_of,
    key,
    levels,
    parents_first,
    same,
    spell,
    to_unit,
    value_at,
)

UNIT = st.floats(0, 1)
BOUND = st.floats(-1e12, 1e12)


@st.composite
def float_ranges(draw):
    low, high = sorted(draw(st.tuples(BOUND, BOUND).filter(lambda ends: ends[0] != ends[1])))
    return FloatRange("x", low, high)


@st.composite
def log_floats(draw):
    low = draw(st.floats(1e-12, 1e6))
    return FloatRange("x", low, low * draw(st.floats(1.5, 1e9)), log=True)


@st.composite
def stepped_floats(draw):
    places = draw(st.integers(1, 4))
    step, low = draw(st.integers(1, 99)) / 10**places, draw(st.integers(-50, 50)) / 10**places
    return FloatRange("x", low, round(low + draw(st.integers(1, 300)) * step, places), step=step)


@st.composite
def whole_ranges(draw):
    log = draw(st.booleans())
    low = draw(st.integers(1 if log else -1000, 1000))
    step = 1 if log else draw(st.integers(1, 7))
    return IntRange("x", low, low + draw(st.integers(step, 3000)), log, step)


@st.composite
def power_ranges(draw):
    base, first = draw(st.integers(2, 10)), draw(st.integers(-6, 5))
    last = first + draw(st.integers(1, 6))
    number = int if first >= 0 else float
    low, high = (base**e if e >= 0 else 1 / base**-e for e in (first, last))
    return PowerRange("x", number(low), number(high), base)


CHOICES = st.lists(st.integers() | st.text(), min_size=1, max_size=6, unique=True).map(
    lambda values: Choice("x", tuple(values))
)
COUNTABLE = stepped_floats() | whole_ranges() | power_ranges() | CHOICES
SEARCHED = float_ranges() | log_floats() | COUNTABLE


@given(SEARCHED, UNIT)
def test_every_point_of_the_unit_interval_is_a_possible_value(parameter, u):
    value = from_unit(parameter, u)
    space = SearchSpace((parameter,))
    assert space.problems({"x": value}, partial=False) == []
    assert space.normalised({"x": value}) == {"x": value}
    if hasattr(parameter, "low"):
        assert type(value) is type(parameter.low)


@given(COUNTABLE)
def test_countable_values_come_back_from_the_middle_of_their_cell(parameter):
    count = levels(parameter)
    values = [value_at(parameter, index) for index in range(count)]
    assert [from_unit(parameter, to_unit(parameter, value)) for value in values] == values
    assert [index_of(parameter, value) for value in values] == list(range(count))
    middles = [to_unit(parameter, value) for value in values]
    assert middles == sorted(middles)
    assert len({key({"x": value}) for value in values}) == count


@given(float_ranges() | log_floats(), UNIT)
def test_continuous_values_come_back(parameter, u):
    value = from_unit(parameter, u)
    again = from_unit(parameter, to_unit(parameter, value))
    assert math.isclose(again, value, rel_tol=1e-9, abs_tol=1e-9 * (parameter.high - parameter.low))


@given(SEARCHED, UNIT, UNIT)
def test_ranges_keep_their_order(parameter, one, other):
    low, high = sorted((one, other))
    if not isinstance(parameter, Choice):
        assert from_unit(parameter, low) <= from_unit(parameter, high)


@given(COUNTABLE)
def test_equal_cells_but_for_whole_numbers_on_a_log_scale(parameter):
    count = levels(parameter)
    if isinstance(parameter, IntRange) and parameter.log:
        return
    found = [from_unit(parameter, (index + 0.5) / count) for index in range(count)]
    assert found == [value_at(parameter, index) for index in range(count)]


def test_log_whole_numbers_own_cells_equal_in_log():
    parameter = IntRange("n", 1, 7, log=True)
    edges = [math.log(n) / math.log(8) for n in range(1, 9)]
    for number, (left, right) in enumerate(itertools.pairwise(edges), start=1):
        assert from_unit(parameter, left + 1e-9) == number
        assert from_unit(parameter, right - 1e-9) == number
        assert to_unit(parameter, number) == pytest.approx((left + right) / 2)


def test_steps_and_powers_are_the_numbers_one_writes():
    decay = FloatRange("wd", 0.0, 0.3, step=0.05)
    assert grid_axis(decay, 5) == (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3)
    assert grid_axis(FloatRange("x", 0.05, 0.35, step=0.1), 5) == (0.05, 0.15, 0.25, 0.35)
    assert grid_axis(FloatRange("x", 0.0, 1e-5, step=2.5e-6), 9) == (
        0.0,
        2.5e-6,
        5e-6,
        7.5e-6,
        1e-5,
    )
    assert grid_axis(PowerRange("n", 4, 64), 2) == (4, 8, 16, 32, 64)
    assert grid_axis(PowerRange("n", 1e-5, 1e-1, 10), 2) == (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
    assert grid_axis(IntRange("n", 0, 10, step=4), 2) == (0, 4, 8)


def test_grid_axes_of_a_continuum_hold_both_ends():
    assert grid_axis(FloatRange("lr", 1e-4, 1e-1, log=True), 4) == (1e-4, 1e-3, 1e-2, 1e-1)
    assert grid_axis(FloatRange("x", -1.0, 1.0), 5) == (-1.0, -0.5, 0.0, 0.5, 1.0)
    assert grid_axis(FloatRange("x", -1.0, 1.0), 1) == (0.0,)
    assert grid_axis(Fixed("x", [1, 2]), 5) == ([1, 2],)
    assert grid_width(IntRange("n", 1, 10**12), 5) == 10**12
    with pytest.raises(ValueError, match="sampled"):
        grid_axis(Sampled("x", "a.py:f"), 5)


def test_the_widest_floats_do_not_overflow():
    parameter = FloatRange("x", -1.7e308, 1.7e308)
    assert from_unit(parameter, 0.5) == 0
    assert to_unit(parameter, 0.0) == 0.5
    assert to_unit(parameter, 1.7e308) == 1


def test_the_narrowest_floats_do_not_divide_by_nothing():
    for low, log in ((0.0, False), (1.0, True)):
        parameter = FloatRange("x", low, math.nextafter(low, 2.0), log=log)
        assert to_unit(parameter, parameter.low) == 0.5 or low
        assert from_unit(parameter, 0.3) in (parameter.low, parameter.high)


def test_numbers_beyond_floats_are_no_values():
    for value in (10**400, math.inf, -math.inf, math.nan):
        for parameter in (IntRange("x", 1, 9), PowerRange("x", 1, 8), FloatRange("x", 0.0, 1.0)):
            words = SearchSpace((parameter,)).problems({"x": value}, partial=True)
            assert words[0].endswith(f"is not within {parameter.low} to {parameter.high}")
            assert index_of(parameter, value) is None


def test_coordinates_outside_the_cube_are_taken_to_its_walls():
    assert from_unit(FloatRange("x", 2.0, 3.0), 1.5) == 3.0
    assert from_unit(IntRange("x", 2, 5), -1) == 2


def test_sampled_parameters_own_no_coordinate():
    with pytest.raises(ValueError, match="no coordinate"):
        from_unit(Sampled("x", "a.py:f"), 0.5)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        (FloatRange("x", 0.0, 1.0), 2),
        (FloatRange("x", 0.0, 1.0), "a"),
        (FloatRange("x", 0.0, 1.0), True),
        (IntRange("x", 0, 3), 1.5),
        (PowerRange("x", 1, 8), 3),
        (Choice("x", ("a",)), "b"),
    ],
)
def test_impossible_values_have_no_place(parameter, value):
    with pytest.raises(ValueError, match="is not a value of x"):
        to_unit(parameter, value)


# --- conditions -------------------------------------------------------------------------------


@st.composite
def finite_spaces(draw):
    """Small spaces in which a parameter may depend on any that was drawn before it."""
    drawn = []
    for number in range(draw(st.integers(1, 5))):
        name = f"p{number}"
        when = {}
        parents = draw(st.lists(st.sampled_from(drawn), max_size=2, unique_by=id)) if drawn else []
        for parent in parents:
            values = [value_at(parent, index) for index in range(levels(parent))]
            chosen = draw(st.lists(st.sampled_from(values), min_size=1, max_size=2, unique=True))
            when[parent.name] = tuple(chosen)
        kind = draw(st.sampled_from(["choice", "range", "fixed", "powers", "bool"]))
        made = {
            "choice": Choice(name, ("a", "b", "c")[: draw(st.integers(1, 3))], when=when),
            "range": IntRange(name, 1, draw(st.integers(2, 4)), when=when),
            "fixed": Fixed(name, 7, when=when),
            "powers": PowerRange(name, 2, 8, when=when),
            "bool": Choice(name, (False, True), when=when),
        }
        drawn.append(made[kind])
    return SearchSpace(tuple(draw(st.permutations(drawn))))


@given(finite_spaces())
def test_size_is_the_number_of_distinct_configurations(space):
    every = list(space.configurations())
    assert space.size == len(every) == len({key(one) for one in every}) == grid_size(space, 5)
    for configuration in every[:50]:
        assert space.problems(configuration, partial=False) == []
        assert space.configuration(space.point(configuration)) == configuration


@given(finite_spaces(), st.randoms(use_true_random=False))
def test_any_point_is_a_configuration_of_the_space(space, random):
    point = [random.random() for _ in space.searched]
    configuration = space.configuration(point)
    assert space.problems(configuration, partial=False) == []
    assert list(configuration) == [p.name for p in space.parameters if p.name in configuration]
    for parameter in space.parameters:
        assert space.is_active(parameter, configuration) == (parameter.name in configuration)
    assert space.configuration(space.point(configuration)) == configuration


def optimizers(**extra):
    return SearchSpace(
        (
            FloatRange("momentum", 0.5, 0.99, when={"optimizer": ("sgd",)}),
            Choice("optimizer", ("sgd", "adamw")),
            Choice("nesterov", (True, False), when={"momentum_on": (True,)}),
            Fixed("momentum_on", value=True, when={"optimizer": ("sgd",)}),
            *extra.values(),
        )
    )


def test_inactive_parameters_are_left_out_and_children_may_stand_before_their_parents():
    space = optimizers()
    assert [p.name for p in space.searched] == ["momentum", "optimizer", "nesterov"]
    assert space.configuration([0.5, 0.1, 0.1]) == {
        "momentum": pytest.approx(0.745),
        "optimizer": "sgd",
        "nesterov": True,
        "momentum_on": True,
    }
    assert space.configuration([0.5, 0.9, 0.1]) == {"optimizer": "adamw"}
    assert space.point({"optimizer": "adamw"}) == (0.5, 0.75, 0.5)


def test_a_space_has_no_size_only_while_a_continuum_can_be_active():
    assert optimizers().size is None
    never = FloatRange("x", 0.0, 1.0, when={"a": (1,), "b": (2,)})
    apart = Choice("b", (2,), when={"a": (9,)})
    assert SearchSpace((Choice("a", (1, 9)), apart, never)).size == 2
    assert SearchSpace((Choice("a", (1, 9)), Sampled("s", "a.py:f"))).size is None
    with pytest.raises(ValueError, match="infinitely many"):
        SearchSpace((FloatRange("x", 0.0, 1.0),)).configurations()


def test_large_spaces_are_counted_without_going_through_them():
    wide = [IntRange(f"n{i}", 1, 10**6) for i in range(20)]
    child = IntRange("c", 1, 10, when={"n0": (3, 5)})
    assert SearchSpace((*wide, child)).size == (10**6) ** 19 * (2 * 10 + 10**6 - 2)
    assert grid_size(SearchSpace((FloatRange("x", 0.0, 1.0), IntRange("n", 1, 3))), 5) == 15


def test_the_last_parameter_changes_fastest():
    space = SearchSpace((IntRange("a", 1, 2), Choice("b", ("x", "y"))))
    assert [tuple(one.values()) for one in space.configurations()] == [
        (1, "x"),
        (1, "y"),
        (2, "x"),
        (2, "y"),
    ]


def test_problems_say_each_thing_that_is_wrong():
    space = optimizers(lr=FloatRange("lr", 0.1, 0.5, step=0.1), n=PowerRange("n", 4, 64))
    assert space.problems({"optimzer": "sgd"}, partial=True) == [
        "optimzer: there is no such parameter; did you mean optimizer?"
    ]
    wrong = {"optimizer": "sdg", "lr": 0.15, "n": 65, "momentum_on": False}
    assert space.problems(wrong, partial=True) == [
        'optimizer = "sdg": is not "sgd" or "adamw"',
        'momentum_on = false: exists only when optimizer is "sgd", and it is "sdg"; leave it out',
        "lr = 0.15: is not 0.1 plus a multiple of 0.1",
        "n = 65: is not within 4 to 64",
    ]
    assert space.problems({"momentum": 0.9}, partial=True) == [
        'momentum = 0.9: exists only when optimizer is "sgd"; give optimizer too'
    ]
    assert space.problems({"optimizer": "adamw", "lr": 0.2}, partial=False) == ["n is missing"]
    assert space.problems({"optimizer": "adamw", "n": 5}, partial=True) == [
        "n = 5: is not a power of 2"
    ]
    counted = SearchSpace((IntRange("k", 1, 9), IntRange("j", 0, 9, step=3), Fixed("f", 1)))
    assert counted.problems({"k": 1.5, "j": 4, "f": 2}, partial=True) == [
        "k = 1.5: is not a whole number",
        "j = 4: is not 0 plus a multiple of 3",
        "f = 2: is fixed at 1",
    ]
    assert counted.problems({"k": "1", "j": math.nan}, partial=True) == [
        'k = "1": is not a number',
        "j = nan: is not within 0 to 9",
    ]


def test_normal_configurations_have_the_types_of_the_file():
    space = SearchSpace((FloatRange("lr", 0.0, 2.0), IntRange("n", 1, 5), Choice("c", (1.5, 2.0))))
    normal = space.normalised({"c": 2, "n": 3.0, "lr": 1})
    assert key(normal) == '{"c":2.0,"lr":1.0,"n":3}'
    assert list(normal) == ["lr", "n", "c"]


def test_cycles_are_found():
    one = Choice("a", (1, 2), when={"b": (1,)})
    other = Choice("b", (1, 2), when={"a": (1,)})
    assert parents_first((one, other))[1] == ("a", "b")
    with pytest.raises(ValueError, match="circle"):
        SearchSpace((one, other)).configuration([0.5, 0.5])


def test_the_same_value_whatever_its_type_but_true_is_not_one():
    assert same(1, 1.0)
    assert same([1, {"a": 2}], [1.0, {"a": 2.0}])
    assert not same(True, 1)
    assert not same([True], [1])
    assert not same("1", 1)
    assert not same({"a": 1}, {"b": 1})


def test_values_are_spelled_as_in_a_study_file():
    assert spell({"a": [True, "x", 1e-05]}) == '{ a = [true, "x", 1e-05] }'


def test_importing_the_space_costs_little():
    heavy = "numpy scipy asyncio difflib sqlite3 click"
    code = (
        f"import sys, tuitune.core.space; print([m for m in '{heavy}'.split() if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def figures(value):
    digits = repr(value).partition("e")[0].replace("-", "").replace(".", "")
    return len(digits.strip("0"))


@given(
    st.floats(1e-12, 1e12),
    st.floats(1.01, 1e9),
    st.booleans(),
    st.floats(0.0, 1.0),
    st.sampled_from([1, -1]),
)
def test_values_of_continuous_ranges_are_short_and_within_them(low, ratio, log, point, sign):
    low, high = sorted((sign * low, sign * low * ratio))
    space = SearchSpace((FloatRange("x", low, high, log and sign > 0),))

    value = space.configuration([point])["x"]

    assert low <= value <= high
    assert value in (low, high) or figures(value) <= 6
    exact = from_unit(space.parameters[0], point)
    assert value == pytest.approx(exact, rel=1e-5) or value in (low, high)


def test_no_digits_of_floating_point_are_left():
    space = SearchSpace((FloatRange("lr", 1e-5, 1e-1, True), FloatRange("x", 0.0, 1.0)))
    assert space.configuration([0.25, 0.1 + 0.2]) == {"lr": 0.0001, "x": 0.3}


def test_a_narrow_range_keeps_as_many_figures_as_it_needs():
    space = SearchSpace((FloatRange("x", 1_000_000.0, 1_000_001.0),))
    found = {space.configuration([i / 1000])["x"] for i in range(1001)}
    assert len(found) > 900


def test_steps_and_other_kinds_are_not_rounded():
    space = SearchSpace(
        (FloatRange("s", 0.1234567, 1.1234567, step=0.5), IntRange("i", 1_234_567, 1_234_568))
    )
    assert space.configuration([0.0, 0.0]) == {"s": 0.1234567, "i": 1_234_567}
