"""Is this trial among the best of its rung, and who goes on? (ASHA and Hyperband, asynchronous)"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from math import inf
from typing import TYPE_CHECKING, Literal, NamedTuple

from tuitune.pruning.brackets import bracket_of, plan, sent_on
from tuitune.pruning.state import Judgement, Promotion, Rung
from tuitune.pruning.words import compared, diverged, loss_of, value_of

if TYPE_CHECKING:
    from collections.abc import Container

    from tuitune.pruning.brackets import Plan
    from tuitune.pruning.state import Entry, PrunerState
    from tuitune.spec import Mode, PruningSpec


class Report(NamedTuple):
    """A trial's value at a step; diverged: this one or an earlier one is not finite."""

    trial: int
    step: int
    value: float
    diverged: bool


class _Place(NamedTuple):
    """Where a newcomer comes in a rung that has taken it up; cut: the loss of the last kept one."""

    rank: int
    n: int
    kept: int
    cut: float


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
    loss = inf if report.diverged else loss_of(report.value, mode)
    newcomer = (loss, report.trial)
    if (state.style or pruning.style) == "promote":
        top = crossed[-1]
        place = _place(_rung(state, bracket, top).entries, newcomer, pruning.reduction, least=0)
        if loss == inf:
            return _diverged(steps[top], place, report.value, mode)
        ahead = None
        if place.rank <= place.kept:
            at = (steps[top], bracket, top)
            ahead = _ahead(state, laid, pruning.reduction, at, newcomer, available)
        return _wait_or_go(steps[top], place, loss, mode, ahead)
    return _stop_or_go(state, pruning, mode, report, (bracket, crossed, loss))


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
    for step, bracket, place in plan(pruning).order:
        rung = state.brackets[bracket][place]
        entry = _next(rung, pruning.reduction, available)
        if entry is not None:
            return _promotion(step, rung, entry, pruning.reduction, state.mode)
    return None


def send(state: PrunerState, pruning: PruningSpec, trial: int, rung: int) -> None:
    """Take a trial from the rung at the step `rung`, if it waits there."""
    bracket = bracket_of(pruning, trial)
    if plan(pruning).steps[bracket].index(rung) + 1 == state.filled.get(trial):
        _leave(state, bracket, trial)


# --- one rung ------------------------------------------------------------------------------------


def _place(entries: list[Entry], newcomer: Entry, reduction: float, *, least: int) -> _Place:
    """As it will be; a failure of the newcomer's own in this rung counts no more."""
    rank = bisect_left(entries, newcomer) + 1
    n = len(entries) + 1 - _holds(entries, (inf, newcomer[1]))
    kept = max(least, sent_on(n, reduction))
    if kept == 0:
        cut = inf
    elif rank == kept:
        cut = newcomer[0]
    else:
        cut = entries[kept - 2 if rank < kept else kept - 1][0]
    return _Place(rank, n, kept, cut)


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


def _rung(state: PrunerState, bracket: int, place: int) -> Rung:
    return state.brackets[bracket][place] if state.brackets else Rung()


def _crossed(state: PrunerState, steps: tuple[int, ...], trial: int, step: int) -> range:
    """The rungs of its bracket, counted from 0, that a report at `step` fills."""
    first = state.filled.get(trial, 0)
    return range(first, max(first, bisect_right(steps, step)))


def _leave(state: PrunerState, bracket: int, trial: int) -> None:
    loss = state.waiting.pop(trial, None)
    if loss is not None:
        _drop(state.brackets[bracket][state.filled[trial] - 1].waiting, (loss, trial))


def _ahead(  # noqa: PLR0913, PLR0917 - the search of a free slot, up to the newcomer
    state: PrunerState,
    laid: Plan,
    reduction: float,
    own: tuple[int, int, int],
    newcomer: Entry,
    available: Container[int],
) -> tuple[int, int] | None:
    """(trial, rung) that a free slot would take before the newcomer, which waits in `own`."""
    if not state.waiting:
        return None
    for rung in laid.order:
        step, bracket, place = rung
        if rung == own:
            break
        entry = _next(state.brackets[bracket][place], reduction, available)
        if entry is not None:
            return entry[1], step
    for entry in state.brackets[own[1]][own[2]].waiting:
        if entry > newcomer:
            break
        if entry[1] in available:
            return entry[1], own[0]
    return None


# --- verdicts ------------------------------------------------------------------------------------


def _stop_or_go(
    state: PrunerState,
    pruning: PruningSpec,
    mode: Mode,
    report: Report,
    crossing: tuple[int, range, float],
) -> Judgement:
    """It goes on only while in the best max(1, floor(n / reduction)) of every rung it fills."""
    bracket, crossed, loss = crossing
    steps = plan(pruning).steps[bracket]
    step, place = 0, _Place(1, 1, 1, loss)
    for rung in crossed:
        step = steps[rung]
        entries = _rung(state, bracket, rung).entries
        place = _place(entries, (loss, report.trial), pruning.reduction, least=1)
        if place.rank > place.kept:
            break
    if loss == inf:
        return _diverged(step, place, report.value, mode)
    if place.rank <= place.kept:
        return _judgement("go", "goes on", step, place, loss, mode)
    return _judgement("stop", "stopped", step, place, loss, mode)


def _wait_or_go(
    step: int, place: _Place, loss: float, mode: Mode, ahead: tuple[int, int] | None
) -> Judgement:
    """It keeps the slot that it would free if that slot would go to itself."""
    if place.rank > place.kept:
        return _judgement("pause", "waits", step, place, loss, mode)
    if ahead is None:
        return _judgement("go", "goes on", step, place, loss, mode)
    ends = f"waits, as trial {ahead[0]} at rung {ahead[1]} comes first"
    return _judgement("pause", ends, step, place, loss, mode)


def _judgement(  # noqa: PLR0913, PLR0917 - figures and words
    action: Literal["go", "stop", "pause"],
    ends: str,
    step: int,
    place: _Place,
    loss: float,
    mode: Mode,
) -> Judgement:
    cut = value_of(place.cut, mode)
    why = f"{_words(step, place, loss, mode)}: {ends}"
    return Judgement(action, step, place.rank, place.n, cut, why)


def _diverged(step: int, place: _Place, value: float, mode: Mode) -> Judgement:
    cut = value_of(place.cut, mode)
    return Judgement("stop", step, place.rank, place.n, cut, diverged(value, f"rung {step}"))


def _promotion(step: int, rung: Rung, entry: Entry, reduction: float, mode: Mode) -> Promotion:
    n = len(rung.entries)
    kept = sent_on(n, reduction)
    rank = bisect_left(rung.entries, entry) + 1
    place = _Place(rank, n, kept, rung.entries[kept - 1][0])
    why = f"{_words(step, place, entry[0], mode)}: promoted"
    return Promotion(entry[1], step, rank, n, value_of(place.cut, mode), why)


def _words(step: int, place: _Place, loss: float, mode: Mode) -> str:
    start = f"rung {step}: rank {place.rank} of {place.n}"
    if place.kept == 0:
        return f"{start}, too few to send one on"
    value, cut = value_of(loss, mode), value_of(place.cut, mode)
    return f"{start}, {compared(value, cut, within=place.rank <= place.kept)}"
