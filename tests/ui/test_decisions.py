"""Decisions in words: newest first, of a trial or of the study, with who and when."""

import time

import pytest
from pictures import NOW, OPENED, context, rows, snapshot, text

from tuitune.core import events as ev
from tuitune.core.events import TrialState
from tuitune.core.reasons import Promising, Ranked, RungName
from tuitune.ui.panes import detail
from tuitune.ui.panes.detail import DetailPane
from tuitune.ui.render.lines import Size, width_of
from tuitune.ui.text.decisions import decisions, rung_lines, rungs_on_one_line

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


def of_trial(width=140, facts=FACTS):
    pict = snapshot(rows("rr"), facts={1: facts})
    numbered = [*enumerate(facts)]
    return [*decisions(pict, numbered[::-1], width, study=False)]


def said(width=140, facts=FACTS):
    return text(of_trial(width, facts))


def of_study(width=140, height=20, newest=(), **selection):
    pict = snapshot(rows("rr"), newest=newest)
    seen = context(pict, cursor=1, all_why=True, **selection)
    return text(DetailPane().lines(seen, Size(width, height)))


@pytest.mark.parametrize("width", WIDTHS)
def test_no_line_is_wider_than_the_pane(width):
    assert all(width_of(line) <= width for line in of_trial(width))


def test_the_detail_ends_with_the_decisions():
    pict = snapshot(rows("rr"), facts={1: FACTS})
    shown = text(DetailPane().lines(context(pict, cursor=1), Size(100, 40)))
    assert "proposed: point 1 of the sequence" in shown.splitlines()[-1]


def test_the_newest_comes_first_and_each_has_its_time():
    shown = said().splitlines()
    clock = time.strftime("%H:%M:%S", time.localtime(NOW - 5))
    assert shown[0] == f"{clock} failed: ValueError: lr"
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


def test_the_whole_study_when_it_is_asked_for():
    newest = [
        ev.StyleChosen(OPENED, "promote", "trials can save"),
        ev.Settled(NOW - 9, 0, "COMPLETE", "returned"),
        ev.PauseAsked(NOW - 1, (), by="command"),
    ]
    shown = of_study(newest=newest).splitlines()
    assert shown[0].startswith(" 4 Decisions")
    assert "launching is paused by hand (command)" in shown[1]
    assert "#0  complete: returned" in shown[2]
    assert "pruning style: promote" in shown[3]


def test_on_another_day_the_date_is_told():
    before = time.strftime("%d %b", time.localtime(NOW - 3 * 86400))
    assert before in said(facts=[ev.Promoted(NOW - 3 * 86400, 1, 3, 1, 9, 0.1, "best of 9")])


def test_scrolled_to_its_end_the_oldest_is_last():
    newest = [ev.Warned(OPENED + n, 1, 0, f"number {n}") for n in range(50)]
    seen = context(snapshot(rows("rr"), newest=newest), cursor=1, all_why=True)
    assert detail.length(seen, Size(80, 11)) == 50
    shown = of_study(80, 11, newest, scrolled={"detail": 40})
    assert "number 0" in shown.splitlines()[-1]


def test_nothing_yet_is_said():
    assert "no decisions yet" in of_study()


def ranked(step, rung, rank, n, action="go", cut=0.5, value=0.4, kept=1, needed=0):
    name = RungName(rung, step, "epoch")
    then = {"go": "go", "stop": "stop", "pause": "wait"}[action]
    why = Ranked(name, rank, n, kept, value, cut, then, needed=needed)
    return ev.Verdict(NOW, 1, 0, step, action, False, rung, rank, n, cut, why)


def rungs(*facts, **look):
    pict = snapshot(rows("rr"), facts={1: facts})
    glyphs = context(pict, **look).glyphs
    return text(rung_lines(pict, [*enumerate(facts)], glyphs, 80)).splitlines()


def test_each_rung_has_a_line_with_value_rank_and_what_was_needed():
    passed = ranked(1, 0, 3, 31, cut=0.6822, value=0.8711)
    stopped = ranked(9, 2, 4, 6, "stop", cut=0.9867, value=0.9778)
    assert rungs(passed, stopped) == [
        "✓ epoch 1   0.8711   3rd of 31, needed 0.6822",
        "✗ epoch 9   0.9778   4th of 6, needed 0.9867",
    ]
    assert rungs(passed, stopped, ascii=True)[1].startswith("x epoch 9")


def test_a_held_trial_says_what_promotion_needs_and_one_that_is_promoted_has_passed():
    held = ranked(3, 1, 1, 2, "pause", kept=0, needed=3)
    assert rungs(held) == [": epoch 3   0.4000   1st of 2, promotion needs 3"]
    promoted = ev.Promoted(NOW, 1, 1, 1, 4, 0.5, "best of 4")
    assert rungs(held, promoted) == ["✓ epoch 3   0.4000   1st of 4, promoted"]


