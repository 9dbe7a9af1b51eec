"""The table as it is read on a screen, at every width."""

from __future__ import annotations

import math
from array import array
from itertools import pairwise

import pytest
from clusters import cluster
from hypothesis import given, strategies as st
from pictures import NOW, context, gpu, row, rows, snapshot, spec, study, text

from tuitune.core.events import Settings
from tuitune.core.space import SearchSpace
from tuitune.core.space.parameters import Choice, Fixed, FloatRange, IntRange, PowerRange, Sampled
from tuitune.core.spec import Objective, PruningSpec
from tuitune.store.curves import Curve
from tuitune.ui.panes.pane import Click
from tuitune.ui.panes.trials import PANE, TrialsPane
from tuitune.ui.render.lines import Size, width_of
from tuitune.ui.state.render_context import Selection
from tuitune.ui.table.columns import columns, last_first_column, seen
from tuitune.ui.table.filtering import parse
from tuitune.ui.table.sorting import Sort

WIDTHS = (60, 80, 120, 200)
MANY = spec(
    space=SearchSpace(
        (
            FloatRange("lr", 1e-5, 1e-1, log=True),
            FloatRange("dropout", 0.0, 0.5),
            IntRange("layers", 1, 12),
            PowerRange("batch", 16, 1024),
            Choice("optimizer", ("sgd", "adamw")),
            Fixed("seed", 3),
            Choice("flip", (True, False)),
            Sampled("betas", "toy.py:betas"),
            *(FloatRange(f"w{place}", -1.0, 1.0) for place in range(8)),
        )
    )
)


def falling(first, count):
    values = [first + math.exp(-step / 3) for step in range(count)]
    return Curve(array("q", range(1, count + 1)), array("d", values))


def table(seen_picture, width=80, height=12, **selection):
    return text(
        TrialsPane().lines(context(seen_picture, **selection), Size(width, height))
    ).splitlines()


def mixed():
    """A table of every state, with one curve."""
    states = [
        row(
            0,
            "c",
            value=0.0712,
            best=0.0712,
            config={"lr": 3.1e-3, "layers": 4, "optimizer": "adamw"},
        ),
        row(1, "r", value=0.079, step=3, started=NOW - 1320),
        row(2, "p", value=0.0822, started=NOW - 42),
        row(3, "x", value=0.153),
        row(4, "f", value=None, error="Traceback …\nValueError: no such thing"),
        row(5, "k", value=123.4),
        row(6, "r", value=None, step=0, best=None, rung=None, activity="starting", started=NOW - 4),
        row(7, "w", config={"lr": 1e-4, "layers": 1}),
    ]
    return snapshot(states, curves={0: falling(0.0712, 27), 1: falling(0.079, 3)})


def test_the_table_at_80_columns():
    assert table(mixed(), marks={2}, cursor=1) == [
        " 2 Trials 8 by val_loss ▴ ────────────────────────── 1 marked  4 more columns >",
        "    #  state       epoch   val_loss▴ curve        lr  layers  optimizer    time",
        " ★  0  ✓ complete  27/27     0.0712  ⠑⢄⣀⣀⣀⣀  3.10e-3       4  adamw       2m00s",
        "    1  ▸ running    3/27     0.0790  ⠱⡀      2.00e-3       2  sgd           22m",
        "+   2  = paused     9/27     0.0822          3.00e-3       3  sgd           42s",
        "    3  ▾ pruned     9/27     0.1530          4.00e-3       4  sgd         2m00s",
        "    5  x killed     9/27   123.4000          6.00e-3       6  sgd         2m00s",
        "    4  ! failed     9/27        nan          5.00e-3       5  sgd         2m00s",
        "    6  ◌ starting   0/27          -          7.00e-3       1  sgd            4s",
        "    7  . waiting    0/27          -          1.00e-4       1  -               -",
    ]


def test_at_60_columns_what_matters_is_there():
    lines = table(mixed(), 60)
    assert lines[0] == " 2 Trials 8 by val_loss ▴ " + "─" * 16 + " 6 more columns >"
    assert lines[1].split() == ["#", "state", "epoch", "val_loss▴", "curve", "lr", "layers"]
    assert lines[2].split()[:5] == ["★", "0", "✓", "complete", "27/27"]


