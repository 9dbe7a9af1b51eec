"""What does a model know when it is asked for the configuration of a trial?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec

if TYPE_CHECKING:
    from tuitune.core.search.proposal import Proposal, Tried

Fate = Literal["pending", "ended", "failed"]


class Past(msgspec.Struct, frozen=True, array_like=True):
    """One trial, as it was when the question was fixed.

    config: with the values of sampled parameters. curve: (resource, value) in the objective's own
    direction, resources rising: the newest value at each rung of the study that it has passed,
    in whatever bracket it runs, and its furthest report last; not finite where it diverged. Where
    the study has no rungs: at most one point, what the trial counts with. state: pending may
    report further, though it may never have reported yet; ended will not, unless it is promoted
    from the rung where it waits; failed has crashed, run out of memory or time, or diverged.
    """

    trial: int
    config: dict[str, Any]
    curve: tuple[tuple[int, float], ...]
    state: Fate


class History(msgspec.Struct, frozen=True):
    """past: by trial number, without those that tell nothing. foreign: of earlier studies.

    Foreign trials have configurations of this space and are never pending; their numbers run
    from 0.
    """

    past: tuple[Past, ...] = ()
    foreign: tuple[Past, ...] = ()


class Model(Protocol):
    """A pure function of what it was made with and of what it is given here."""

    def propose(self, trial: int, history: History, tried: Tried) -> Proposal | None:
        """The configuration of this trial; None where nothing untried is left."""
        ...
