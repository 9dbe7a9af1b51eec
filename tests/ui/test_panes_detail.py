"""A trial in detail: its configuration, what it does, and why, at each size."""

import pytest
from pictures import NOW, context, row, rows, snapshot, spec, study, text

from tuitune.core.events import Exited, StopReason, Verdict
from tuitune.core.space import SearchSpace
from tuitune.core.space.parameters import FloatRange
from tuitune.ui.panes import detail
from tuitune.ui.panes.detail import DetailPane
from tuitune.ui.render.lines import Size, width_of

WIDTHS = (60, 80, 140, 200)
RANKED = "rung 1 (epoch 3): rank 9 of 33"
VERDICT = Verdict(NOW - 60, 0, 1, 3, "go", True, 1, 9, 33, 0.52, RANKED)


def drawn(trial, width=60, height=24, facts=(), engine="running", **selection):
    pict = snapshot([trial], facts={0: list(facts)}, engine=engine, **selection.pop("parts", {}))
    return DetailPane().lines(context(pict, cursor=0, **selection), Size(width, height))


def said(trial, *args, **kwargs):
    return text(drawn(trial, *args, **kwargs))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("height", [1, 3, 8, 30])
@pytest.mark.parametrize("letter", "wrpcxfk")
@pytest.mark.parametrize("engine", ["running", "silent", "gone", "finished"])
def test_nothing_is_wider_or_higher_than_the_pane(width, height, letter, engine):
    lines = drawn(row(0, letter), width, height, [VERDICT], engine)
    assert len(lines) <= height
    assert all(width_of(line) <= width for line in lines)


def test_values_stand_aligned_in_the_spaces_order_as_the_file_spells_them():
    given = {"optimizer": "sgd", "layers": 3, "lr": 0.0123456789, "beta": [0.9, True]}
    shown = said(row(0, config=given)).splitlines()
    assert [line[:44] for line in shown[1:3]] == [
        "lr     0.0123456789   optimizer sgd",
        "layers 3              beta      [0.9, true]",
    ]


def test_many_parameters_stand_in_columns():
    names = [f"p{n:02d}" for n in range(40)]
    space = SearchSpace(tuple(FloatRange(name, 0.0, 1.0) for name in names))
    wide = row(0, config=dict.fromkeys(names, 0.5))
    shown = said(wide, 100, 20, parts={"spec": spec(space=space)})
    assert all(f"{name} 0.5" in shown for name in names)


def test_three_lines_have_what_is_needed_most():
    shown = said(row(0, "r"), 80, 3, [VERDICT]).splitlines()
    assert "#0 ▸ running" in shown[0]
    assert shown[1] == "lr 1.00e-3  layers 1  optimizer sgd"
    assert shown[2].startswith("✓ epoch 3 9th of 33, needed 0.52")
    assert said(row(0, "r"), 80, 3).splitlines()[2].startswith("is running  cpu, pid 4000")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"activity": "starting", "launched": NOW - 12}, "is starting, 12s"),
        ({"kill_at": NOW + 6}, "will be killed in 6s; <trial.undo> undoes that"),
        ({"activity": "ending", "ending": StopReason.PRUNED}, "is stopping: pruned"),
        (
            {"activity": "ending", "ending": StopReason.DRAIN, "due": NOW + 9},
            "the study stops; ended by force in 9s",
        ),
        ({"step": 0, "value": None, "launched": NOW - 12}, "runs, no report yet, 12s"),
    ],
)
def test_what_it_does_in_words(changes, words):
    assert words in said(row(0, "r", **changes), 80)


def test_what_it_has_used_of_gpus():
    assert "used    2 GPU-hours, 350 Wh" in said(row(0, "c", gpu_seconds=7200.0, energy=1.26e6), 80)
    assert "GPU-hours" not in said(row(0, "c"), 80)


def test_a_checkpoint_that_one_node_alone_has_is_said_to_be_there():
    place = {"attempt": 1, "checkpoint": 6, "node": "gpu-07"}
    assert "checkpoint at epoch 6 on gpu-07 alone" in said(
        row(0, "p", saved_on="gpu-07", **place), 120
    )
    assert "alone" not in said(row(0, "p", **place), 120)


def test_what_one_that_does_not_run_waits_for():
    assert "is frozen: it can't save" in said(row(0, "p", activity="frozen"), 80)
    parked = row(0, "p", activity="parked", note="made way on GPU 0")
    assert "is parked: made way on GPU 0" in said(parked, 80)
    assert "is held at rung 1 (epoch 3) until it is promoted" in said(row(0, "p", at_rung=True), 80)
    assert "is waiting" in said(row(0, "w"), 80)
    assert "paused by hand" in said(row(0, "p", note="paused by hand; goes on from step 3"), 80)


def test_a_trial_that_never_reports_is_asked_about_with_the_last_line_of_its_log(tmp_path):
    log = tmp_path / "trials" / "0000" / "output.log"
    log.parent.mkdir(parents=True)
    log.write_text("loading data\n\x1b[1mstep 100\x1b[0m\n")
    quiet = row(0, "r", step=0, value=None, launched=NOW - 65)
    shown = said(quiet, 100, parts={"folder": tmp_path})
    assert "no report after 1m05s: is report() called? log: step 100" in shown


