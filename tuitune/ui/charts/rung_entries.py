"""Who has filled which rung with what, and what came of it? Followed trial by trial."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import msgspec

from tuitune.core.events import ENDED, TrialState
from tuitune.core.study.ranking import loss
from tuitune.ui.state.records import Holder

if TYPE_CHECKING:
    from tuitune.store.rows import TrialRow
    from tuitune.ui.state.snapshot import Snapshot

AT_ONCE: Final = 1000  # trials that are entered at one look: the first one of a large study

Part = Literal["here", "waits", "ended", "complete"]


class Place(NamedTuple):
    """Where a trial stands: at the highest rung that it has filled (-1: none), and what it does."""

    bracket: int
    rung: int
    part: Part


class Rung(Holder):
    # of those that filled it, the best first
    losses: list[float] = msgspec.field(default_factory=list)
    here: set[int] = msgspec.field(default_factory=set)  # run on from here, or are paused by hand
    waits: set[int] = msgspec.field(default_factory=set)
    ended: int = 0
    complete: int = 0  # that filled no higher rung
    failed: int = 0  # count as worst, in the rung that they would have reached next

    def entries(self) -> int:
        return len(self.losses) + self.failed

    def on(self) -> int:
        """How many of its entries have gone on from it."""
        return len(self.losses) - len(self.here) - len(self.waits) - self.ended

    def cut(self, reduction: float) -> float | None:
        """The loss of the last one that may go on; None where there are too few to send one on."""
        kept = int(self.entries() / reduction + 1e-9)
        return self.losses[min(kept, len(self.losses)) - 1] if kept and self.losses else None


class Book:
    """Every rung, by bracket and place. An entry never changes: a rung is filled once."""

    def __init__(self) -> None:
        self.rungs: dict[tuple[int, int], Rung] = {}
        self.changes = 0
        self._places: dict[int, Place] = {}
        self._failed: dict[int, tuple[int, int]] = {}
        self._seen = -1
        self._version = -1

    def follow(self, snapshot: Snapshot) -> None:
        """Enter what has changed since the last time; of much a part, and the rest next time."""
        if snapshot.version == self._version or not len(snapshot.curves):
            return
        changed = [row for row in snapshot.rows if row.changed > self._seen]
        if len(changed) > AT_ONCE:
            changed = sorted(changed, key=lambda row: row.changed)[:AT_ONCE]
        else:
            self._version = snapshot.version
        for row in changed:
            self._enter(row, snapshot)
            self._seen = max(self._seen, row.changed)

    def rung(self, bracket: int, place: int) -> Rung:
        return self.rungs.setdefault((bracket, place), Rung())

    def _enter(self, row: TrialRow, snapshot: Snapshot) -> None:
        old = self._places.get(row.number)
        new = Place(row.bracket, -1 if row.rung is None else row.rung, _part(row))
        if new == old:
            return
        self.changes += 1
        self._places[row.number] = new
        for place in range(0 if old is None else old.rung + 1, new.rung + 1):
            value = _value_at(snapshot, row, place)
            insort(self.rung(new.bracket, place).losses, loss(value, snapshot.spec.objective))
        if old is not None:
            self._count(old, row.number, -1)
        self._count(new, row.number, 1)
        self._note_failure(row, new)

    def _count(self, place: Place, trial: int, by: int) -> None:
        rung = self.rung(place.bracket, place.rung)
        if place.part == "ended":
            rung.ended += by
        elif place.part == "complete":
            rung.complete += by
        elif place.part in ("here", "waits"):
            members = rung.waits if place.part == "waits" else rung.here
            (members.add if by > 0 else members.discard)(trial)

    def _note_failure(self, row: TrialRow, place: Place) -> None:
        """It counts as worst in its next rung until it has filled that one."""
        known = self._failed.get(row.number)
        if known is not None and place.rung >= known[1]:
            self.rung(*known).failed -= 1
            del self._failed[row.number]
        elif known is None and row.state == TrialState.FAILED:
            self._failed[row.number] = (place.bracket, place.rung + 1)
            self.rung(place.bracket, place.rung + 1).failed += 1


def _part(row: TrialRow) -> Part:
    if row.state == TrialState.COMPLETE:
        return "complete"
    if row.state in ENDED:
        return "ended"
    return "waits" if row.parked else "here"


def _value_at(snapshot: Snapshot, row: TrialRow, place: int) -> float | None:
    """The first report at or past the rung is what counts there."""
    rungs = snapshot.study.rungs
    steps, values = snapshot.curves.points(row.number)
    if row.bracket >= len(rungs) or place >= len(rungs[row.bracket]) or not steps:
        return row.value
    at = bisect_left(steps, rungs[row.bracket][place])
    return values[at] if at < len(steps) else math.nan
