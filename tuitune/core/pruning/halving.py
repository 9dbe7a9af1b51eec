"""Is this trial among the best of its rung, and who goes on? (ASHA and Hyperband, asynchronous)"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from tuitune.core.pruning import verdicts
from tuitune.core.pruning.brackets import bracket_of, plan, sent_on
from tuitune.core.pruning.state import Rung
from tuitune.core.pruning.text import loss_of
from tuitune.core.pruning.verdicts import Place

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from tuitune.core.pruning.brackets import RungPlace
    from tuitune.core.pruning.state import Entry, Judgement, Promotion, PrunerState
    from tuitune.core.spec import Mode, PruningSpec


class Report(NamedTuple):
    """A trial's value at a step; diverged: this one or an earlier one is not finite."""

    trial: int
    step: int
    value: float
    diverged: bool


def judge(
    state: PrunerState,
    pruning: PruningSpec,
    mode: Mode,
    report: Report,
    available: Container[int],
) -> Judgement | None:
    """The verdict on a report that `enter` has not taken up; None where it fills no rung."""
    if pruning.max is not None and report.step >= pruning.max:
        return None
    laid = plan(pruning)
    bracket = laid.bracket_of(report.trial)
    steps = laid.steps[bracket]
    crossed = _crossed(state, steps, report.trial, report.step)
    if not crossed:
        return None
    newcomer = (inf if report.diverged else loss_of(report.value, mode), report.trial)
    promotes = (state.style or pruning.style) == "promote"
    # to be sent on it has to be among the best of the highest, to stay in all of them
    rungs = [laid.rung(bracket, number) for number in (crossed[-1:] if promotes else crossed)]
    least = 0 if promotes else 1
    places = [_place(state, rung, newcomer, pruning.reduction, least=least) for rung in rungs]
    place = next((place for place in places if not place.within), places[-1])
    if newcomer[0] == inf:
        return verdicts.diverged(pruning, mode, place, report.value)
    if not promotes:
        return verdicts.stop_or_go(pruning, mode, place)
    ahead = _ahead(state, pruning, place.rung, newcomer, available) if place.within else None
    return verdicts.wait_or_go(pruning, mode, place, ahead)


def enter(  # noqa: PLR0913, PLR0917 - a verdict has this many facts
    state: PrunerState,
    pruning: PruningSpec,
    mode: Mode,
    trial: int,
    step: int,
    value: float,
    action: str,
) -> None:
    """Fill, with this report's value, every rung up to `step` that the trial has not filled.

    With "pause" it waits at the highest of them; from all others it counts as sent on.
    """
    laid = plan(pruning)
    bracket = laid.bracket_of(trial)
    steps = laid.steps[bracket]
    crossed = _crossed(state, steps, trial, step)
    if not crossed:
        if action == "complete":
            _leave(state, bracket, trial)
        return
    state.mode = mode
    rungs = _rungs(state, pruning)[bracket]
    _leave(state, bracket, trial)
    _drop(rungs[crossed[0]].entries, (inf, trial))  # its failure there is made good
    newcomer = (loss_of(value, mode), trial)
    for place in crossed:
        insort(rungs[place].entries, newcomer)
    state.filled[trial] = crossed[-1] + 1
    if action == "pause" and newcomer[0] != inf:
        insort(rungs[crossed[-1]].waiting, newcomer)
        state.waiting[trial] = newcomer[0]


def fail(state: PrunerState, pruning: PruningSpec, trial: int) -> None:
    """Count a failed trial as worst in the next rung that it would have reached, once."""
    bracket = bracket_of(pruning, trial)
    place = state.filled.get(trial, 0)
    if place >= len(plan(pruning).steps[bracket]):
        return
    entries = _rungs(state, pruning)[bracket][place].entries
    if not _holds(entries, (inf, trial)):
        insort(entries, (inf, trial))


def promotion(
    state: PrunerState, pruning: PruningSpec, available: Container[int]
) -> Promotion | None:
    """Whom a free slot sends on: the best of the highest rung that may send one; None: nobody."""
    if not state.waiting:
        return None
    for at in plan(pruning).order:
        rung = state.brackets[at.bracket][at.number]
        entry = _next(rung, pruning.reduction, available)
        if entry is not None:
            place = _held_place(rung, at, entry, pruning.reduction)
            return verdicts.promoted(pruning, state.mode, place, entry[1])
    return None


def best_waiting(
    state: PrunerState, pruning: PruningSpec, available: Iterable[int]
) -> Promotion | None:
    """Whoever of these waits at the highest rung, with the best value there; of equals the first.

    Whatever its rank: this is for a study that would else train nothing to the end.
    """
    found = [(-_waits_at(state, pruning, n).step, state.waiting[n], n) for n in available]
    if not found:
        return None
    trial = min(found)[2]
    place = _waiting_place(state, pruning, trial)
    return verdicts.sent_on_at_the_end(pruning, state.mode, place, trial)