def test_the_verdict_of_a_later_attempt_replaces_that_of_its_rung():
    assert len(rungs(ranked(3, 1, 1, 2), ranked(3, 1, 2, 5))) == 1


def test_a_pruner_without_ranks_gives_its_reason():
    median = ev.Verdict(NOW, 1, 0, 4, "stop", False, None, None, None, None, "below the median")
    assert rungs(median) == ["✗ epoch 4      below the median"]


def test_words_of_trials_can_not_steer_the_terminal():
    shown = said(facts=[ev.Warned(NOW, 1, 0, "\x1b[2J\x07[red]x[/]")])
    assert shown.replace("\n", "").isprintable()
    assert "[red]x[/]" in shown


def test_on_one_line_the_first_rungs_are_left_out_where_room_is_short():
    facts = [*enumerate([ranked(1, 0, 3, 31), ranked(3, 1, 2, 15), ranked(9, 2, 4, 6, "stop")])]
    pict = snapshot(rows("rr"), facts={1: facts})
    for width, words in (
        (80, "✓ epoch 1 3rd of 31   ✓ epoch 3 2nd of 15   ✗ epoch 9 4th of 6, needed 0.5000"),
        (60, "✓ epoch 3 2nd of 15   ✗ epoch 9 4th of 6, needed 0.5000"),
        (20, "✗ epoch 9 4th of 6, "),
    ):
        one = rungs_on_one_line(pict, facts, context(pict).glyphs, width)
        assert "".join(part for part, _ in one) == words


def test_a_rung_without_a_cut_off_says_nothing_of_one():
    alone = ranked(1, 0, 1, 1, cut=None, kept=1)
    assert rungs(alone) == ["✓ epoch 1   0.4000   1st of 1"]
    held = ranked(3, 1, 1, 2, "pause", cut=None, kept=0)
    assert rungs(held) == [": epoch 3   0.4000   1st of 2, promotion needs more"]


def test_a_promising_trial_says_its_chance():
    why = Promising(RungName(0, 1, "epoch"), 2, 12, "promote", 0.804, None, None)
    verdict = ev.Verdict(NOW, 1, 0, 1, "go", False, 0, 2, 12, 0.5, why)
    assert rungs(verdict)[0].endswith("2nd of 12, 80% for the best tenth")


@pytest.mark.parametrize(
    ("fact", "role"),
    [
        (ev.KillAsked(NOW, 1, 8.0, "app"), "accent"),
        (ev.KillAsked(NOW, 1, 8.0), ""),
        (ev.Added(NOW, 1, {"lr": 0.1}, "added by the user"), "accent"),
        (ev.Settled(NOW, 1, TrialState.FAILED, "ValueError"), "error"),
        (ev.Settled(NOW, 1, TrialState.COMPLETE, "done"), ""),
        (ev.Exited(NOW, 1, 0, 1, None, "ValueError", "", 0, lost=False), "error"),
        (ev.Exited(NOW, 1, 0, 0, None, "", "", 0, lost=False), ""),
        (ev.Warned(NOW, 1, 0, "no seed"), "warning"),
        (ev.Halted(NOW, "stopped", finish=False, failed=False), "warning"),
        (ranked(3, 1, 9, 9, "stop"), "warning"),
        (ranked(3, 1, 1, 9, "go"), "success"),
        (ev.Promoted(NOW, 1, 1, 1, 4, 0.5, "best of 4"), "success"),
        (ev.Launch(NOW, 1, 0, "cpu", 1.0, 0), ""),
    ],
    ids=lambda fact: type(fact).__name__,
)
def test_each_decision_has_the_colour_of_what_it_means(fact, role):
    (line,) = of_trial(facts=[fact])
    assert [one for _, one in line] == ["muted", role]


def test_what_a_later_fact_gives_as_its_own_reason_is_told_once():
    verdict = ev.Verdict(NOW - 9, 1, 0, 3, "stop", False, 1, 9, 33, 0.5, "below the median")
    settled = ev.Settled(NOW, 1, TrialState.PRUNED, "below the median")
    assert said(facts=[verdict, settled]).count("below the median") == 1
    other = ev.Settled(NOW, 1, TrialState.PRUNED, "killed by hand")
    assert said(facts=[verdict, other]).count("below the median") == 1
    assert len(said(facts=[verdict, other]).splitlines()) == 2
    nothing = ev.Exited(NOW - 5, 1, 0, 0, None, "", "", 0, lost=False)
    assert len(said(facts=[nothing, ev.Settled(NOW, 1, TrialState.COMPLETE, "")]).splitlines()) == 2
