"""The simulated executor: an `Executor` whose trials follow a course."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from simulator.attempt import KILL, TERM, Attempt
from tuitune.core import events as ev
from tuitune.trial.wire import Release, Stop, Verdict

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping, Sequence

    from simulator.course import Target
    from simulator.memory import MemoryTrialFolders
    from tuitune.trial.wire import Instruction, Order

Cause = Literal["code", "resources"]

APART = 1e-6  # s between two messages of one attempt, so that their order is certain
REFUSAL = 0.5  # s from a launch until it is clear that nothing can be launched


class SimulatedExecutor:
    """A `tuitune.executors.base.Executor` on a simulated loop.

    latency: seconds that the next message takes, either way; None: none.
    unknown: called for a trial whose record ends while it should go on; true: it returns there.
    neglected: called for a trial that waits for a verdict in vain.
    clock: the time in events; None: the loop's.
    """

    def __init__(
        self,
        target: Target,
        sink: Callable[[Sequence[ev.Event]], None],
        loop: asyncio.AbstractEventLoop,
        trial_folders: MemoryTrialFolders,
        latency: Callable[[], float] | None = None,
        unknown: Callable[[int], bool] | None = None,
        neglected: Callable[[int], None] | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.loop = loop
        self.trial_folders = trial_folders
        self.attempts: dict[tuple[int, int], Attempt] = {}
        self._target = target
        self._sink = sink
        self._latency = latency
        self._unknown = unknown
        self._neglected = neglected
        self.clock = clock or loop.time
        self._waits: dict[tuple[int, int], int] = {}  # the steps that wait for an answer
        self._lacking: dict[Cause, str] = {}  # why nothing can be launched
        self._reported: set[Cause] = set()  # of these, what the engine knows
        self._closed = False
        self.lost_nodes: set[str] = set()
        self._unheard: dict[str, list[Order]] = {}  # attempts that ended while they were cut off
        self._sent: dict[tuple[int, int], float] = {}
        self._received: dict[tuple[int, int], float] = {}

    async def open(self) -> None: ...

    def launch(self, order: Order) -> None:
        if self._closed:
            return
        if order.node in self.lost_nodes:
            self.loop.call_later(REFUSAL, self._lose, order)
            return
        if self._lacking:
            self.loop.call_later(REFUSAL, self._refuse, order)
            return
        self.attempts[order.trial, order.attempt] = Attempt(order, self._target.begin(order), self)

    def waiting(self, trial: int, attempt: int) -> int | None:
        """The step of this attempt that waits for an answer."""
        return self._waits.get((trial, attempt))

    def answer(self, trial: int, attempt: int, action: str, save: bool) -> None:
        if self._waits.pop((trial, attempt), None) is not None:
            self._send(trial, attempt, Verdict(action, save))

    def ask_stop(self, trial: int, attempt: int, reason: str, save: bool) -> None:
        self._send(trial, attempt, Stop(reason, save))

    def release(self, trial: int, attempt: int) -> None:
        self._send(trial, attempt, Release())

    def signal(self, trial: int, attempt: int, how: Literal["term", "kill"]) -> None:
        there = self.attempts.get((trial, attempt))
        if there is not None:
            there.signal(TERM if how == "term" else KILL)

    def has_process(self, trial: int) -> bool:
        """Whether an attempt of this trial runs, whatever the engine was told."""
        attempts = (attempt for (of, _), attempt in self.attempts.items() if of == trial)
        return any(not attempt.gone for attempt in attempts)

    def lose(self, node: str) -> None:
        """End all attempts on a node, which was cut off until now."""
        for attempt in [*self.attempts.values()]:
            if attempt.order.node == node:
                attempt.lose()
        for order in self._unheard.pop(node, ()):
            self._lose(order)

    def _is_cut_off(self, attempt: Attempt, event: ev.Event) -> bool:
        """Whether nobody hears of this event, since the node is not heard any more."""
        node = attempt.order.node
        if node not in self.lost_nodes or (isinstance(event, ev.Exited) and event.lost):
            return False
        if attempt.gone:
            self._unheard.setdefault(node, []).append(attempt.order)
        return True

    def _lose(self, order: Order) -> None:
        why = "its node is gone"
        end = ev.Exited(self.clock(), order.trial, order.attempt, None, None, why, "", 0, lost=True)
        self._sink((end,))

    async def sample(
        self,
        targets: Mapping[str, str],
        seed: str,
        config: Mapping[str, Any],
    ) -> dict[str, Any]:
        return dict.fromkeys(targets, 0)

    async def close(self) -> None:
        self._closed = True
        for attempt in self.attempts.values():
            attempt.gone = True

    # --- what may be lacking for a while ---------------------------------------------------------

    def lack(self, cause: Cause, why: str) -> None:
        """Launch nothing from now on: the code is broken, or something has run out."""
        self._lacking[cause] = why

    def have(self, cause: Cause) -> None:
        """Launch again, unless there is another cause."""
        self._lacking.pop(cause, None)
        if cause in self._reported:
            self._reported.discard(cause)
            self._sink((ev.LaunchBlocked(self.clock(), cause, ""),))

    def _refuse(self, order: Order) -> None:
        if not self._lacking:
            self.launch(order)  # what was missing is there again
            return
        for cause, why in self._lacking.items():
            if cause not in self._reported:
                self._reported.add(cause)
                self._sink((ev.LaunchBlocked(self.clock(), cause, why),))
        why = next(iter(self._lacking.values()))
        end = ev.Exited(self.clock(), order.trial, order.attempt, None, None, why, "", 0, lost=True)
        self._sink((end,))

    # --- the attempts' surroundings --------------------------------------------------------------

    def tell(self, attempt: Attempt, event: ev.Event, waits: int | None = None) -> None:
        key = attempt.order.trial, attempt.order.attempt
        if attempt.gone:
            del self.attempts[key]
        if self._is_cut_off(attempt, event):
            return
        if self._latency is None:
            self._hear(key, event, waits)
        else:
            self.loop.call_at(self._turn(self._sent, key), self._arrive, key, event, waits)

    def unknown(self, attempt: Attempt) -> bool:
        return self._unknown is not None and self._unknown(attempt.order.trial)

    def neglected(self, attempt: Attempt) -> None:
        if self._neglected is not None and attempt.order.node not in self.lost_nodes:
            self._neglected(attempt.order.trial)

    def _arrive(self, key: tuple[int, int], event: ev.Event, waits: int | None) -> None:
        self._hear(key, msgspec.structs.replace(event, time=self.clock()), waits)

    def _hear(self, key: tuple[int, int], event: ev.Event, waits: int | None) -> None:
        if waits is not None:
            self._waits[key] = waits
        elif isinstance(event, ev.Exited):
            self._waits.pop(key, None)
        self._sink((event,))

    def _send(self, trial: int, attempt: int, message: Instruction) -> None:
        there = self.attempts.get((trial, attempt))
        if there is None:
            return
        if self._latency is None:
            there.receive(message)
        else:
            self.loop.call_at(self._turn(self._received, (trial, attempt)), there.receive, message)

    def _turn(self, turns: dict[tuple[int, int], float], key: tuple[int, int]) -> float:
        """When the next message arrives: after all earlier ones."""
        assert self._latency is not None
        turns[key] = max(self.loop.time() + self._latency(), turns.get(key, 0.0) + APART)
        return turns[key]
