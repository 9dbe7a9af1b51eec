"""How is something long computed while the screen stays quick? By stepping aside."""

from __future__ import annotations

import time
from threading import Thread
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Generator

WORK: Final = 0.002  # s at a time, during which the interpreter may be held
REST: Final = 0.004  # s between, in which a key or a frame gets its turn

T = TypeVar("T")


class Background(Generic[T]):
    """Runs a generator of progress (0 to 1) to its end. `result` is None until then."""

    def __init__(self, work: Generator[float, None, T]) -> None:
        self.progress = 0.0
        self.result: T | None = None
        self._work = work
        self._thread = Thread(target=self._run, daemon=True, name="background")
        self._thread.start()

    def wait(self) -> None:
        self._thread.join()

    def _run(self) -> None:
        until = time.perf_counter() + WORK
        while True:
            try:
                self.progress = next(self._work)
            except StopIteration as end:
                self.result = end.value
                return
            if time.perf_counter() >= until:
                time.sleep(REST)
                until = time.perf_counter() + WORK