def test_without_an_engine_what_ran_is_lost_and_says_from_where_it_goes_on():
    assert "continues it from epoch 6" in said(row(0, "r", checkpoint=6), 80, engine="gone")
    assert "continues it from the start" in said(row(0, "r"), 80, engine="gone")


def test_an_error_is_shown_whole_with_what_was_printed_last():
    error = "ValueError: " + "a long reason " * 12 + "THE END"
    gone = Exited(NOW, 0, 0, 1, None, error, "Traceback\n  line 3\nValueError", 0, lost=False)
    shown = said(row(0, "f", error=error), 60, 40, [gone])
    assert "THE END" in shown
    assert "  line 3" in shown


def test_where_it_runs_and_since_when():
    shown = said(row(0, "r", checkpoint=6, attempt=2, value=0.3, best=0.2), 80)
    assert "cpu, pid 4000, 2 attempts, checkpoint at epoch 6" in shown
    assert "0.3 at epoch 9/27, best 0.2" in shown
    assert "ago" in shown
    assert "sobol: point 0 of the sequence" in shown


def test_where_it_runs_names_its_node_also_once_it_has_ended():
    assert "gpu-07, GPU 3, pid" in said(row(0, "r", node="gpu-07", device="gpu-07, GPU 3"), 80)
    assert "gpu-07, 1 attempt" in said(row(0, "c", node="gpu-07"), 80)


def test_a_long_text_is_scrolled_and_never_past_its_end():
    failed = row(0, "f", error="\n".join(f"line {n}" for n in range(60)))
    assert "line 59" not in said(failed, 60, 10)
    seen = context(snapshot([failed]), cursor=0)
    size = Size(60, 10)
    last = detail.length(seen, size)
    shown = said(failed, 60, 10, scrolled={"detail": last + 100})
    assert len(shown.splitlines()) == 10
    assert "sobol: point 0" in shown
    assert "above" in shown.splitlines()[0]


def test_no_text_of_a_trial_can_be_an_escape_code():
    wild = row(0, "f", error="\x1b[2J\x07bad", config={"lr\x1b[0m": "\x1b]0;x\x07"}, device="\x9bm")
    for height in (3, 30):
        assert said(wild, 80, height).replace("\n", "").isprintable()


def test_before_the_first_trial_it_tells_what_is_awaited_and_the_first_keys():
    cases = [
        ("importing", "toy.py:train is being imported, 4s"),
        ("running", "sobol chooses the first configuration"),
        ("failed", "ValueError: no data"),
        ("gone", "<study.restart> restarts the engine, or `tuitune toy.toml` continues it"),
        ("finished", "the study is finished without a trial"),
    ]
    for engine, words in cases:
        pict = snapshot([], engine=engine, words="Traceback\nValueError: no data")
        shown = text(DetailPane().lines(context(pict), Size(100, 20)))
        assert words in shown
        assert "<app.help>  all keys" in shown


def test_a_configuration_that_is_too_long_says_how_much_more_there_is():
    config = {"lr": 0.003, "layers": 2, "optimizer": "sgd"}
    small = DetailPane().lines(
        context(snapshot([row(0, "r", config=config)]), cursor=0), Size(24, 3)
    )
    assert text(small).splitlines()[1].endswith("layers 2  +1")
    assert "optimizer sgd" in said(row(0, "r", config=config), 60, 3)


def test_the_end_of_a_long_traceback_is_all_there_in_a_narrow_pane():
    error = "ModuleNotFoundError: No module named 'torch'; it is looked for where tuitune runs"
    words = "\n".join(
        [f'  File "/studies/{"deep/" * n}toy.py", line {n}' for n in range(30)] + [error]
    )
    pict = snapshot([], engine="failed", words=words)
    shown = text(DetailPane().lines(context(pict), Size(50, 24)))
    assert error in " ".join(shown.split())
    assert "restarts the engine" in shown


def test_paused_launching_and_a_full_disk_explain_why_no_trial_comes():
    paused = snapshot([], study=study(launching=False))
    assert "<study.resume> resumes it" in text(DetailPane().lines(context(paused), Size(80, 9)))
    full = snapshot([], study=study(disk_low=True))
    assert "disk is too full" in text(DetailPane().lines(context(full), Size(80, 9)))
    blocked = snapshot([], study=study(blocked="train.py: SyntaxError"))
    shown = text(DetailPane().lines(context(blocked), Size(80, 9)))
    assert "nothing starts: train.py: SyntaxError" in shown


def test_the_same_second_is_not_drawn_twice():
    pict = snapshot(rows("r"))
    pane, seen = DetailPane(), context(pict, cursor=0)
    first = pane.lines(seen, Size(80, 9))
    assert pane.lines(seen, Size(80, 9)) is first
    pict.rows[0] = row(0, "r", step=10)
    assert pane.lines(seen, Size(80, 9)) is not first


def test_a_rung_is_named_by_its_number_and_its_step_as_the_pruner_names_it():
    assert "rung 1 (epoch 3)" in said(row(0, "r", rung=1), 140)
    assert "rung 9" in said(row(0, "r", rung=9), 140)  # of no bracket that is known
    assert RANKED in said(row(0, "x", note=RANKED), 140)
