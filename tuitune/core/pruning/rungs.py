"""The entries of rungs: trials with the losses that they filled them with."""

from bisect import bisect_left, insort
from math import inf
from typing import NamedTuple

import msgspec

from tuitune.core.pruning.brackets import sent_on

Entry = tuple[float, int]  # (loss, trial): sorts the better first, among equals the earlier trial


class Rung(msgspec.Struct, array_like=True):
    """The trials that have filled one rung of one bracket, the best first.

    A loss is the value in the direction of "min", infinity for trials that diverged or failed.
    waiting: the entries of trials that wait here for a promotion.
    """

    entries: list[Entry] = []
    waiting: list[Entry] = []

    def holds(self, entry: Entry) -> bool:
        """Whether the rung has this entry."""
        entries = self.entries
        if not entries or entry > entries[-1]:
            return False
        return entries[bisect_left(entries, entry)] == entry

    def fail(self, trial: int) -> None:
        """Enter a trial that failed before it filled this rung as the worst, once."""
        if not self.holds((inf, trial)):
            insort(self.entries, (inf, trial))

    def recover(self, trial: int) -> None:
        """Remove the failure of a trial, which fills the rung after all."""
        if self.holds((inf, trial)):
            del self.entries[bisect_left(self.entries, (inf, trial))]

    def leave(self, entry: Entry) -> None:
        """Remove a trial from those that wait here."""
        at = bisect_left(self.waiting, entry)
        if at < len(self.waiting) and self.waiting[at] == entry:
            del self.waiting[at]

    def cut(self, reduction: float) -> float | None:
        """The loss of the last one that may be sent on; None where there are too few entries."""
        kept = sent_on(len(self.entries), reduction)
        return self.entries[kept - 1][0] if kept else None


class Rungs(msgspec.Struct, array_like=True):
    """The memory of successive halving.

    brackets: for each its rungs, the lowest first; empty until the first trial fills one.
    waiting: trial -> its loss at the rung where it waits, which is the last that it has filled.
    """

    brackets: list[list[Rung]] = []
    waiting: dict[int, float] = {}


class Standing(NamedTuple):
    """One trial's results at the rungs of its bracket, read from the study's tables.

    losses: one for each rung that it has filled, the lowest first. failed: it
    counts as the worst in the next rung. waits: at the last rung that it filled.
    """

    trial: int
    bracket: int
    losses: tuple[float, ...]
    failed: bool = False
    waits: bool = False


def follow(brackets: list[list[Rung]], before: Standing | None, now: Standing) -> None:
    """Enter the changes of one trial. A rung is filled once: its entry never changes."""
    rungs = brackets[now.bracket]
    trial, filled = now.trial, len(now.losses)
    first = 0 if before is None else len(before.losses)
    if before is not None and before.failed and first < len(rungs):
        rungs[first].recover(trial)
    if before is not None and before.waits and first:
        rungs[first - 1].leave((before.losses[-1], trial))
    for number in range(first, filled):
        insort(rungs[number].entries, (now.losses[number], trial))
    if now.waits and filled:
        insort(rungs[filled - 1].waiting, (now.losses[-1], trial))
    if now.failed and filled < len(rungs):
        rungs[filled].fail(trial)
