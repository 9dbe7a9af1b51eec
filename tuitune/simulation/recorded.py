"""Recordings of studies: what each trial did, read from the journal."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec.structs import replace

from tuitune.core import events as ev, reasons
from tuitune.core.placement.host import HostResources
from tuitune.core.spec import StudySpec
from tuitune.store.facts import ReportColumns


class Point(NamedTuple):
    """A report. value: the objective, None: other metrics only. seconds: of work before it."""

    step: int
    value: float | None
    seconds: float


class Record(msgspec.Struct):
    """One trial with its curve, to which later attempts add."""

    number: int
    config: dict[str, Any]
    origin: str
    why: reasons.Why
    state: ev.TrialState = ev.TrialState.WAITING  # after its last attempt
    points: list[Point] = []
    ending: float = 0.0  # s of work after its last point; without points, of all attempts


class Recording(msgspec.Struct, frozen=True):
    """A study as it was run, and the machine that it ran on last."""

    trials: Sequence[Record]
    machine: HostResources
    saves: bool  # whether some trial wrote a checkpoint
    steps: int  # of the resource, spent in all attempts together
    seconds: float  # from the first fact to the last, without the gaps between engines
    together: int = 0  # the most trials on GPUs at once
    anchor: Literal["min", "max"] = "max"  # of the rungs with which it was started


def read(history: Iterable[ev.AnyFact | ReportColumns], metric: str) -> Recording:
    """The recording of a study, from all of its facts in order.

    Reports are facts, or (time, trial, step, objective). metric: the objective's name.
    """
    builder = _Builder()
    for item in history:
        if isinstance(item, tuple):
            builder.report(*item)
        elif isinstance(item, ev.Reported):
            value = item.metrics.get(metric)
            builder.report(item.time, item.trial, item.step, value)
        else:
            builder.fact(item)
    return builder.recording()


class _Builder:
    """Builds a recording fact by fact."""

    def __init__(self) -> None:
        self._records: list[Record] = []
        self._marks: dict[int, float] = {}  # when the work on a trial's next point began
        self._spent = Spent()
        self._machine = HostResources(1.0, 0)
        self._anchor: Literal["min", "max"] | None = None
        self._saves = False
        self._seconds = 0.0  # of earlier engines
        self._begun: float | None = None  # the first fact of the newest engine
        self._last = 0.0  # the newest fact
        self._on_gpus: set[int] = set()
        self._together = 0

    def recording(self) -> Recording:
        return Recording(
            self._records,
            self._machine,
            self._saves,
            self._spent.steps,
            self._seconds + (0.0 if self._begun is None else self._last - self._begun),
            self._together,
            self._anchor or "max",
        )

    def report(self, time: float, trial: int, step: int, value: float | None) -> None:
        self._last = time
        self._spent.report(trial, step)
        points = self._records[trial].points
        while points and points[-1].step >= step:
            points.pop()
        seconds = time - self._marks[trial]
        points.append(Point(step, value, max(0.0, seconds)))
        self._marks[trial] = time

    def fact(self, fact: ev.AnyFact) -> None:
        """Any fact except a report."""
        if self._begun is None:
            self._begun = fact.time
        elif type(fact) is ev.Opened:
            self._seconds += self._last - self._begun
            self._begun = fact.time
        self._last = fact.time
        match fact:
            case ev.Opened():
                self._machine = HostResources(fact.cpus, fact.memory)
                self._anchor = self._anchor or fact.anchor
            case ev.Proposed() | ev.SampleFailed() | ev.Added():
                origin = "hand" if isinstance(fact, ev.Added) else fact.origin
                self._records.append(Record(fact.trial, fact.config, origin, fact.why))
            case ev.Launch():
                self._marks[fact.trial] = fact.time
                if fact.gpus:
                    self._on_gpus.add(fact.trial)
                    self._together = max(self._together, len(self._on_gpus))
            case ev.Started():
                self._spent.start(fact.trial, fact.resumed_from or 0)
            case ev.Exited():
                self._exited(fact)
            case ev.Checkpointed():
                self._saves = True
            case ev.Settled():
                self._records[fact.trial].state = fact.state
            case _:
                pass

    def _exited(self, fact: ev.Exited) -> None:
        self._on_gpus.discard(fact.trial)
        if fact.lost:  # when its work ended is not known
            return
        record = self._records[fact.trial]
        worked = max(0.0, fact.time - self._marks[fact.trial])
        record.ending = worked if record.points else record.ending + worked


class Spent:
    """Steps of the resource spent by attempts, each counted from the step where it started."""

    def __init__(self) -> None:
        self.steps = 0
        self._at: dict[int, int] = {}  # the furthest step of each trial's newest attempt

    def start(self, trial: int, step: int) -> None:
        """A new attempt of the trial, which goes on from this step."""
        self._at[trial] = step

    def report(self, trial: int, step: int) -> None:
        """Only steps beyond the furthest one of the attempt count."""
        at = self._at.get(trial, 0)
        if step > at:
            self.steps += step - at
            self._at[trial] = step

    def add(self, fact: ev.AnyFact) -> None:
        """Count the fact, if it is the start of an attempt or a report."""
        if type(fact) is ev.Reported:
            self.report(fact.trial, fact.step)
        elif type(fact) is ev.Started:
            self.start(fact.trial, fact.resumed_from or 0)


def was_stopped(record: Record) -> bool:
    """Whether pruning ended the trial."""
    return record.state == ev.TrialState.PRUNED


def replayable(spec: StudySpec, trials: int, together: int) -> StudySpec:
    """The study without what records do not show: retries, timeouts and limits.

    Instead of GPUs it has a concurrency: as many trials as were on GPUs together.
    """
    caps = [cap for cap in (spec.search.concurrency, together) if cap]
    return replace(
        spec,
        search=replace(spec.search, trials=trials, concurrency=min(caps, default=None)),
        trial=replace(spec.trial, retries=0, timeout=None, gpus=0.0),
        limits=replace(spec.limits, time=None, target=None),
    )
