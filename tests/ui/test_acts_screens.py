"""Help and summary as text, and why trials can't be acted on."""

from __future__ import annotations

import pictures
import pytest
from pictures import NOW, row, rows, snapshot, study, text

from tuitune.core.events import StopReason
from tuitune.core.spec import TrialSpec
from tuitune.core.study.acts import Act
from tuitune.ui.actions import engine_state as on, study_acts, trial_acts
from tuitune.ui.actions.registry import ACTIONS
from tuitune.ui.render.lines import width_of
from tuitune.ui.screens.help import help_lines, key_lines
from tuitune.ui.state.keymap import Keymap
from tuitune.ui.text.summary import leaders, summary_lines


def helped(context, width):
    return help_lines(context, ACTIONS, width)


def keyed(context, width):
    return key_lines(context, ACTIONS, width)


def context(made, **more):
    return pictures.context(made, keymap=Keymap(ACTIONS), **more)


@pytest.mark.parametrize("width", [60, 80, 120, 200])
@pytest.mark.parametrize("screen", [helped, summary_lines, keyed])
def test_a_screen_fits_its_width_and_can_be_ascii(screen, width):
    lines = screen(context(snapshot(rows("ccrrxfkwp")), ascii=True), width)
    assert all(width_of(line) <= width for line in lines)
    assert text(lines).isascii()


@pytest.mark.parametrize("focus", ["trials", "curve", "detail", "log"])
def test_help_begins_with_the_focused_pane_and_misses_no_action(focus):
    seen = text(helped(context(snapshot(rows("cr")), focus=focus), 200))
    assert seen.startswith("Signs")
    assert seen.index(f"In this pane ({focus})") < seen.index("\nMove")
    for action in ACTIONS:
        if action.pane in (None, focus):
            assert action.title in seen


@pytest.mark.parametrize("width", [78, 138])
def test_help_has_every_sentence_whole_at_any_width(width):
    words = text(helped(context(snapshot(rows("cr"))), width)).split()
    told = [action for action in ACTIONS if action.pane is None and action.why_not is None]
    assert told
    assert [one.id for one in told if one.help.split()[-1] not in words] == []


def test_help_says_what_looking_on_cannot_do():
    seen = text(helped(context(snapshot(rows("cr")), readonly=True), 200))
    assert "grey: not with --readonly" in seen


def test_the_best_are_told_in_their_order():
    made = snapshot(
        [
            row(0, "c", value=0.3),
            row(1, "c", value=0.1),
            row(2, "r", value=0.01),
            row(3, "c", value=0.2),
        ]
    )
    assert [leader.number for leader in leaders(made)] == [1, 3, 0]


def test_without_a_complete_trial_the_best_so_far_are_told():
    made = snapshot([row(0, "r", value=0.3), row(1, "x", value=0.1)])
    assert [leader.number for leader in leaders(made)] == [1, 0]
    assert "not complete" in text(summary_lines(context(made), 80))


def test_a_summary_without_a_report_says_so():
    seen = text(summary_lines(context(snapshot(rows("ww"))), 80))
    assert "no trial has reported val_loss yet" in seen


@pytest.mark.parametrize(
    ("act", "fields", "words"),
    [
        (Act.PAUSE, {"state": "r"}, ""),
        (Act.PAUSE, {"state": "w"}, ""),
        (Act.PAUSE, {"state": "p", "at_rung": True}, ""),
        (Act.PAUSE, {"state": "p", "paused_by_user": True}, "is paused already"),
        (Act.PAUSE, {"state": "r", "ending": StopReason.PRUNED}, "is about to end"),
        (Act.PAUSE, {"state": "c"}, "is complete"),
        (Act.RESUME, {"state": "p", "paused_by_user": True}, ""),
        (Act.RESUME, {"state": "r", "paused_by_user": True}, ""),
        (Act.RESUME, {"state": "r"}, "is not paused by a person: it is running"),
        (Act.RESUME, {"state": "x"}, "was pruned"),
        (Act.KILL_LATER, {"state": "r"}, ""),
        (Act.KILL_LATER, {"state": "w"}, ""),
        (Act.KILL_LATER, {"state": "r", "kill_at": NOW}, "is to be killed already"),
        (Act.KILL_LATER, {"state": "r", "ending": StopReason.KILLED}, "is being killed already"),
        (Act.KILL_LATER, {"state": "k"}, "was killed"),
        (Act.RETRY, {"state": "f"}, ""),
        (Act.RETRY, {"state": "k"}, ""),
        (Act.RETRY, {"state": "x"}, ""),
        (Act.RETRY, {"state": "r"}, "has not ended: it is running"),
        (
            Act.RETRY,
            {"state": "c"},
            "is complete: `tuitune add STUDY --like 0` tries it again as a new one",
        ),
    ],
)
def test_why_a_trial_cannot_be_acted_on(act, fields, words):
    assert on.why_no(act)(row(0, **fields)) == words


