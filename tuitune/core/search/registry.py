"""The search methods by the name that a study file gives, after the points of the user."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from tuitune.core.options import Fault, Mode, Option
from tuitune.core.reasons import Given
from tuitune.core.search import grid, points, random_search, sobol, start
from tuitune.core.search.proposal import Model, Proposal, Searcher, SearcherKind, SearchSpec
from tuitune.core.space import EndlessError, SearchSpace, grid_size, grid_width

_LARGEST_GRID = 10_000_000
_LEVELS = 5  # values of each continuous parameter of a grid


def searcher_kind(search: SearchSpec) -> SearcherKind:
    """The method's row. Raises KeyError for one that is neither built in nor installed."""
    return search.installed or SEARCHERS[search.method]


def make_searcher(space: SearchSpace, search: SearchSpec, *, informed: bool = False) -> Searcher:
    """The searcher of a study; a pure function of these, the trial's number and what was tried.

    informed: there are trials of earlier studies to learn from. ValueError for a grid over a
    sampled parameter.
    """
    method = searcher_kind(search).make(space, search, informed)
    if search.installed is not None and space.groups:
        method = points.KeepsConstraints(space, method, search.seed)
    return points.points_first(space, search, method) if search.points else method


def make_model(space: SearchSpace, search: SearchSpec, mode: Mode, rungs: tuple[int, ...]) -> Model:
    """The model of a study. Imports numpy: for the model process or a simulation.

    rungs: the resources at which trials are compared, ascending; empty: at their end alone.
    ValueError for a method that has no model.
    """
    make = searcher_kind(search).model
    if make is None:
        raise ValueError(f"{search.method} needs no model")
    model = make(space, search, mode, rungs)
    if search.installed is not None and space.groups:
        return points.ModelKeepsConstraints(space, model, search.seed)
    return model


def complete(
    space: SearchSpace, search: SearchSpec, trial: int, given: Mapping[str, Any]
) -> Proposal:
    """A configuration of the user, with what it leaves out as the method plans it for `trial`.

    Raises BrokenError where nothing was found that keeps the constraints.
    """
    planned = searcher_kind(search).make(space, search, False).planned(trial)  # noqa: FBT003 - informed
    return points.complete_point(space, planned, Given(None), given, f"{search.seed}/{trial}")


def _bayes(space: SearchSpace, search: SearchSpec, mode: Mode, rungs: tuple[int, ...]) -> Model:
    from tuitune.core.search.bayes.model import bayes_model  # noqa: PLC0415 - numpy and scipy

    return bayes_model(space, search.seed, mode, rungs)


def _tpe(space: SearchSpace, search: SearchSpec, mode: Mode, rungs: tuple[int, ...]) -> Model:
    from tuitune.core.search.tpe.model import tpe_model  # noqa: PLC0415 - numpy

    return tpe_model(space, search.seed, mode, rungs)


def _bohb(space: SearchSpace, search: SearchSpec, mode: Mode, rungs: tuple[int, ...]) -> Model:
    from tuitune.core.search.bohb import bohb_model  # noqa: PLC0415 - numpy and scipy

    return bohb_model(space, search.seed, mode, rungs)


def _check_grid(space: SearchSpace, search: SearchSpec, keys: Collection[str]) -> Iterable[Fault]:
    levels = search.options.get("levels", _LEVELS)
    sampled = [parameter.name for parameter in space.sampled]
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
    elif words := _grid_problem(space, levels, "trials" in keys):
        yield Fault("method", words)


def _grid_problem(space: SearchSpace, levels: int, has_trials: bool) -> str:  # noqa: FBT001 - a key is there
    try:
        size = grid_size(space, levels)
    except EndlessError:
        names = ", ".join(p.name for group in space.groups for p in group.family)
        return (
            f"makes a grid in which the constraints go over too many combinations of {names} to "
            'try them all; give these wider steps, or use method = "sobol"'
        )
    if not size:
        return (
            "makes a grid of which no point keeps the constraints; give the ranges finer steps, "
            'or use method = "sobol"'
        )
    if has_trials or size <= _LARGEST_GRID:
        return ""
    return (
        f"makes a grid of {size:,} points; write trials = 1000 to try only "
        "its coarsest, or give the ranges wider steps"
    )


SEARCHERS: Final[dict[str, SearcherKind]] = {
    "bayes": SearcherKind(
        summary="a Gaussian process over configurations and rungs",
        make=lambda space, search, informed: start.start_then_model(
            space, search.seed, informed=informed
        ),
        model=_bayes,
    ),
    "tpe": SearcherKind(
        summary="densities of good and poor configurations",
        make=lambda space, search, informed: start.start_then_model(
            space, search.seed, informed=informed
        ),
        model=_tpe,
    ),
    "bohb": SearcherKind(
        summary="BOHB with hyperband: densities with the settings of its paper",
        make=lambda space, search, _: random_search.random_then_model(space, search.seed),
        model=_bohb,
        informed=False,
    ),
    "sobol": SearcherKind(
        summary="points that fill the space evenly",
        make=lambda space, search, _: sobol.sobol_searcher(space, search.seed),
    ),
    "random": SearcherKind(
        summary="uniform random points",
        make=lambda space, search, _: random_search.RandomSearcher(space, search.seed),
    ),
    "grid": SearcherKind(
        summary="every combination of values, the coarse ones first",
        make=lambda space, search, _: grid.GridSearcher(
            space, search.options.get("levels", _LEVELS)
        ),
        options=(Option("levels", "whole", _LEVELS, 2),),
        check=_check_grid,
        size=lambda space, search: grid_size(space, search.options.get("levels", _LEVELS)),
    ),
}
