"""Finite spaces beside all of their configurations, which are combined here one by one."""

from __future__ import annotations

import itertools
import operator
from collections import Counter
from dataclasses import dataclass
from random import Random

from hypothesis import given, settings, strategies as st

from tuitune.core.space import Choice, Fixed, IntRange, PowerRange, SearchSpace, key
from tuitune.core.space.families import EndlessError, combinations, families, parents_first
from tuitune.core.space.groups import all_values
from tuitune.core.space.parameters import levels, same, value_at
from tuitune.core.space.searchspace import grid_size

EXAMPLES = settings(max_examples=15)
ORDERS = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
SUMS = {"+": operator.add, "-": operator.sub, "*": operator.mul}


@dataclass(frozen=True)
class Rule:
    """A constraint as its text, and as what it says of a configuration: None is unknown."""

    text: str
    holds: object


def number(name):
    return Rule(name, lambda config: config.get(name))


def constant(value):
    return Rule(str(value), lambda _: value)


def calculated(sign, one, other):
    def value(config):
        sides = one.holds(config), other.holds(config)
        return None if None in sides else SUMS[sign](*sides)

    return Rule(f"({one.text} {sign} {other.text})", value)


def compared(order, one, other):
    def value(config):
        sides = one.holds(config), other.holds(config)
        return None if None in sides else ORDERS[order](*sides)

    return Rule(f"{one.text} {order} {other.text}", value)


def joined(word, parts):
    def value(config):
        found = [part.holds(config) for part in parts]
        deciding = word == "or"
        if deciding in found:
            return deciding
        return None if None in found else not deciding

    return Rule(f" {word} ".join(f"({part.text})" for part in parts), value)


def opposite(part):
    def value(config):
        found = part.holds(config)
        return None if found is None else not found

    return Rule(f"not ({part.text})", value)


def rules_about(names):
    """Constraints about numbers with these names, each of which names one."""
    numbers = st.sampled_from(names).map(number)
    sums = st.builds(calculated, st.sampled_from(sorted(SUMS)), numbers, numbers)
    constants = st.integers(0, 9).map(constant)
    # two sides of which each has listed values may be refused as never equal: so sums are compared
    equal = st.builds(compared, st.sampled_from(["==", "!="]), sums, numbers | sums | constants)
    rising = st.sampled_from(["<", "<=", ">", ">="])
    simple = equal | st.builds(compared, rising, numbers | sums, numbers | sums | constants)
    return st.recursive(
        simple,
        lambda inner: (
            inner.map(opposite)
            | st.builds(joined, st.sampled_from(["and", "or"]), st.lists(inner, min_size=2))
        ),
        max_leaves=3,
    )


@st.composite
def whole_parameters(draw, most=4):
    """Small ranges of whole numbers, some of which exist only for some values of an earlier one."""
    made = []
    for place in range(draw(st.integers(2, most))):
        when = {}
        if made and draw(st.booleans()):
            parent = draw(st.sampled_from(made))
            values = [value_at(parent, index) for index in range(levels(parent))]
            when = {parent.name: tuple(draw(st.sets(st.sampled_from(values), min_size=1)))}
        low = draw(st.integers(0, 3))
        kinds = [
            IntRange(f"p{place}", low, low + draw(st.integers(1, 3)), when=when),
            IntRange(f"p{place}", low, low + 5, step=2, when=when),
            PowerRange(f"p{place}", 1, 4, when=when),
            Choice(f"p{place}", (1, 3, 4), when=when),
            Fixed(f"p{place}", 2, when=when),
        ]
        made.append(draw(st.sampled_from(kinds)))
    return tuple(draw(st.permutations(made)))


@st.composite
def constrained(draw):
    parameters = draw(whole_parameters())
    rules = draw(st.lists(rules_about([p.name for p in parameters]), max_size=3))
    kept = [rule for rule in rules if len(rule.text) <= 500]
    return SearchSpace(parameters, tuple(rule.text for rule in kept)), kept


def exists(parameter, config):
    return all(
        name in config and any(same(config[name], value) for value in values)
        for name, values in parameter.when.items()
    )


def every_configuration(space, rules):
    """All of them by their definition: combine all values, then leave out what does not exist."""
    found = {}
    axes = [[(p.name, value_at(p, index)) for index in range(levels(p))] for p in space.parameters]
    for whole in map(dict, itertools.product(*axes)):
        config = whole
        while True:
            there = {p.name: config[p.name] for p in space.parameters if p.name in config}
            left = {n: v for n, v in there.items() if exists(space.by_name[n], there)}
            if left == config:
                break
            config = left
        if all(rule.holds(config) is not False for rule in rules):
            found[key(config)] = config
    return found


@EXAMPLES
@given(constrained())
def test_the_space_has_the_configurations_that_keep_its_rules_each_once(made):
    space, rules = made
    expected = every_configuration(space, rules)
    found = list(space.configurations())
    assert sorted(map(key, found)) == sorted(expected)
    assert space.size == len(expected)
    assert grid_size(space, 3) == len(expected)  # of a finite space each value is on the grid
    assert all(list(config) == list(expected[key(config)]) for config in found)


@EXAMPLES
@given(constrained(), st.randoms(use_true_random=False))
def test_draws_keep_the_rules_and_fail_only_where_nothing_keeps_them(made, random):
    space, rules = made
    expected = every_configuration(space, rules)
    point = space.draw(random)
    if point is None:
        assert not expected
        assert any(group.why_empty for group in space.groups)
        return
    assert key(space.configuration(point)) in expected
    assert not any(group.why_empty for group in space.groups)


