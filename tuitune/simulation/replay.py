"""The comparison of a recorded study with a simulation of it under other pruning."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec.structs import replace

from tuitune.core import events as ev
from tuitune.core.spec import StudySpec
from tuitune.core.study.ranking import Ranking, best_of, loss
from tuitune.messages.reasons import reason_words
from tuitune.simulation.recorded import Point, Record, Recording, Spent, replayable, was_stopped
from tuitune.simulation.rerun import rerun

_GOOD = 10  # one in so many trials is good: the best tenth


class Side(msgspec.Struct, frozen=True):
    """The result of a study, recorded or simulated."""

    steps: int  # of the resource, all attempts together
    seconds: float  # by its own clock
    stopped: int  # trials that ended as PRUNED
    best: int | None  # a trial's number
    value: float | None  # its objective
    step: int | None  # at which it had that value
    partial: bool  # whether no trial was COMPLETE


class Comparison(msgspec.Struct, frozen=True):
    """The recorded and the simulated study, and the outcome of the good trials, by number."""

    then: Side
    now: Side
    good: Sequence[int]  # the best tenth of the recorded study
    lost: Sequence[int]  # those of them that the other pruning would stop
    lost_unknown: Sequence[int]  # those of them that would go on beyond their record
    unknown: Sequence[int]  # all trials that would go on beyond their record
    ended: str = ""  # why the simulation ended before all trials had started
    unplayed: Sequence[int] = ()  # trials that had not started; they count nowhere else


def compare(recorded: StudySpec, changed: StudySpec, recording: Recording) -> Comparison:
    """Simulate the recorded trials under the pruning of `changed`; see `rerun`."""
    records = recording.trials
    recorded = _anchored(recorded, recording.anchor)
    if recorded.pruning.method == changed.pruning.method:
        changed = _anchored(changed, recording.anchor)
    spec = replayable(changed, len(records), recording.together)
    fewer = [thinned(record, spec) for record in records]
    played = rerun(spec, replace(recording, trials=fewer), recorded.pruning.max)
    spent, begun, why = Spent(), set[int](), ""
    for fact in played.facts:
        spent.add(fact)
        if isinstance(fact, ev.Launch):
            begun.add(fact.trial)
        elif isinstance(fact, ev.Finished):
            why = reason_words(fact.why)
    unplayed = [record.number for record in records if record.number not in begun]
    trials = played.study.state.trials
    good = best_tenth(recorded, records)
    standings = [
        Ranking(
            t.number,
            ev.TrialState.KILLED if t.number in played.unknown else t.state,
            t.step,
            t.counted(spec.objective),
        )
        for t in trials
        if t.value is not None
    ]
    return Comparison(
        then=_side(recorded, records, recording),
        now=_side_of(spec, standings, spent.steps, played.seconds),
        good=good,
        lost=[n for n in good if n in begun and trials[n].state == ev.TrialState.PRUNED],
        lost_unknown=[n for n in good if n in played.unknown],
        unknown=sorted(played.unknown),
        ended=why if unplayed else "",
        unplayed=unplayed,
    )


def _anchored(spec: StudySpec, anchor: Literal["min", "max"]) -> StudySpec:
    return replace(spec, pruning=replace(spec.pruning, anchor=anchor))


def thinned(record: Record, spec: StudySpec) -> Record:
    """The record without the reports to which no pruner of `spec` reacts; the last one stays."""
    if spec.pruner.judged_from is not None:
        return record
    gates = list(spec.pruner.plan.steps_of(record.number))
    if spec.pruning.max is not None:
        gates.append(spec.pruning.max)
    kept: list[Point] = []
    seconds, filled, best = 0.0, 0, math.inf
    last = spec.objective.value == "last"
    due: float = gates[0] if gates else math.inf
    final = len(record.points) - 1
    for place, point in enumerate(record.points):
        if spec.pruning.max is not None and filled == len(gates):
            kept.append(point)  # it has reached the maximum, and leaves at this report
            break
        seconds += point.seconds
        if last and point.step < due and place < final and _is_finite(point.value):
            continue  # the most frequent case
        crossed = bisect_left(gates, point.step + 1)
        if point.value is not None and math.isfinite(point.value):
            own = loss(point.value, spec.objective)
            notable = crossed > filled or (not last and own < best)
            best = min(best, own)
        else:
            notable = point.value is not None
        if notable or place == final:
            kept.append(point._replace(seconds=seconds))
            seconds = 0.0
        if point.value is not None:
            filled = max(filled, crossed)
            due = gates[filled] if filled < len(gates) else math.inf
    return replace(record, points=kept)


def _is_finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def best_tenth(spec: StudySpec, records: Sequence[Record]) -> list[int]:
    """The best tenth of the complete trials, the best first; without any, of all trials."""
    known = [(r, v) for r in records if (v := _value(spec, r)) is not None and math.isfinite(v)]
    pool = [(r, v) for r, v in known if r.state == ev.TrialState.COMPLETE] or known
    pool.sort(key=lambda pair: (loss(pair[1], spec.objective), pair[0].number))
    return [record.number for record, _ in pool[: math.ceil(len(records) / _GOOD)]]


def _value(spec: StudySpec, record: Record) -> float | None:
    values = [point.value for point in record.points if point.value is not None]
    if not values:
        return None
    if spec.objective.value == "last":
        return values[-1]
    return min(values, key=lambda value: loss(value, spec.objective))


def _side(spec: StudySpec, records: Sequence[Record], recording: Recording) -> Side:
    standings = [
        Ranking(r.number, r.state, r.points[-1].step, _value(spec, r)) for r in records if r.points
    ]
    side = _side_of(spec, standings, recording.steps, recording.seconds)
    return replace(side, stopped=sum(map(was_stopped, records)))


def _side_of(spec: StudySpec, standings: Sequence[Ranking], steps: int, seconds: float) -> Side:
    number, partial = best_of(spec, standings)
    best = next((s for s in standings if s.number == number), None)
    return Side(
        steps=steps,
        seconds=seconds,
        stopped=sum(standing.state == ev.TrialState.PRUNED for standing in standings),
        best=number,
        value=None if best is None else best.value,
        step=None if best is None else best.step,
        partial=partial,
    )
