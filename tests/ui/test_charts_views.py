"""The charts as text on a screen, and when they are drawn again."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given, settings, strategies as st
from msgspec.structs import replace
from pictures import NOW, context, row, rows, snapshot, spec, study, text
from rich.cells import cell_len
from searches import curve, search

from tuitune.core.space import SearchSpace
from tuitune.core.space.parameters import Choice, FloatRange
from tuitune.core.spec import Objective, PruningSpec
from tuitune.store.reader import Report
from tuitune.ui.charts.best import improvements
from tuitune.ui.charts.ended import EndedTrials
from tuitune.ui.charts.overlaid import overlaid
from tuitune.ui.charts.registry import BY_NAME as CHARTS, chart_named
from tuitune.ui.panes.curve import CurvePane
from tuitune.ui.render.lines import Size, width_of
from tuitune.ui.render.themes import DARK, PLAIN

SEARCH = search(120)
SIZES = [Size(40, 12), Size(80, 20)]


def seen(pic=SEARCH, **selection):
    fields = {"cursor": 118, "marks": {3, 118, 40}, "chart": "curve", **selection}
    return context(pic, **fields)


def shown(seen_at, size=SIZES[1]):
    """A pane's text."""
    pane = CurvePane()
    return text(pane.lines(seen_at, size))


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size.width}x{size.height}")
@pytest.mark.parametrize("ascii_only", [False, True], ids=["full", "ascii"])
@pytest.mark.parametrize("chart", CHARTS)
def test_each_view_looks_as_it_did(chart, ascii_only, size, snapshot):
    words = shown(seen(chart=chart, ascii=ascii_only), size)
    assert words == snapshot
    assert not ascii_only or words.isascii()


@pytest.mark.parametrize(
    "selection",
    [
        {"log_y": True},
        {"inspected": 5},
        {"overlay": False},
        {"chart": "best", "by_time": True},
        {"chart": "slice", "parameter": "optimizer"},
        {"chart": "slice", "parameter": "momentum", "log_y": True},
    ],
    ids=str,
)
def test_each_way_to_look_looks_as_it_did(selection, snapshot):
    assert shown(seen(**selection)) == snapshot


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([chart for chart in CHARTS if chart != "importance"]),
    st.integers(1, 130),
    st.integers(1, 40),
    st.booleans(),
    st.booleans(),
    st.one_of(st.none(), st.integers(0, 119)),
)
def test_no_view_leaves_its_pane(chart, width, height, ascii_only, log_y, cursor):
    at = seen(chart=chart, ascii=ascii_only, log_y=log_y, cursor=cursor)
    lines = CurvePane().lines(at, Size(width, height))
    assert len(lines) <= height
    assert all(width_of(line) <= width for line in lines)


values = st.lists(st.floats(width=32), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(values, min_size=1, max_size=4),
    st.booleans(),
    st.one_of(st.none(), st.integers(0, 50)),
)
def test_any_values_can_be_drawn(reported, log_y, inspected):
    pic = snapshot(rows("c" * len(reported)), curves=dict(enumerate(map(curve, reported))))
    pic.metrics = ("val_loss", "accuracy", "never reported")
    pic.sources._curves = {(n, "accuracy"): curve(one) for n, one in enumerate(reported[1:])}
    for chart in CHARTS:
        at = context(pic, cursor=0, marks={1, 2, 3}, chart=chart, log_y=log_y, inspected=inspected)
        at.selection.span = (2.0, 9.0) if inspected else None
        lines = CurvePane().lines(at, Size(60, 14))
        assert all(width_of(line) <= 60 for line in lines)


def test_lines_have_letters_at_their_ends_and_in_the_legend():
    words = shown(seen(theme=PLAIN))
    assert "a #118 here" in words
    assert "b #3" in words
    assert "* #" in words
    plot = words.splitlines()[1:-1]
    for letter in "abc*":
        assert any(letter in line.split(f"{letter} #")[0] for line in plot), letter


def test_what_is_cut_off_is_marked_and_what_is_no_number_is_named():
    curves = {0: curve([1.0, 0.5, 0.4, 0.3]), 1: curve([1.0, 1e9, math.nan, 1e12])}
    pic = snapshot(rows("cr"), curves=curves)
    assert pic.best == 0
    words = shown(context(pic, cursor=1))
    first_line = words.splitlines()[1]
    assert "^" in first_line
    assert "nan" in first_line
    assert "1.00e12" in words
    ticks = [line.split()[0] for line in words.splitlines()[1:-1] if line[:1].isdigit()]
    assert ticks
    assert all(float(tick) <= 1.1 for tick in ticks)
    pic = snapshot(rows("r"), curves={0: curve([0.3, math.inf])})
    assert "inf" in shown(context(pic, cursor=0)).splitlines()[1]