def test_wider_tables_have_more_columns_and_the_note_gets_the_rest():
    assert "best" in table(mixed(), 120)[1]
    lines = table(mixed(), 200)
    assert lines[1].split()[-5:] == ["time", "rung", "best", "tries", "note"]
    failed = next(line for line in lines if "! failed" in line)
    assert failed.endswith("ValueError: no such thing")


def test_ascii_has_no_sign_of_another_set():
    lines = table(mixed(), 200, ascii=True)
    assert text([((line, ""),) for line in lines]).isascii()
    assert "v complete" in lines[2]
    assert "'" in lines[2]  # the curve begins high


def test_every_column_comes_by_sideways_in_the_order_of_the_study_file():
    seen_picture = snapshot(rows("c"), spec=MANY)
    made = columns(seen_picture)
    last = last_first_column(made, Selection(), 80)
    shown = [
        [column.key for column in seen(made, Selection(first_column=first), 80)]
        for first in range(last + 1)
    ]
    every = list(dict.fromkeys(key for keys in shown[1:] for key in keys))
    assert every == [column.key for column in made if column.key != "step"]
    assert shown[last][-1] == "note"
    assert [k for k in every if k.startswith("config.")][:7] == [
        f"config.{name}"
        for name in ("lr", "dropout", "layers", "batch", "optimizer", "flip", "betas")
    ]


def test_wide_shows_parameters_before_all_else_and_hidden_columns_go():
    seen_picture = snapshot(rows("c"), spec=MANY)
    assert table(seen_picture, wide=True)[1].split()[:5] == [
        "#", "state", "lr", "dropout", "laye…",
    ]  # fmt: skip
    assert "lr" not in table(seen_picture, hidden=frozenset({"config.lr"}))[1].split()


def test_parameters_are_written_so_that_their_points_stand_in_line():
    config = {
        "lr": 0.00312, "dropout": 0.1, "layers": 12, "batch": 64, "optimizer": "sgd",
        "flip": True, "betas": [0.9, 0.99], "w0": -0.5,
    }  # fmt: skip
    seen_picture = snapshot([row(0, config=config)], spec=MANY)
    line = table(seen_picture, 200, wide=True)[2]
    for cell in ("3.12e-3", "0.100", " 12 ", " 64 ", " sgd ", " true ", "[0.9, 0~", "-0.500"):
        assert cell in line
    assert " - " in line  # what it doesn't have


@pytest.mark.parametrize("width", WIDTHS)
def test_no_column_moves_while_values_change(width):
    before = snapshot([row(0, "r", value=0.1, step=1, started=NOW - 5)], spec=MANY)
    after = snapshot(
        [row(0, "c", value=-1.5e-17, step=27, started=NOW - 90000, ended=NOW, best=1e300)],
        spec=MANY,
    )
    heads = [table(one, width)[1] for one in (before, after)]
    assert heads[0] == heads[1]
    starts = [
        [width_of(line) for line in TrialsPane().lines(context(one), Size(width, 3))]
        for one in (before, after)
    ]
    assert starts[0] == starts[1]


def test_the_window_shows_the_cursor_at_any_height():
    seen_picture = snapshot(rows("c" * 100))
    assert "70" in "\n".join(table(seen_picture, height=5, cursor=70))
    assert len(table(seen_picture, height=5, cursor=70)) == 5


def test_what_hides_trials_is_said_above_them():
    seen_picture = snapshot(rows("crfcc"))
    selection = {"filter": parse("state:done", seen_picture.spec), "frozen": True, "anchor": 0}
    title = table(seen_picture, 120, marks={0, 3}, **selection)[0]
    assert "Trials 3 of 5" in title
    assert "/state:done" in title
    assert "updates off" in title
    assert "range 2 marked" in title
    assert "by val_loss ▾" in table(seen_picture, sort=Sort("value", reversed=True))[0]


