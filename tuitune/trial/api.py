"""The trial as its training code sees it."""

from __future__ import annotations

import errno
from contextlib import contextmanager, suppress
from threading import RLock
from time import monotonic
from typing import TYPE_CHECKING, Any, NoReturn

from tuitune.trial import link, wire
from tuitune.trial.steps import NEVER, Postponed, Steps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tuitune.trial.channel import Channel

_LOOK_SECONDS = 0.005  # between two looks for a stop: one at every report would slow a fast trial
_FULL = (errno.ENOSPC, errno.EDQUOT)  # errors of a full disk


class Trial:
    """One attempt at one configuration, as its own code sees it.

    Any thread may report, but only one process: the first that reports or saves. In a thread,
    TrialStopped ends that thread alone, without a traceback; the next report of any other thread
    raises it again. A trial whose main thread neither reports nor returns after that gets SIGTERM
    after a while, as every trial that was asked to stop.
    """

    def __init__(self, order: wire.Order, channel: Channel) -> None:
        self._order = order
        self._link = link.Link(channel)
        self._lock = RLock()
        self._metric = order.metric
        self._resource = order.resource
        self._steps = Steps(order)
        self._reporter = link.SoleReporter()
        self._saved_at = monotonic()
        self._saved = False
        self._look_at = 0.0
        self._ended: str | None = None
        self._caught = link.CaughtStop()
        self._postponed = Postponed(self._steps)
        self._has_resumed = False  # the code has asked for its checkpoint

    @property
    def number(self) -> int:
        """Counts from 0."""
        return self._order.trial

    @property
    def metric(self) -> str:
        """The name of the objective's metric."""
        return self._metric

    @property
    def attempt(self) -> int:
        """Counts from 0; a trial that is resumed or retried has the next number."""
        return self._order.attempt

    @property
    def config(self) -> dict[str, Any]:
        """The configuration: a copy, so that changing it changes nothing."""
        found: dict[str, Any] = wire.copied(self._order.config)
        return found

    @property
    def max_resource(self) -> int:
        """`max` of the study file's [pruning]. Raises AttributeError if it has none."""
        if self._order.max_resource is None:
            raise AttributeError(
                "trial.max_resource: the study file sets no maximum; "
                "add `max = …` to its [pruning] table, or count in the code itself"
            )
        return self._order.max_resource

    @property
    def resource(self) -> str | None:
        """The key of a report that counts the study's resource; None if each report is a step."""
        return self._resource

    @property
    def resume_path(self) -> Path | None:
        """The folder of the newest whole checkpoint, None if the trial starts over."""
        self._has_resumed = True
        return None if self._order.resume_path is None else _path(self._order.resume_path)

    @property
    def seed(self) -> int:
        """Made of the study's seed, the trial and the attempt; random, numpy and torch have it."""
        return self._order.seed

    @property
    def folder(self) -> Path:
        """The trial's own folder; the training code may keep any files in it."""
        return _path(self._order.folder)

    def report(
        self,
        metrics: Mapping[str, Any] | None = None,
        /,
        *,
        save: Callable[[Path], object] | None = None,
        **values: Any,
    ) -> None:
        """Report metrics: numbers, or anything with .item(); NaN and infinity are legal.

        A step may be reported several times: metrics are added to it, and the last objective is
        its value. It is judged by the first report that has the objective. `save(folder)` writes
        a checkpoint and is called only when one is needed; if only some reports have it, a trial
        that must save and stop goes on to the next report that has it, for one step at most.

        Waits for a verdict only at a rung, at the maximum and at the study's target. Raises
        TrialStopped when the trial must end: after the maximum at the first report of a later
        step. Raises ValueError for a step above 2**53 and for a report of more than 4 MB,
        RuntimeError if another process of the trial reports.
        """
        if metrics is not None:
            if not hasattr(metrics, "keys"):
                kind = type(metrics).__name__
                raise TypeError(f"report takes metrics by name, as report(loss=0.3), not a {kind}")
            values = {**metrics, **values}
        if not self._reporter.is_ours and not self._reporter.take():
            raise link.SecondReporterError
        lock = self._lock
        lock.acquire()  # `with` takes twice as long
        try:
            if self._ended is not None:
                self._stop_again(self._ended)
            self._take(self._count(values), values, save)
        except link.TrialStopped:
            self._caught.raised()
            raise
        finally:
            lock.release()

    def _stop_again(self, reason: str) -> NoReturn:
        """Raise TrialStopped again; if the main thread has caught it and goes on, say so once."""
        if self._caught.is_news():
            self._link.warn("caught", link.CAUGHT)
            self._link.send(wire.encode(wire.Done("", stopped=reason != "complete", ignored=True)))
        raise link.TrialStopped(reason)

    @contextmanager
    def checkpoint(self, step: int) -> Iterator[Path]:
        """A folder to write a checkpoint of `step` into: whole afterwards, or absent.

        Whatever is raised inside, TrialStopped too, discards the checkpoint.
        """
        # A script that never saves doesn't pay for this import.
        from tuitune.trial import checkpoints  # noqa: PLC0415

        number = wire.whole(step)
        if number is None or not 0 <= number <= wire.MOST_STEP:
            kind = type(step).__name__
            raise ValueError(f"checkpoint({kind}): a step is a whole number from 0 to 2**53")
        if not self._reporter.take():
            raise link.SecondReporterError
        folder = self.folder / checkpoints.CHECKPOINTS
        if not self._saved:
            self._saved = True
            checkpoints.clear_remains(folder, self._order)
        self._link.mention(wire.Saving(number))
        try:
            with checkpoints.written(folder, number, self.attempt) as place:
                yield place
            if self._order.known is None:
                checkpoints.keep_newest(folder, number)
        except BaseException as error:
            self._link.mention(wire.Saving(number, wire.one_line(error)))
            raise
        self._saved_at = monotonic()
        self._link.send(wire.encode(wire.Checkpoint(number)))

    def returned(self, value: object) -> None:
        """Take what a target returned as its last report. Never raises TrialStopped."""
        with suppress(link.TrialStopped), self._lock:
            if self._ended not in (None, "complete"):
                return  # the target has caught TrialStopped: its return value is not a result
            if value is not None:
                self._take_returned(value)
            self._finish()

    def _take_returned(self, value: object) -> None:
        warn = self._link.warn
        if isinstance(value, dict):
            values = dict(value)
        elif isinstance(value, int | float) or hasattr(value, "item"):
            values = {self._metric: value}
        else:
            kind = type(value).__name__
            warn("returned", f"returned a {kind}, neither a number nor a mapping: left out")
            return
        if not self._reporter.take():
            warn("returned", "what was returned is left out: another process has reported")
            return
        self._look_at = NEVER
        self._postponed.never_due()
        if self._resource is None and (self._ended or self._steps.is_complete):
            step: int | None = self._steps.now  # the value of the last step: no report follows
        else:
            if self._resource is not None:
                values.setdefault(self._resource, max(self._steps.now, 1))
            step = self._count(values)
        self._take(step, values, None)

    def _finish(self) -> None:
        """No report follows: warn if the last step has no objective."""
        if not self._reporter.is_ours or self._ended is not None:
            return
        self._warn_of_lack()

    def _warn_of_lack(self) -> None:
        if (lack := self._steps.lack()) is not None:
            self._link.warn("metric", lack)

    def _count(self, values: dict[str, Any]) -> int | None:
        """The step of a report; None if it names no valid one."""
        steps, resource = self._steps, self._resource
        now = steps.now
        if resource is None:
            if not steps.first and not self._has_resumed:
                now = steps.now = 0  # it has not asked for its checkpoint, so it starts again
            step = now + 1
        else:
            given = values.pop(resource, None)
            number = given if type(given) is int else wire.whole(given)
            if number is None or not 0 < number <= wire.MOST_STEP:
                self._link.warn("step", steps.problem(given, number))
                return None
            step = number
        if step > now:
            if now >= steps.end and steps.is_beyond(step, objective=self._metric in values):
                self._ended = "complete"
                raise link.TrialStopped("complete")
            if steps.names:
                self._warn_of_lack()
                steps.names = []
            steps.now = step
            if not steps.first:
                steps.first = step
                if (words := steps.counted_again(self._order.began)) is not None:
                    self._link.warn("resume", words)
        elif step < now:
            after = f"{resource} = {step} after {now}"
            self._link.warn("order", f"{after}: kept, but not judged; count {resource} upwards")
        return step

    def _take(
        self,
        step: int | None,
        values: dict[str, Any],
        save: Callable[[Path], object] | None,
        flags: str = "",
    ) -> None:
        """Send the report, unless `step` is None, and carry out what the engine orders."""
        answer = None
        postponed = self._postponed
        if save is not None:
            postponed.can_save = True
        if step is not None and self._send_report(step, values, flags):
            answer = self._answer(step)
        now = monotonic()
        if answer is None and now >= self._look_at:
            self._look_at = now + _LOOK_SECONDS
            answer = self._link.look()
        if answer is None and postponed.answer is not None:
            answer = postponed.due(saves=save is not None)
        if answer is not None:
            self._obey(answer, save)
        elif save is not None and step is not None:
            self._save_if_due(now, save)

    def _send_report(self, step: int, values: dict[str, Any], flags: str) -> bool:
        """Send a report. Returns whether the trial must wait for the verdict."""
        steps = self._steps
        objective = self._metric in values
        wait = objective and step >= steps.judged_from and not flags and self._waits(step, values)
        if wait:
            flags = wire.WAITS_AND_SAVES if self._postponed.can_save else wire.WAITS
        line, refused = wire.report_line(step, values, flags)
        if refused:
            for name, bad in refused.items():
                self._link.warn(*wire.why_refused(name, bad))
            if self._metric in refused:
                objective = False
                if wait:
                    wait = False
                    line = wire.report_line(step, values)[0]
        self._link.send(line)
        if step == steps.now:
            if objective:
                steps.newest_objective = step
            elif not steps.names:
                steps.came_without(name for name in values if name not in refused)
        return wait

    def _waits(self, step: int, values: dict[str, Any]) -> bool:
        if self._ended is not None or self._postponed.answer is not None:
            return False  # the engine would send no verdict
        return self._steps.waits(step, values[self._metric])

    def _answer(self, step: int) -> wire.Verdict | wire.Stop:
        """Wait for the verdict on the report of `step`, or a stop."""
        self._steps.waited(step)
        while isinstance(answer := self._link.wait(), wire.Release):
            pass  # it was released before it had frozen
        if isinstance(answer, wire.Verdict) and answer.action == "complete":
            self._steps.complete(step)
        return answer

    def _obey(
        self, answer: wire.Verdict | wire.Stop, save: Callable[[Path], object] | None
    ) -> None:
        if save is None and self._postponed.waits(answer):
            return
        reason = answer.reason if isinstance(answer, wire.Stop) else ""
        stands = reason == wire.PARK or (reason == wire.PAUSED and save is None)
        stop = not stands and (isinstance(answer, wire.Stop) or answer.action == "stop")
        if stop:
            self._ended = reason or "pruned"
        if save is not None:
            if answer.save:
                self._save(save)
            elif not stop:
                self._save_if_due(monotonic(), save)
        if stands:
            self._stand_still(reason, save)
        if stop:
            # Here, since a command's script may end by it with status 0.
            self._link.send(wire.encode(wire.Done("", stopped=True)))
            raise link.TrialStopped(self._ended or "pruned")

    def _stand_still(self, reason: str, save: Callable[[Path], object] | None) -> None:
        """Wait until it is released or stopped, without a call of CUDA: such calls may hang."""
        self._postponed.take_back()
        self._link.send(wire.encode(wire.Frozen()))
        while not isinstance(message := self._link.wait(), wire.Release):
            again = isinstance(message, wire.Stop) and message.reason == reason
            go = isinstance(message, wire.Verdict) and message.action == "go"
            if not again and not go:  # another stop, or the verdict on its last report
                self._obey(message, save)
                return

    def _save_if_due(self, now: float, save: Callable[[Path], object]) -> None:
        is_due = now - self._saved_at >= self._order.checkpoint_every
        if is_due and not self._steps.is_complete:
            self._save(save)

    def _save(self, save: Callable[[Path], object]) -> None:
        """Write a checkpoint; a full disk prevents that, but doesn't fail the trial."""
        step = self._steps.now
        try:
            with self.checkpoint(step) as folder:
                save(folder)
        except OSError as error:
            if error.errno not in _FULL:
                raise
            self._saved_at = monotonic()  # the next try comes after the usual interval
            what = f"its checkpoint of step {step} could not be written: {error.strerror}"
            does = "goes on" if self._ended is None else "ends"
            self._link.warn("full", f"{what}; the trial {does} without it")

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a trial stays in its process: pass its config, or fork; only one process may report"
        )

    def follow_forks(self) -> None:
        """Let each fork of this process have locks of its own, and only one process report."""
        self._reporter.follow_forks(self._have_forked)

    def _have_forked(self) -> None:
        self._lock = RLock()  # the thread that held it is not in the forked child
        self._link.have_forked()


def _path(text: str) -> Path:
    from pathlib import Path  # noqa: PLC0415 - a third of this module's import time, seldom needed

    return Path(text)
