"""Which searcher does a study file ask for?"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from tuitune.core.search.grid import grid_searcher
from tuitune.core.search.points import complete_point, points_first
from tuitune.core.search.proposal import AskModel, Method, Proposal, Searcher, Tried, identity
from tuitune.core.search.random_search import RandomSearcher
from tuitune.core.search.sobol import sobol_searcher
from tuitune.core.search.start import start_then_model

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from tuitune.core.space import SearchSpace
    from tuitune.core.spec import SearchSpec

__all__ = [
    "AskModel",
    "Proposal",
    "Searcher",
    "Tried",
    "complete",
    "identity",
    "make_searcher",
]


def make_searcher(space: SearchSpace, search: SearchSpec, *, informed: bool = False) -> Searcher:
    """The searcher of a study: a function of these, the trial's number and what was tried.

    informed: trials of earlier studies are there to learn from. ValueError for a grid over a
    sampled parameter.
    """
    method = _method(space, search, informed=informed)
    return points_first(space, method, search.points) if search.points else method


def complete(
    space: SearchSpace, search: SearchSpec, trial: int, given: Mapping[str, Any]
) -> Proposal:
    """A configuration given by hand; what it leaves out is as the method plans it for `trial`."""
    return complete_point(
        space, _method(space, search, informed=False).planned(trial), "given by hand", given
    )


def _method(space: SearchSpace, search: SearchSpec, *, informed: bool) -> Method:
    match search.method:
        case "random":
            return RandomSearcher(space, search.seed)
        case "sobol":
            return sobol_searcher(space, search.seed)
        case "grid":
            return grid_searcher(space, search.levels)
        case "bayes" | "tpe":
            return start_then_model(space, search.seed, informed=informed)
        case _:
            assert_never(search.method)