def test_a_filter_that_finds_nothing_says_how_to_see_all_again():
    seen_picture = snapshot(rows("cc"))
    lines = table(seen_picture, filter=parse("state:run", seen_picture.spec))
    assert "Trials 0 of 2" in lines[0]
    assert lines[2] == "no trial matches; <pane.back> clears the filter"


def test_before_the_first_trial_it_says_what_is_awaited():
    lines = table(snapshot([]))
    assert lines[0].startswith(" 2 Trials 0")
    assert "first configuration" in "\n".join(lines[1:])


def test_gpus_are_named_by_their_index_and_only_where_there_are_some():
    trial = row(0, "r", device="GPU-0003,GPU-0001")
    devices = [gpu(3), gpu(1)]
    assert "gpu" in table(snapshot([trial], devices=devices), 100)[1]
    assert " 3,1 " in table(snapshot([trial], devices=devices), 100)[2]
    assert "gpu" not in table(snapshot([trial]), 100)[1]


def test_on_a_cluster_a_trial_has_its_node_and_the_gpus_there():
    trials = [
        row(0, "r", node="gpu-00", device="gpu-00, GPU 0+1"),
        row(1, "r", node="gpu-01", device="gpu-01"),
        row(2, "c", node="gpu-01"),
    ]
    settings = Settings(20, None, 1.0, None, 2, None, None, None, gpus=2.0)
    of = study(settings=settings)
    lines = table(snapshot(trials, devices=cluster(2), study=of), 100)
    where = lines[1].index("node")
    places = [line[where:].split()[0] for line in lines[2:5]]
    assert places == ["gpu-00:0+1", "gpu-01", "gpu-01"]


def test_titles_are_whole_on_a_wide_screen_where_enough_parameters_fit_so():
    names = ("lr", "weight_decay", "batch_size", "label_smoothing", "warmup_epochs", "momentum")
    space = SearchSpace(tuple(IntRange(name, 1, 9) for name in names))
    made = columns(snapshot(rows("c"), spec=spec(space=space)))
    for width in range(60, 200):
        shown = seen(made, Selection(), width)
        parameters = [one for one in shown if one.key.startswith("config.")]
        cut = [one.title for one in parameters if len(one.title) > one.width]
        assert not cut or width < 96, (width, cut)
        assert len(parameters) >= min(len(names), 4) or width < 90


def test_parameters_are_in_the_order_of_their_importance_once_it_is_known():
    ranked = snapshot(rows("c"))
    ranked.ranked = ("optimizer", "lr")
    assert table(ranked)[1].split()[5:8] == ["optimizer", "lr", "layers"]


def test_all_of_seven_parameters_are_seen_beside_a_chart_and_three_at_80_columns():
    numbers = (FloatRange(name, 1e-5, 1e-1, log=True) for name in ("lr", "weight_decay"))
    space = SearchSpace(
        (
            Choice("optimizer", ("sgd", "adamw")),
            *numbers,
            PowerRange("batch_size", 16, 128),
            PowerRange("channels", 8, 32),
            IntRange("layers", 1, 3),
            FloatRange("dropout", 0.0, 0.5, step=0.05),
        )
    )
    of = spec(space=space, objective=Objective("val_accuracy", "max"))
    table_at = {80: 78, 140: 88}  # cells of the table by those of the screen
    for width, least in ((80, 3), (140, 7)):
        shown = seen(columns(snapshot(rows("c"), spec=of)), Selection(), table_at[width])
        assert sum(column.key.startswith("config.") for column in shown) >= least


def test_no_title_is_cut_for_a_lesser_column():
    for width in range(60, 120):
        shown = seen(columns(snapshot(rows("c"))), Selection(), width)
        lesser = [column for column in shown if column.key in {"time", "rung", "best", "tries"}]
        assert not lesser or all(len(one.title) <= one.width for one in shown[1:])


def test_without_rungs_or_a_maximum_those_columns_are_plain():
    of = spec(pruning=PruningSpec(), objective=Objective("a_very_long_metric_name", "max"))
    lines = table(snapshot([row(0, step=123_456)], spec=of, study=study(rungs=())), 80)
    assert "rung" not in lines[1]
    assert "a_very_long_m…▾" in lines[1]
    assert " 123k " in lines[2]


