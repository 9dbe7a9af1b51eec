"""A study whose trials a program asks for and tells of, with the study's searcher and journal."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, Unpack

from tuitune.api.bridge import ADDRESS, send
from tuitune.api.loaded import Study
from tuitune.api.running import Table, Tables, begin, planned
from tuitune.control import ControlError, request, socket_path
from tuitune.control.requests import Stop
from tuitune.core.events import ENDED

if TYPE_CHECKING:
    from types import TracebackType

    from tuitune.cli.studies import StudyFolder
    from tuitune.core.options import Mode

_TARGET = "tuitune.api.bridge:take"
_POLL = 0.1  # s
_PATIENCE = 10.0  # s for a trial to settle, and for the engine to end


def open(  # noqa: A001, PLR0913 - as tuitune.open; as many arguments as a study file has
    *,
    space: Table,
    metric: str,
    mode: Mode = "min",
    name: str = "study",
    trials: int | None = None,
    at_once: int = 1,
    runs: str | os.PathLike[str] | None = None,
    new: bool = False,
    **tables: Unpack[Tables],
) -> AskedStudy:
    """Open a study to `ask` for its trials and `tell` what became of them; begin it if it is new.

    The arguments are those of `tuitune.run`; `at_once` trials may be asked for before one is told.
    Raises as `tuitune.run`, and RuntimeError if another program asks this study.
    """
    search = {"concurrency": at_once, **({} if trials is None else {"trials": trials})}
    head: dict[str, Any] = {
        "objective": {"metric": metric, "mode": mode},
        "space": space,
        "search": search,
        "trial": {"cpus": 0, "gpus": 0, "leave_within": "2s"},  # the program has its own
    }
    plan = planned(name, runs, new, head, tables)
    place = Path(tempfile.mkdtemp(prefix="tuitune-asks-"))
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(place / "socket"))
        listener.listen(1024)
        listener.settimeout(_POLL)
        folder = begin(plan, _TARGET, lambda made: _announce(made, place / "socket"))
        return AskedStudy(folder, metric, listener, place)
    except BaseException:
        listener.close()
        shutil.rmtree(place, ignore_errors=True)
        raise


def _announce(folder: StudyFolder, address: Path) -> None:
    """Let the trials find the program. Raises RuntimeError if another one asks."""
    file = folder.path / ADDRESS
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as other:
        other.connect(file.read_text(encoding="utf-8"))
        raise RuntimeError(f"{folder.name}: another program asks this study; end it first")
    file.write_text(str(address), encoding="utf-8")


class AskedStudy:
    """An open study. Any thread may ask and tell; `close` stops it, so that it can go on later."""

    def __init__(
        self, folder: StudyFolder, metric: str, listener: socket.socket, place: Path
    ) -> None:
        self._folder = folder
        self._metric = metric
        self._listener = listener
        self._place = place
        self._turn = threading.Lock()
        self._asked: dict[int, AskedTrial] = {}
        self._open = True
        atexit.register(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.close()

    @property
    def stored(self) -> Study:
        """The study as `tuitune.load` has it: its trials, its best one, its tables."""
        return Study(self._folder)

    def ask(self) -> AskedTrial | None:
        """The next trial, once there is room for it; None when the study has ended."""
        while self._open:
            with self._turn, contextlib.suppress(TimeoutError, ValueError):
                connection, _ = self._listener.accept()
                connection.settimeout(None)
                trial = AskedTrial(connection)
                self._asked[trial.number] = trial
                return trial
            if self._is_over():
                return None
        return None

    def tell(
        self, trial: AskedTrial, value: float | None = None, /, *, failed: str = "", **metrics: Any
    ) -> None:
        """End a trial: with the objective's value or several metrics, or as failed, with why.

        Returns when it is stored; one whose `report` has said that it must stop has ended already,
        as pruned, and nothing is told. Raises RuntimeError if the trial was ended meanwhile, as by
        `tuitune kill`, or told of before.
        """
        if self._asked.pop(trial.number, None) is not trial:
            raise RuntimeError(f"trial #{trial.number} was told of before")
        if trial.is_stopped:
            trial.drop()
            return
        if value is not None:
            metrics[self._metric] = value
        trial.end({"failed": failed} if failed else {"done": _numbers(metrics) or None})
        _wait_until(lambda: self._is_over() or self._has_ended(trial.number))

    def close(self) -> None:
        """Stop the study. Trials that were not told of are asked for again by the next `open`."""
        if not self._open:
            return
        self._open = False
        atexit.unregister(self.close)
        with contextlib.suppress(ControlError):
            request(socket_path(self._folder.path, "control"), Stop(), timeout=_PATIENCE)
        self._listener.close()
        for trial in self._asked.values():
            trial.drop()
        shutil.rmtree(self._place, ignore_errors=True)
        _wait_until(self._is_over)

    def _is_over(self) -> bool:
        """Whether no engine runs the study."""
        return self._folder.owner() is None

    def _has_ended(self, trial: int) -> bool:
        """Whether the end of this trial is stored."""
        return self._folder.reader.some([trial])[0].state in ENDED


class AskedTrial:
    """A trial that the program evaluates: its configuration, and its reports if it has any."""

    def __init__(self, connection: socket.socket) -> None:
        """Raises ValueError if the trial has ended before it could be asked for."""
        self._lines = connection.makefile("rw", encoding="utf-8")
        self._connection = connection
        about = json.loads(self._lines.readline() or "null")
        if about is None:
            raise ValueError("the trial has ended")
        self.number: int = about["trial"]
        self.config: dict[str, Any] = about["config"]
        self.max_resource: int | None = about["max_resource"]
        self.is_stopped = False  # the study has ended it

    def report(self, metrics: Mapping[str, Any] | None = None, /, **values: Any) -> bool:
        """Report metrics of a step; whether to go on. If not, the trial has ended: ask again."""
        try:
            send(self._lines, {"report": _numbers({**(metrics or {}), **values})})
            answer = json.loads(self._lines.readline() or "null")
        except OSError:
            answer = None
        self.is_stopped = answer is None or not answer["go"]
        return not self.is_stopped

    def end(self, message: Mapping[str, Any]) -> None:
        """Send the last message. Raises RuntimeError if nobody listens any more."""
        try:
            send(self._lines, message)
        except OSError as error:
            raise RuntimeError(f"trial #{self.number} was ended meanwhile") from error
        finally:
            self.drop()

    def drop(self) -> None:
        """Say no more of it."""
        for closing in (self._lines, self._connection):
            with contextlib.suppress(OSError):
                closing.close()


def _wait_until(condition: Callable[[], bool]) -> None:
    """Return once it is met, or after a time without it."""
    end = time.monotonic() + _PATIENCE
    while not condition() and time.monotonic() < end:
        time.sleep(_POLL / 10)


def _numbers(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers of numpy and torch as Python's."""
    return {name: v.item() if hasattr(v, "item") else v for name, v in metrics.items()}
