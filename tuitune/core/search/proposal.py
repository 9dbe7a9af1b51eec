"""The protocols of searchers and models, with proposals and histories."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Literal, Protocol

import msgspec

from tuitune.core import paces, reasons
from tuitune.core.options import Fault, Mode, Option
from tuitune.core.space import SearchSpace, key


class Proposal(msgspec.Struct, frozen=True):
    """A configuration without its sampled values, except those that the user gave.

    origin: "point", "from #7 of digits", or the searcher's method. why: how it was chosen.
    """

    config: dict[str, Any]
    origin: str
    why: reasons.Why


class AskModel(msgspec.Struct, frozen=True):
    """The answer of a searcher that leaves this trial to the study's model."""


class Tried(Protocol):
    """The identities, see `identity`, of all configurations so far; the set only grows."""

    def __contains__(self, identity: object, /) -> bool: ...
    def __len__(self) -> int: ...


class Searcher(Protocol):
    """A pure function of the space, the [search] table, the trial's number and what was tried."""

    def propose(self, trial: int, tried: Tried) -> Proposal | AskModel | None:
        """The configuration of this trial; None where nothing untried is left."""
        ...


class Method(Searcher, Protocol):
    """A searcher with an infinite plan of its own, whether tried or not."""

    def planned(self, index: int) -> Proposal:
        """Number `index` of the plan, from 0."""
        ...


class SearchSpec(msgspec.Struct, frozen=True):
    """How configurations are chosen, and how many."""

    method: str = "bayes"
    trials: int = 100  # by default the size of a finite plan
    seed: int = 0
    concurrency: int | None = None  # None: as many as there is room for
    points: tuple[Mapping[str, Any], ...] = ()
    # Folders or names of earlier studies, as in the file; "auto": those of the same training code.
    learn_from: tuple[str, ...] | Literal["auto"] = "auto"
    options: Mapping[str, Any] = {}  # the method's own
    installed: SearcherKind | None = None  # its row
    source: str = ""  # the trial of another study that the points are from, as "#7 of digits"


class SearcherKind(msgspec.Struct, frozen=True):
    """One row of the search methods' registry, or what a package offers by `tuitune.searchers`.

    summary: one line for the documentation. make: from the space, [search], and whether there are
    trials of earlier studies to learn from. model: makes the model for the searcher's `AskModel`,
    which runs in its own process, from the space, [search], the objective's direction and the
    resources at which trials are compared, ascending; None: it needs none. options: its own keys
    of [search]. check: the faults of [search], from the space, the spec and the keys that the file
    has. size: the number of configurations in its plan; None: infinite. informed: a model uses
    likely values and earlier studies.
    """

    summary: str
    make: Callable[[SearchSpace, SearchSpec, bool], Method]
    model: Callable[[SearchSpace, SearchSpec, Mode, tuple[int, ...]], Model] | None = None
    options: tuple[Option, ...] = ()
    check: Callable[[SearchSpace, SearchSpec, Collection[str]], Iterable[Fault]] = (
        lambda _space, _search, _keys: ()
    )
    size: Callable[[SearchSpace, SearchSpec], int] | None = None
    informed: bool = True


def identity(space: SearchSpace, config: Mapping[str, Any]) -> str:
    """A text that is equal for two configurations only if all but their sampled values are."""
    if not space.sampled:
        return key(config)
    sampled = {parameter.name for parameter in space.sampled}
    return key({name: value for name, value in config.items() if name not in sampled})


def unmodelled(
    found: Proposal | None, cause: reasons.Cause, origin: str = "exploration"
) -> Proposal | None:
    """The proposal of another searcher, in place of one by the model; cause: why not by that."""
    if found is None:
        return None
    return Proposal(found.config, origin, reasons.NotModelled(cause, found.why))


def is_new(space: SearchSpace, config: Mapping[str, Any], tried: Tried) -> bool:
    """Whether the configuration keeps the constraints and is untried.

    With values yet to be sampled it always counts as untried.
    """
    if space.constraints and not space.keeps(config):
        return False
    sampled = any(space.is_active(parameter, config) for parameter in space.sampled)
    return sampled or identity(space, config) not in tried


Fate = Literal["pending", "ended", "failed"]


class Past(msgspec.Struct, frozen=True, array_like=True):
    """One trial at the time of the proposal.

    config: with the values of sampled parameters. curve: (resource, value) in the objective's own
    direction, resources rising: the newest value at each rung of the study that it has passed,
    whatever its bracket, and last its furthest report; not finite where it diverged. Without rungs
    at most one point: the value that counts for the trial. state: a pending trial may report
    further, or for the first time; an ended one will not, unless it is promoted from the rung where
    it waits; a failed one has crashed, run out of memory or time, or diverged. study: for trials of
    earlier studies, the name of the one that it is from; its curve is at that study's own rungs.
    """

    trial: int
    config: dict[str, Any]
    curve: tuple[tuple[int, float], ...]
    state: Fate
    study: str = ""
    times: paces.Times | None = None  # None: not known


class History(msgspec.Struct, frozen=True):
    """past: this study's trials by number, without those that have no information.

    foreign: trials of earlier studies, with configurations of this space, never pending; their
    numbers start at 0.
    """

    past: tuple[Past, ...] = ()
    foreign: tuple[Past, ...] = ()
    limited: bool = False  # the study ends by its clock


class Model(Protocol):
    """A pure function of the arguments of its constructor and of `propose`."""

    def propose(self, trial: int, history: History, tried: Tried) -> Proposal | None:
        """The configuration of this trial; None where nothing untried is left."""
        ...
