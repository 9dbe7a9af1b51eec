"""How does an attempt behave? As `tuitune.execution.worker` makes real ones behave."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, NamedTuple, Protocol

from tuitune import events as ev
from tuitune.execution.wire import PAUSED, Release, Stop, Verdict

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable

    from tuitune.execution.wire import Heard, Order
    from tuitune.simulation.course import Course, Point
    from tuitune.simulation.memory import MemoryShelf

TERM, KILL = 15, 9
PATIENCE = 5.0  # s that a verdict may take


class Surroundings(Protocol):
    """What an attempt reaches of the world around it."""

    @property
    def loop(self) -> AbstractEventLoop: ...

    @property
    def shelf(self) -> MemoryShelf: ...

    def tell(self, attempt: Attempt, event: ev.Event) -> None:
        """Let the engine know, in the order in which the attempt says it."""

    def neglected(self, attempt: Attempt) -> None:
        """It waits for a verdict that does not come."""

    def unknown(self, attempt: Attempt) -> bool:
        """Its record ends here. True where it is to be taken as returning."""


class _Exit(NamedTuple):
    """How a process ends."""

    code: int | None = 0
    signal: int | None = None
    error: str = ""
    lost: bool = False
    stopped: bool = False
    oom: bool = False


def _stays(message: Stop | Verdict) -> bool:
    """Whether one that stands still goes on doing so."""
    return message.reason == PAUSED if isinstance(message, Stop) else message.action == "go"


class Attempt:
    """A process that follows its course until it ends, or is made to leave."""

    def __init__(self, order: Order, course: Course, around: Surroundings) -> None:
        self.order = order
        self.gone = False
        self._course = course
        self._around = around
        self._loop = around.loop
        self._heard: deque[Heard] = deque()
        self._next = 0
        self._reported: Point | None = None
        self._step = 0 if order.resource else order.resume_step or 0
        self._saved_at = self._loop.time()
        self._waiting = False  # for a verdict
        self._still = False  # paused where it is
        self._leaving = False
        self._told: str | None = None  # why its next report ends it
        self._rungs = deque(order.rungs)
        self._wait_at = self._next_wait(0)
        self._later(course.startup, self._begin)

    # --- what the executor does to it ------------------------------------------------------------

    def receive(self, message: Heard) -> None:
        if self.gone or self._leaving:
            return
        self._heard.append(message)
        if self._still:
            self._listen_still()
        elif self._waiting:
            self._listen_waiting()

    def signal(self, number: int) -> None:
        heeds = self._course.heeds
        if self.gone or (number == TERM and heeds == "kill"):
            return
        self._leaving = True
        delay = 0.0 if number == KILL else self._course.leaving
        words = "killed (SIGKILL)" if number == KILL else "terminated (SIGTERM)"
        self._later(delay, lambda: self._exit(_Exit(code=None, signal=number, error=words)))

    # --- its work --------------------------------------------------------------------------------

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        if seconds < math.inf:
            self._loop.call_later(seconds, act)

    def _begin(self) -> None:
        if self.gone or self._leaving:
            return
        order = self.order
        self._tell(
            ev.Started(
                self._now(), order.trial, order.attempt, 1000, order.resume_step, "", "", None
            )
        )
        self._work()

    def _work(self) -> None:
        if self.gone or self._leaving:
            return
        if self._next < len(self._course.points):
            point = self._course.points[self._next]
            self._next += 1
            self._later(point.seconds, lambda: self._report(point))
        else:
            self._end()

    def _end(self) -> None:
        match self._course.end:
            case "returns":
                self._exit(_Exit())
            case "raises":
                self._exit(_Exit(code=1, error="ValueError: it went wrong"))
            case "killed":
                self._exit(_Exit(code=None, signal=KILL, error="killed (SIGKILL)"))
            case "lost":
                self._exit(_Exit(code=None, lost=True))
            case "oom":
                error = "OutOfMemoryError: CUDA out of memory"
                self._exit(_Exit(code=1, error=error, oom=True))
            case "unknown":
                if self._around.unknown(self):
                    self._exit(_Exit())
                else:
                    self._leave("unknown")
            case "hangs":
                pass

    def _report(self, point: Point) -> None:
        if self.gone or self._leaving:
            return
        if self._told is not None:
            self._leave(self._told)
            return
        order = self.order
        self._reported = point
        self._step = step = point.step
        wait = point.value is not None and step >= self._wait_at
        metrics = {} if point.value is None else {order.metric: point.value}
        self._tell(
            ev.Reported(
                self._now(), order.trial, order.attempt, step, metrics, wait and self._course.saves
            )
        )
        if wait:
            self._wait_at = self._next_wait(self._step)
            self._waiting = True
            self._listen_waiting()
            if self._waiting:
                self._later(PATIENCE, lambda: self._wonder(point))
            return
        while self._heard:
            message = self._heard.popleft()
            if isinstance(message, Stop):  # the others have been overtaken by one
                self._obey(message)
                return
        self._save_if_due()
        self._work()

    def _wonder(self, point: Point) -> None:
        if self._waiting and self._reported is point and not self._leaving and not self.gone:
            self._around.neglected(self)

    def _next_wait(self, passed: int) -> float:
        while self._rungs and self._rungs[0] <= passed:
            self._rungs.popleft()
        order = self.order
        stops = [order.judged_from, order.max_resource, *list(self._rungs)[:1]]
        return min((s for s in stops if s is not None), default=math.inf)

    # --- what it hears ---------------------------------------------------------------------------

    def _obey(self, message: Heard) -> None:
        course = self._course
        if isinstance(message, Stop) and message.reason == PAUSED and not course.saves:
            self._still = True
            self._tell(ev.Held(self._now(), self.order.trial, self.order.attempt))
            self._listen_still()
            return
        stop = isinstance(message, Stop) or (
            isinstance(message, Verdict) and message.action == "stop"
        )
        if isinstance(message, Verdict) and message.action == "complete":
            self._told = "complete"
        if course.saves:
            if isinstance(message, Stop | Verdict) and message.save:
                self._save()
            elif not stop and self._told is None:
                self._save_if_due()
        if stop:
            self._leave("stopped")
        else:
            self._work()

    def _listen_waiting(self) -> None:
        while self._heard and self._waiting:
            message = self._heard.popleft()
            if not isinstance(message, Release):
                self._waiting = False
                self._obey(message)

    def _listen_still(self) -> None:
        while self._heard and self._still:
            message = self._heard.popleft()
            if isinstance(message, Release):
                self._still = False
                self._work()
            elif not _stays(message):
                self._still = False
                self._obey(message)

    def _leave(self, why: str) -> None:
        """TrialStopped is raised."""
        if self._course.heeds != "ask" and why != "unknown":
            return  # it was caught; a signal may help
        self._leaving = True
        stopped = why != "complete"
        self._later(self._course.leaving, lambda: self._exit(_Exit(stopped=stopped)))

    def _save_if_due(self) -> None:
        if self._course.saves and self._now() - self._saved_at >= self.order.checkpoint_every:
            self._save()

    def _save(self) -> None:
        self._saved_at = self._now()
        self._around.shelf.save(self.order.trial, self._step)
        self._tell(ev.Checkpointed(self._now(), self.order.trial, self.order.attempt, self._step))

    def _exit(self, how: _Exit) -> None:
        if self.gone:
            return
        self.gone = True
        self._tell(
            ev.Exited(
                self._now(),
                self.order.trial,
                self.order.attempt,
                how.code,
                how.signal,
                how.error,
                "",
                0,
                how.lost,
                how.stopped,
                how.oom,
            )
        )

    def _tell(self, event: ev.Event) -> None:
        self._around.tell(self, event)

    def _now(self) -> float:
        return self._loop.time()
