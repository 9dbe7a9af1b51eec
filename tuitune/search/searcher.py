"""Which searcher does a study file ask for?"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from tuitune.search.grid import grid_searcher
from tuitune.search.points import complete_point, points_first
from tuitune.search.proposal import Method, Proposal, Searcher, Tried, identity
from tuitune.search.random_search import RandomSearcher
from tuitune.search.sobol import sobol_searcher

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from tuitune.space import SearchSpace
    from tuitune.spec import SearchSpec

__all__ = ["Proposal", "Searcher", "Tried", "complete", "identity", "make_searcher"]


def make_searcher(space: SearchSpace, search: SearchSpec) -> Searcher:
    """The searcher of a study: a function of these two, the trial's number and what was tried.

    ValueError for a grid over a sampled parameter.
    """
    method = _method(space, search)
    return points_first(space, method, search.points) if search.points else method


def complete(
    space: SearchSpace, search: SearchSpec, trial: int, given: Mapping[str, Any]
) -> Proposal:
    """A configuration given by hand; what it leaves out is as the method plans it for `trial`."""
    return complete_point(space, _method(space, search).planned(trial), "given by hand", given)


def _method(space: SearchSpace, search: SearchSpec) -> Method:
    match search.method:
        case "random":
            return RandomSearcher(space, search.seed)
        case "sobol":
            return sobol_searcher(space, search.seed)
        case "grid":
            return grid_searcher(space, search.levels)
        case _:
            assert_never(search.method)
