"""How does training code speak to tuitune?"""

from __future__ import annotations

import os
from contextlib import contextmanager
from threading import RLock
from time import monotonic
from typing import TYPE_CHECKING, Any

from tuitune.execution.reading import line_of, whole
from tuitune.execution.wire import (
    PAUSED,
    Checkpoint,
    Done,
    Held,
    Order,
    Release,
    Stop,
    Verdict,
    Warn,
    decode_order,
    encode,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tuitune.execution.channel import Channel
    from tuitune.execution.wire import Heard

LOOK_SECONDS = 0.005  # looking for a stop at every report would cost a fast trial more than that
NEVER = 1 << 62


class TrialStopped(SystemExit):
    """The trial must end: it was pruned, paused, drained or killed, or is complete.

    Not an Exception, so that `except Exception` lets it pass; uncaught it ends a script
    silently, with status 0.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(0)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class Trial:
    """One attempt at one configuration, as its own code sees it."""

    def __init__(self, order: Order, channel: Channel) -> None:
        self._order = order
        self._channel = channel
        self._lock = RLock()
        self._metric = order.metric
        self._resource = order.resource
        self._step = 0 if order.resource else order.resume_step or 0
        self._rungs = list(order.rungs)  # not filled yet, be they below what it goes on from
        self._wait_at = self._next_wait(0)
        self._saved_at = monotonic()
        self._saved = False
        self._look_at = 0.0
        self._ended: str | None = None
        self._warned: set[str] = set()

    @property
    def number(self) -> int:
        return self._order.trial

    @property
    def attempt(self) -> int:
        return self._order.attempt

    @property
    def config(self) -> dict[str, Any]:
        """The configuration: a copy, so that changing it changes nothing."""
        return dict(self._order.config)

    @property
    def max_resource(self) -> int:
        """`max` of the study file's [pruning]. Raises AttributeError where it has none."""
        if self._order.max_resource is None:
            raise AttributeError(
                "trial.max_resource: the study file sets no maximum; "
                "add `max = …` to its [pruning] table, or count in the code itself"
            )
        return self._order.max_resource

    @property
    def resume_path(self) -> Path | None:
        """The folder of the newest whole checkpoint, None where the trial begins anew."""
        return None if self._order.resume_path is None else _path(self._order.resume_path)

    @property
    def seed(self) -> int:
        """From the study's seed, the trial and the attempt; random, numpy and torch have it."""
        return self._order.seed

    @property
    def folder(self) -> Path:
        """The trial's own folder, for whatever it wants to keep."""
        return _path(self._order.folder)

    def report(
        self,
        metrics: Mapping[str, Any] | None = None,
        /,
        *,
        save: Callable[[Path], object] | None = None,
        **values: Any,
    ) -> None:
        """Tell how the trial does: numbers, or anything with .item(); NaN and infinity are legal.

        `save(folder)` writes a checkpoint and is called only when one is needed.
        Raises TrialStopped when the trial must end. Waits for a verdict only at a rung.
        """
        if metrics is not None:
            if not hasattr(metrics, "keys"):
                kind = type(metrics).__name__
                raise TypeError(f"report takes metrics by name, as report(loss=0.3), not a {kind}")
            values = {**metrics, **values}
        with self._lock:
            if self._ended is not None:
                raise TrialStopped(self._ended)
            step = self._count(values)
            answer = None if step is None else self._tell(step, values, saves=save is not None)
            now = monotonic()
            if answer is None and now >= self._look_at:
                self._look_at = now + LOOK_SECONDS
                answer = self._look()
            if answer is not None:
                self._obey(answer, save)
            elif save is not None and step is not None:
                self._save_if_due(now, save)

    @contextmanager
    def checkpoint(self, step: int) -> Iterator[Path]:
        """A folder to write a checkpoint of `step` into: whole afterwards, or absent."""
        # A script that never saves doesn't pay for this import.
        from tuitune.execution.checkpoints import clear_remains, written  # noqa: PLC0415

        folder = self.folder / "checkpoints"
        if not self._saved:
            self._saved = True
            clear_remains(folder)
        with written(folder, step) as place:
            yield place
        self._saved_at = monotonic()
        self._send(encode(Checkpoint(step)))

    def returned(self, value: object) -> None:
        """Take what a target returned as its last report. Never raises TrialStopped."""
        if value is None:
            return
        if isinstance(value, dict):
            values = dict(value)
        elif isinstance(value, int | float) or hasattr(value, "item"):
            values = {self._metric: value}
        else:
            kind = type(value).__name__
            self._warn("returned", f"returned a {kind}, neither a number nor a mapping: left out")
            return
        if self._resource is not None:
            values.setdefault(self._resource, max(self._step, 1))
        elif self._ended is not None:
            self._step -= 1  # it was the last one's value; the count ends at the maximum
        self._ended = None
        self._look_at = NEVER
        try:
            self.report(values)
        except TrialStopped:
            return

    def _count(self, values: dict[str, Any]) -> int | None:
        """The step that a report is for, None where it says none that can be."""
        if self._resource is None:
            self._step += 1
            return self._step
        given = values.pop(self._resource, None)
        step = given if type(given) is int else whole(given)
        if step is not None and step > 0 and step >= self._step:
            self._step = step
            return step
        self._warn("step", self._step_problem(given, step))
        return None

    def _step_problem(self, given: object, step: int | None) -> str:
        name = self._resource
        if given is None:
            return f"a report without {name!r}, which counts its resource, was dropped"
        if step == 0:
            return f"a report with {name} = 0 was dropped: it counts from 1"
        if step is None or step < 0:
            return f"a report with {name} = {given!r:.100} was dropped: not a positive whole number"
        return f"a report with {name} = {step} after {self._step} was dropped: it went backwards"

    def _tell(self, step: int, values: dict[str, Any], *, saves: bool) -> Verdict | Stop | None:
        wait = self._metric in values and step >= self._wait_at
        line, refused = line_of(step, values, wait=wait, saves=saves)
        if refused:
            self._refuse(refused)
            wait = wait and self._metric not in refused
            line = line_of(step, values, wait=wait, saves=saves)[0]
        if self._metric not in values or self._metric in refused:
            self._miss([name for name in values if name not in refused])
        self._send(line)
        if not wait:
            if step >= self._wait_at and step >= (self._order.max_resource or NEVER):
                self._ended = "complete"
            return None
        self._wait_at = self._next_wait(self._step)
        while isinstance(answer := self._wait(), Release):
            pass  # its pause was taken back before it had stood still
        return answer

    def _wait(self) -> Heard:
        try:
            return self._channel.wait()
        except OSError:
            raise TrialStopped("the engine is gone") from None

    def _refuse(self, refused: dict[str, object]) -> None:
        name, value = next(iter(refused.items()))
        kind = type(value).__name__
        self._warn("value", f"{name} = {value!r:.100} ({kind}) is not a number: left out")

    def _miss(self, told: list[str]) -> None:
        if self._metric:  # outside tuitune there is none
            what = f"a report of {', '.join(told):.100}" if told else "a report"
            self._warn("metric", f"{what} without the objective {self._metric!r} is never judged")

    def _next_wait(self, step: int) -> int:
        """Where the first report past `step` waits next."""
        while self._rungs and self._rungs[0] <= step:
            del self._rungs[0]
        ends = self._order.max_resource or NEVER
        every = NEVER if self._order.judged_from is None else self._order.judged_from
        return min(*self._rungs[:1], every, ends, NEVER)

    def _look(self) -> Stop | None:
        try:
            return self._channel.poll()
        except OSError:
            raise TrialStopped("the engine is gone") from None

    def _obey(self, answer: Verdict | Stop, save: Callable[[Path], object] | None) -> None:
        if isinstance(answer, Stop) and answer.reason == PAUSED and save is None:
            self._stand_still()
            return
        stop = isinstance(answer, Stop) or answer.action == "stop"
        if stop:
            self._ended = answer.reason if isinstance(answer, Stop) else "pruned"
        elif isinstance(answer, Verdict) and answer.action == "complete":
            self._ended = "complete"
        if save is not None:
            if answer.save:
                self._save(save)
            elif self._ended is None:
                self._save_if_due(monotonic(), save)
        if stop:
            # Here, since a command's script may end by it with status 0.
            self._send(encode(Done("", stopped=True)))
            raise TrialStopped(self._ended or "pruned")

    def _stand_still(self) -> None:
        """It can't save, so it keeps all that it holds until it is let go, or ended."""
        self._send(encode(Held()))
        while not isinstance(message := self._wait(), Release):
            paused = isinstance(message, Stop) and message.reason == PAUSED
            go = isinstance(message, Verdict) and message.action == "go"
            if not paused and not go:  # a harsher stop, or the verdict on its last report
                self._obey(message, None)
                return

    def _save_if_due(self, now: float, save: Callable[[Path], object]) -> None:
        if now - self._saved_at >= self._order.checkpoint_every:
            self._save(save)

    def _save(self, save: Callable[[Path], object]) -> None:
        with self.checkpoint(self._step) as folder:
            save(folder)

    def _warn(self, kind: str, text: str) -> None:
        """Once a trial for each kind of mistake: a loop would repeat it at every step."""
        if kind not in self._warned:
            self._warned.add(kind)
            self._send(encode(Warn(text)))

    def _send(self, line: bytes) -> None:
        try:
            self._channel.send(line)
        except OSError:
            raise TrialStopped("the engine is gone") from None


_here: list[Trial] = []  # this process's trial: a process has one


def current() -> Trial:
    """The trial that this process belongs to.

    In a distributed run only the process with RANK 0 reports; the others' reports do nothing.
    Outside tuitune it is a stand-in that prints its reports, with an empty configuration.
    """
    if not _here:
        activate(_from_environment())
    return _here[0]


def activate(trial: Trial) -> None:
    _here[:] = [trial]


def _from_environment() -> Trial:
    # Only the process that asks for its trial pays for sockets.
    from tuitune.execution.channel import (  # noqa: PLC0415
        PrintedChannel,
        SilentChannel,
        SocketChannel,
    )

    text = os.environ.get("TUITUNE_TRIAL")
    if text is None:
        order = Order(trial=0, attempt=1, config={}, seed=0, folder=".", metric="")
        return Trial(order, PrintedChannel())
    order = decode_order(text)
    rank = os.environ.get("RANK", "0")
    return Trial(order, SocketChannel(order) if rank in ("", "0") else SilentChannel())


def _path(text: str) -> Path:
    from pathlib import Path  # noqa: PLC0415 - a third of this module's import, seldom needed

    return Path(text)
