"""The two lines of the status: what they say in each state of the engine, and at each width."""

from pathlib import Path

import pytest
from pictures import NOW, OPENED, context, gpu, host, row, rows, snapshot, study, text

from tuitune.core.events import Settings
from tuitune.ui.panes import status
from tuitune.ui.render.lines import Size, width_of

WIDTHS = (60, 80, 140, 200)
ENGINES = ("importing", "running", "silent", "gone", "failed", "finished")


def said(pict, width=140, **selection):
    return text(status.StatusPane().lines(context(pict, **selection), Size(width, 2)))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("letters", ["", "w", "rr", "fff", "ccrrwpxfk"])
def test_two_lines_that_fit_whatever_the_state(width, engine, letters):
    lines = status.StatusPane().lines(
        context(snapshot(rows(letters), engine=engine)), Size(width, 2)
    )
    assert len(lines) == 2
    assert [width_of(line) for line in lines] == [width, width]


@pytest.mark.parametrize("engine", ENGINES)
def test_ascii_means_ascii(engine):
    pict = snapshot(rows("ccrrwpxfk"), engine=engine, devices=[host()])
    assert text(status.StatusPane().lines(context(pict, ascii=True), Size(140, 2))).isascii()


def test_a_wide_screen_has_words_beside_the_signs():
    first = said(snapshot(rows("ccrrwpxfk"))).splitlines()[0]
    assert (
        "▸ 2 running   = 1 paused   . 1 waiting   ✓ 2 complete   ▾ 1 pruned   ! 1 failed   x 1 killed"
        in first
    )


def test_eighty_columns_have_the_signs_alone():
    first = said(snapshot(rows("ccrrwpxfk")), 80).splitlines()[0]
    assert "▸ 2  = 1  . 1  ✓ 2  ▾ 1  ! 1  x 1   ● live" in first


def test_eighty_columns_have_words_where_they_fit():
    first = said(snapshot(rows("ccrrx")), 80).splitlines()[0]
    assert "▸ 2 running   ✓ 2 complete   ▾ 1 pruned   ● live" in first


def test_the_progress_counts_held_trials_too():
    held = [row(0), row(1, "p", at_rung=True), row(2, "r")]
    second = said(snapshot(held), 80).splitlines()[1]
    assert "━╸──────────────  2/20" in second


def test_states_without_a_trial_are_left_out():
    assert "pruned" not in said(snapshot(rows("cr")))


def test_the_best_with_its_trial_and_its_age():
    pict = snapshot([row(0), row(1, value=0.1, ended=NOW - 240)])
    assert "best val_loss 0.1 #1  4m ago" in said(pict)
    assert "best val_loss 0.1 #1" in said(pict, 60)


def test_a_best_that_is_not_complete_says_so():
    assert "so far" in said(snapshot(rows("r")))
    assert "furthest val_loss" in said(snapshot(rows("x")))


def test_the_rate_is_not_told_before_three_trials_have_ended():
    assert " left" not in said(snapshot([row(n, ended=NOW - n - 1) for n in range(2)]))


def test_the_rate_and_what_is_left_are_measured():
    ended = [row(n, started=OPENED, ended=OPENED + 600.0 * (n + 1)) for n in range(6)]
    second = said(snapshot(ended)).splitlines()[1]
    assert "6 trials/h" in second
    assert "2h20m left" in second  # 14 of 20 are left, ten minutes each
    assert "elapsed 1h00m" in second


def test_a_limit_of_time_ends_the_estimate():
    settings = Settings(20, None, 1.0, None, 0, None, 4000.0, None)
    ended = [row(n, started=OPENED, ended=OPENED + 600.0 * (n + 1)) for n in range(6)]
    assert "6m40s left" in said(snapshot(ended, study=study(settings=settings)))


