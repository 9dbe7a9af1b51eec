"""What if something in the engine itself fails? The run ends, and says where to read of it."""

from __future__ import annotations

import contextlib
import traceback
from typing import TYPE_CHECKING, Any

from tuitune.store.rows import ENGINE_FAILED

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from pathlib import Path

LOG = "engine.log"


class EngineFailedError(Exception):
    """A mistake in tuitune, or something it was not made for; str() says what and how to go on."""


def failure(error: BaseException, folder: Path) -> EngineFailedError:
    """In words; the traceback goes to the study's log."""
    log = folder / LOG
    keep(error, log)
    what = "".join(traceback.format_exception_only(error)).strip()
    return EngineFailedError(
        f"{ENGINE_FAILED}{what}; its traceback is in {log}; the same command goes on from what is "
        f"stored"
    )


def keep(error: BaseException, log: Path) -> None:
    with contextlib.suppress(OSError), log.open("a", encoding="utf-8") as file:
        traceback.print_exception(error, file=file)


def end_by_failures(loop: asyncio.AbstractEventLoop, fail: Callable[[BaseException], None]) -> None:
    """An exception that a callback of the loop raises ends the run.

    Others are asyncio's own (a connection that broke, no more file descriptors for a moment).
    """

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if error is not None and "handle" in context:
            fail(error)
        else:
            loop.default_exception_handler(context)

    loop.set_exception_handler(handle)


def heed(task: asyncio.Task[None]) -> None:
    """Called when a task is done that nothing waits for: its failure becomes a callback's."""
    if not task.cancelled():
        task.result()
