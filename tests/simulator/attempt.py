"""A simulated attempt that behaves as `tuitune.trial.api` makes real ones behave."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, NamedTuple, Protocol

from simulator.course import Waits
from tuitune.core import events as ev
from tuitune.trial.wire import PAUSED, Release, Stop, Verdict

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable

    from simulator.course import Course
    from simulator.memory import MemoryTrialFolders
    from tuitune.simulation.recorded import Point
    from tuitune.trial.wire import Instruction, Order

TERM, KILL = 15, 9
PATIENCE = 5.0  # s that a verdict may take
RETURNED_AFTER = 5.0  # s from a function's return until its process is missed


class Surroundings(Protocol):
    """What an attempt needs of its executor."""

    @property
    def loop(self) -> AbstractEventLoop: ...

    @property
    def trial_folders(self) -> MemoryTrialFolders: ...

    def clock(self) -> float:
        """The time in events."""

    def tell(self, attempt: Attempt, event: ev.Event, waits: int | None = None) -> None:
        """Send an event to the engine, in order. waits: the step of a report that waits for a verdict."""

    def neglected(self, attempt: Attempt) -> None:
        """No verdict comes."""

    def unknown(self, attempt: Attempt) -> bool:
        """Its record ends here. Whether it returns."""


class _Exit(NamedTuple):
    """How a process ends."""

    code: int | None = 0
    signal: int | None = None
    error: str = ""
    lost: bool = False
    stopped: bool = False
    oom: bool = False


def _stays(message: Stop | Verdict) -> bool:
    """Whether one that stands still stays so."""
    return message.reason == PAUSED if isinstance(message, Stop) else message.action == "go"


class Attempt:
    """A process that follows its course until it ends or is made to leave."""

    def __init__(self, order: Order, course: Course, around: Surroundings) -> None:
        self.order = order
        self.gone = False
        self._course = course
        self._around = around
        self._loop = around.loop
        self._inbox: deque[Instruction] = deque()
        self._next = 0
        self._waits = Waits(order, repeats=course.command and order.repeats)
        self._saved_at = self._loop.time()
        self._before = around.trial_folders.reports(order.trial, order.resume_step)
        self._reports: set[int] = set()
        self._has_saved = False
        self._awaited: float | None = None  # when the report was sent that waits for a verdict
        self._then: Callable[[], None] = self._work  # after that verdict
        self._still = False  # it stands still
        self._leaving = False
        self._returned: _Exit | None = None  # how its function ended, while its process stays
        self._later(course.startup, self._begin)

    # --- what the executor does to it ------------------------------------------------------------

    def receive(self, message: Instruction) -> None:
        if self.gone or self._leaving:
            return
        self._inbox.append(message)
        if self._still:
            self._listen_still()
        elif self._awaited is not None:
            self._listen_waiting()

    def signal(self, number: int) -> None:
        heeds = self._course.heeds
        if self.gone or (number == TERM and heeds == "kill"):
            return
        self._leaving = True
        delay = 0.0 if number == KILL else self._course.leaving
        self._later(delay, lambda: self._exit(self._signalled(number)))

    def _signalled(self, number: int) -> _Exit:
        if self._returned is not None:
            return self._returned._replace(code=None, signal=number)
        if number == TERM and self._course.polite:
            return _Exit()
        words = "killed (SIGKILL)" if number == KILL else "terminated (SIGTERM)"
        return _Exit(code=None, signal=number, error=words)

    # --- its work --------------------------------------------------------------------------------

    def lose(self) -> None:
        """Its node is gone."""
        if not self.gone:
            self._exit(_Exit(code=None, lost=True))

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
        elif self._course.ending:
            self._later(self._course.ending, self._end)
        else:
            self._end()

    def _end(self) -> None:
        if self.gone or self._leaving:
            return
        match self._course.end:
            case "returns":
                self._close(lambda: self._return(_Exit()))
            case "raises":
                self._return(_Exit(code=1, error="ValueError: it went wrong"))
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
        if point.step > self._waits.now:
            self._close(lambda: self._tell_of(point))
        else:
            self._tell_of(point)

    def _tell_of(self, point: Point) -> None:
        """For a command the steps before are closed."""
        step, value = point.step, point.value
        if self._waits.is_beyond(step, value):
            self._leave("complete")
            return
        is_open = self._course.command and self._waits.stays_open(step, value)
        if self._waits.taken(step, value, is_open=is_open):
            self._say(step, value, self._work, waits=True)
            return
        self._say(step, value, self._work, is_open=is_open)
        while self._inbox:
            message = self._inbox.popleft()
            if isinstance(message, Stop):  # other messages came too late
                self._obey(message)
                return
        self._save_if_due(self._work)

    def _close(self, then: Callable[[], None]) -> None:
        """For a command, judge the open step now."""
        value = self._waits.closing() if self._course.command else None
        if value is None:
            then()
        else:
            self._say(self._waits.now, value, then, waits=True)

    def _say(
        self,
        step: int,
        value: float | None,
        then: Callable[[], None],
        *,
        waits: bool = False,
        is_open: bool = False,
    ) -> None:
        order, course = self.order, self._course
        metrics = {} if value is None else {order.metric: value}
        saves = waits and course.saves
        told = saves, is_open, waits
        report = ev.Reported(self._now(), order.trial, order.attempt, step, metrics, *told)
        self._reports.add(step)
        self._around.tell(self, report, step if waits else None)
        if waits:
            self._then = then
            self._awaited = since = self._loop.time()
            self._listen_waiting()
            if self._awaited is not None:
                self._later(PATIENCE, lambda: self._wonder(since))

    def _wonder(self, since: float) -> None:
        if self._awaited == since and not self._leaving and not self.gone:
            self._around.neglected(self)

    # --- messages ------------------------------------------------------------------------------

    def _obey(self, message: Instruction, then: Callable[[], None] | None = None) -> None:
        course = self._course
        if isinstance(message, Stop) and message.reason == PAUSED and not course.saves:
            self._still = True
            self._tell(ev.Frozen(self._now(), self.order.trial, self.order.attempt))
            self._listen_still()
            return
        stop = isinstance(message, Stop) or (
            isinstance(message, Verdict) and message.action == "stop"
        )
        if isinstance(message, Verdict) and message.action == "complete":
            self._waits.complete()
        go_on = self._stop if stop else (then or self._work)
        if course.saves and isinstance(message, Stop | Verdict) and message.save:
            self._save(go_on)
        elif stop:
            go_on()
        else:
            self._save_if_due(go_on)

    def _listen_waiting(self) -> None:
        while self._inbox and self._awaited is not None:
            message = self._inbox.popleft()
            if not isinstance(message, Release):
                self._awaited = None
                self._obey(message, self._then)

    def _listen_still(self) -> None:
        while self._inbox and self._still:
            message = self._inbox.popleft()
            if isinstance(message, Release):
                self._still = False
                self._work()
            elif not _stays(message):
                self._still = False
                self._obey(message)

    # --- how it saves and leaves -----------------------------------------------------------------

    def _save_if_due(self, then: Callable[[], None]) -> None:
        due = self._loop.time() - self._saved_at >= self.order.checkpoint_every
        if self._course.saves and due and not self._waits.is_complete:
            self._save(then)
        else:
            then()

    def _save(self, then: Callable[[], None]) -> None:
        step = self._waits.now
        self._tell(ev.SaveStarted(self._now(), self.order.trial, self.order.attempt, step))
        if self._course.saving:
            self._later(self._course.saving, lambda: self._saved(step, then))
        else:
            self._saved(step, then)

    def _saved(self, step: int, then: Callable[[], None]) -> None:
        if self.gone or self._leaving:
            return
        order, course = self.order, self._course
        if step in course.spoilt:
            why = "OSError: no space left on device"
            self._tell(ev.SaveFailed(self._now(), order.trial, order.attempt, step, why))
            if not course.shrugs:
                self._return(_Exit(code=1, error=why))
                return
        else:
            self._saved_at = self._loop.time()
            self._save_to(self._around.trial_folders, step)
            self._tell(ev.Checkpointed(self._now(), order.trial, order.attempt, step))
        then()

    def _save_to(self, folders: MemoryTrialFolders, step: int) -> None:
        """What it did not go on from, an attempt removes before its first save."""
        trial, resumed = self.order.trial, self.order.resume_step
        if not self._has_saved:
            self._has_saved = True
            after = -1 if resumed is None else resumed
            folders.forget(trial, [one for one in folders.steps.get(trial, ()) if one > after])
        folders.save(trial, step, self.order.config, self._before | frozenset(self._reports))

    def _stop(self) -> None:
        self._leave("stopped")

    def _leave(self, why: str) -> None:
        """TrialStopped is raised."""
        if self._course.heeds != "ask" and why != "unknown":
            return  # the code catches it; a signal may end it
        if why == "complete":
            self._return(_Exit())
            return
        self._leaving = True
        self._later(self._course.leaving, lambda: self._exit(_Exit(stopped=True)))

    def _return(self, how: _Exit) -> None:
        """Its function returns; the process may stay for a while."""
        self._leaving = True
        self._returned = how
        lingers = self._course.lingers
        if not lingers:
            self._exit(how)
            return
        self._later(lingers, lambda: self._exit(how))
        if lingers > RETURNED_AFTER:
            self._later(RETURNED_AFTER, self._miss)

    def _miss(self) -> None:
        if not self.gone:
            self._tell(ev.Returned(self._now(), self.order.trial, self.order.attempt))

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
        return self._around.clock()
