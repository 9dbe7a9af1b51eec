"""The process that writes a running study to one destination.

It only reads the study, so a trial waits for nothing. What it can't write now it writes later: in
this process, in that of the next engine, or by `tuitune export`. It ends with the engine.
"""

import contextlib
import os
import select
import socket
import sys
from pathlib import Path

from tuitune.exporters import destination, registry
from tuitune.exporters.feeding import NotBegunError, feeding
from tuitune.ipc.entry import connect_to_parent
from tuitune.store.errors import StoreError

_PERIOD = 1.0  # s between two looks at the study
_FIRST_DELAY, _LONGEST_DELAY = 2.0, 60.0  # s until it is tried again
_NICE = 10  # trials have priority
_QUICK = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}


def main() -> None:
    """Run the process; arguments: the study folder, and the name and place of the destination."""
    connection, (folder, name, where) = connect_to_parent()
    os.nice(_NICE)
    for variable, value in _QUICK.items():  # it is tried again in any case
        os.environ.setdefault(variable, value)
    with connection, contextlib.suppress(BrokenPipeError):
        _Live(connection, Path(folder), registry.Place(name, where)).run()


class _Live:
    """Feeds one destination until the engine has ended and all is written."""

    def __init__(self, engine: socket.socket, folder: Path, place: registry.Place) -> None:
        self._engine = engine
        self._folder = folder
        self._place = place
        self._last = False  # the engine has ended: what is there now is the rest
        self._said = ""

    def run(self) -> None:
        """To the end of the study; exits with status 1 if the rest can't be written then."""
        delay = _FIRST_DELAY
        while True:
            is_rest = self._last
            try:
                with feeding(self._folder, self._place) as feed:
                    while True:
                        is_rest = self._last
                        feed.all()
                        if self._said:
                            self._say(f"{self._place.name}: gets the study again, all of it")
                            self._said, delay = "", _FIRST_DELAY
                        if is_rest:
                            return
                        self._wait(_PERIOD)
            except NotBegunError:
                if is_rest:
                    return
                self._wait(_PERIOD)
            except (destination.DestinationError, StoreError) as error:
                self._say(f"{error}; the study goes on, and this is tried again")
                if is_rest:
                    sys.exit(1)
                self._wait(delay)
                delay = min(2 * delay, _LONGEST_DELAY)

    def _wait(self, seconds: float) -> None:
        """Until the engine ends, or for these seconds."""
        readable, _, _ = select.select([self._engine], [], [], seconds)
        if readable:
            self._engine.recv(1)
            self._last = True

    def _say(self, words: str) -> None:
        """Tell the engine's user, once while nothing changes."""
        if words != self._said:
            self._said = words
            self._engine.sendall(f"{words}\n".encode(errors="replace"))
