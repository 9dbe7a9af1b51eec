"""The protocols of searchers and models: proposals, and the history that they are made from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec

from tuitune.core.reasons import Why
from tuitune.core.space import key

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from tuitune.core.options import Fault, Mode, Option
    from tuitune.core.space import SearchSpace


class Proposal(msgspec.Struct, frozen=True):
    """A configuration without its sampled values, but for those that the user gave.

    origin: "point" or the searcher's method. why: where it comes from.
    """

    config: dict[str, Any]
    origin: str
    why: Why


class AskModel(msgspec.Struct, frozen=True):
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


@dataclass(frozen=True, slots=True)
class SearchSpec:
    """How configurations are chosen, and how many."""

    method: str = "bayes"
    trials: int = 100  # the reader of the file puts the size of a finite plan here
    seed: int = 0
    concurrency: int | None = None  # None: as many as there is room for
    points: tuple[Mapping[str, Any], ...] = ()
    learn_from: tuple[str, ...] = ()  # folders or names of earlier studies, as the file has them
    options: Mapping[str, Any] = field(default_factory=dict)  # the method's own
    installed: SearcherKind | None = field(default=None, compare=False, repr=False)  # its row


@dataclass(frozen=True, slots=True)
class SearcherKind:
    """One row of the search methods' registry, or what a package offers by `tuitune.searchers`.

    summary: one line for the documentation. make: from the space, [search], and whether trials of
    earlier studies are there to learn from. model: makes the model that the searcher's `AskModel`
    asks, in a process of its own, from the space, [search], the objective's direction and the
    resources at which trials are compared, ascending; None: it needs none. options: its own keys
    of [search]. check: of the space, [search] and the keys that are written in the file, what is
    wrong. size: how many configurations its plan has; None: there is no end to them.
    """

    summary: str
    make: Callable[[SearchSpace, SearchSpec, bool], Method]
    model: Callable[[SearchSpace, SearchSpec, Mode, tuple[int, ...]], Model] | None = None
    options: tuple[Option, ...] = ()
    check: Callable[[SearchSpace, SearchSpec, Collection[str]], Iterable[Fault]] = (
        lambda _space, _search, _keys: ()
    )
    size: Callable[[SearchSpace, SearchSpec], int] | None = None


def identity(space: SearchSpace, config: Mapping[str, Any]) -> str:
    """The text that two configurations share only where all but their sampled values agree."""
    sampled = {parameter.name for parameter in space.sampled}
    return key({name: value for name, value in config.items() if name not in sampled})


def is_new(space: SearchSpace, config: Mapping[str, Any], tried: Tried) -> bool:
    """Whether trying this configuration tells something; what is yet to be sampled is new."""
    sampled = any(space.is_active(parameter, config) for parameter in space.sampled)
    return sampled or identity(space, config) not in tried


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
