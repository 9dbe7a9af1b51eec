"""How do simulated trials start, hear of decisions, and tell what happens to them?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tuitune.execution.wire import Release, Stop, Verdict
from tuitune.simulation.attempt import KILL, TERM, Attempt

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping, Sequence

    from tuitune.events import Event
    from tuitune.execution.wire import Heard, Order
    from tuitune.simulation.course import Target
    from tuitune.simulation.memory import MemoryShelf

APART = 1e-6  # s between two messages of one attempt, so that their order is never in doubt


class SimulatedExecutor:
    """As `tuitune.execution.executor.Executor`, on a simulated loop.

    latency: seconds that the next message takes, either way; None: messages are there at once.
    unknown: told of trials whose record ends while they should go on; true: it returns there.
    neglected: told of trials that wait for a verdict, and none comes.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - a world has this many sides
        self,
        target: Target,
        sink: Callable[[Sequence[Event]], None],
        loop: asyncio.AbstractEventLoop,
        shelf: MemoryShelf,
        latency: Callable[[], float] | None = None,
        unknown: Callable[[int], bool] | None = None,
        neglected: Callable[[int], None] | None = None,
    ) -> None:
        self.loop = loop
        self.shelf = shelf
        self.attempts: dict[tuple[int, int], Attempt] = {}
        self._target = target
        self._sink = sink
        self._latency = latency
        self._unknown = unknown
        self._neglected = neglected
        self._said: dict[tuple[int, int], float] = {}
        self._heard: dict[tuple[int, int], float] = {}

    async def open(self) -> None: ...

    def launch(self, order: Order) -> None:
        self.attempts[order.trial, order.attempt] = Attempt(order, self._target.begin(order), self)

    def answer(self, trial: int, attempt: int, action: str, save: bool) -> None:  # noqa: FBT001
        self._send(trial, attempt, Verdict(action, save))

    def ask_stop(self, trial: int, attempt: int, reason: str, save: bool) -> None:  # noqa: FBT001
        self._send(trial, attempt, Stop(reason, save))

    def release(self, trial: int, attempt: int) -> None:
        self._send(trial, attempt, Release())

    def signal(self, trial: int, attempt: int, how: Literal["term", "kill"]) -> None:
        there = self.attempts.get((trial, attempt))
        if there is not None:
            there.signal(TERM if how == "term" else KILL)

    async def sample(
        self,
        targets: Mapping[str, str],
        seed: str,  # noqa: ARG002 - nothing of the user's runs in a simulation
        config: Mapping[str, Any],  # noqa: ARG002
    ) -> dict[str, Any]:
        return dict.fromkeys(targets, 0)

    async def close(self) -> None:
        for attempt in self.attempts.values():
            attempt.gone = True

    # --- the attempts' surroundings --------------------------------------------------------------

    def tell(self, attempt: Attempt, event: Event) -> None:
        key = attempt.order.trial, attempt.order.attempt
        if attempt.gone:
            del self.attempts[key]
        if self._latency is None:
            self._sink((event,))
        else:
            self.loop.call_at(self._turn(self._said, key), self._arrive, event)

    def unknown(self, attempt: Attempt) -> bool:
        return self._unknown is not None and self._unknown(attempt.order.trial)

    def neglected(self, attempt: Attempt) -> None:
        if self._neglected is not None:
            self._neglected(attempt.order.trial)

    def _arrive(self, event: Event) -> None:
        self._sink((msgspec.structs.replace(event, time=self.loop.time()),))

    def _send(self, trial: int, attempt: int, message: Heard) -> None:
        there = self.attempts.get((trial, attempt))
        if there is None:
            return
        if self._latency is None:
            there.receive(message)
        else:
            self.loop.call_at(self._turn(self._heard, (trial, attempt)), there.receive, message)

    def _turn(self, turns: dict[tuple[int, int], float], key: tuple[int, int]) -> float:
        """When the next message arrives: after all before it."""
        assert self._latency is not None
        turns[key] = max(self.loop.time() + self._latency(), turns.get(key, 0.0) + APART)
        return turns[key]
