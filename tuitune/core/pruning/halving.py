"""Asynchronous successive halving (ASHA and Hyperband): memory, verdicts and promotions."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection, Container, Iterable
from dataclasses import dataclass
from functools import cached_property
from math import ceil, inf, isfinite, log
from typing import Literal, NamedTuple

from tuitune.core import options, reasons
from tuitune.core.pruning import pruner
from tuitune.core.pruning.brackets import (
    Plan,
    RungPlace,
    asha_plan,
    hyperband_plan,
    most_brackets,
    sent_on,
)
from tuitune.core.pruning.rungs import Entry, Rung, Rungs

_MOST_BRACKETS = 100
_MOST_RUNGS = 20_000  # before those at one step are merged


class Place(NamedTuple):
    """The rank of a trial in a rung, from 1; kept: how many go on.

    loss: the trial's own. cut: the loss of the last one kept; infinity where none is kept.
    """

    rung: RungPlace
    rank: int
    n: int
    kept: int
    loss: float
    cut: float

    @property
    def within(self) -> bool:
        """Whether it is among those that go on."""
        return self.rank <= self.kept


@dataclass(frozen=True)
class Halving:
    """`Pruner`: a rung keeps the best floor(n / reduction) of the n trials that have filled it.

    With the style "stop", a trial goes on only while it is in the best max(1, floor(n /
    reduction)) of every rung that its report fills, itself counted among the n. With "promote", it
    goes on if a free slot would take it once it is entered at the highest rung that its report
    fills; else it waits there. Among equals the earlier trial is better (Li et al. 2020, "A System
    for Massively Parallel Hyperparameter Tuning", Algorithm 2).

    The memory: for each bracket its rungs, the lowest first; empty until the first trial fills one.
    """

    pruning: pruner.PruningSpec
    mode: options.Mode
    plan: Plan

    @cached_property
    def milestones(self) -> tuple[int, ...]:
        """The rungs of the lowest bracket, which are those of all of them, and `max`."""
        assert self.pruning.max is not None
        return (*self.plan.steps[0], self.pruning.max)

    @property
    def judged_from(self) -> None:
        """Only reports that fill a rung are judged."""
        return

    def memory(self) -> Rungs:
        """Rungs without entries."""
        return Rungs()

    def style(self, *, can_save: bool) -> tuple[pruner.Style, reasons.Why]:
        """As the file says, else by whether trials can save."""
        if self.pruning.style != "auto":
            return self.pruning.style, reasons.StyleBasis("file")
        if can_save:
            return "promote", reasons.StyleBasis("can save")
        return "stop", reasons.StyleBasis("can't save")

    def observe(self, state: pruner.PrunerState, trial: int, step: int, value: float) -> None:
        """Reports between two rungs have no effect."""

    def complete(self, state: pruner.PrunerState, trial: int) -> None:
        """A COMPLETE trial has filled its rungs already."""

    def judge(
        self,
        state: pruner.PrunerState,
        report: pruner.Report,
        available: Container[int],
        *,
        new: bool = False,  # noqa: ARG002 - the protocol's
    ) -> pruner.Judgement | None:
        """The verdict on a report; None if it fills no rung."""
        if self.pruning.max is not None and report.step >= self.pruning.max:
            return None
        bracket = self.plan.bracket_of(report.trial)
        crossed = self._crossed(state, bracket, report.trial, report.step)
        if not crossed:
            return None
        loss = inf if report.diverged else pruner.loss_of(report.value, self.mode)
        newcomer = (loss, report.trial)
        promotes = (state.style or self.pruning.style) == "promote"
        # a promotion needs a rank in the highest rung, the style "stop" in all of them
        numbers = crossed[-1:] if promotes else crossed
        rungs = [self.plan.rung(bracket, number) for number in numbers]
        least = 0 if promotes else 1
        places = [self._place(state, rung, newcomer, least=least) for rung in rungs]
        place = next((place for place in places if not place.within), places[-1])
        if loss == inf:
            return self._judgement(place, "stop", self._diverged(place.rung, report.value))
        if not promotes:
            then: Literal["go", "stop"] = "go" if place.within else "stop"
            return self._judgement(place, then, self._ranked(place, then))
        ahead = self._ahead(state, place.rung, newcomer, available) if place.within else None
        if place.within and ahead is None:
            return self._judgement(place, "go", self._ranked(place, "go"))
        return self._judgement(place, "pause", self._ranked(place, "wait", ahead))

    def enter(
        self, state: pruner.PrunerState, trial: int, step: int, value: float, action: str
    ) -> None:
        """Fill, with this report's value, every rung up to `step` that the trial has not filled.

        With "pause" it waits at the highest of them; all others count as passed.
        """
        bracket = self.plan.bracket_of(trial)
        crossed = self._crossed(state, bracket, trial, step)
        if not crossed:
            if action == "complete":
                self._leave(state, bracket, trial)
            return
        rungs = self._rungs(state)[bracket]
        self._leave(state, bracket, trial)
        rungs[crossed[0]].recover(trial)
        newcomer = (pruner.loss_of(value, self.mode), trial)
        for number in crossed:
            insort(rungs[number].entries, newcomer)
        state.filled[trial] = crossed[-1] + 1
        if action == "pause" and newcomer[0] != inf:
            insort(rungs[crossed[-1]].waiting, newcomer)
            state.memory.waiting[trial] = newcomer[0]

    def fail(self, state: pruner.PrunerState, trial: int) -> None:
        """Count a failed trial as the worst in the next rung of its bracket, once."""
        bracket = self.plan.bracket_of(trial)
        number = state.filled.get(trial, 0)
        if number < len(self.plan.steps[bracket]):
            self._rungs(state)[bracket][number].fail(trial)

    def promotion(
        self,
        state: pruner.PrunerState,
        available: Container[int],
        *,
        new: bool = False,  # noqa: ARG002 - the protocol's
    ) -> pruner.Promotion | None:
        """The best trial of the highest rung that may promote one."""
        if not state.memory.waiting:
            return None
        for at in self.plan.order:
            rung = state.memory.brackets[at.bracket][at.number]
            entry = self._next(rung, available)
            if entry is not None:
                place = self._waiting_place(rung, at, entry)
                why = self._ranked(place, "promote")
                return self._promotion(place, entry[1], why, by_rank=True)
        return None

    def last_resort(
        self, state: pruner.PrunerState, available: Iterable[int]
    ) -> pruner.Promotion | None:
        """The trial at the highest rung; there the best value, among equals the first trial."""
        waiting = state.memory.waiting
        found = [(-self._waits_at(state, n).step, waiting[n], n) for n in available]
        if not found:
            return None
        trial = min(found)[2]
        place = self.place_of(state, trial)
        return self._promotion(place, trial, self._ranked(place, "last resort"), by_rank=False)

    def not_promoted(self, state: pruner.PrunerState, trial: int) -> reasons.Why:
        """The current rank in its rung."""
        return self._ranked(self.place_of(state, trial), "end")

    def send(self, state: pruner.PrunerState, trial: int, rung: int) -> None:
        """As `Pruner.send`; nothing where the trial has left the rung meanwhile."""
        bracket = self.plan.bracket_of(trial)
        if self.plan.steps[bracket].index(rung) + 1 == state.filled.get(trial):
            self._leave(state, bracket, trial)

    # --- one rung --------------------------------------------------------------------------------

    def _place(
        self, state: pruner.PrunerState, rung: RungPlace, newcomer: Entry, *, least: int
    ) -> Place:
        """The newcomer's place once entered; its own failure in this rung does not count."""
        brackets = state.memory.brackets
        filled = brackets[rung.bracket][rung.number] if brackets else Rung()
        entries = filled.entries
        rank = bisect_left(entries, newcomer) + 1
        n = len(entries) + 1 - filled.holds((inf, newcomer[1]))
        kept = max(least, sent_on(n, self.pruning.reduction))
        if kept == 0:
            cut = inf
        elif rank == kept:
            cut = newcomer[0]
        else:
            cut = entries[kept - 2 if rank < kept else kept - 1][0]
        return Place(rung, rank, n, kept, newcomer[0], cut)

    def _waiting_place(self, rung: Rung, at: RungPlace, entry: Entry) -> Place:
        """The place of a trial that entered this rung earlier."""
        n = len(rung.entries)
        kept = sent_on(n, self.pruning.reduction)
        rank = bisect_left(rung.entries, entry) + 1
        return Place(at, rank, n, kept, entry[0], rung.entries[kept - 1][0] if kept else inf)

    def _next(self, rung: Rung, available: Container[int]) -> Entry | None:
        """The best available trial that this rung may promote; None for none."""
        if not rung.waiting:
            return None
        kept = sent_on(len(rung.entries), self.pruning.reduction)
        if kept == 0:
            return None
        last = rung.entries[kept - 1]
        for entry in rung.waiting:
            if entry > last:
                return None
            if entry[1] in available:
                return entry
        return None

    # --- all rungs -------------------------------------------------------------------------------

    def _rungs(self, state: pruner.PrunerState) -> list[list[Rung]]:
        if not state.memory.brackets:
            state.memory.brackets = [[Rung() for _ in steps] for steps in self.plan.steps]
        brackets: list[list[Rung]] = state.memory.brackets
        return brackets

    def _crossed(self, state: pruner.PrunerState, bracket: int, trial: int, step: int) -> range:
        """The rungs of its bracket, counted from 0, that a report at `step` fills."""
        first = state.filled.get(trial, 0)
        return range(first, max(first, bisect_right(self.plan.steps[bracket], step)))

    @staticmethod
    def _leave(state: pruner.PrunerState, bracket: int, trial: int) -> None:
        loss = state.memory.waiting.pop(trial, None)
        if loss is not None:
            state.memory.brackets[bracket][state.filled[trial] - 1].leave((loss, trial))

    def _waits_at(self, state: pruner.PrunerState, trial: int) -> RungPlace:
        return self.plan.rung(self.plan.bracket_of(trial), state.filled[trial] - 1)

    def place_of(self, state: pruner.PrunerState, trial: int) -> Place:
        """The place of a trial that waits at a rung."""
        at = self._waits_at(state, trial)
        rung = state.memory.brackets[at.bracket][at.number]
        return self._waiting_place(rung, at, (state.memory.waiting[trial], trial))

    def _ahead(
        self, state: pruner.PrunerState, own: RungPlace, newcomer: Entry, available: Container[int]
    ) -> tuple[int, RungPlace] | None:
        """(trial, rung) that a free slot would take before the newcomer in `own`; None for none."""
        memory: Rungs = state.memory
        if not memory.waiting:
            return None
        for at in self.plan.order:
            if at == own:
                break
            entry = self._next(memory.brackets[at.bracket][at.number], available)
            if entry is not None:
                return entry[1], at
        for entry in memory.brackets[own.bracket][own.number].waiting:
            if entry > newcomer:
                break
            if entry[1] in available:
                return entry[1], own
        return None

    # --- reasons ---------------------------------------------------------------------------------

    def _judgement(
        self, place: Place, action: Literal["go", "stop", "pause"], why: reasons.Why
    ) -> pruner.Judgement:
        cut = pruner.value_of(place.cut, self.mode)
        return pruner.Judgement(action, place.rung.step, place.rank, place.n, cut, why)

    def _promotion(
        self, place: Place, trial: int, why: reasons.Why, *, by_rank: bool
    ) -> pruner.Promotion:
        cut = pruner.value_of(place.cut, self.mode)
        return pruner.Promotion(trial, place.rung.step, place.rank, place.n, cut, why, by_rank)

    def _ranked(
        self,
        place: Place,
        then: Literal["go", "stop", "wait", "promote", "last resort", "end"],
        ahead: tuple[int, RungPlace] | None = None,
    ) -> reasons.Ranked:
        return reasons.Ranked(
            self._named(place.rung),
            place.rank,
            place.n,
            place.kept,
            pruner.value_of(place.loss, self.mode),
            pruner.value_of(place.cut, self.mode),
            then,
            None if ahead is None else (ahead[0], self._named(ahead[1])),
            ceil(self.pruning.reduction),
        )

    def _diverged(self, rung: RungPlace, value: float) -> reasons.Diverged:
        own = None if isfinite(value) else f"{value:g}"
        return reasons.Diverged(own, self.pruning.unit, rung.step, self._named(rung))

    def _named(self, rung: RungPlace) -> reasons.RungName:
        bracket = rung.bracket if len(self.plan.steps) > 1 else None
        return reasons.RungName(rung.number, rung.step, self.pruning.unit, bracket)


# --- the rows of the registry -------------------------------------------------------------------


def _check(pruning: pruner.PruningSpec, *, held_all: bool) -> Iterable[options.Fault]:
    """held_all: as many brackets as the range allows; else as many as the file sets."""
    yield from pruner.check_range(pruning)
    if pruning.reduction <= 1 or pruning.max is None or pruning.min >= pruning.max:
        return
    if log(pruning.max / pruning.min) / log(pruning.reduction) > _MOST_RUNGS:
        words = f"makes more than {_MOST_RUNGS:,} rungs; write reduction = 3, say"
        yield options.Fault("reduction", words)
        return
    held = most_brackets(pruning.min, pruning.max, pruning.reduction)
    if pruning.brackets > held and not held_all:
        words = (
            f"is more than min = {pruning.min} to max = {pruning.max} with "
            f"reduction = {pruning.reduction:g} holds; write brackets = {held} or less"
        )
        yield options.Fault("brackets", words)
    elif (held if held_all else pruning.brackets) > _MOST_BRACKETS:
        words = f"makes more than {_MOST_BRACKETS} brackets; write reduction = 3, say"
        yield options.Fault("reduction" if held_all else "brackets", words)


def _check_asha(pruning: pruner.PruningSpec, _keys: Collection[str]) -> Iterable[options.Fault]:
    return _check(pruning, held_all=False)


def _check_hyperband(pruning: pruner.PruningSpec, keys: Collection[str]) -> Iterable[options.Fault]:
    if "brackets" not in keys:
        return _check(pruning, held_all=True)
    words = (
        'is not for method = "hyperband", which takes as many as its range holds; '
        'leave it out, or use method = "asha"'
    )
    return (*pruner.check_range(pruning), options.Fault("brackets", words))


def _asha(pruning: pruner.PruningSpec) -> Plan:
    return asha_plan(pruning.min, pruning.max, pruning.reduction, pruning.brackets)


def _hyperband(pruning: pruner.PruningSpec) -> Plan:
    return hyperband_plan(pruning.min, pruning.max, pruning.reduction, pruning.anchor)


_KEYS = frozenset({"min", "max", "reduction", "style", "brackets"})

ASHA = pruner.PrunerKind(
    summary="asynchronous successive halving: each rung sends its best on",
    make=lambda pruning, mode: Halving(pruning, mode, _asha(pruning)),
    keys=_KEYS,
    check=_check_asha,
    trials_needed=lambda pruning: _asha(pruning).trials_needed(pruning.reduction),
)
HYPERBAND = pruner.PrunerKind(
    summary="the same in several brackets, which start at different rungs",
    make=lambda pruning, mode: Halving(pruning, mode, _hyperband(pruning)),
    keys=_KEYS,
    check=_check_hyperband,
    trials_needed=lambda pruning: _hyperband(pruning).trials_needed(pruning.reduction),
)
