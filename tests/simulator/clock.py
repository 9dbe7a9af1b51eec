"""An event loop without waits: its clock jumps to the next timer."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeVarTuple, Unpack

    Arguments = TypeVarTuple("Arguments")


class WallClock:
    """The time of day of a simulated machine. Setting it affects no timer."""

    def __init__(self, loop: asyncio.AbstractEventLoop, offset: float = 0.0) -> None:
        self._loop = loop
        self.offset = offset  # s ahead of the loop's own time

    def __call__(self) -> float:
        return self._loop.time() + self.offset


class StalledError(Exception):
    """Nothing is due, and what is awaited has not happened."""


class _Jump(selectors.SelectSelector):
    """Advances the clock by the time that a loop would wait; files are ignored."""

    def __init__(self, start: float) -> None:
        super().__init__()
        self.now = start

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise StalledError("nothing is due any more")
        self.now += max(0.0, timeout)
        return []


class SimulatedLoop(asyncio.SelectorEventLoop):
    """An event loop that never waits. `failures`: the exceptions that callbacks have raised."""

    def __init__(self, start: float = 1e6) -> None:
        self._jump = _Jump(start)
        self.failures: list[BaseException] = []
        super().__init__(self._jump)

    def time(self) -> float:
        return self._jump.now

    def call_exception_handler(self, context: Mapping[str, Any]) -> None:
        self.failures.append(context.get("exception") or RuntimeError(str(context["message"])))

    def run_in_executor(  # type: ignore[override]
        self,
        executor: None,
        function: Callable[[Unpack[Arguments]], Any],
        *arguments: *Arguments,
    ) -> asyncio.Future[Any]:
        """Run it at once: threads would make the order of events random."""
        future = self.create_future()
        future.set_result(function(*arguments))
        return future
