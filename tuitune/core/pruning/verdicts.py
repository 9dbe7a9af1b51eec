"""What follows from a trial's place in a rung, in figures and words?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from tuitune.core.pruning import text
from tuitune.core.pruning.brackets import bracket_count
from tuitune.core.pruning.state import Judgement, Promotion
from tuitune.core.pruning.text import compared, value_of

if TYPE_CHECKING:
    from tuitune.core.pruning.brackets import RungPlace
    from tuitune.core.spec import Mode, PruningSpec


class Place(NamedTuple):
    """Where a trial comes in a rung that has taken it up, from 1; kept: so many go on.

    loss: the trial's own. cut: the loss of the last kept one; infinity where nobody is.
    """

    rung: RungPlace
    rank: int
    n: int
    kept: int
    loss: float
    cut: float

    @property
    def within(self) -> bool:
        return self.rank <= self.kept


def stop_or_go(pruning: PruningSpec, mode: Mode, place: Place) -> Judgement:
    if place.within:
        return _judgement(pruning, mode, place, "go", "goes on")
    return _judgement(pruning, mode, place, "stop", "stopped")


def wait_or_go(
    pruning: PruningSpec, mode: Mode, place: Place, ahead: tuple[int, RungPlace] | None
) -> Judgement:
    """It keeps the slot that it would free if that slot would go to itself.

    ahead: (trial, rung) that the slot would go to before it.
    """
    if not place.within:
        return _judgement(pruning, mode, place, "pause", "waits")
    if ahead is None:
        return _judgement(pruning, mode, place, "go", "goes on")
    other, where = ahead
    ends = f"waits, as trial {other} at {named(pruning, where)} comes first"
    return _judgement(pruning, mode, place, "pause", ends)


def diverged(pruning: PruningSpec, mode: Mode, place: Place, value: float) -> Judgement:
    """The end of a trial whose `value`, or an earlier one, is not finite."""
    why = text.diverged(value, named(pruning, place.rung))
    return Judgement("stop", place.rung.step, place.rank, place.n, value_of(place.cut, mode), why)


def promoted(pruning: PruningSpec, mode: Mode, place: Place, trial: int) -> Promotion:
    why = f"{_words(pruning, mode, place)}: promoted"
    return Promotion(trial, place.rung.step, place.rank, place.n, value_of(place.cut, mode), why)


def sent_on_at_the_end(pruning: PruningSpec, mode: Mode, place: Place, trial: int) -> Promotion:
    """The best there is, where its rung may send nobody on."""
    why = (
        f"{_words(pruning, mode, place)}; no trial is complete and nothing else is left to "
        f"launch: the best goes on"
    )
    cut = value_of(place.cut, mode)
    return Promotion(trial, place.rung.step, place.rank, place.n, cut, why, by_rank=False)


def not_promoted(pruning: PruningSpec, mode: Mode, place: Place) -> str:
    """Why a trial that has waited to the end is pruned."""
    return f"not promoted: {_words(pruning, mode, place)}"


def named(pruning: PruningSpec, rung: RungPlace) -> str:
    """As "rung 1 (epoch 3)", by its number from 0 and its step; with its bracket of several."""
    of = f" of bracket {rung.bracket}" if bracket_count(pruning) > 1 else ""
    return f"rung {rung.number} ({pruning.unit} {rung.step}){of}"


def _judgement(
    pruning: PruningSpec,
    mode: Mode,
    place: Place,
    action: Literal["go", "stop", "pause"],
    ends: str,
) -> Judgement:
    why = f"{_words(pruning, mode, place)}: {ends}"
    return Judgement(action, place.rung.step, place.rank, place.n, value_of(place.cut, mode), why)


def _words(pruning: PruningSpec, mode: Mode, place: Place) -> str:
    start = f"{named(pruning, place.rung)}: rank {place.rank} of {place.n}"
    if place.kept == 0:
        return f"{start}, too few to send one on"
    own, cut = value_of(place.loss, mode), value_of(place.cut, mode)
    return f"{start}, {compared(own, cut, within=place.within)}"
