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
from types import TracebackType
from typing import Any, Self, Unpack

from tuitune.api import bridge, loaded, running
from tuitune.cli.studies import StudyFolder
from tuitune.control import ControlError, request, requests, socket_path
from tuitune.core import events, options

_TARGET = "tuitune.api.bridge:take"
_POLL = 0.1  # s
_PATIENCE = 10.0  # s for a trial to settle, and for the engine to end


def open(  # noqa: A001, PLR0913 - as tuitune.open; as many arguments as a study file has
    *,
    space: running.Table,
    metric: str,
    mode: options.Mode = "min",
    name: str = "study",
    trials: int | None = None,
    at_once: int = 1,
    runs: str | os.PathLike[str] | None = None,
    new: bool = False,
    **tables: Unpack[running.Tables],
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
    plan = running.planned(name, runs, new, head, tables)
    place = Path(tempfile.mkdtemp(prefix="tuitune-asks-"))
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(place / "socket"))
        listener.listen(1024)
        listener.settimeout(_POLL)
        folder = running.begin(plan, _TARGET, lambda made: _announce(made, place / "socket"))
        return AskedStudy(folder, metric, listener, place)
    except BaseException:
        listener.close()
        shutil.rmtree(place, ignore_errors=True)
        raise


def _announce(folder: StudyFolder, address: Path) -> None:
    """Let the trials find the program. Raises RuntimeError if another one asks."""
    file = folder.path / bridge.ADDRESS
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
    def stored(self) -> loaded.Study:
        """The study as `tuitune.load` has it: its trials, its best one, its tables."""
        return loaded.Study(self._folder)

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
        self,
        trial: AskedTrial | int,
        value: float | None = None,
        /,
        *,
        failed: str = "",
        **metrics: Any,
    ) -> None:
        """End a trial: with the objective's value or several metrics, or as failed, with why.

        trial: as asked for, or its number. Returns when it is stored; one whose `report` has said
        that it must stop has ended already, as pruned, and nothing is told. Raises TypeError for a
        value that is not a number, and RuntimeError if the trial was ended meanwhile, as by
        `tuitune kill`, was told of before, or was not asked for.
        """
        number = trial if isinstance(trial, int) else trial.number
        found = self._asked.get(number)
        if found is None or trial not in (found, number):
            raise RuntimeError(f"trial #{number} was told of before, or was not asked for here")
        if value is not None:
            metrics[self._metric] = value
        told = _numbers(metrics)
        del self._asked[number]
        if found.is_stopped:
            found.drop()
            return
        found.end({"failed": failed} if failed else {"done": told or None})
        _wait_until(
            lambda: self._is_over() or self._folder.reader.some([number])[0].state in events.ENDED
        )

    def close(self) -> None:
        """Stop the study. Trials that were not told of are asked for again by the next `open`."""
        if not self._open:
            return
        self._open = False
        atexit.unregister(self.close)
        with contextlib.suppress(ControlError):
            request(socket_path(self._folder.path, "control"), requests.Stop(), timeout=_PATIENCE)
        self._listener.close()
        for trial in self._asked.values():
            trial.drop()
        shutil.rmtree(self._place, ignore_errors=True)
        _wait_until(self._is_over)

    def _is_over(self) -> bool:
        """Whether no engine runs the study."""
        return self._folder.owner() is None


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

    def __repr__(self) -> str:
        return f"AskedTrial(number={self.number}, config={self.config})"

    def report(self, metrics: Mapping[str, Any] | None = None, /, **values: Any) -> bool:
        """Report metrics of a step; whether to go on. If not, the trial has ended: ask again."""
        try:
            bridge.send(self._lines, {"report": _numbers({**(metrics or {}), **values})})
            answer = json.loads(self._lines.readline() or "null")
        except OSError:
            answer = None
        self.is_stopped = answer is None or not answer["go"]
        return not self.is_stopped

    def end(self, message: Mapping[str, Any]) -> None:
        """Send the last message. Raises RuntimeError if nobody listens any more."""
        try:
            bridge.send(self._lines, message)
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


def _numbers(metrics: Mapping[str, Any]) -> dict[str, int | float]:
    """Numbers of numpy and torch as Python's. Raises TypeError for anything else."""
    return {name: _number(name, value) for name, value in metrics.items()}


def _number(name: str, value: Any) -> int | float:
    number = value.item() if hasattr(value, "item") else value
    if not isinstance(number, int | float):
        raise TypeError(
            f"{name} is {value!r}: it must be a number, or tell that the trial has failed"
        )
    return number