def not_promoted(state: PrunerState, pruning: PruningSpec, trial: int) -> str:
    """Why this one, which waits at a rung, is not sent on: by its place there as it is now."""
    return verdicts.not_promoted(pruning, state.mode, _waiting_place(state, pruning, trial))


def send(state: PrunerState, pruning: PruningSpec, trial: int, rung: int) -> None:
    """Take a trial from the rung at the step `rung`, if it waits there."""
    bracket = bracket_of(pruning, trial)
    if plan(pruning).steps[bracket].index(rung) + 1 == state.filled.get(trial):
        _leave(state, bracket, trial)


# --- one rung ------------------------------------------------------------------------------------


def _place(
    state: PrunerState, rung: RungPlace, newcomer: Entry, reduction: float, *, least: int
) -> Place:
    """As it will be; a failure of the newcomer's own in this rung counts no more."""
    entries = state.brackets[rung.bracket][rung.number].entries if state.brackets else []
    rank = bisect_left(entries, newcomer) + 1
    n = len(entries) + 1 - _holds(entries, (inf, newcomer[1]))
    kept = max(least, sent_on(n, reduction))
    if kept == 0:
        cut = inf
    elif rank == kept:
        cut = newcomer[0]
    else:
        cut = entries[kept - 2 if rank < kept else kept - 1][0]
    return Place(rung, rank, n, kept, newcomer[0], cut)


def _held_place(rung: Rung, at: RungPlace, entry: Entry, reduction: float) -> Place:
    """Of one that has long come to this rung."""
    n = len(rung.entries)
    kept = sent_on(n, reduction)
    rank = bisect_left(rung.entries, entry) + 1
    return Place(at, rank, n, kept, entry[0], rung.entries[kept - 1][0] if kept else inf)


def _next(rung: Rung, reduction: float, available: Container[int]) -> Entry | None:
    """The best of those that this rung may send on."""
    if not rung.waiting:
        return None
    kept = sent_on(len(rung.entries), reduction)
    if kept == 0:
        return None
    last = rung.entries[kept - 1]
    for entry in rung.waiting:
        if entry > last:
            return None
        if entry[1] in available:
            return entry
    return None


def _holds(entries: list[Entry], entry: Entry) -> bool:
    if not entries or entry > entries[-1]:
        return False
    return entries[bisect_left(entries, entry)] == entry


def _drop(entries: list[Entry], entry: Entry) -> None:
    if _holds(entries, entry):
        del entries[bisect_left(entries, entry)]


# --- all rungs -----------------------------------------------------------------------------------


def _rungs(state: PrunerState, pruning: PruningSpec) -> list[list[Rung]]:
    if not state.brackets:
        state.brackets = [[Rung() for _ in steps] for steps in plan(pruning).steps]
    return state.brackets


def _crossed(state: PrunerState, steps: tuple[int, ...], trial: int, step: int) -> range:
    """The rungs of its bracket, counted from 0, that a report at `step` fills."""
    first = state.filled.get(trial, 0)
    return range(first, max(first, bisect_right(steps, step)))


def _leave(state: PrunerState, bracket: int, trial: int) -> None:
    loss = state.waiting.pop(trial, None)
    if loss is not None:
        _drop(state.brackets[bracket][state.filled[trial] - 1].waiting, (loss, trial))


def _waits_at(state: PrunerState, pruning: PruningSpec, trial: int) -> RungPlace:
    laid = plan(pruning)
    return laid.rung(laid.bracket_of(trial), state.filled[trial] - 1)


def _waiting_place(state: PrunerState, pruning: PruningSpec, trial: int) -> Place:
    at = _waits_at(state, pruning, trial)
    rung = state.brackets[at.bracket][at.number]
    return _held_place(rung, at, (state.waiting[trial], trial), pruning.reduction)


def _ahead(
    state: PrunerState,
    pruning: PruningSpec,
    own: RungPlace,
    newcomer: Entry,
    available: Container[int],
) -> tuple[int, RungPlace] | None:
    """(trial, rung) that a free slot would take before the newcomer, which waits in `own`."""
    if not state.waiting:
        return None
    for at in plan(pruning).order:
        if at == own:
            break
        entry = _next(state.brackets[at.bracket][at.number], pruning.reduction, available)
        if entry is not None:
            return entry[1], at
    for entry in state.brackets[own.bracket][own.number].waiting:
        if entry > newcomer:
            break
        if entry[1] in available:
            return entry[1], own
    return None