def test_how_busy_the_devices_are():
    assert "cpu 2/8 slots" in said(snapshot(rows("r"), devices=[host()]))
    nodes = [host(device=f"node {name}", node=name) for name in "ab"]
    assert "cpu 4/16 slots" in said(snapshot(rows("r"), devices=[host(), *nodes]))
    both = [host(), gpu(0, utilisation=0.9), gpu(1, utilisation=0.5)]
    assert "gpu 70% busy" in said(snapshot(rows("r"), devices=both))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    ("engine", "changes", "words"),
    [
        ("running", {}, "● live"),
        ("running", {"launching": False}, "launching paused"),
        ("running", {"halted": "stopped by hand"}, "stopping"),
        ("running", {"disk_low": True}, "disk low"),
        ("running", {"blocked": "no memory is left"}, "nothing starts"),
        ("silent", {}, "engine silent 7s"),
        ("importing", {}, "importing training code 4s"),
        ("gone", {}, "engine gone - <study.restart>"),
        ("gone", {"finished": True}, "interrupted - <study.restart>"),
        ("failed", {}, "engine failed - <study.restart>"),
        ("finished", {"finished": True, "complete": True}, "finished"),
    ],
)
def test_the_health_of_the_engine_has_its_place_at_every_width(width, engine, changes, words):
    pict = snapshot(rows("ccr"), engine=engine, heard=NOW - 7, study=study(**changes))
    assert words in said(pict, width).splitlines()[0]


def test_what_runs_without_an_engine_is_lost():
    assert "? 2 lost" in said(snapshot(rows("rr"), engine="gone"))


def test_who_only_looks_on_is_not_told_of_keys_that_act():
    pict = snapshot(rows("cr"), engine="gone")
    shown = text(status.StatusPane().lines(context(pict, readonly=True), Size(140, 2)))
    assert "study.restart" not in shown
    assert "`tuitune toy.toml` continues it" in shown
    assert " readonly " in shown


def test_a_frozen_view_is_always_said_to_be_so():
    for width in WIDTHS:
        assert " updates off " in said(snapshot(rows("ccrrwpxfk")), width, frozen=True)


def test_all_failed_shows_the_last_line_of_the_error_and_the_way_to_the_log():
    failed = [row(n, "f", error="Traceback\n  in train\nValueError: lr") for n in range(3)]
    assert "all 3 trials failed: ValueError: lr" in said(snapshot(failed), 80)
    assert "<log.open> log" in said(snapshot(failed))


def test_one_failure_among_running_trials_is_no_alarm_yet():
    assert "the only trial" not in said(snapshot(rows("frr")))


def test_finished_shows_the_best_and_what_comes_next():
    finished = study(finished=True, complete=True, elapsed=120.0, exhausted="the grid is done")
    shown = said(snapshot(rows("ccx"), engine="finished", study=finished))
    for words in (
        "best val_loss 0.5",
        "the grid is done",
        "<app.summary> summary",
        "took 2m00s",
    ):
        assert words in shown


def test_names_from_files_are_cut_and_cleaned():
    pict = snapshot(rows("cr"), folder=Path("runs/\x1b[2J" + "x" * 300))
    shown = said(pict, 80)
    assert "\x1b" not in shown
    assert "~" in shown


def test_words_of_others_that_are_cut_are_seen_to_be():
    failed = [row(number, "f", error="ValueError: " + "a long story " * 20) for number in range(3)]
    shown = said(snapshot(failed), 80).splitlines()[1]
    assert "all 3 trials failed: ValueError: a long" in shown
    assert "~ " in shown


@pytest.mark.parametrize("width", [80, 140])
def test_why_nothing_starts_is_seen_at_every_width(width):
    why = "the training code is not imported: train.py: SyntaxError: invalid syntax (line 3)"
    shown = said(snapshot(rows("ccr"), study=study(blocked=why)), width).splitlines()
    assert "the training code is not" in shown[1]
    assert "nothing starts" in shown[0]


@pytest.mark.parametrize("width", [80, 140])
@pytest.mark.parametrize("finishing", [False, True])
def test_why_a_study_was_given_up_is_seen_at_every_width(width, finishing):
    why = "#0 computes on GPU 0 and was given GPU 3: remove train.py:7, which sets CUDA_VISIBLE_DEVICES"
    given_up = study(halted=why, failed=True, finishing=finishing)
    shown = said(snapshot(rows("ccr"), study=given_up), width).splitlines()
    assert "#0 computes on GPU 0 and was given GPU 3: remove" in shown[1]


def test_below_the_least_size_it_says_what_the_trials_need():
    for size in ((80, 7), (50, 24)):
        shown = text(status.StatusPane().lines(context(snapshot(rows("cr"))), Size(*size)))
        assert "the trials need 60 columns and 8 lines" in shown
    assert "the trials need" not in said(snapshot(rows("cr")), 80)