def test_the_read_out_has_each_lines_value_at_the_step():
    curves = {0: curve([1.0, 0.5, 0.25]), 1: curve([2.0, 1.5])}
    pic = snapshot(rows("cr"), curves=curves)
    words = shown(context(pic, cursor=1, inspected=2, theme=PLAIN))
    assert "epoch 2" in words
    assert "1.5" in next(line for line in words.splitlines() if "a #1" in line)
    assert "0.5" in next(line for line in words.splitlines() if "* #0" in line)
    words = shown(context(pic, cursor=1, inspected=3, theme=PLAIN))
    assert next(line for line in words.splitlines() if "a #1" in line).rstrip().endswith("-")


def test_the_curves_in_colour_are_the_cursors_the_bests_and_the_next_by_rank():
    letters = "c" * 8
    pic = snapshot(rows(letters), curves={n: curve([1.0, 0.5 + 0.01 * n]) for n in range(8)})
    assert [one.trial for one in overlaid(context(pic, cursor=6))] == [6, 0, 1, 2, 3]
    assert [one.trial for one in overlaid(context(pic, cursor=0))] == [0, 1, 2, 3]
    marked = context(pic, cursor=6, marks={7, 5, 99})
    assert [one.trial for one in overlaid(marked)] == [6, 0, 5, 7]
    assert [one.trial for one in overlaid(context(pic, cursor=6, marks={7}, overlay=False))] == [
        6,
        0,
    ]


def test_all_other_curves_are_faint_behind_them():
    pic = snapshot(rows("c" * 30), curves={n: curve([1.0, 0.5 + 0.01 * n]) for n in range(30)})
    lines = CurvePane().lines(context(pic, cursor=29), SIZES[1])
    faint = [
        part for line in lines[1:] for part, role in line if role == "rule" and part.strip("· ")
    ]
    assert faint


def test_every_rung_has_a_guide_even_where_its_label_does_not_fit():
    steps = (1, 2, 3, 4, 5, 6, 7, 8, 9)
    pic = snapshot(rows("c"), curves={0: curve([1.0] * 27)}, study=study(rungs=(steps,)))
    words = shown(context(pic, cursor=0), Size(30, 12)).splitlines()
    assert len(words[-1].split()) < len(steps)
    guides = max(line.count("┆") for line in words[1:-1])
    assert guides == len(steps) - 1  # the first one is at the edge


@pytest.mark.parametrize("chart", CHARTS)
@pytest.mark.parametrize("letters", ["", "w", "r", "c", "f", "rw", "cx"])
@pytest.mark.parametrize("theme", [DARK, PLAIN], ids=lambda theme: theme.name)
def test_no_chart_fails_with_few_trials(chart, letters, theme):
    pic = snapshot(rows(letters))
    for size in (Size(20, 3), Size(76, 10), Size(196, 55)):
        lines = CurvePane().lines(context(pic, chart=chart, theme=theme), size)
        assert all(width_of(line) <= size.width for line in lines)


def test_rungs_are_epochs_on_the_axis():
    pic = snapshot(rows("cc"), curves={0: curve([1.0] * 27), 1: curve([0.9] * 9)})
    assert shown(context(pic, cursor=0)).splitlines()[-1].split() == ["1", "3", "9", "epoch", "27"]


@pytest.mark.parametrize(
    ("chart", "letters", "words"),
    [
        ("curve", "", "no trials yet"),
        ("curve", "w", "#0 waits"),
        ("best", "rr", "no trial has ended with a value yet"),
        ("importance", "ccr", "needs 8 finished trials, has 2"),
        ("parallel", "cr", "needs 2 ended trials with a value, has 1"),
        ("slice", "ww", "no trial with lr has a value yet"),
    ],
)
def test_empty_views_say_what_they_wait_for(chart, letters, words):
    pic = snapshot(rows(letters))
    assert words in shown(context(pic, chart=chart, cursor=0 if letters else None))


def test_without_rungs_that_is_said():
    none = spec(pruning=PruningSpec(method="none"))
    pic = snapshot(rows("cc"), spec=none, study=study(rungs=((),)))
    assert "pruning.method is none" in shown(context(pic, chart="rungs"))
    nothing = spec(space=replace(spec().space, parameters=()))
    pic = snapshot(rows("cc"), spec=nothing)
    assert "no parameter takes more than one value" in shown(context(pic, chart="slice"))


