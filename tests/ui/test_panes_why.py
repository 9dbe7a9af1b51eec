"""Decisions in words: newest first, of a trial or of the study, with who and when."""

import time

import pytest
from pictures import NOW, OPENED, context, rows, snapshot, text

from tuitune.core import events as ev
from tuitune.ui.panes import why
from tuitune.ui.panes.why import WhyPane
from tuitune.ui.render.lines import Size, width_of

WIDTHS = (60, 80, 140, 200)
RUNG = "rung 1 (epoch 3): rank 9 of 33, 0.0991 not within 0.0942"
FACTS = [
    ev.Proposed(OPENED, 1, {"lr": 0.1}, "sobol", "point 1 of the sequence"),
    ev.Launch(OPENED + 1, 1, 0, "cpu", 1.0, 0),
    ev.Checkpointed(OPENED + 2, 1, 0, 3),
    ev.Verdict(NOW - 60, 1, 0, 3, "stop", False, 1, 9, 33, 0.0942, RUNG),
    ev.KillAsked(NOW - 20, 1, after=8.0, by="app"),
    ev.Settled(NOW - 5, 1, "FAILED", "ValueError: lr"),
]


def drawn(width=140, height=20, facts=FACTS, newest=(), **selection):
    pict = snapshot(rows("rr"), facts={1: facts}, newest=newest)
    return WhyPane().lines(context(pict, **{"cursor": 1, **selection}), Size(width, height))


def said(*args, **kwargs):
    return text(drawn(*args, **kwargs))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("height", [1, 2, 6, 30])
def test_nothing_is_wider_or_higher_than_the_pane(width, height):
    lines = drawn(width, height)
    assert len(lines) <= height
    assert all(width_of(line) <= width for line in lines)


def test_the_newest_comes_first_and_each_has_its_time():
    shown = said().splitlines()
    assert shown[0].startswith("─ 5 Why  #1")
    clock = time.strftime("%H:%M:%S", time.localtime(NOW - 5))
    assert shown[1] == f"{clock} failed: ValueError: lr"
    assert "proposed: point 1 of the sequence" in shown[-1]


def test_the_verdict_has_its_figures_and_the_hand_its_name():
    assert f"stop: {RUNG}" in said()
    by_hand = next(line for line in said().splitlines() if "killed by hand" in line)
    assert "(app)" in by_hand


def test_what_is_told_with_its_outcome_is_not_told_twice():
    verdict = ev.Verdict(NOW - 9, 1, 0, 3, "stop", False, 1, 9, 33, 0.0942, RUNG)
    pruned = ev.Settled(NOW - 8, 1, "PRUNED", RUNG)
    failed = [
        ev.Exited(NOW - 2, 1, 0, 1, None, "ValueError: lr", "", 0, lost=False),
        ev.Settled(NOW - 1, 1, "FAILED", "ValueError: lr"),
    ]
    shown = said(facts=[verdict, pruned, *failed])
    assert shown.count(RUNG) == shown.count("ValueError: lr") == 1
    assert said(facts=[verdict]).count(RUNG) == 1


def test_checkpoints_of_a_trial_are_no_decisions():
    assert "checkpoint" not in said()


def test_a_long_line_goes_on_beneath_its_words():
    shown = said(40).splitlines()
    start = next(n for n, line in enumerate(shown) if "stop: rung" in line)
    assert shown[start + 1].startswith(" " * 9)
    assert "0.0942" in "".join(shown[start : start + 3])


def test_the_whole_study_when_it_is_asked_for_or_there_is_no_trial():
    newest = [
        ev.StyleChosen(OPENED, "promote", "trials can save"),
        ev.Settled(NOW - 9, 0, "COMPLETE", "returned"),
        ev.PauseAsked(NOW - 1, (), by="command"),
    ]
    without = context(snapshot([], newest=newest))
    for shown in (
        said(newest=newest, all_why=True).splitlines(),
        text(WhyPane().lines(without, Size(140, 20))).splitlines(),
    ):
        assert shown[0].startswith("─ 5 Why  the study")
        assert "launching is paused by hand (command)" in shown[1]
        assert "#0  complete: returned" in shown[2]
        assert "pruning style: promote" in shown[3]


def test_on_another_day_the_date_is_told():
    before = time.strftime("%d %b", time.localtime(NOW - 3 * 86400))
    assert before in said(facts=[ev.Promoted(NOW - 3 * 86400, 1, 3, 1, 9, 0.1, "best of 9")])


def test_scrolled_to_its_end_the_oldest_is_last():
    facts = [ev.Warned(OPENED + n, 1, 0, f"number {n}") for n in range(50)]
    seen = context(snapshot(rows("rr"), facts={1: facts}), cursor=1)
    length = why.length(seen, Size(80, 11))
    assert length == 50
    shown = said(80, 11, facts, scrolled={"why": length - 10})
    assert "number 0" in shown.splitlines()[-1]


def test_nothing_yet_is_said():
    assert "no decisions yet" in said(facts=[])


def test_words_of_trials_can_not_steer_the_terminal():
    shown = said(facts=[ev.Warned(NOW, 1, 0, "\x1b[2J\x07[red]x[/]")])
    assert shown.replace("\n", "").isprintable()
    assert "[red]x[/]" in shown


def test_it_is_drawn_again_only_when_there_is_something_new():
    facts = list(FACTS)
    pict = snapshot(rows("rr"), facts={1: facts})
    pane, seen = WhyPane(), context(pict, cursor=1)
    first = pane.lines(seen, Size(80, 9))
    assert pane.lines(seen, Size(80, 9)) is first
    facts.append(ev.Warned(NOW, 1, 0, "news"))
    assert "news" in text(pane.lines(seen, Size(80, 9)))