def test_text_of_trials_steers_no_terminal():
    of = spec(space=SearchSpace((Choice("name", ("a\x1b[2J", "b")),)))
    trial = row(0, "f", config={"name": "a\x1b[2J"}, error="\x1b]0;x\x07bad")
    assert "\x1b" not in text(TrialsPane().lines(context(snapshot([trial], spec=of)), Size(200, 5)))


def test_no_two_columns_have_one_letter():
    letters = [column.letter for column in columns(snapshot([], spec=MANY)) if column.letter]
    assert len(letters) == len(set(letters)) == len(columns(snapshot([], spec=MANY)))


@given(
    states=st.text("crwpxfk", max_size=12),
    width=st.integers(60, 220),
    height=st.integers(1, 20),
    first=st.integers(0, 30),
    wide=st.booleans(),
    cursor=st.none() | st.integers(0, 20),
)
def test_it_never_leaves_its_room(states, width, height, first, wide, cursor):
    seen_picture = snapshot(rows(states), spec=MANY)
    lines = TrialsPane().lines(
        context(seen_picture, wide=wide, first_column=first, cursor=cursor), Size(width, height)
    )
    assert len(lines) <= height
    assert all(width_of(line) <= width for line in lines)


@given(st.integers(60, 300), st.integers(60, 300))
def test_a_wider_table_has_no_fewer_columns(one, other):
    made = columns(snapshot([], spec=MANY))
    counts = [len(seen(made, Selection(), width)) for width in sorted((one, other))]
    assert all(less <= more for less, more in pairwise(counts))


def test_a_trial_at_a_rung_is_held_and_one_that_a_person_stopped_is_paused():
    lines = table(
        snapshot([row(0, "p", at_rung=True), row(1, "p"), row(2, "p", activity="frozen")])
    )
    words = "\n".join(lines)
    assert ": held" in words
    assert "= paused" in words
    assert "_ frozen" in words


def failing(count=6):
    """Some complete trials, and some that failed with one of two errors."""
    config = {"lr": 0.01, "layers": 2}
    trials = [row(number, "c", config={**config, "optimizer": "adamw"}) for number in range(4)]
    for number in range(4, 4 + count):
        usual = number > 4
        error = "exit status 3" if usual else "Traceback\nValueError: too deep"
        own = {**config, "optimizer": "sgd" if usual else "adamw"}
        trials.append(row(number, "f", config=own, error=error, value=None, step=None))
    return snapshot(trials)


@pytest.mark.parametrize("width", WIDTHS)
def test_failures_alone_are_grouped_and_their_reason_follows_the_state(width):
    made = failing()
    lines = table(made, width, filter=parse("has:error", made.spec))
    assert "5x exit status 3  all with optimizer = " in lines[1]
    assert "1x " in lines[2]
    assert "ValueError" in lines[2]
    assert lines[3].split()[:3] == ["#", "state", "reason"]
    first = next(line for line in lines[4:] if "failed" in line and " 5 " in line)
    assert first.split("failed")[1].split()[:3] == ["exit", "status", "3"]


def test_failures_among_others_are_not_grouped():
    made = failing()
    assert not any("5x" in line for line in table(made, filter=parse("lr<1", made.spec)))
    assert not any("5x" in line for line in table(made))


def test_many_errors_leave_room_for_the_trials():
    trials = [row(number, "f", error=f"error {number}") for number in range(30)]
    made = snapshot(trials)
    lines = table(made, height=14, filter=parse("state:failed", made.spec))
    assert "27 other errors" in lines[4]
    assert len(lines) == 14
    assert sum("! failed" in line for line in lines) == 8


def test_a_click_below_the_errors_hits_the_trial_under_it():
    made = failing()
    seen_at = context(made, filter=parse("has:error", made.spec))

    class Desk:
        snapshot, selection, order = made, seen_at.selection, seen_at.order

        def size_of(self, pane):
            return Size(80, 12)

    PANE.click(Desk(), Click(4, 5, double=False))
    assert seen_at.selection.cursor == seen_at.order.numbers[1]
