"""A kill that waits can be taken back: it is the engine that holds it, whoever asked and died."""

from __future__ import annotations

import os
import signal
from typing import Any

from workshop import Workshop, wait_until

from tuitune.control import request, socket_path
from tuitune.control.requests import Kill, Pause, Request, Resume, Stop, UndoKill
from tuitune.core import events as ev
from tuitune.messages.reasons import reason_words
from tuitune.store.reader import Reader
from tuitune.store.rows import TrialRow

CODE = """
import time

def train(trial):
    for step in range(100_000):
        time.sleep(0.02)
        trial.report(step=step + 1, loss=trial.config["x"],
                     save=lambda folder: (folder / "step").write_text(str(step + 1)))
"""


def ask(workshop: Workshop, message: Request) -> dict[str, Any]:
    return request(socket_path(workshop.folder(), "control"), message, timeout=20, by="app")


def row(workshop: Workshop, trial: int) -> TrialRow | None:
    reader = Reader.open(workshop.folder() / "study.db")
    try:
        return next((r for r in reader.changes().rows if r.number == trial), None)
    finally:
        reader.close()


def phase(workshop: Workshop, trial: int) -> tuple[str, str] | None:
    """Its state, and "killing" where a kill waits."""
    found = row(workshop, trial)
    return None if found is None else (found.state, "" if found.kill_at is None else "killing")


def begun(workshop: Workshop, **options: Any):
    """An engine that has trials 0 and 1 running."""
    engine = workshop.start(workshop.study(CODE, **options), "--no-ui")
    path = workshop.folder() / "study.db"
    wait_until(lambda: path.exists() and (workshop.folder() / "study.toml").exists(), "the study")
    for trial in (0, 1):
        wait_until(lambda t=trial: getattr(row(workshop, t), "value", None), f"trial {trial}")
    return engine


def test_a_kill_waits_can_be_taken_back_and_strikes_when_it_is_due(workshop: Workshop):
    begun(workshop)
    assert ask(workshop, Kill((0, 1), after=600.0))["done"] == [0, 1]
    waiting = row(workshop, 0)
    assert waiting is not None
    assert waiting.state == "RUNNING"
    assert waiting.kill_at is not None
    assert waiting.kill_at > (waiting.started or 0) + 500
    assert "can still be undone" in waiting.note

    assert ask(workshop, UndoKill((0,)))["done"] == [0]
    assert phase(workshop, 0) == ("RUNNING", "")
    step = (row(workshop, 0) or waiting).step or 0
    wait_until(lambda: ((row(workshop, 0) or waiting).step or 0) > step, "it to go on")

    assert ask(workshop, Kill((1,), after=0.1))["done"] == [1]
    wait_until(lambda: phase(workshop, 1) == ("KILLED", ""), "the end of trial 1")
    refused = ask(workshop, UndoKill((0, 1)))["refused"]
    assert refused == [
        "#0 is not to be killed",
        "#1 was killed",
    ]
    assert "kill may wait" in ask(workshop, Kill((0,), after=-1))["error"]

    reader = Reader.open(workshop.folder() / "study.db")
    story = [fact for _, fact in reader.facts_of(0)]
    reader.close()
    acts = [fact for fact in story if isinstance(fact, ev.KillAsked | ev.UndoKillAsked)]
    assert [(type(act), act.by) for act in acts] == [
        (ev.KillAsked, "app"),
        (ev.UndoKillAsked, "app"),
    ]
    told = workshop.run("show", "study", "--why", 0).stdout
    assert "to be killed by hand in 600 s (app)" in told
    assert "the kill is taken back (app)" in told


def test_a_paused_trial_that_is_to_be_killed_is_not_let_go(workshop: Workshop):
    begun(workshop, trials=2)
    ask(workshop, Pause((0,)))
    wait_until(lambda: phase(workshop, 0) == ("PAUSED", ""), "the pause")
    ask(workshop, Kill((0,), after=600.0))
    assert phase(workshop, 0) == ("PAUSED", "killing")
    ask(workshop, Resume((0,)))
    assert phase(workshop, 0) == ("WAITING", "killing")  # a slot is free, and it takes none
    ask(workshop, UndoKill((0,)))
    wait_until(lambda: phase(workshop, 0) == ("RUNNING", ""), "its launch")


def test_a_kill_that_waits_outlives_its_engine(workshop: Workshop):
    engine = begun(workshop, trials=2)
    ask(workshop, Kill((0,), after=0.5))
    os.kill(engine.pid, signal.SIGKILL)
    engine.communicate()
    wait_until(lambda: not workshop.left_over(), "the end of all trials")
    assert phase(workshop, 0) == ("RUNNING", "killing")
    again = workshop.start(workshop.path / "study.toml", "--no-ui")
    wait_until(lambda: phase(workshop, 0) == ("KILLED", ""), "the kill")
    wait_until(lambda: (row(workshop, 1) or TrialRow(1, "")).attempt == 2, "trial 1")
    again.terminate()
    again.communicate(timeout=60)


def test_stopped_at_once_by_the_app_and_the_journal_says_who(workshop: Workshop):
    engine = begun(workshop, trials=2)
    assert ask(workshop, Stop(finish=False, now=True))["running"] == 2
    engine.communicate(timeout=60)
    assert engine.returncode == 130
    reader = Reader.open(workshop.folder() / "study.db")
    (stop,) = [fact for _, fact in reader.facts() if isinstance(fact, ev.StopAsked)]
    study = reader.study()
    reader.close()
    assert (stop.now, stop.by) == (True, "app")
    halted = (study.finished, study.complete, study.halted)
    assert halted == (True, False, reason_words(stop.why))
