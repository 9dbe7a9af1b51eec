"""An engine with no terminal: begun by a command, it outlives that, and is found again."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workshop import Workshop, hear_signals, wait_until

from tuitune.control import request, socket_path
from tuitune.control.requests import Pause, Request, Stop
from tuitune.store import owner
from tuitune.store.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuitune.store.rows import EngineRow

BEGIN = Path(__file__).with_name("begin.py")
STEPS = 30
CODE = f"""
import time

def train(trial):
    start = int((trial.resume_path / "step").read_text()) if trial.resume_path else 0
    for step in range(start, {STEPS}):
        time.sleep(0.03)
        trial.report(step=step + 1, loss=trial.config["x"],
                     save=lambda folder: (folder / "step").write_text(str(step + 1)))
"""
WAITS = """
import time
from pathlib import Path

def train(trial):
    trial.report(loss=1.0)
    while not Path("go").exists():
        time.sleep(0.01)
"""
MORE = f"""
checkpoint_every = "0s"
[pruning]
resource = "step"
max = {STEPS}
"""


def command(*words: object) -> list[str]:
    return [sys.executable, str(BEGIN), *map(str, words)]


def begin(
    workshop: Workshop, *words: object, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*words),
        cwd=workshop.path,
        env={**workshop.environment, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def look(workshop: Workshop) -> Reader:
    return Reader.open(workshop.folder() / "study.db")


def engine_row(workshop: Workshop) -> EngineRow | None:
    reader = look(workshop)
    try:
        return reader.changes().engine
    finally:
        reader.close()


def ask(workshop: Workshop, message: Request) -> dict[str, Any]:
    return request(socket_path(workshop.folder(), "control"), message, timeout=20)


def has_reports(workshop: Workshop, least: int) -> bool:
    if not (workshop.folder() / "study.toml").exists():  # which comes after the database
        return False
    reader = look(workshop)
    try:
        return sum(len(curve.steps) for curve in reader.curves().values()) >= least
    finally:
        reader.close()


def ended(workshop: Workshop) -> None:
    wait_until(lambda: workshop.engine() is None, "the engine's end")


def at_a_terminal(words: Sequence[str], workshop: Workshop) -> tuple[subprocess.Popen[bytes], int]:
    """The process, which leads a session of its own on this terminal, and the terminal."""
    master, slave = pty.openpty()
    name = os.ttyname(slave)

    def take_terminal() -> None:
        hear_signals()
        os.setsid()
        os.close(os.open(name, os.O_RDWR))  # a leader's first terminal becomes its own

    process = subprocess.Popen(
        words,
        cwd=workshop.path,
        env={**workshop.environment, "HOLD": "1"},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        preexec_fn=take_terminal,  # noqa: PLW1509 - no threads here
    )
    os.close(slave)
    return process, master


def test_it_outlives_the_terminal_and_misses_nothing(workshop: Workshop):
    file = workshop.study(CODE, MORE, trials=4)
    process, terminal = at_a_terminal(command(file), workshop)
    wait_until(lambda: workshop.engine() and has_reports(workshop, 3), "some reports")
    engine = workshop.engine()
    assert engine != process.pid
    os.close(terminal)  # as a lost connection does
    assert process.wait(30) == -signal.SIGHUP
    assert workshop.engine() == engine
    os.kill(engine, signal.SIGHUP)  # and whoever sends it one more
    ended(workshop)
    trials = workshop.trials()
    assert [(t["state"], t["attempts"], t["step"]) for t in trials] == [("COMPLETE", 1, STEPS)] * 4
    assert has_reports(workshop, 4 * STEPS)
    row = engine_row(workshop)
    assert row is not None
    assert row.phase == "ended"
    assert "complete" in (workshop.folder() / "engine.log").read_text()


def test_the_same_command_attaches_and_later_finds_it_finished(workshop: Workshop):
    file = workshop.study(WAITS, trials=2)
    first = begin(workshop, file)
    assert first.returncode == 0, first.stderr
    engine = workshop.engine()
    assert engine
    again = begin(workshop, file)
    assert again.stdout == first.stdout
    assert workshop.engine() == engine
    workshop.write("go", "")
    ended(workshop)
    assert begin(workshop, file).stdout == first.stdout
    assert workshop.engine() is None


def test_killed_it_goes_on_with_the_same_command(workshop: Workshop):
    file = workshop.study(CODE, MORE, trials=2)
    begin(workshop, file)
    wait_until(lambda: has_reports(workshop, 10), "ten reports")
    os.kill(workshop.engine() or 0, signal.SIGKILL)
    ended(workshop)
    again = begin(workshop, file)
    assert again.returncode == 0, again.stderr
    ended(workshop)
    trials = workshop.trials()
    assert [(t["state"], t["attempts"]) for t in trials] == [("COMPLETE", 2)] * 2


def test_two_that_begin_at_once_share_one_engine(workshop: Workshop):
    file = workshop.study(CODE, MORE, trials=2)
    both = [
        subprocess.Popen(
            command(file),
            cwd=workshop.path,
            env=workshop.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert said[0][0] == said[1][0] == f"{workshop.folder()}\n"
    ended(workshop)
    assert [t["attempts"] for t in workshop.trials()] == [1, 1]
    assert [folder.name for folder in (workshop.path / "runs").iterdir()] == ["study"]


def test_what_stands_against_a_start_is_said_at_the_terminal(workshop: Workshop):
    file = workshop.study(CODE.replace("import time", "import timee"), MORE)
    refused = begin(workshop, file, QUICK="30")
    assert refused.returncode == 2
    assert "ModuleNotFoundError: No module named 'timee'" in refused.stderr
    assert "/tuitune/" not in refused.stderr
    assert not workshop.folder().exists()

    wrong = begin(workshop, file, "search.trails=3")
    assert wrong.returncode == 2
    assert "did you mean" in wrong.stderr
    assert not workshop.folder().exists()


def test_a_study_of_another_machine_is_refused(workshop: Workshop):
    file = workshop.study("def train(trial):\n    return 1.0\n", MORE, trials=1)
    begin(workshop, file)
    ended(workshop)
    there = '{"host":"far","boot":"x","pid":1,"started":1,"since":1.0,"heartbeat":1.0}'
    (workshop.folder() / ".owner").write_text(there)
    refused = begin(workshop, file, "search.trials=2")
    assert refused.returncode == 2
    assert "--steal" in refused.stderr
    (workshop.folder() / ".owner").unlink()
    assert len(workshop.trials()) == 1


def test_an_import_that_fails_late_is_told_through_the_store(workshop: Workshop):
    code = """
    import time
    time.sleep(1)
    raise RuntimeError("no such data set")

    def train(trial): ...
    """
    file = workshop.study(code, MORE)
    begun = begin(workshop, file, QUICK="0")
    assert begun.returncode == 0, begun.stderr
    row = wait_until(lambda: engine_row(workshop), "the engine's word")
    assert row.phase == "importing"
    ended(workshop)
    row = engine_row(workshop)
    assert row is not None
    assert row.phase == "failed"
    assert row.words.endswith("RuntimeError: no such data set")
    file.with_name("study_train.py").write_text("def train(trial):\n    return 1.0\n")
    assert begin(workshop, file).returncode == 0  # the folder in which nothing happened is used
    ended(workshop)
    assert [t["state"] for t in workshop.trials()] == ["COMPLETE"] * 3


def test_while_it_imports_it_can_only_be_stopped(workshop: Workshop):
    code = """
    import time
    print("reading the data set", flush=True)
    time.sleep(1000)

    def train(trial): ...
    """
    begun = begin(workshop, workshop.study(code, MORE))
    assert begun.returncode == 0, begun.stderr
    assert "still being imported" in ask(workshop, Pause())["error"]
    wait_until(
        lambda: getattr(engine_row(workshop), "words", "") == "reading the data set",
        "what the import prints",
    )
    assert ask(workshop, Stop())["running"] == 0
    ended(workshop)
    row = engine_row(workshop)
    assert row is not None
    assert (row.phase, row.words) == ("ended", "stopped before its training code was imported")
    assert workshop.left_over() == []


def test_an_engine_that_dies_at_its_start_is_told_of(workshop: Workshop):
    file = workshop.study(CODE, MORE)
    workshop.write("sitecustomize.py", "import sys\nif 'engine' in sys.argv: sys.exit('a sad end')")
    path = os.pathsep.join([str(workshop.path), os.environ.get("PYTHONPATH", "")])
    done = begin(workshop, file, PYTHONPATH=path)
    assert done.returncode == 2
    assert "its engine failed to start" in done.stderr
    assert "a sad end" in done.stderr
    assert not workshop.folder().exists()


def test_its_own_process_is_no_child_of_whoever_began_it(workshop: Workshop):
    begin(workshop, workshop.study(WAITS, trials=1))
    engine = workshop.engine()
    assert engine
    assert os.getsid(engine) == engine
    files = Path(f"/proc/{engine}/fd")
    assert (files / "0").readlink() == Path("/dev/null")
    assert (files / "1").readlink() == workshop.folder() / "engine.log"
    assert owner.running(workshop.folder()) is not None
    workshop.write("go", "")
    ended(workshop)
