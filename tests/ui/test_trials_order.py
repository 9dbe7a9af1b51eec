"""The table's order is the one sort and filter ask for, however it was come by."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given, settings, strategies as st
from pictures import NOW, StubSources, row, rows, snapshot, spec

from tuitune.core.space import SearchSpace
from tuitune.core.space.parameters import Choice, FloatRange, IntRange, Sampled
from tuitune.core.spec import Objective
from tuitune.ui.state.render_context import Selection
from tuitune.ui.table.filtering import ALL, parse
from tuitune.ui.table.order import NEAR, Order, window
from tuitune.ui.table.sorting import Sort, rises

MANY = spec(
    space=SearchSpace(
        (
            FloatRange("lr", 1e-4, 1e-1, log=True),
            IntRange("layers", 1, 6),
            Choice("optimizer", ("sgd", "adamw", "lion")),
            Choice("mixed", (1, "two", True)),
            Sampled("shape", "toy.py:shape"),
        )
    )
)
FIGURES = ["trial", "state", "device", "rung", "step", "value", "best", "time", "tries"]
KEYS = [*FIGURES, *(f"config.{name}" for name in MANY.space.by_name)]
SORTS = st.builds(Sort, st.sampled_from(KEYS), st.booleans())
FILTERS = st.sampled_from(["", "state:run", "lr<1e-2", "sgd", "!has:value", "rung>=1"])
CONFIG = st.fixed_dictionaries(
    {},
    optional={
        "lr": st.sampled_from([1e-4, 1e-3, 0.1]),
        "layers": st.integers(1, 6),
        "optimizer": st.sampled_from(["sgd", "adamw", "lion"]),
        "mixed": st.sampled_from([1, "two", True]),
        "shape": st.sampled_from(["ab", "a", [1, 2], {"b": 1}, 3]),
    },
)
CHANGES = st.fixed_dictionaries(
    {"config": CONFIG, "state": st.sampled_from("wrpcxfk")},
    optional={
        "value": st.sampled_from([None, 0.1, 0.2, math.nan, math.inf, -math.inf]),
        "best": st.sampled_from([None, 0.1, 0.3]),
        "rung": st.sampled_from([None, 0, 1, 2]),
        "step": st.sampled_from([None, 0, 3, 9]),
        "device": st.sampled_from(["", "cpu", "cpu2"]),
        "attempt": st.integers(0, 2),
        "started": st.sampled_from([None, NOW - 50, NOW - 5]),
        "ended": st.sampled_from([None, NOW - 4]),
    },
)


def trial(number, changes):
    fields = dict(changes)
    return row(number, fields.pop("state"), **fields)


def followed(seen, selection=None):
    order, selection = Order(), selection or Selection()
    order.follow(seen, selection)
    return order, selection


@settings(max_examples=200, deadline=None)
@given(
    first=st.lists(CHANGES, min_size=10, max_size=14),
    ticks=st.lists(st.lists(st.tuples(st.integers(0, 17), CHANGES), max_size=3), max_size=6),
    sort=SORTS,
    words=FILTERS,
)
def test_following_changes_comes_to_the_order_from_scratch(first, ticks, sort, words):
    seen = snapshot([trial(n, changes) for n, changes in enumerate(first)], spec=MANY)
    selection = Selection(sort=sort, filter=parse(words, MANY))
    order, _ = followed(seen, selection)
    for tick in ticks:
        seen.changed = set()
        seen.now += 1.0
        for number, changes in tick:
            number = min(number, len(seen.rows))  # noqa: PLW2901 - a new one comes at the end
            seen.rows[number : number + 1] = [trial(number, changes)]
            seen.changed.add(number)
        order.follow(seen, selection)
        scratch, _ = followed(seen, Selection(sort=selection.sort, filter=selection.filter))
        assert order.numbers == scratch.numbers
        for line, number in enumerate(order.numbers):
            assert order.position(number) == line
        assert selection.cursor in order.numbers or not order.numbers
        assert (
            selection.top <= (order.position(selection.cursor) or 0) < selection.top + order.lines
        )


@settings(max_examples=100, deadline=None)
@given(first=st.lists(CHANGES, max_size=12), key=st.sampled_from(KEYS))
def test_turned_round_only_equals_and_what_is_missing_stay(first, key):
    seen = snapshot([trial(n, changes) for n, changes in enumerate(first)], spec=MANY)
    up, _ = followed(seen, Selection(sort=Sort(key)))
    down, _ = followed(seen, Selection(sort=Sort(key, reversed=True)))
    assert sorted(up.numbers) == sorted(down.numbers) == list(range(len(first)))
    assert (
        groups(up) == [*groups(down, missing=False)[::-1], *groups(down)[-1:]]
        or groups(up) == groups(down)[::-1]
    )


def groups(order, *, missing=True):
    """The numbers of equals together, in the order of the table."""
    found: list[list[int]] = []
    ranks: list[object] = []
    for number in order.numbers:
        rank = order._placed[number]
        if ranks and ranks[-1] == rank:
            found[-1].append(number)
        else:
            found.append([number])
            ranks.append(rank)
    if not missing and ranks and ranks[-1] in (math.inf, (1, ())):
        return found[:-1]
    return found


@pytest.mark.parametrize("mode", ["min", "max"])
def test_the_best_comes_first_and_what_is_missing_last(mode):
    values = [0.5, None, 0.1, math.nan, 0.9, 0.1, math.inf]
    of = spec(objective=Objective("score", mode))
    seen = snapshot([row(n, value=value) for n, value in enumerate(values)], spec=of)
    best_first, _ = followed(seen)
    worst_first, _ = followed(seen, Selection(sort=Sort("value", reversed=True)))
    low, high = [2, 5, 0, 4], [4, 0, 2, 5]
    assert best_first.numbers == [*(low if mode == "min" else high), 1, 3, 6]
    assert worst_first.numbers == [*(high if mode == "min" else low), 1, 3, 6]
    assert rises(Sort("value"), of) is (mode == "min")


def test_choices_stand_in_the_order_of_the_study_file():
    names = ["lion", "sgd", "adamw", "sgd"]
    seen = snapshot([row(n, config={"optimizer": name}) for n, name in enumerate(names)], spec=MANY)
    order, _ = followed(seen, Selection(sort=Sort("config.optimizer")))
    assert order.numbers == [1, 3, 2, 0]


def test_what_runs_stands_first_by_state_and_the_longest_by_time():
    seen = snapshot(rows("cwrfp"))
    assert followed(seen, Selection(sort=Sort("state")))[0].numbers == [2, 4, 1, 0, 3]
    assert followed(seen, Selection(sort=Sort("time")))[0].numbers == [2, 4, 0, 3, 1]


def test_times_go_on_without_a_change():
    trials = [row(0, "c", started=NOW - 60, ended=NOW - 30), row(1, "r", started=NOW - 10)]
    seen = snapshot(trials)
    selection = Selection(sort=Sort("time"))
    order, _ = followed(seen, selection)
    assert order.numbers == [0, 1]
    seen.now += 60.0
    order.follow(seen, selection)
    assert order.numbers == [1, 0]


# --- the cursor and the window ---------------------------------------------------------------------


def change(seen, number, **changes):
    seen.rows[number] = msgspec.structs.replace(seen.rows[number], **changes)
    seen.changed = {number}


def test_the_cursor_goes_with_its_trial():
    seen = snapshot(rows("c" * 30))
    order, selection = followed(seen)
    selection.cursor = 7
    order.follow(seen, selection)
    change(seen, 7, value=9.0)
    order.follow(seen, selection)
    assert (selection.cursor, order.position(7)) == (7, 29)
    assert selection.top == 30 - order.lines


def test_what_is_marked_is_looked_at_and_not_left_for_a_better_one():
    seen = snapshot(rows("c" * 30))
    order, selection = followed(seen)
    assert selection.cursor == 0
    change(seen, 0, value=9.0)
    order.follow(seen, selection)
    assert (selection.cursor, selection.top) == (1, 0)
    selection.marks.add(1)
    order.follow(seen, selection)
    change(seen, 1, value=9.0)
    order.follow(seen, selection)
    assert selection.cursor == 1


def test_in_the_middle_of_the_table_the_cursors_line_stands_still():
    seen = snapshot(rows("c" * 60))
    order, selection = followed(seen)
    selection.cursor, selection.top = 30, 20
    order.follow(seen, selection)
    change(seen, 50, value=0.0)
    order.follow(seen, selection)
    assert (order.position(30), selection.top) == (31, 21)


def test_what_a_filter_hides_comes_back_with_it():
    seen = snapshot(rows("cccrcc"))
    order, selection = followed(seen)
    selection.cursor = 4
    order.follow(seen, selection)
    selection.filter = parse("state:run", seen.spec)
    order.follow(seen, selection)
    assert selection.cursor == 3
    selection.filter = parse("state:kill", seen.spec)
    order.follow(seen, selection)
    assert selection.cursor is None
    assert order.numbers == []
    selection.filter = ALL
    order.follow(seen, selection)
    assert selection.cursor == 4


def test_a_trial_that_drops_out_of_the_filter_leaves_its_line_to_the_next():
    seen = snapshot(rows("rrrrrrrrrr"))
    selection = Selection(filter=parse("state:run", seen.spec), cursor=4)
    order, _ = followed(seen, selection)
    change(seen, 4, state="COMPLETE", ended=NOW)
    order.follow(seen, selection)
    assert (selection.cursor, order.position(5)) == (5, 4)


def test_a_lost_engine_is_another_state_of_what_ran():
    seen = snapshot(rows("rc"))
    selection = Selection(filter=parse("state:lost", seen.spec))
    order, _ = followed(seen, selection)
    assert order.numbers == []
    seen.engine.state = "gone"
    seen.changed = set()
    order.follow(seen, selection)
    assert order.numbers == [0]


@given(
    top=st.integers(-5, 60),
    cursor=st.integers(0, 49),
    count=st.integers(1, 50),
    lines=st.integers(1, 60),
)
def test_the_window_has_the_cursor_and_no_empty_line(top, cursor, count, lines):
    cursor = min(cursor, count - 1)
    first = window(top, cursor, count, lines)
    assert first <= cursor < first + lines
    assert first == 0 or first + lines <= count


def test_a_picture_of_another_study_is_sorted_anew():
    order, selection = followed(snapshot(rows("ccc")))
    other = snapshot(rows("cc"))
    other.sources = StubSources()
    order.follow(other, selection)
    assert order.numbers == [0, 1]


def test_a_cursor_nobody_has_moved_stays_among_the_first_and_is_not_taken_along_by_each_leader():
    seen = snapshot([row(n, "r", value=1.0 + n) for n in range(9)])
    order, selection = followed(seen)
    assert selection.cursor == 0
    for number in range(1, NEAR + 1):
        change(seen, number, value=0.1 - number / 100)
        order.follow(seen, selection)
        assert order.numbers[0] == number
        assert selection.cursor == (0 if number < NEAR else number)
    selection.sort = Sort("trial", reversed=True)
    order.follow(seen, selection)
    assert selection.cursor == 8