@EXAMPLES
@given(constrained(), st.randoms(use_true_random=False))
def test_a_configuration_is_judged_as_by_its_rules(made, random):
    space, rules = made
    point = [random.random() for _ in space.searched]
    config = space.configuration(point)
    breaks = [rule.text for rule in rules if rule.holds(config) is False]
    assert space.keeps(config) == space.keeps_at(point) == (not breaks)
    words = space.problems(config, partial=False)
    assert len(words) == len(breaks)
    for text, problem in zip(breaks, words, strict=True):
        assert problem.endswith(f"breaks the constraint {text}")


@EXAMPLES
@given(constrained(), st.randoms(use_true_random=False))
def test_given_places_stay_where_they_are(made, random):
    space, _ = made
    if not space.searched:
        return
    given = [place for place in range(len(space.searched)) if random.random() < 0.4]
    point = [random.random() for _ in space.searched]
    before = list(point)
    if space.redraw(point, random, given):
        assert space.keeps(space.configuration(point))
    assert [point[place] for place in given] == [before[place] for place in given]


@EXAMPLES
@given(constrained())
def test_groups_share_no_parameter_and_hold_all_that_a_rule_names(made):
    space, _ = made
    members = Counter(p.name for group in space.groups for p in group.family)
    members.update(p.name for p in space.free)
    assert members == Counter(p.name for p in space.parameters)
    for rule in space.rules:
        (group,) = (one for one in space.groups if rule in one.rules)
        assert rule.names <= {p.name for p in group.family}


@settings(max_examples=12)
@given(constrained())
def test_boxes_hold_every_configuration_that_keeps_the_rules(made):
    """The boxes are judged by intervals, which must not lose any of them."""
    space, rules = made
    for config in every_configuration(space, rules).values():
        point = space.point(config)
        for group in space.groups:
            # a place that does not exist is anywhere
            sides = [(place, space.searched[place].name in config) for place in group.boxes.places]
            assert any(
                all(
                    not there or low <= point[place] <= high
                    for (place, there), (low, high) in zip(sides, box, strict=True)
                )
                for box in group.boxes.boxes
            )


def test_the_share_that_is_left_is_the_counted_one():
    space = SearchSpace((IntRange("a", 1, 20), IntRange("b", 1, 20)), ("a + b <= 12", "a != b"))
    (group,) = space.groups
    expected = sum(a + b <= 12 and a != b for a in range(1, 21) for b in range(1, 21)) / 400
    assert abs(group.share() - expected) < 0.02
    assert len(group.sample) == 512
    assert all(group.keeps(part) for part in group.sample)


def test_draws_are_even_over_all_configurations():
    """Each of n is drawn with the same probability, whatever boxes it is in."""
    space = SearchSpace((IntRange("a", 1, 4), IntRange("b", 1, 4)), ("a <= b",))
    random = Random(3)
    drawn = Counter(key(space.configuration(space.draw(random))) for _ in range(2000))
    assert len(drawn) == 10
    assert all(120 < times < 290 for times in drawn.values())  # 200, by six deviations


def test_what_is_drawn_last_changes_fastest_and_a_broken_part_is_not_completed():
    space = SearchSpace((IntRange("a", 1, 3), IntRange("b", 1, 3), IntRange("c", 1, 2)))
    seen = []

    def values(parameter):
        for value in all_values(parameter):
            seen.append((parameter.name, value))
            yield value

    tight = SearchSpace(space.parameters, ("a + b <= 2",))
    found = list(combinations(tight.parameters, tight.rules, values))
    assert [tuple(config.values()) for config in found] == [(1, 1, 1), (1, 1, 2)]
    assert Counter(name for name, _ in seen) == {"a": 3, "b": 9, "c": 2}


def test_too_many_combinations_are_not_counted_but_drawn():
    wide = tuple(IntRange(f"n{place}", 1, 1000) for place in range(3))
    space = SearchSpace(wide, ("n0 + n1 + n2 <= 2000",))
    assert space.size is None
    assert space.keeps(space.configuration(space.draw(Random(0))))
    try:
        list(combinations(wide, space.rules, all_values))
    except EndlessError:
        return
    raise AssertionError


@EXAMPLES
@given(whole_parameters(most=7), st.data())
def test_families_are_the_parts_that_nothing_connects(parameters, data):
    names = [p.name for p in parameters]
    ties = data.draw(st.lists(st.sets(st.sampled_from(names), min_size=1, max_size=3), max_size=2))
    links = [{p.name, *p.when} for p in parameters] + ties
    parts = [{name} for name in names]
    for link in links:
        touched = [part for part in parts if part & link]
        parts = [part for part in parts if not part & link] + [set().union(*touched)]
    found = families(parameters, ties)
    assert sorted(sorted(p.name for p in family) for family in found) == sorted(map(sorted, parts))
    for family in found:
        assert parents_first(family)[0] == tuple(family)


@EXAMPLES
@given(whole_parameters(most=7))
def test_parents_come_first_and_otherwise_nothing_moves_without_need(parameters):
    ordered, cycle = parents_first(parameters)
    assert cycle == ()
    places = {p.name: place for place, p in enumerate(ordered)}
    assert sorted(places) == sorted(p.name for p in parameters)
    for parameter in parameters:
        assert all(places[parent] < places[parameter.name] for parent in parameter.when)
    assert parents_first(ordered)[0] == ordered
    without = [p.name for p in parameters if not p.when]
    children = {name for p in parameters for name in p.when}
    alone = [name for name in without if name not in children]
    assert [p.name for p in ordered if p.name in alone] == alone


def test_a_cycle_is_named_from_where_it_begins():
    ring = [Choice(name, (1, 2), when={parent: (1,)}) for name, parent in ("ab", "bc", "ca")]
    before = Choice("z", (1, 2), when={"a": (1,)})
    ordered, cycle = parents_first([before, *ring])
    assert set(cycle) == {"a", "b", "c"}
    assert ordered == (before, *ring)
