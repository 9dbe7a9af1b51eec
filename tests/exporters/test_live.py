"""The process that writes a running study to a tool that goes away: nothing is lost, and all is said."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from installed import toy_package, unpack
from msgspec.structs import replace
from stored_study import finished, store
from workshop import wait_until

from tuitune.core import events as ev
from tuitune.exporters import live
from tuitune.store.journal import Journal

TOY = """
from tuitune.exporters.registry import DestinationKind

class Kept:
    tool = None  # the test's own: what it has, and the call in which it is away

    def __init__(self, source, where):
        self.call("open")
        self.new = []

    def call(self, name):
        if self.tool.away in (name, "all"):
            raise ConnectionError(self.tool.words)

    def reached(self):
        return self.tool.reached

    def begin(self, trial):
        self.call("begin")

    def report(self, reports):
        self.call("report")
        self.new += [(one.trial, one.step) for one in reports]

    def update(self, trial):
        self.call("update")
        self.new.append((trial.number, str(trial.state)))

    def flush(self, reached):
        self.call("flush")
        self.tool.has += self.new
        self.new = []
        self.tool.reached = reached

    def close(self):
        self.call("close")

KEPT = DestinationKind(Kept, "{folder}/x", "a file")
"""
ENTRY_POINTS = "[tuitune.destinations]\nkept = toy_live:KEPT\n"


class Tool:
    """What the tool has for good. away: the call that fails."""

    def __init__(self) -> None:
        self.has: list[tuple[int, Any]] = []
        self.reached = 0
        self.away = ""
        self.words = "nobody answers"


class Scene:
    """The process's work in a thread, and the engine's end of its socket."""

    def __init__(self, folder: Path, tool: Tool) -> None:
        self.tool = tool
        self.said = ""
        self.status: Any = None
        self._ours, self._theirs = socket.socketpair()
        self._ours.settimeout(0.0)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.arguments = str(folder), "kept", "there"

    def connection(self) -> tuple[socket.socket, tuple[str, ...]]:
        return self._theirs, self.arguments

    def _run(self) -> None:
        try:
            live.main()
            self.status = 0
        except SystemExit as ended:
            self.status = ended.code

    def start(self) -> None:
        self._thread.start()

    def lines(self) -> list[str]:
        """All that was said so far."""
        try:
            while chunk := self._ours.recv(65536):
                self.said += chunk.decode()
        except BlockingIOError:
            pass
        return self.said.splitlines()

    def end(self) -> Any:
        """The engine ends; the exit status."""
        self.lines()
        self._ours.shutdown(socket.SHUT_WR)
        self._thread.join(30)
        return self.status

    def close(self) -> None:
        self._ours.close()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = store(tmp_path / "study")
    made.write([ev.Proposed(1.0, 0, {"lr": 0.1}, "sobol", "point 0")], [running(0)])
    yield made
    made.close()


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, journal: Journal) -> Iterator[Scene]:
    unpack(toy_package("toy_live", ENTRY_POINTS, toy_live=TOY), tmp_path / "installed")
    monkeypatch.syspath_prepend(str(tmp_path / "installed"))
    import toy_live  # type: ignore[import-not-found]  # noqa: PLC0415 - made by this test

    made = Scene(tmp_path / "study", Tool())
    monkeypatch.setattr(toy_live.Kept, "tool", made.tool)
    monkeypatch.setattr(live, "connect_to_parent", made.connection)
    monkeypatch.setattr("os.nice", lambda _: 0)
    for name in ("_PERIOD", "_FIRST_DELAY", "_LONGEST_DELAY"):
        monkeypatch.setattr(live, name, 0.01)
    yield made
    made.close()


def running(number: int) -> Any:
    return replace(finished(number), state="RUNNING", ended=None, started=1.0)


def report(journal: Journal, step: int) -> None:
    journal.write([ev.Reported(1.0, 0, 0, step, {"loss": 1 / step})], [running(0)])


def end_of_trial(journal: Journal) -> None:
    journal.write([], [replace(finished(0), started=1.0)])


def steps(tool: Tool) -> list[int]:
    return [what for trial, what in tool.has if isinstance(what, int)]


def test_what_comes_while_it_runs_is_written_and_the_rest_at_the_end(scene, journal) -> None:
    report(journal, 1)
    scene.start()
    wait_until(lambda: steps(scene.tool) == [1])
    report(journal, 2)
    wait_until(lambda: steps(scene.tool) == [1, 2])
    report(journal, 3)
    end_of_trial(journal)
    assert scene.end() == 0
    assert steps(scene.tool) == [1, 2, 3]
    assert scene.tool.has[-1] == (0, "COMPLETE")
    assert scene.lines() == []


@pytest.mark.parametrize("call", ["open", "report", "update", "flush", "all"])
def test_a_tool_that_goes_away_in_the_middle_gets_all_once_it_is_back(scene, journal, call) -> None:
    report(journal, 1)
    scene.start()
    wait_until(lambda: steps(scene.tool) == [1])
    scene.tool.away = call
    for step in (2, 3):
        report(journal, step)
    if call == "open":  # it is open already, and stays so
        wait_until(lambda: steps(scene.tool) == [1, 2, 3])
    else:
        wait_until(scene.lines)
    scene.tool.away = ""
    wait_until(lambda: steps(scene.tool) == [1, 2, 3])
    end_of_trial(journal)
    assert scene.end() == 0
    assert steps(scene.tool) == [1, 2, 3]
    assert scene.tool.has[-1] == (0, "COMPLETE")
    again = "kept: gets the study again, all of it"
    away = (
        "kept: there: ConnectionError: nobody answers; the study goes on, and this is tried again"
    )
    assert scene.lines() == ([] if call == "open" else [away, again])


def test_a_tool_that_stays_away_is_told_of_once_and_ends_with_an_error(scene, journal) -> None:
    report(journal, 1)
    scene.tool.away = "all"
    scene.start()
    wait_until(scene.lines)
    scene.tool.words = "still nobody\nin two lines"
    wait_until(lambda: len(scene.lines()) == 2)
    assert scene.end() == 1
    assert [line.partition(";")[0] for line in scene.lines()] == [
        "kept: there: ConnectionError: nobody answers",
        "kept: there: ConnectionError: still nobody",
    ]
    assert scene.tool.has == []


def test_an_engine_that_ends_before_anything_has_begun_leaves_nothing_to_write(
    scene, tmp_path: Path
) -> None:
    folder = tmp_path / "other"
    store(folder).close()
    scene.arguments = str(folder), "kept", "there"
    scene.start()
    assert scene.end() == 0
    assert (scene.tool.has, scene.lines()) == ([], [])


def test_a_study_whose_store_can_not_be_read_is_told_of(scene, tmp_path: Path) -> None:
    scene.arguments = str(tmp_path / "gone"), "kept", "there"
    scene.start()
    wait_until(scene.lines)
    assert scene.end() == 1
    (line,) = scene.lines()
    assert "study.db" in line
    assert line.endswith("; the study goes on, and this is tried again")
