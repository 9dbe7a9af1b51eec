"""The lines that a run prints, of stories that are told at once: in a file, on a terminal, as JSON."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import pytest
from story import ASHA, Story

from tuitune.cli.progress import JsonLines, Lines, fact_record
from tuitune.core import events as ev, reasons as r
from tuitune.core.gpu_reasons import GpuBarred, GpuNumbers
from tuitune.core.spec import Limits, Objective, SearchSpec, TrialSpec
from tuitune.ui.render.lines import cell_len

SEQUENCE = re.compile(r"\x1b\[[0-9;]*[mK]")


class Terminal(io.StringIO):
    """A terminal of 80 columns, as far as it can be told."""

    encoding = "utf-8"  # type: ignore[assignment]

    def isatty(self) -> bool:
        return True


class Told:
    """A story whose facts are printed as they come."""

    def __init__(self, stream: io.StringIO | None = None, **parts: Any) -> None:
        self.stream = stream or io.StringIO()
        self.story = Story(**parts)
        self.lines = Lines(self.story.study, "runs/s", self.stream)
        self.lines(self.story.journal)
        self._seen = len(self.story.journal)

    def now(self) -> list[str]:
        """What was printed since this was asked last, without the clock."""
        self.lines(self.story.journal[self._seen :])
        self._seen = len(self.story.journal)
        text = self.stream.getvalue()
        self.stream.seek(0)
        self.stream.truncate()
        return [line[10:] if line[2:3] == ":" else line for line in text.splitlines()]

    def end(self, trial: int, step: int = 9, loss: float = 0.5) -> list[str]:
        """The trial reports its last value, and is complete."""
        self.story.report(trial, step, loss)
        self.story.exit(trial)
        return self.now()


def test_a_study_begins_with_what_it_will_do() -> None:
    (line,) = Told(answers=False).now()
    assert line == "s: 4 trials by bayes, 4 CPU slots, 1 a trial; runs/s"
    (later,) = Told().now()
    assert later.endswith(", 1 a trial, continues with 0 of 4 done; runs/s")


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"cpus": 2.5}, "2.5 CPU slots, 1 a trial"),
        ({"search": SearchSpec(trials=1)}, "s: 1 trial by "),
        ({"pruning": ASHA}, "asha (style chosen once it is known whether trials save) over epoch 1 to 9"),
        ({"search": SearchSpec(method="grid", trials=4)}, "by a grid of "),
    ],
)  # fmt: skip
def test_its_method_its_pruner_and_its_machine_are_told(parts: Any, words: str) -> None:
    assert words in Told(**parts).now()[0]


def test_a_trial_that_is_complete_has_its_value_its_place_and_its_configuration() -> None:
    told = Told()
    told.now()
    first = told.end(0, 3, 0.5)
    assert first == ["#0  complete  report 3  loss 0.5  1/4  best 0.5 (#0)  x=0.5"]
    (second,) = told.end(1, 3, 0.75)
    assert "loss 0.75  2/4  best 0.5 (#0)  " in second
    (third,) = told.end(2, 3, 0.25)
    assert "loss 0.25  3/4  best 0.25 (#2)  " in third


def test_the_best_is_the_highest_where_that_is_wanted() -> None:
    told = Told(objective=Objective("loss", "max"))
    told.now()
    told.end(0, 3, 0.5)
    assert "best 0.5 (#0)" in told.end(1, 3, 0.25)[0]
    assert "best 0.75 (#2)" in told.end(2, 3, 0.75)[0]


def test_a_failed_trial_says_why_and_quotes_what_it_printed_last() -> None:
    told = Told()
    told.now()
    tail = "".join(f"line {n}\n" for n in range(12)) + "\x1b[2Jend\n"
    attempt = told.story.trial(0).attempt
    exited = ev.Exited(100.0, 0, attempt, 1, None, "ValueError: x\x07", tail, 0, lost=False)
    told.story.take(exited)
    head, *quoted = told.now()
    assert head.startswith("#0  failed    1/4  ")
    assert head.endswith("  ValueError: x")
    assert quoted[0] == "          | line 5"
    assert quoted[-1] == "          |  [2Jend"
    assert len(quoted) == 8


def test_the_output_of_a_trial_that_did_not_fail_is_not_quoted() -> None:
    told = Told()
    told.now()
    told.story.report(0, 3, 0.5)
    attempt = told.story.trial(0).attempt
    told.story.take(ev.Exited(100.0, 0, attempt, 0, None, "", "printed", 0, lost=False))
    assert len(told.now()) == 1


def test_trials_that_are_stopped_or_held_say_so_without_a_count_of_the_held() -> None:
    told = Told(pruning=ASHA, search=SearchSpec(trials=9, concurrency=3))
    told.now()
    for trial, loss in enumerate((0.1, 0.2, 0.9)):
        told.story.report(trial, 1, loss)
    for trial in range(3):
        if told.story.trial(trial).activity is not None:
            told.story.exit(trial)
    shown = [line for line in told.now() if line.startswith("#")]
    assert shown
    assert all(re.match(r"#\d  (held|pruned|waiting|complete|promoted)", line) for line in shown)
    held = [line for line in shown if "  held " in line]
    assert all("/9" not in line for line in held)


def test_reports_proposals_and_checkpoints_get_no_line() -> None:
    told = Told()
    told.now()
    told.story.report(0, 1, 0.5)
    told.story.save_started(0)
    told.story.checkpointed(0)
    assert told.now() == []


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (ev.Warned(100.0, 0, 0, "no seed\n"), "#0  warning: no seed"),
        (ev.PauseAsked(100.0, (), "app"), "launching is paused by hand (app)"),
        (ev.ClockStepped(100.0, 60.0), "the clock was set forward by 1m00s; no deadline moves"),
        (
            ev.DiskChanged(100.0, low=True, free=0.01),
            "only 1.0% of the disk is free: nothing is launched until there is more, or `disk_free` in [limits] is less",
        ),
    ],
)  # fmt: skip
def test_what_happens_to_the_study_has_a_line(event: Any, words: str) -> None:
    told = Told()
    told.now()
    told.story.take(event)
    assert words in told.now()


def test_a_problem_that_many_trials_meet_is_told_once_until_it_passes() -> None:
    told = Told()
    told.now()
    said = []
    for why in ("no memory", "no memory", "", "", "no memory", "no file"):
        told.lines([ev.LaunchBlocked(100.0, "resources", why)])
        said.append(len(told.now()))
    assert said == [1, 0, 1, 0, 1, 1]
    told.lines([ev.LaunchBlocked(100.0, "code", "no file")])  # of another cause
    assert len(told.now()) == 1


def test_trials_paused_by_hand_that_are_all_that_is_left_are_told_of_once() -> None:
    told = Told(search=SearchSpec(trials=2, concurrency=2))
    for trial in (0, 1):
        told.story.report(trial, 1, 0.5)
        told.story.save_started(trial)
        told.story.checkpointed(trial)
    told.story.take(ev.PauseAsked(100.0, (0, 1)))
    told.story.exit(0, stopped=True)
    assert not [line for line in told.now() if "nothing runs" in line]  # the other one does
    told.story.exit(1, stopped=True)
    assert told.now()[1:] == [
        "nothing runs: the study waits for trials paused by hand: #0, #1; resume or kill them"
    ]
    told.story.take(ev.Warned(100.0, 0, 0, "late"))
    assert told.now() == ["#0  warning: late"]


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (
            {"finish": False},
            (
                "running trials save and leave: stopped; at most 30s plus the time of a save; a "
                "second signal doesn't wait"
            ),
        ),
        ({"finish": True}, "running trials come to their end: stopped"),
        ({"finish": False, "now": True}, "running trials are killed: stopped"),
    ],
)
def test_a_stop_says_how_long_it_may_take_unless_trials_come_to_their_end(
    how: dict[str, bool], words: str
) -> None:
    told = Told(trial=TrialSpec(target="t.py:train", leave_within=30.0))
    told.now()
    attempt = told.story.trial(0).attempt
    told.story.take(ev.Started(100.0, 0, attempt, 77, None, "c0de", "", None))
    told.story.report(0, 1, 0.5)
    told.story.save_started(0)
    told.story.checkpointed(0)
    told.story.take(ev.StopAsked(100.0, why="stopped", **how))
    assert told.now()[0] == f"nothing more starts, {words}"


def test_the_time_that_is_left_is_forecast_and_never_past_the_limit() -> None:
    told = Told(search=SearchSpec(trials=40, concurrency=2), limits=Limits(time=1000.0))
    told.now()
    found = []
    for trial in range(5):
        told.story.pass_time(60.0)
        found.append(re.findall(r"ETA (\S+)", told.end(trial, 3, 0.5)[0]))
    # 35 more trials would take 35 minutes, and the limit is nearer
    assert found == [[], [], ["13m40s"], ["12m40s"], ["11m40s"]]


# --- messages ----------------------------------------------------------------------------------


def test_notes_of_progress_are_few_in_a_file_and_others_are_all_there() -> None:
    told = Told()
    told.now()
    for number in range(3):
        told.lines.note(f"importing {number}", is_progress=True)
    for number in range(3):
        told.lines.note(f"note {number}\x1b[2J")
    shown = told.now()
    assert shown[0] == "importing 0"
    assert shown[1:] == [f"note {number} [2J" for number in range(3)]


# --- on a terminal -----------------------------------------------------------------------------


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return Terminal()


def test_a_live_line_is_below_the_others_and_is_cleared_at_the_end(terminal: Terminal) -> None:
    told = Told(terminal)
    text = terminal.getvalue()
    assert text.startswith("\r\x1b[K")
    live = SEQUENCE.sub("", text.rpartition("\r\x1b[K")[2])
    assert "0/4 trials" in live
    assert "2 running" in live
    assert cell_len(live) < 80
    told.lines.close()
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_long_lines_are_broken_between_words_and_indented(terminal: Terminal) -> None:
    told = Told(terminal)
    told.lines.note("word " * 60)
    printed = SEQUENCE.sub("", terminal.getvalue()).split("\r")[-1].splitlines()
    assert len(printed) > 2
    assert all(cell_len(line) <= 80 for line in printed)
    assert all(line.startswith(" " * 10) for line in printed[1:])
    assert " ".join(printed).split()[1:] == ["word"] * 60


def test_a_dumb_terminal_has_no_live_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    terminal = Terminal()
    Told(terminal)
    assert "\r" not in terminal.getvalue()
    assert "\x1b" not in terminal.getvalue()


# --- as JSON -----------------------------------------------------------------------------------


def test_each_fact_is_an_object_of_its_own_line() -> None:
    story, out = Story(), io.StringIO()
    lines = JsonLines(out)
    story.report(0, 1, float("nan"))
    lines(story.journal)
    records = [json.loads(line, parse_constant=pytest.fail) for line in out.getvalue().splitlines()]
    assert [one["event"] for one in records] == [
        type(fact).__struct_config__.tag for fact in story.journal
    ]
    assert records[0]["settings"]["trials"] == 4  # a record, and no list
    assert records[-1]["metrics"] == {"loss": None} or any(
        one.get("metrics") == {"loss": None} for one in records
    )
    assert out.getvalue().isascii()


def test_typed_reasons_are_words_there() -> None:
    gpu = ev.Gpu("GPU-a", 0, "A100", 1, GpuBarred("gone"))
    record = fact_record(ev.DevicesChanged(1.0, (gpu,), GpuBarred("locked", "anna")))
    assert record["why"] == "taken by anna"
    assert record["gpus"][0]["obstacle"] == "it is no longer there"  # type: ignore[index]
    launch = fact_record(ev.Launch(1.0, 3, 0, GpuNumbers((0, 1)), 1.0, 0, ("a", "b")))
    assert (launch["device"], launch["gpus"]) == ("GPU 0+1", ["a", "b"])
    proposed = fact_record(ev.Proposed(1.0, 3, {"x": [1, {"y": 2}]}, "sobol", r.SobolPoint(3)))
    assert (proposed["why"], proposed["config"]) == ("Sobol point 3", {"x": [1, {"y": 2}]})


def test_messages_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    out = io.StringIO()
    lines = JsonLines(out)
    lines.note("importing", is_progress=True)
    lines.close()
    assert (out.getvalue(), capsys.readouterr().err) == ("", "importing\n")
