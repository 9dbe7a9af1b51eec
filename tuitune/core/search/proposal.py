"""What does a searcher answer, and to what?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from tuitune.core.space import key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuitune.core.space import SearchSpace


@dataclass(frozen=True, slots=True)
class Proposal:
    """A configuration without its sampled values, but for those that the user gave.

    origin: "point" or the searcher's method. why: where it comes from, in words.
    """

    config: dict[str, Any]
    origin: str
    why: str


@dataclass(frozen=True, slots=True)
class AskModel:
    """The answer of a searcher that leaves this trial to the study's model."""


class Tried(Protocol):
    """The identities of all configurations so far, as `identity` makes them; it only grows."""

    def __contains__(self, identity: object, /) -> bool: ...
    def __len__(self) -> int: ...


class Searcher(Protocol):
    """A function of the space, the search's settings, the trial's number and what was tried."""

    def propose(self, trial: int, tried: Tried) -> Proposal | AskModel | None:
        """The configuration of this trial; None where nothing untried is left."""
        ...


class Method(Searcher, Protocol):
    """A searcher with an endless plan of its own, tried or not."""

    def planned(self, index: int) -> Proposal:
        """Number `index` of that plan, from 0."""
        ...


def identity(space: SearchSpace, config: Mapping[str, Any]) -> str:
    """The text that two configurations share only where all but their sampled values agree."""
    sampled = {parameter.name for parameter in space.sampled}
    return key({name: value for name, value in config.items() if name not in sampled})


def is_new(space: SearchSpace, config: Mapping[str, Any], tried: Tried) -> bool:
    """Whether trying this configuration tells something; what is yet to be sampled is new."""
    sampled = any(space.is_active(parameter, config) for parameter in space.sampled)
    return sampled or identity(space, config) not in tried