@pytest.mark.parametrize(
    ("engine", "words"),
    [
        ("running", ""),
        ("silent", ""),
        ("importing", "the training code is still being imported"),
        ("gone", "no engine runs; :restart starts one"),
        ("failed", "no engine runs; :restart starts one"),
        ("finished", "the study is finished; T or a adds trials"),
    ],
)
def test_without_an_engine_the_next_step_is_said(engine, words):
    assert on.no_engine(context(snapshot(rows("cr"), engine=engine))) == words


def test_marks_come_before_the_cursor_and_those_that_cannot_are_left_out():
    seen = context(snapshot(rows("crrr")), cursor=3, marks={0, 1, 2})
    chosen = on.targets(seen, on.why_no(Act.PAUSE))
    assert chosen.states == {1: "RUNNING", 2: "RUNNING"}
    assert chosen.left_out == ("#0 is complete",)
    assert chosen.words() == "#1, #2"
    assert on.none_can(seen, on.why_no(Act.PAUSE)) == ""
    alone = context(snapshot(rows("crrr")), cursor=3)
    assert on.targets(alone, on.why_no(Act.PAUSE)).numbers == [3]


def test_when_none_can_the_first_reason_is_told():
    seen = context(snapshot(rows("ccx")), marks={0, 1, 2})
    assert on.none_can(seen, on.why_no(Act.KILL_LATER)) == "#0 is complete, and 2 more can't either"
    assert on.none_can(context(snapshot()), on.why_no(Act.KILL_LATER)) == "there are no trials yet"


def test_many_are_counted_by_state():
    seen = context(snapshot(rows("rrrwp")), marks={0, 1, 2, 3, 4})
    chosen = on.targets(seen, on.why_no(Act.KILL_LATER))
    assert (chosen.words(), chosen.details()) == ("5 trials", "3 running, 1 waiting, 1 paused")


def test_a_question_says_first_what_is_to_be_typed_and_fits_80_columns():
    asked = []

    class FakeApp:
        snapshot = snapshot(rows("rrrwp" + "c" * 21))
        ask = asked.append
        status_line = None

        def context(self):
            return context(self.snapshot, marks=set(range(26)))

    trial_acts.kill(FakeApp())
    assert asked[0].text == "type 5 to kill 5 trials (3 running, 1 waiting, 1 paused; 21 excluded)"
    assert asked[0].word == "5"


def test_what_has_moved_since_the_key_press_is_told():
    seen = context(snapshot(rows("rr")), marks={0, 1})
    chosen = on.targets(seen, on.why_no(Act.PAUSE))
    assert chosen.still(snapshot(rows("cr"))) == ([1], ["#0 is complete in the meantime"])


def test_how_long_a_finished_study_took_is_told():
    made = snapshot(
        rows("cc"), engine="finished", study=study(finished=True, complete=True, elapsed=90.0)
    )
    assert "finished: 2 of 20 trials in 1m30s" in text(summary_lines(context(made), 80))


@pytest.mark.parametrize(
    ("saves", "checkpoint", "said"),
    [
        (None, None, "end, and start again later: they can't save"),
        ("last.ckpt", None, "save and leave"),
        (None, 3, "save and leave"),
    ],
)
def test_the_ways_to_stop_say_whether_trials_can_save(saves, checkpoint, said):
    opened, asked = [], []

    class FakeApp:
        snapshot = snapshot(
            [row(0, state="r", checkpoint=checkpoint)],
            spec=pictures.spec(trial=TrialSpec(command=("train",), saves=saves)),
        )
        menu = opened.append
        ask = asked.append

    study_acts._stop(FakeApp())
    opened[0].choices[0].run()
    assert asked[0].text == f"type stop to stop the study: its running trials (1) {said}"
