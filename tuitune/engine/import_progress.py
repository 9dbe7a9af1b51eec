"""What does the training code say while it is imported, before there is any trial?"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from tuitune.executors.local.exit_text import plain

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

PATIENCE = 1.0  # s before an import is worth a word
PERIOD = 1.0  # s between two looks
CHUNK = 4096  # bytes of the log's end


@contextlib.asynccontextmanager
async def told(log: Path, note: Callable[[str], None]) -> AsyncIterator[None]:
    """Meanwhile pass on the newest line of the engine's log: a download shows its progress."""
    telling = asyncio.create_task(_tell(log, note))
    try:
        yield
    finally:
        telling.cancel()


async def _tell(log: Path, note: Callable[[str], None]) -> None:
    start, seen = _size(log), ""
    await asyncio.sleep(PATIENCE)
    note(f"importing the training code; what it prints is in {log}")
    while True:
        line = _last_line(log, start)
        if line != seen:
            note(line)
            seen = line
        await asyncio.sleep(PERIOD)


def _size(log: Path) -> int:
    try:
        return log.stat().st_size
    except OSError:
        return 0


def _last_line(log: Path, start: int) -> str:
    """The newest that is no blank; a progress bar writes its lines over each other."""
    try:
        with log.open("rb") as file:
            file.seek(max(start, file.seek(0, 2) - CHUNK))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    lines = [plain(line).strip() for line in text.replace("\r", "\n").split("\n")]
    return next((line for line in reversed(lines) if line), "")
