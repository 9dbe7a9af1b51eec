"""A recorded study run by the real engine, with which `tuitune.simulation.rerun` is compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.course import Course
from simulator.play import Played, play
from tuitune.core.events import TrialState
from tuitune.core.search.proposal import Proposal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuitune.core.search.proposal import Tried
    from tuitune.core.spec import StudySpec
    from tuitune.simulation.recorded import Record, Recording
    from tuitune.trial.wire import Order


def play_recording(spec: StudySpec, recording: Recording, longest: int | None) -> Played:
    """As `rerun` has it."""
    records = recording.trials
    target = RecordedTarget(records, saves=recording.saves, longest=longest, most=spec.pruning.max)
    return play(spec, RecordedSearcher(records), target, recording.machine, gives_up=False)


class RecordedSearcher:
    """Proposes what was proposed, in the same order."""

    def __init__(self, records: Sequence[Record]) -> None:
        self._records = records

    def propose(self, trial: int, tried: Tried) -> Proposal | None:
        if trial >= len(self._records):
            return None
        record = self._records[trial]
        return Proposal(record.config, record.origin, record.why)


class RecordedTarget:
    """Trials do what they did; where one's record ends before its end, nobody knows how it goes on.

    `longest`: the maximum that the records were made with, None where there was none.
    """

    def __init__(
        self, records: Sequence[Record], *, saves: bool, longest: int | None, most: int | None
    ) -> None:
        self._records = records
        self._saves = saves
        # a trial that had come to its end is not known beyond it
        self._cut = longest if longest is not None and (most is None or most > longest) else None

    def begin(self, order: Order) -> Course:
        record = self._records[order.trial]
        start = order.resume_step or 0
        points = [point for point in record.points if point.step > start]
        if record.state == TrialState.FAILED:
            return Course(points, "raises", self._saves, ending=record.ending)
        if not record.points:
            return Course(points, "unknown", self._saves, ending=record.ending)
        at = record.points[-1].step
        ended = record.state == TrialState.COMPLETE and (self._cut is None or at < self._cut)
        return Course(points, "returns" if ended else "unknown", self._saves)
