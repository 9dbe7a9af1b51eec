"""The search methods by the name that a study file gives, after the points of the user."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from tuitune.core.options import Fault, Mode, Option
from tuitune.core.reasons import Given
from tuitune.core.search.grid import GridSearcher
from tuitune.core.search.proposal import (
    AskModel,
    Method,
    Model,
    Proposal,
    Searcher,
    SearcherKind,
    SearchSpec,
    Tried,
    identity,
    is_new,
)
from tuitune.core.search.random_search import RandomSearcher
from tuitune.core.search.sobol import sobol_searcher
from tuitune.core.search.start import start_then_model
from tuitune.core.space import (
    Fixed,
    Sampled,
    SearchSpace,
    grid_size,
    grid_width,
    likely_of,
    to_unit,
)

_LARGEST_GRID = 10_000_000
_LEVELS = 5  # values of each continuous parameter of a grid


class _PointsFirst(msgspec.Struct, frozen=True):
    """The given points in turn, then the proposals of the method.

    A point that is added while the study runs comes next; one tried before is skipped.
    """

    space: SearchSpace
    method: Method
    points: tuple[Proposal, ...]

    def propose(self, trial: int, tried: Tried) -> Proposal | AskModel | None:
        """The first given point that was not tried, otherwise the proposal of the method."""
        for index, point in enumerate(self.points):
            # Identities leave sampled values out: with those, a point is due by its number.
            due = index == trial and is_new(self.space, point.config, tried)
            if due or identity(self.space, point.config) not in tried:
                return point
        return self.method.propose(trial, tried)


def _points_first(
    space: SearchSpace, method: Method, points: Sequence[Mapping[str, Any]]
) -> _PointsFirst:
    """What a point leaves out is filled from the method's plan at the same index."""
    completed = (
        _complete_point(space, method.planned(index), Given(index), point)
        for index, point in enumerate(points)
    )
    return _PointsFirst(space, method, tuple(completed))


def _complete_point(
    space: SearchSpace, planned: Proposal, given_as: Given, point: Mapping[str, Any]
) -> Proposal:
    """The point with what it leaves out taken from `planned`; inactive parameters are removed."""
    given = space.normalised(point)
    coordinates = [
        to_unit(parameter, given[parameter.name]) if parameter.name in given else coordinate
        for parameter, coordinate in zip(space.searched, space.point(planned.config), strict=True)
    ]
    # Coordinates decide what is active; given values stay unrounded.
    decided = space.configuration(coordinates)
    known = {**decided, **planned.config, **given}
    names = [p.name for p in space.parameters if p.name in decided or p.name in given]
    filled = [
        p.name
        for p in space.parameters
        if p.name in decided and p.name not in given and not isinstance(p, Fixed | Sampled)
    ]
    why = Given(given_as.index, tuple(filled), planned.why) if filled else given_as
    return Proposal({name: known[name] for name in names}, "point", why)


def searcher_kind(search: SearchSpec) -> SearcherKind:
    """The method's row. Raises KeyError for one that is neither built in nor installed."""
    return search.installed or SEARCHERS[search.method]


def make_searcher(space: SearchSpace, search: SearchSpec, *, informed: bool = False) -> Searcher:
    """The searcher of a study; a pure function of these, the trial's number and what was tried.

    informed: there are trials of earlier studies to learn from. ValueError for a grid over a
    sampled parameter.
    """
    method = searcher_kind(search).make(space, search, informed)
    return _points_first(space, method, search.points) if search.points else method


def make_model(space: SearchSpace, search: SearchSpec, mode: Mode, rungs: tuple[int, ...]) -> Model:
    """The model of a study. Imports numpy: for the model process or a simulation.

    rungs: the resources at which trials are compared, ascending; empty: at their end alone.
    ValueError for a method that has no model.
    """
    make = searcher_kind(search).model
    if make is None:
        raise ValueError(f"{search.method} needs no model")
    return make(space, search, mode, rungs)


def complete(
    space: SearchSpace, search: SearchSpec, trial: int, given: Mapping[str, Any]
) -> Proposal:
    """A configuration of the user, with what it leaves out as the method plans it for `trial`."""
    planned = searcher_kind(search).make(space, search, False).planned(trial)  # noqa: FBT003 - informed
    return _complete_point(space, planned, Given(None), given)


def _bayes(space: SearchSpace, search: SearchSpec, mode: Mode, rungs: tuple[int, ...]) -> Model:
    from tuitune.core.search.bayes.model import bayes_model  # noqa: PLC0415 - numpy and scipy

    likely = {p.name: likely_of(p) for p in space.searched if likely_of(p)}
    return bayes_model(space, search.seed, mode, rungs, likely=likely)


def _tpe(space: SearchSpace, search: SearchSpec, mode: Mode, rungs: tuple[int, ...]) -> Model:
    from tuitune.core.search.tpe.model import tpe_model  # noqa: PLC0415 - numpy

    return tpe_model(space, search.seed, mode, rungs)


def _check_grid(space: SearchSpace, search: SearchSpec, keys: Collection[str]) -> Iterable[Fault]:
    levels = search.options.get("levels", _LEVELS)
    sampled = [parameter.name for parameter in space.parameters if isinstance(parameter, Sampled)]
    wide = [
        p.name for p in space.parameters if not sampled and grid_width(p, levels) > _LARGEST_GRID
    ]
    if sampled:
        words = (
            f"can't go over {', '.join(sampled)}, which a function samples; "
            'use method = "sobol", or give values in its place'
        )
        yield Fault("method", words)
    elif wide:
        words = (
            f"makes a grid with more than {_LARGEST_GRID:,} values of {', '.join(wide)}; "
            "give it a step or powers_of"
        )
        yield Fault("method", words)
    elif "trials" not in keys and grid_size(space, levels) > _LARGEST_GRID:
        words = (
            f"makes a grid of {grid_size(space, levels):,} points; write trials = 1000 to try only "
            "its coarsest, or give the ranges wider steps"
        )
        yield Fault("method", words)


SEARCHERS: Final[dict[str, SearcherKind]] = {
    "bayes": SearcherKind(
        summary="a Gaussian process over configurations and rungs",
        make=lambda space, search, informed: start_then_model(
            space, search.seed, informed=informed
        ),
        model=_bayes,
    ),
    "tpe": SearcherKind(
        summary="densities of good and poor configurations; BOHB with hyperband",
        make=lambda space, search, informed: start_then_model(
            space, search.seed, informed=informed
        ),
        model=_tpe,
    ),
    "sobol": SearcherKind(
        summary="points that fill the space evenly",
        make=lambda space, search, _: sobol_searcher(space, search.seed),
    ),
    "random": SearcherKind(
        summary="uniform random points",
        make=lambda space, search, _: RandomSearcher(space, search.seed),
    ),
    "grid": SearcherKind(
        summary="every combination of values, the coarse ones first",
        make=lambda space, search, _: GridSearcher(space, search.options.get("levels", _LEVELS)),
        options=(Option("levels", "whole", _LEVELS, 2),),
        check=_check_grid,
        size=lambda space, search: grid_size(space, search.options.get("levels", _LEVELS)),
    ),
}
