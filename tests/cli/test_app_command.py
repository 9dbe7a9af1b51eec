"""The commands around the app: what opens it on what, and what they say when it is closed."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import asdict
from nvml_world import World
from workshop import Workshop, wait_until

from tuitune import ui
from tuitune.cli import app as app_command
from tuitune.cli.app import AppOptions, attach, choose, run_with_app
from tuitune.cli.run_request import RunRequest
from tuitune.cli.startup_pipe import StartupTimeouts
from tuitune.cli.studies import StudyFolder
from tuitune.control import request, socket_path
from tuitune.control.requests import Set, Stop
from tuitune.store import owner
from tuitune.store.errors import StoreError
from tuitune.store.journal import Journal
from tuitune.store.reader import Reader
from tuitune.store.rows import EngineRow
from tuitune.studyfile import StudyFileError
from tuitune.ui.state.options import ConfigurationError, OpenedStudy, Options, StudyList

SLOW = """
import time

def train(trial):
    for step in range(1000):
        time.sleep(0.02)
        trial.report(loss=trial.config["x"])
"""
GOOD = """
def train(trial):
    trial.report(loss=trial.config["x"])
"""


class Screen:
    """Stands where the app is: keeps what it was opened with, does one thing, and is closed."""

    def __init__(self) -> None:
        self.opened: list[tuple[Path, dict[str, Any]]] = []
        self.do: Callable[[Path, dict[str, Any]], None] = lambda *_: None
        self.chosen: Path | None = None

    def open_app(
        self, studies: StudyList, look: Options, start: OpenedStudy | None = None
    ) -> tuple[int, OpenedStudy | None]:
        if start is None:
            if self.chosen is None:
                return 0, None
            start = studies.find(self.chosen)
        options = {**asdict(look), "file": start.file, "restart": start.restart}
        self.opened.append((start.folder, options))
        self.do(start.folder, options)
        return 0, start


def load(*, readonly: bool, **_: object) -> Options:
    return Options(readonly=readonly)


@pytest.fixture
def screen(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> Screen:
    made = Screen()
    monkeypatch.setattr(ui, "open_app", made.open_app)
    monkeypatch.setattr(app_command, "has_terminal", lambda: True)
    monkeypatch.setattr(ui, "load", load)
    monkeypatch.setenv("XDG_STATE_HOME", str(workshop.path / "state"))
    monkeypatch.chdir(workshop.path)
    return made


def run(workshop: Workshop, file: Path, *overrides: str, early_failure: float = 30.0) -> int:
    timeouts = StartupTimeouts(early_failure=early_failure)
    request = RunRequest(file, workshop.path / "runs", overrides, timeouts=timeouts)
    return run_with_app(request, AppOptions())


def until_done(folder: Path, _options: dict[str, Any]) -> None:
    wait_until(lambda: owner.running(folder) is None, "the engine's end")


def test_left_running_it_says_how_to_come_back(
    workshop: Workshop, screen: Screen, capsys: pytest.CaptureFixture[str]
):
    assert run(workshop, workshop.study(SLOW)) == 0
    assert "study: still running; `tuitune attach study` shows it" in capsys.readouterr().out
    assert workshop.engine()
    assert attach(None, workshop.path / "runs", AppOptions(readonly=True)) == 0
    assert [folder.resolve() for folder, _ in screen.opened] == [workshop.folder()] * 2
    assert [options["readonly"] for _, options in screen.opened] == [False, True]
    assert screen.opened[1][1]["file"] == "study.toml"


def test_finished_it_prints_the_summary(
    workshop: Workshop, screen: Screen, capsys: pytest.CaptureFixture[str]
):
    screen.do = until_done
    file = workshop.study(GOOD)
    assert run(workshop, file) == 0
    assert "study: 3 complete in " in capsys.readouterr().out
    assert run(workshop, file) == 0  # opened once more, on what is over
    assert "best: #" in capsys.readouterr().out
    assert len(screen.opened) == 2


def test_gpus_that_take_long_to_wake_are_told_of_before_the_app_opens(
    workshop: Workshop,
    world: World,
    screen: Screen,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    world.driver["wake"] = 5500
    world.with_gpus(1)
    for name, value in world.environment.items():
        monkeypatch.setenv(name, value)
    screen.do = until_done
    assert run(workshop, workshop.study(GOOD)) == 0
    assert "study: NVML has not answered for 5 s" in capsys.readouterr().err


def test_closed_while_the_engine_of_a_finished_study_leaves_it_prints_the_summary(
    workshop: Workshop, screen: Screen, capsys: pytest.CaptureFixture[str]
):
    assert workshop.run(workshop.study(GOOD), "--no-ui").returncode == 0
    here = owner.claim(workshop.folder())
    assert attach("study", workshop.path / "runs", AppOptions()) == 0
    here.release()
    assert "study: 3 complete in " in capsys.readouterr().out


def test_closed_just_after_a_finished_study_was_started_again_it_says_that_it_runs(
    workshop: Workshop, screen: Screen, capsys: pytest.CaptureFixture[str]
):
    """The new engine has stored that it runs, and no fact yet."""
    assert workshop.run(workshop.study(GOOD), "--no-ui").returncode == 0
    here = owner.claim(workshop.folder())
    journal = Journal.open(workshop.folder() / "study.db", "loss")
    journal.tell(EngineRow("running", "", time.time()))
    assert attach("study", workshop.path / "runs", AppOptions()) == 0
    journal.close()
    here.release()
    assert "study: still running" in capsys.readouterr().out


def test_stopped_it_says_what_goes_on_and_the_app_can_start_it_again(
    workshop: Workshop, screen: Screen, capsys: pytest.CaptureFixture[str]
):
    def stop(folder: Path, _options: dict[str, Any]) -> None:
        request(socket_path(folder, "control"), Stop(), timeout=20)
        until_done(folder, {})

    def restart(_folder: Path, options: dict[str, Any]) -> None:
        assert workshop.engine() is None
        assert options["restart"]() == ""
        assert workshop.engine()

    def stop_with_more(folder: Path, options: dict[str, Any]) -> None:
        asked = Set(("search.trials=50",))
        request(socket_path(folder, "control"), asked, timeout=20)
        stop(folder, options)

    screen.do = stop_with_more
    assert run(workshop, workshop.study(SLOW), "search.concurrency=1") == 130
    assert "`tuitune study.toml` continues it" in capsys.readouterr().out
    screen.do = restart
    assert attach("study", workshop.path / "runs", AppOptions()) == 0
    settings = StudyFolder(workshop.folder()).reader.study().settings
    assert settings is not None
    assert (settings.trials, settings.concurrency) == (50, 1)  # of the study, not of its file


def test_an_import_that_failed_while_the_app_was_open_is_told_and_leaves_nothing(
    workshop: Workshop,
    screen: Screen,
    capsys: pytest.CaptureFixture[str],
):
    screen.do = until_done
    code = "import time\ntime.sleep(0.5)\nraise RuntimeError('no data')\ndef train(trial): ...\n"
    assert run(workshop, workshop.study(code), early_failure=0.0) == 2
    assert "RuntimeError: no data" in capsys.readouterr().err
    assert not workshop.folder().exists()


def test_trials_that_all_fail_are_told(
    workshop: Workshop, screen: Screen, capsys: pytest.CaptureFixture[str]
):
    screen.do = until_done
    assert run(workshop, workshop.study("def train(trial): raise ValueError('x')\n", trials=9)) == 1
    assert "all with: ValueError: x" in capsys.readouterr().err


def test_what_can_not_begin_opens_no_app(
    workshop: Workshop, screen: Screen, capsys: pytest.CaptureFixture[str]
):
    file = workshop.study(GOOD)
    assert run(workshop, file, "trial.cpus=1000") == 2
    assert "CPU slots" in capsys.readouterr().err
    assert run(workshop, file, "space.x.low=9") == 2
    assert run(workshop, workshop.path / "nothing.toml") == 2
    assert screen.opened == []
    assert not (workshop.path / "runs").exists()


def test_an_app_that_can_not_be_shown_leaves_no_engine_behind(
    workshop: Workshop,
    screen: Screen,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    def load(**_: Any) -> None:
        raise ConfigurationError("keys.toml: no such act")

    monkeypatch.setattr(ui, "load", load)
    assert run(workshop, workshop.study(SLOW)) == 2
    assert "no such act" in capsys.readouterr().err
    assert screen.opened == []
    assert workshop.engine() is None
    assert not workshop.left_over()


def test_an_app_that_can_not_open_says_that_the_study_runs(
    workshop: Workshop, screen: Screen, capsys: pytest.CaptureFixture[str]
):
    def refuse(*_: Any) -> None:
        raise ConfigurationError("keys.toml: no such act")

    screen.do = refuse
    assert run(workshop, workshop.study(SLOW)) == 2
    said = capsys.readouterr()
    assert "no such act" in said.err
    assert "study: still running; `tuitune attach study` shows it" in said.out


def test_attach_takes_the_one_that_runs_then_the_newest_and_asks_where_several_run(
    workshop: Workshop, screen: Screen
):
    runs = workshop.path / "runs"
    assert attach(None, runs, AppOptions()) == 0  # no study: an empty list
    with pytest.raises(StoreError, match="no such study"):
        attach("nothing", runs, AppOptions())
    workshop.run(workshop.study(GOOD, name="old"), "--no-ui")
    workshop.run(workshop.study(GOOD, name="young"), "--no-ui")
    attach(None, runs, AppOptions())
    run(workshop, workshop.study(SLOW, name="slow"))
    workshop.run(workshop.path / "old.toml", "--no-ui", "--trials", 4)
    attach(None, runs, AppOptions())
    assert [folder.name for folder, _ in screen.opened] == ["young", "slow", "slow"]
    run(workshop, workshop.study(SLOW, name="other"))
    screen.chosen = workshop.folder("slow")
    assert attach(None, runs, AppOptions()) == 0
    assert choose(runs, AppOptions()) == 0
    assert [folder.name for folder, _ in screen.opened[3:]] == ["other", "slow", "slow"]


def test_interrupted_before_it_began_no_engine_and_no_folder_are_left(
    workshop: Workshop,
    screen: Screen,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    def interrupt(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ui, "load", interrupt)
    assert run(workshop, workshop.study(SLOW)) == 130
    assert "stopped before" in capsys.readouterr().err
    assert screen.opened == []
    wait_until(lambda: not workshop.left_over(), "the end of all processes")
    assert not workshop.folder().exists()


def test_what_the_app_does_not_show_is_not_kept(workshop: Workshop, screen: Screen):
    """The journal of a study that was begun by the app is that of any other."""
    screen.do = until_done
    run(workshop, workshop.study(GOOD))
    reader = Reader.open(workshop.folder() / "study.db")
    assert reader.get("source") == str(workshop.path / "study.toml")
    reader.close()


def test_without_a_terminal_attach_says_what_prints(workshop: Workshop):
    done = workshop.run("attach", "study")
    assert done.returncode == 2
    assert "needs a terminal" in done.stderr
    assert workshop.run().stdout.startswith("No studies yet")


def test_a_study_file_that_is_broken_by_now_is_said(
    workshop: Workshop, screen: Screen, capsys: pytest.CaptureFixture[str]
):
    def broken(*_: Any) -> None:
        raise StudyFileError([])

    workshop.run(workshop.study(GOOD), "--no-ui")
    screen.do = broken
    assert attach("study", workshop.path / "runs", AppOptions()) == 2
