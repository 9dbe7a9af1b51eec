"""The files of a study and of its nodes, as the engine sees them."""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Final

import msgspec

from tuitune.executors.base import Plan
from tuitune.executors.remote import mark, package, peers, protocol

TAIL: Final = 1 << 16  # bytes of an attempt's log that are kept in any case
PAGE: Final = 1 << 17  # bytes
MOST: Final = 1 << 24  # bytes of a log that is looked at
_LEFT_OUT = b"[ %d bytes are left out here ]\n"


class StudyFiles:
    """Marks the folders that nodes are to see, and keeps what comes of those that see none."""

    def __init__(self, plan: Plan, files: protocol.Files, note: Callable[[str], None]) -> None:
        """files: without its marks, which are made here."""
        self._folder = Path(plan.study_folder)
        self._code = package.Package(Path(plan.folder), self._folder)
        self.logs = Logs(self._folder / "trials")
        self._note = note
        self._has_told_apart = self._has_told_code = False
        self._sending: set[asyncio.Task[None]] = set()
        self._study = mark.Mark(self._folder)
        is_folder = files.storage.startswith("/")
        self._storage = mark.Mark(Path(files.storage, files.study)) if is_folder else None
        self._files = msgspec.structs.replace(
            files,
            mark=self._study.name,
            storage_mark="" if self._storage is None else self._storage.name,
        )

    @property
    def files(self) -> protocol.Files:
        """As nodes are told of them; the study file may be written again meanwhile."""
        code = self._files.code
        with contextlib.suppress(OSError):
            code = None if code is None else package.code_of(Path(code.file))
        return msgspec.structs.replace(self._files, code=code)

    @property
    def storage(self) -> str:
        """A path or a URL; empty: none."""
        return self._files.storage

    def begin(self) -> None:
        """Make the marks. Raises OSError."""
        self._study.make()
        if self._storage is not None:
            self._storage.make()

    def problem(self, agent: str, *, shared: bool) -> str:
        """Why this agent can't be used; "" if both ends see the same. shared: so it says."""
        if self._storage is not None and not self._storage.is_answered(agent):
            return f"what it writes to {self.storage} is not there"
        if shared and not self._study.is_answered(agent):
            return f"it has another folder at {self._folder}"
        return ""

    def tell_apart(self, node: str) -> None:
        """Say once what follows where a node does not see the study folder."""
        if not self._has_told_apart:
            self._has_told_apart = True
            self._note(
                f"{node} does not see {self._folder}: a trial that has saved there goes on on "
                f"that node alone, and starts over if it is lost; --storage PATH-or-URL keeps "
                f"checkpoints for all"
            )

    def send_code(self, node: str, offset: int, tell: Callable[[protocol.Piece], None]) -> None:
        """Send a node the training code, from this byte on; say so once."""
        if not self._has_told_code:
            self._has_told_code = True
            self._note(
                f"{node} does not see {self._code.folder}: its files are copied there, and what "
                f"changes in them counts from the next start"
            )

        async def send() -> None:
            tell(await self._code.piece(offset))

        task = asyncio.create_task(send())
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    def take_log(self, page: protocol.LogPage, tell: Callable[[protocol.AskLog], None]) -> None:
        """Keep a part of a log, and ask for the next one."""
        if (more := self.logs.take(page)) is not None:
            tell(more)

    def fetch_logs(self, attempts: Collection[peers.Key], agents: Sequence[peers.Peer]) -> None:
        """Ask one of these agents for the logs of lost attempts that are in the storage."""
        if self.storage and agents:
            for key in attempts:
                agents[0].tell(self.logs.ask(*key))

    def end(self) -> None:
        """Remove the marks, and what was packed."""
        self._code.close()
        self._study.remove()
        if self._storage is not None:
            with contextlib.suppress(OSError):
                self._storage.remove()


class Logs:
    """Adds pages to the logs of trials, each byte once."""

    def __init__(self, trials: Path) -> None:
        self._trials = trials
        self._has: dict[tuple[int, int], int] = {}  # (trial, attempt) -> up to which byte

    def take(self, page: protocol.LogPage) -> protocol.AskLog | None:
        """Keep what is new of a page. Returns what to ask for next, unless that is all."""
        key = page.trial, page.attempt
        has, end = self._has.get(key, 0), page.start + len(page.text)
        if end > has:
            missing = max(0, page.start - has)
            notice = _LEFT_OUT % missing if missing else b""
            self._write(page.trial, notice + page.text[max(0, has - page.start) :])
        self._has[key] = max(has, end)
        return protocol.AskLog(*key, end) if page.text and end < page.size else None

    def ask(self, trial: int, attempt: int) -> protocol.AskLog:
        """The message that asks for what is new in the log of an attempt."""
        return protocol.AskLog(trial, attempt, self._has.get((trial, attempt), -1))

    def _write(self, trial: int, text: bytes) -> None:
        folder = self._trials / f"{trial:04d}"
        with contextlib.suppress(OSError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with (folder / "output.log").open("ab") as log:
                log.write(text)
