"""Access of a screen to the engine, to files and to other threads."""

from __future__ import annotations

import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuitune.control import ControlError, request, requests, socket_path
from tuitune.messages.text import trial_name
from tuitune.store import errors, owner
from tuitune.store.exported import Form, exported
from tuitune.store.folder import expanded

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.screen import Screen

    from tuitune.ui.actions.action import AppActions
    from tuitune.ui.state.options import Restart, TrainOn
    from tuitune.ui.state.source import Source

NO_START = "no engine can be started from here"
_PATIENCE = 10.0  # s for an engine's answer
_IMPORT = 600.0  # s for the import of training code
_LOG_PERIOD = 1.0  # s
_AGAIN = 0.2  # s between two questions meanwhile


def asked(folder: Path, message: requests.Request) -> dict[str, Any]:
    """The answer of a study's engine; one with the key "error" where there is none."""
    try:
        return request(socket_path(folder, "control"), message, _PATIENCE, by="app")
    except ControlError as error:
        return {"error": owner.out_of_reach(folder) or str(error)}


def asked_once_open(folder: Path, message: requests.Request) -> dict[str, Any]:
    """The answer of an engine that may still import its training code."""
    until = time.monotonic() + _IMPORT
    while True:
        answer = asked(folder, message)
        waits = answer.get("error") == requests.IMPORTING and time.monotonic() < until
        if not waits or owner.running(folder) is None:
            return answer
        time.sleep(_AGAIN)


class Services:
    """Slow work, done in other threads; the results are shown on the screen's thread."""

    def __init__(
        self,
        screen: Screen[None],
        app: AppActions,
        source: Source,
        restart: Restart | None,
        train: TrainOn | None,
    ) -> None:
        self._screen = screen
        self._app = app
        self._source = source
        self._restart = restart
        self._train = train
        self._log_due = 0.0  # by time.monotonic
        self._asking = ThreadPoolExecutor(max_workers=1)  # requests keep their order

    def fetch_curves(self) -> None:
        """Reads all curves so far, after the first paint."""
        self._screen.run_worker(self._read_curves, thread=True, exit_on_error=False)

    def send(self, message: requests.Request, then: Callable[[dict[str, Any]], None]) -> None:
        """Calls `then` with the answer on the screen's thread; an error is shown instead.

        A finished study gets an engine first.
        """
        ask = self._ask
        if self._app.snapshot.engine.state == "finished":
            if self._restart is None:
                self._app.say(NO_START, "warning")
                return
            self._app.say("starting an engine …")
            ask = self._start_and_ask
        self._asking.submit(ask, message, then)

    def follow_log(self, trial: int | None) -> None:
        """Lets the engine fetch what a trial prints on another node, once a second at most."""
        row, now = self._app.snapshot.row(trial), time.monotonic()
        if row is None or row.pid is None or not row.node or now < self._log_due:
            return
        self._log_due = now + _LOG_PERIOD
        self._asking.submit(asked, self._app.snapshot.folder, requests.FollowLog(row.number))

    def close(self) -> None:
        """Drops unsent requests."""
        self._asking.shutdown(wait=False, cancel_futures=True)

    def restart(self) -> None:
        """Starts an engine from another thread and shows the result."""
        if self._restart is None:
            self._app.say(NO_START, "warning")
            return
        self._app.say("starting an engine …")
        self._screen.run_worker(self._start, thread=True, exit_on_error=False)

    def train(self, trial: int, to: int) -> None:
        """Trains a trial on as a study of its own, from another thread, and shows the result."""
        train = self._train
        if train is None:
            self._app.say(NO_START, "warning")
            return

        def work() -> None:
            done = train(trial, to)
            role = "error" if done.failed else "info"
            self._screen.app.call_from_thread(self._app.say, done.words, role)

        self._app.say(f"starting a study that trains {trial_name(trial)} on …")
        self._screen.run_worker(work, thread=True, exit_on_error=False)

    def keep_copy(self, text: str, what: str) -> None:
        """Also writes the copy to a file: a terminal without OSC 52 silently drops it."""
        place = Path(tempfile.gettempdir()) / f"tuitune-{os.getuid()}"
        try:
            place.mkdir(mode=0o700, exist_ok=True)
            kept = place / "copied.txt"
            kept.write_text(text, encoding="utf-8", errors="backslashreplace")
        except OSError:
            self._app.say(f"copied {what}", "info")
            return
        self._app.say(f"copied {what}, to {kept} as well", "info")

    def write(self, kind: str, path: str) -> None:
        """Writes a file. kind: "svg", "csv" or "json". path: "" for one in the current folder."""
        if kind == "svg":  # after the command line has closed
            self._screen.call_after_refresh(self._write, kind, path)
        else:
            self._write(kind, path)

    def _write(self, kind: str, path: str) -> None:
        snapshot = self._app.snapshot
        file = expanded(path) if path else Path(f"{snapshot.name}.{kind}")
        try:
            if kind == "svg":
                shot = self._screen.app.export_screenshot(title=f"tuitune {snapshot.name}")
                file.write_text(shot, encoding="utf-8", errors="backslashreplace")
            else:
                names = [parameter.name for parameter in snapshot.spec.space.parameters]
                form: Form = "json" if kind == "json" else "csv"
                text = exported(snapshot.rows, names, form)
                file.write_text(text, encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            self._app.say(f"{file}: can't be written: {error.strerror}", "error")
            return
        self._app.say(f"wrote {file.absolute()}", "info")

    def _read_curves(self) -> None:
        try:
            curves = self._source.read_curves()
        except errors.StoreError as error:
            self._screen.app.call_from_thread(self._app.say, str(error), "error")
            return
        self._screen.app.call_from_thread(self._source.load_curves, curves)
        self._screen.app.call_from_thread(self._app.move)

    def _ask(self, message: requests.Request, then: Callable[[dict[str, Any]], None]) -> None:
        self._pass_on(asked(self._app.snapshot.folder, message), then)

    def _start_and_ask(
        self, message: requests.Request, then: Callable[[dict[str, Any]], None]
    ) -> None:
        """Settings are given to the new engine as it starts; all else is asked once it listens."""
        assert self._restart is not None
        overrides = message.overrides if isinstance(message, requests.Set) else ()
        problem = self._restart(overrides, hold=not overrides)
        if problem:
            self._pass_on({"error": problem}, then)
        elif overrides:
            self._pass_on({"changed": list(overrides)}, then)
        else:
            self._pass_on(asked_once_open(self._app.snapshot.folder, message), then)

    def _pass_on(self, answer: dict[str, Any], then: Callable[[dict[str, Any]], None]) -> None:
        if "error" in answer:
            self._screen.app.call_from_thread(self._app.say, str(answer["error"]), "error")
        else:
            self._screen.app.call_from_thread(then, answer)

    def _start(self) -> None:
        assert self._restart is not None
        problem = self._restart()
        message = (problem, "error") if problem else ("an engine runs the study again", "info")
        self._screen.app.call_from_thread(self._app.say, *message)