def test_names_from_trials_and_files_can_not_steer_the_terminal_nor_shift_a_line():
    wild = Choice("op\x1b[2Jt", ("\N{CJK UNIFIED IDEOGRAPH-4E00}dam", "s\x1bgd"))
    lr = FloatRange("lr", 1e-4, 1e-1, log=True)
    trials = [row(n, "c", config={wild.name: wild.values[n % 2], "lr": 0.01}) for n in range(12)]
    objective = Objective("lo\x1b[31mss", "min")
    pic = snapshot(trials, spec=spec(space=SearchSpace((wild, lr)), objective=objective))
    for chart in CHARTS:
        words = shown(context(pic, chart=chart, cursor=1, parameter=wild.name))
        assert "\x1b" not in words
        assert all(cell_len(line) <= SIZES[1].width for line in words.splitlines())


def test_nothing_is_drawn_again_while_nothing_has_changed():
    for chart in CHARTS:
        pane, at = CurvePane(), seen(chart=chart)
        pane.lines(at, SIZES[1])
        first = pane.lines(at, SIZES[1])
        SEARCH.version += 1
        assert pane.lines(at, SIZES[1]) is first, chart


def test_a_report_of_a_trial_that_is_drawn_changes_the_curve_and_no_other_does():
    pic = search(30)
    pane, at = CurvePane(), context(pic, cursor=28, marks=set())
    first = pane.lines(at, SIZES[1])
    pic.curves.add(Report(0, 0.0, 4, 1, 30, 0.1, {}))
    assert pane.lines(at, SIZES[1]) is first
    pic.curves.add(Report(0, 0.0, 28, 1, 30, 0.1, {}))
    assert pane.lines(at, SIZES[1]) is not first


def test_another_study_is_another_picture():
    pane = CurvePane()
    one = text(pane.lines(context(search(30), cursor=2, chart="rungs"), SIZES[1]))
    other = text(pane.lines(context(search(60), cursor=2, chart="rungs"), SIZES[1]))
    assert one != other
    assert len(
        {type(chart_named(name)).__name__ + str(chart_named(name)) for name in CHARTS}
    ) == len(CHARTS)


@given(st.lists(st.floats(0, 10), min_size=1, max_size=30), st.sampled_from(["min", "max"]))
def test_each_best_is_better_than_all_before_it(found, mode):
    steps = improvements(found, 1 if mode == "min" else -1)
    better = min if mode == "min" else max
    for place in range(len(found)):
        newest = [step for step in steps if step <= place][-1]
        assert found[newest] == better(found[: place + 1])
        assert found.index(found[newest]) == newest


def test_best_names_the_trials_that_set_it_and_says_when_none_is_complete():
    values_of = [0.9, 0.5, 0.7, 0.3]
    complete = [row(n, "c", value=value) for n, value in enumerate(values_of)]
    words = shown(context(snapshot(complete), chart="best"))
    assert "0.3 #3" in words
    assert all(f"#{n}" in words for n in (0, 1, 3))
    assert "#2" not in words
    pruned = [row(n, "x", value=value) for n, value in enumerate(values_of)]
    assert "none complete" in shown(context(snapshot(pruned), chart="best"))
    assert "no better for" not in words
    since = [row(n, "c", value=value) for n, value in enumerate([0.5, 0.3])]
    since += [row(n, "x", value=0.4) for n in (2, 3)]
    assert "0.3 #1, no better for 2 trials" in shown(context(snapshot(since), chart="best"))
    highest = snapshot(complete, spec=spec(objective=Objective("accuracy", "max")))
    assert "0.9 #0" in shown(context(highest, chart="best"))


def test_trials_that_end_or_go_on_later_are_followed_one_by_one():
    """The list that is kept is that of all rows, made anew."""
    random = Random(3)
    pic = snapshot(rows("c" * 12))
    kept = EndedTrials()
    for version in range(2, 60):
        number = random.randrange(12)
        state = random.choice("crxf")
        pic.rows[number] = row(
            number,
            state,
            value=random.choice([None, 0.1 * random.randrange(9)]),
            ended=None if state == "r" else NOW - random.randrange(50),
            changed=100 + version,
        )
        pic.version = version
        fresh = EndedTrials()
        assert kept.follow(pic) == fresh.follow(pic)
        assert kept.values == fresh.values
        assert kept.counted() == fresh.counted()
