"""What if the watcher of a study fails? It is told of once, and the study goes on."""

from __future__ import annotations

import contextlib
import sys
import traceback
from typing import TYPE_CHECKING, Protocol

from tuitune.engine.failure import keep

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tuitune.core import events as ev


class Watcher(Protocol):
    """Sees every fact once it is in the store."""

    def __call__(self, facts: Sequence[ev.AnyFact]) -> None: ...

    def note(self, text: str) -> None:
        """Something to say that is no fact of the study."""

    def close(self) -> None: ...


class Unfailing:
    """A watcher that never raises, around one that may: decisions are carried out all the same."""

    def __init__(self, watcher: Watcher, log: Path) -> None:
        self._watcher = watcher
        self._log = log
        self._told = False

    def __call__(self, facts: Sequence[ev.AnyFact]) -> None:
        self._try(lambda: self._watcher(facts))

    def note(self, text: str) -> None:
        self._try(lambda: self._watcher.note(text))

    def close(self) -> None:
        self._try(self._watcher.close)

    def _try(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is not the study's
            if not self._told:
                self._told = True
                self._tell(error)

    def _tell(self, error: Exception) -> None:
        what = "".join(traceback.format_exception_only(error)).strip()
        words = f"this can't be shown: {what}; the study goes on, the traceback is in {self._log}\n"
        with contextlib.suppress(Exception):
            sys.stderr.write(words)
        keep(error, self._log)
