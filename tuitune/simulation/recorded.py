"""What did each trial of a study do, as its journal has it?"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from tuitune.core import events as ev
from tuitune.core.events import TrialState
from tuitune.core.placement.host import HostResources

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tuitune.core.reasons import Why
    from tuitune.core.spec import StudySpec


class Point(NamedTuple):
    """A report: its step, the objective (None: other metrics only), seconds of work before it."""

    step: int
    value: float | None
    seconds: float


@dataclass(slots=True)
class Record:
    """One trial: its curve, which a later attempt takes up where an earlier one has left it."""

    number: int
    config: dict[str, Any]
    origin: str
    why: Why
    state: TrialState = TrialState.WAITING  # as its last attempt left it
    points: list[Point] = field(default_factory=list)
    ending: float = 0.0  # s of work after its last point; where it has none, of all its attempts


@dataclass(frozen=True, slots=True)
class Recording:
    """A study as it was run, and the machine that it ran on last."""

    trials: Sequence[Record]
    machine: HostResources
    saves: bool  # whether some trial wrote a checkpoint
    steps: int  # of the resource, spent in all attempts together
    seconds: float  # from its first fact to its last one, without the times between engines
    together: int = 0  # the most trials that were on GPUs at once
    anchor: Literal["min", "max"] = "max"  # of the rungs that it was begun with


def read(facts: Iterable[ev.AnyFact], metric: str) -> Recording:
    """Put the curves together. `metric`: the objective's name."""
    records: list[Record] = []
    marks: dict[int, float] = {}  # when the work on a trial's next point began
    machine, saves = HostResources(1.0, 0), False
    anchor: Literal["min", "max"] | None = None
    spent = Spent()
    seconds, last = 0.0, None
    on_gpus: set[int] = set()
    together = 0
    for fact in facts:
        if type(fact) is ev.Reported:  # most are; asked first
            seconds += fact.time - (fact.time if last is None else last)
            last = fact.time
            spent.add(fact)
            trial, step = fact.trial, fact.step
            points = records[trial].points
            while points and points[-1].step >= step:
                points.pop()
            points.append(Point(step, fact.metrics.get(metric), max(0.0, last - marks[trial])))
            marks[trial] = last
            continue
        spent.add(fact)
        if last is not None and type(fact) is not ev.Opened:
            seconds += fact.time - last
        last = fact.time
        match fact:
            case ev.Opened():
                machine = HostResources(fact.cpus, fact.memory)
                anchor = anchor or fact.anchor
            case ev.Proposed() | ev.SampleFailed() | ev.Added():
                origin = "hand" if isinstance(fact, ev.Added) else fact.origin
                records.append(Record(fact.trial, fact.config, origin, fact.why))
            case ev.Launch():
                marks[fact.trial] = fact.time
                on_gpus |= {fact.trial} if fact.gpus else set()
                together = max(together, len(on_gpus))
            case ev.Exited():
                on_gpus.discard(fact.trial)
                if not fact.lost:  # nobody knows until when it worked
                    record = records[fact.trial]
                    worked = max(0.0, fact.time - marks[fact.trial])
                    record.ending = worked if record.points else record.ending + worked
            case ev.Checkpointed():
                saves = True
            case ev.Settled():
                records[fact.trial].state = fact.state
            case _:
                pass
    return Recording(records, machine, saves, spent.steps, seconds, together, anchor or "max")


class Spent:
    """The resource that attempts have spent, their own starts not counted in."""

    def __init__(self) -> None:
        self.steps = 0
        self._at: dict[tuple[int, int], int] = {}

    def add(self, fact: ev.AnyFact) -> None:
        if type(fact) is ev.Reported:
            attempt = fact.trial, fact.attempt
            at = self._at.get(attempt, 0)
            if fact.step > at:
                self.steps += fact.step - at
                self._at[attempt] = fact.step
        elif type(fact) is ev.Started:
            self._at[fact.trial, fact.attempt] = fact.resumed_from or 0


def was_stopped(record: Record) -> bool:
    return record.state == TrialState.PRUNED


def replayable(spec: StudySpec, trials: int, together: int) -> StudySpec:
    """The study without what its records can't tell: retries, timeouts, limits.

    In place of its GPUs stands how many trials were on them at once.
    """
    caps = [cap for cap in (spec.search.concurrency, together) if cap]
    return replace(
        spec,
        search=replace(spec.search, trials=trials, concurrency=min(caps, default=None)),
        trial=replace(spec.trial, retries=0, timeout=None, gpus=0.0),
        limits=replace(spec.limits, time=None, target=None),
    )
