"""Errors of the engine itself and of its watcher: a message, and a traceback in the log."""

import asyncio
import contextlib
import sys
import traceback
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Protocol

from tuitune.core import events as ev
from tuitune.store.folder import LOG
from tuitune.store.rows import ENGINE_FAILED


class EngineFailedError(Exception):
    """An unexpected error of the engine; str() has the error and how to go on."""


def failure(error: BaseException, folder: Path) -> EngineFailedError:
    """The error as a message for the user; the traceback goes to the study's log."""
    log = folder / LOG
    keep(error, log)
    what = _message(error)
    return EngineFailedError(
        f"{ENGINE_FAILED}{what}; its traceback is in {log}; the same command goes on from what is "
        f"stored"
    )


def _message(error: BaseException) -> str:
    """The error's type and message, without the traceback."""
    return "".join(traceback.format_exception_only(error)).strip()


def keep(error: BaseException, log: Path) -> None:
    """Append the traceback to the log, if that can be written."""
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


def start_task(work: Coroutine[Any, Any, None], tasks: set[asyncio.Task[None]]) -> None:
    """Run it, kept in `tasks` until it ends; its error is raised in the loop."""
    task = asyncio.get_running_loop().create_task(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    task.add_done_callback(raise_error)


def raise_error(task: asyncio.Task[None]) -> None:
    """Raise a task's error in the loop: the done-callback for a task that nothing awaits."""
    if not task.cancelled():
        task.result()


class Watcher(Protocol):
    """Sees every fact once it is in the store."""

    def __call__(self, facts: Sequence[ev.AnyFact]) -> None: ...

    def note(self, text: str, *, is_progress: bool = False) -> None:
        """Show a message that is not a fact of the study.

        is_progress: one of many, such as the output of an import; a log file gets few of them.
        """

    def close(self) -> None:
        """The run has ended; nothing is shown after it."""


class GuardedWatcher:
    """A watcher that never raises, around one that may; the first error is printed and logged."""

    def __init__(self, watcher: Watcher, log: Path) -> None:
        self._watcher = watcher
        self._log = log
        self._reported = False

    def __call__(self, facts: Sequence[ev.AnyFact]) -> None:
        self._try(lambda: self._watcher(facts))

    def note(self, text: str, *, is_progress: bool = False) -> None:
        """As Watcher.note; never raises."""
        self._try(lambda: self._watcher.note(text, is_progress=is_progress))

    def close(self) -> None:
        """As Watcher.close; never raises."""
        self._try(self._watcher.close)

    def _try(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:  # noqa: BLE001 - no error of a watcher ends the study
            if not self._reported:
                self._reported = True
                self._print(error)

    def _print(self, error: Exception) -> None:
        what = _message(error)
        text = f"this can't be shown: {what}; the study goes on, the traceback is in {self._log}\n"
        with contextlib.suppress(Exception):
            sys.stderr.write(text)
        keep(error, self._log)
