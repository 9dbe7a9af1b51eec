"""The processes that write a running study to the tools of [log], one for each."""

import asyncio
import shlex
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tuitune.core.space import spell
from tuitune.core.spec import StudySpec
from tuitune.engine.settings import CannotRunError
from tuitune.ipc.child import Child
from tuitune.store.folder import LOG

_PATIENCE = 30.0  # s for the rest, once the study has ended
_END = b"."  # nothing more is stored


class Logger:
    """One such process. It only reads the study; whatever becomes of it, the study goes on."""

    def __init__(self, folder: Path, name: str, where: str, note: Callable[[str], None]) -> None:
        """Start it. Raises OSError."""
        self._name = name
        self._mend = f"`{_command(folder.name, name, where)}` writes the rest"
        self._note = note
        self._unread = b""
        self._ended = False
        self._child = Child(
            "exporters.live",
            *(str(folder), name, where),
            receive=self._receive,
            lost=self._lost,
            log=folder / LOG,
        )

    async def close(self, patience: float = _PATIENCE) -> None:
        """Let it write the rest, for so many seconds at most."""
        self._ended = True
        self._child.send(_END)
        end = time.monotonic() + patience
        code = await self._child.wait(patience)
        self._child.close()
        if code is None:
            self._child.kill()
            await self._child.wait()
        if code != 0 and time.monotonic() >= end:
            self._say(f"did not get all of the study within {patience:g} s; {self._mend}")
        elif code != 0:
            self._say(f"did not get all of the study: {self._child.how_it_ended()}; {self._mend}")

    def _receive(self, data: bytes) -> None:
        *lines, self._unread = (self._unread + data).split(b"\n")
        for line in lines:
            self._note(f"[log] {line.decode(errors='replace')}")

    def _lost(self) -> None:
        if not self._ended:
            self._say(f"its process has ended, see {LOG}; {self._mend}")

    def _say(self, words: str) -> None:
        self._note(f"[log] {self._name}: {words}")


class Loggers:
    """All of them, from the start of the trials to the end of the study."""

    def __init__(self, spec: StudySpec, folder: Path, note: Callable[[str], None]) -> None:
        self._spec = spec
        self._folder = folder
        self._note = note
        self._running: list[Logger] = []

    def start(self) -> None:
        """Start the processes; one that can't be started is noted."""
        for name, where in _places(self._spec, self._folder):
            try:
                self._running.append(Logger(self._folder, name, where, self._note))
            except OSError as error:
                self._note(f"[log] {name}: can't be started: {error}")

    async def close(self) -> None:
        """Let them write the rest."""
        await asyncio.gather(*(logger.close() for logger in self._running))


def check_logs(spec: StudySpec) -> None:
    """Raise CannotRunError if the package of a tool of [log] is not installed."""
    if not spec.log.to:
        return
    # Most studies have no [log].
    from tuitune.exporters.destination import DestinationError  # noqa: PLC0415
    from tuitune.exporters.registry import missing  # noqa: PLC0415

    for name in spec.log.to:
        try:
            words = missing(name)
        except DestinationError as error:
            words = str(error)
        if words:
            to = spell(list(spec.log.to))
            raise CannotRunError(f"{spec.file}: [log] to = {to}: {words}, or take it out of `to`")


def _command(study: str, name: str, where: str) -> str:
    return shlex.join(["tuitune", "export", study, "--to", name, "-o", where])


def _places(spec: StudySpec, folder: Path) -> Sequence[tuple[str, str]]:
    if not spec.log.to:
        return ()
    from tuitune.exporters.registry import place_of  # noqa: PLC0415 - as above

    written = dict(spec.log.places)
    base = Path(spec.file).parent
    return [place_of(name, written.get(name, ""), folder, base) for name in spec.log.to]
