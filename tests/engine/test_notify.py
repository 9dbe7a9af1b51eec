"""The command of [notify]: what it is told, and that it can do the study no harm."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from pathlib import Path

import msgspec
import pytest
from workshop import Workshop, gone, wait_until

from tuitune.core import events as ev
from tuitune.core.reasons import Stopped
from tuitune.core.study import Study
from tuitune.engine.notify import BY_HAND, Notifier
from tuitune.studyfile import load

OPENED = ev.Opened(0.0, ev.Settings(9, None, 1.0, None, 0, None, None, None), 1.0, 1)
TELL = 'echo "$TUITUNE_EVENT|$TUITUNE_STUDY|$TUITUNE_TEXT" >> told'
CODE = """
import time
from pathlib import Path

def train(trial):
    {}
    trial.report(loss=0.5)
"""


def notify(*words: str) -> str:
    listed = ", ".join(f"'{word}'" for word in words)
    return f"[notify]\ncommand = [{listed}]"


def told(folder: Path) -> list[str]:
    file = folder / "told"
    return file.read_text().splitlines() if file.exists() else []


def test_who_waits_for_a_study_is_told_of_its_end(workshop: Workshop):
    file = workshop.study(CODE.format("pass"), notify("sh", "-c", TELL), trials=2)
    assert "notifies by: sh -c" in workshop.run("check", file).stdout
    done = workshop.run(file, "--no-ui")
    assert done.returncode == 0, done.stderr
    assert told(workshop.path) == ["done|study|best loss 0.5 (#0)"]


def test_trials_that_fail_halt_a_study_and_that_is_told(workshop: Workshop):
    file = workshop.study(CODE.format("1 / 0"), notify("sh", "-c", TELL), trials=9)
    assert workshop.run(file, "--no-ui").returncode == 1
    (line,) = told(workshop.path)
    assert line.startswith("halted|study|the first 3 trials have failed, all with: ")


@pytest.mark.parametrize(("how", "count"), [(signal.SIGINT, 0), (signal.SIGTERM, 1)])
def test_who_stops_a_study_knows_it_and_who_has_it_stopped_does_not(
    workshop: Workshop, how: signal.Signals, count: int
):
    waiting = "Path('on').touch(); time.sleep(600)"
    file = workshop.study(CODE.format(waiting), notify("sh", "-c", TELL), trials=1)
    process = workshop.start(file, "--no-ui", "--set", 'trial.leave_within="1s"')
    wait_until((workshop.path / "on").exists, "the trial")
    process.send_signal(how)
    process.communicate(timeout=60)
    assert told(workshop.path) == ["halted|study|stopped by SIGTERM"][:count]


def test_the_command_is_changed_while_the_study_runs(workshop: Workshop):
    waiting = "Path('on').touch()\n    while not Path('go').exists(): time.sleep(0.01)"
    process = workshop.start(workshop.study(CODE.format(waiting), trials=1), "--no-ui")
    wait_until((workshop.path / "on").exists, "the trial")
    done = workshop.run("set", "study", f"notify.command=['sh', '-c', '{TELL}']")
    assert "[notify] command: was not set, is " in done.stdout, done.stderr
    (workshop.path / "go").touch()
    process.communicate(timeout=60)
    assert told(workshop.path) == ["done|study|best loss 0.5 (#0)"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("no-such-program",), "no-such-program can't be run: "),
        (("sh", "-c", "echo alas; exit 3"), "sh ended with status 3; its output is in engine.log"),
    ],
)
def test_a_command_that_fails_is_logged_and_the_study_is_done(
    workshop: Workshop, words: tuple[str, ...], said: str
):
    file = workshop.study(CODE.format("pass"), notify(*words), trials=1)
    warned = "is not a program here" in workshop.run("check", file).stderr
    assert warned == (len(words) == 1)
    done = workshop.run(file, "--no-ui")
    assert done.returncode == 0
    assert f"[notify] command: {said}" in done.stdout + done.stderr
    assert ("alas" in (workshop.folder() / "engine.log").read_text()) == (len(words) > 1)


class Scene:
    """A notifier in this process, whose command may take half a second."""

    def __init__(self, folder: Path, command: str) -> None:
        text = notify("sh", "-c", command)
        head = '[objective]\nmetric = "loss"\nmode = "min"\n[trial]\ncommand = ["true"]\n'
        file = folder / "s.toml"
        file.write_text(f"{head}[trial.metrics]\nloss = '(x)'\n[space]\nx = 1\n{text}")
        self.folder, self.notes = folder, list[str]()
        self.study = Study(load(file))
        self.notifier = Notifier(self.study, folder, self.notes.append, 0.5)

    def watch(self, *facts: ev.AnyFact, error: Exception | None = None) -> list[str]:
        async def play() -> None:
            async with self.notifier:
                self.notifier.watch(facts)
                if error is not None:
                    raise error

        with contextlib.suppress(ValueError):
            asyncio.run(play())
        return told(self.folder)


def test_a_gpu_that_is_lost_is_told_once(tmp_path: Path):
    scene = Scene(tmp_path, TELL)
    well, lost = (ev.Gpu("g", 3, "A", 1, "no answer" * lost, lost=lost) for lost in (False, True))
    changes = [ev.NodeChanged(0.0, ev.Node("", 4.0, 0, (gpu,))) for gpu in (well, lost, lost)]
    line = f"gpu_lost|{tmp_path.name}|GPU 3: no answer"
    assert scene.watch(msgspec.structs.replace(OPENED, gpus=(well,)), *changes) == [line]
    assert scene.watch(*changes) == [line] * 2  # it was well between


def test_a_command_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path):
    scene = Scene(tmp_path, "sleep 600 & echo $! > child; sleep 600")
    scene.watch(ev.Finished(0.0, complete=True, why=""))
    assert scene.notes == ["[notify] command: sh took over 0.5 s, and was ended"]
    child = int((tmp_path / "child").read_text())
    wait_until(lambda: gone(child), "its child's end")


@pytest.mark.parametrize("why", [Stopped("now"), BY_HAND])
def test_nobody_is_told_what_they_have_done(tmp_path: Path, why: Stopped | str):
    scene = Scene(tmp_path, TELL)
    assert scene.watch(ev.Finished(0.0, complete=False, why=why)) == []


def test_an_engine_that_fails_is_told(tmp_path: Path):
    scene = Scene(tmp_path, TELL)
    assert scene.watch(error=ValueError("before it began")) == []
    (line,) = scene.watch(OPENED, error=ValueError("a bug"))
    assert line == f"halted|{tmp_path.name}|the engine failed: ValueError('a bug')"


def test_the_command_of_the_moment_counts_and_not_the_one_at_the_start(tmp_path: Path):
    scene = Scene(tmp_path, TELL)
    set_now, scene.study.state.settings = scene.study.spec.notify.command, OPENED.settings
    assert scene.watch(OPENED, error=ValueError("without a command")) == []
    scene.study.state.settings = msgspec.structs.replace(OPENED.settings, notify=set_now)
    (line,) = scene.watch(error=ValueError("a bug"))
    assert line == f"halted|{tmp_path.name}|the engine failed: ValueError('a bug')"
