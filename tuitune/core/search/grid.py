"""In which order is a grid gone through, so that an interrupted one has covered the space?"""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING

from tuitune.core.search.gridtree import Subgrid, coarsened, grid_axes
from tuitune.core.search.proposal import Proposal, identity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuitune.core.search.proposal import Tried
    from tuitune.core.space import SearchSpace, Value


class GridSearcher:
    """Every configuration of a grid once, the coarse ones first.

    It remembers the order as far as it was asked for, and how far a set of tried ones, which only
    ever grows, had got; nothing that it answers depends on that.
    """

    def __init__(self, space: SearchSpace, levels: int) -> None:
        axes, named = grid_axes(space, levels)
        self._space = space
        depth = max((max(axis.levels, default=0) for axis in axes), default=0)
        self._subgrids = [
            Subgrid(space, coarsened(axes, level), named) for level in range(depth + 1)
        ]
        self._size = self._subgrids[-1].size
        self._order = _coarse_to_fine(self._subgrids)
        self._seen: list[tuple[int, int]] = []  # (level, number in its subgrid)
        self._identities: list[str] = []
        self._asked: Tried | None = None
        self._passed = 0  # so many of the first are in the set asked about last

    def planned(self, index: int) -> Proposal:
        """The grid's point number `index`, from 0; after the last one the first again."""
        index %= self._size
        self._identity(index)
        level, number = self._seen[index]
        config, _ = self._subgrids[level].configuration(number)
        why = f"grid point {index + 1} of {self._size}, level {level}"
        return Proposal(config, "grid", why)

    def propose(self, trial: int, tried: Tried) -> Proposal | None:  # noqa: ARG002 - the order rules
        if tried is not self._asked:
            self._asked, self._passed = tried, 0
        while self._passed < self._size and self._identity(self._passed) in tried:
            self._passed += 1
        return self.planned(self._passed) if self._passed < self._size else None

    def _identity(self, index: int) -> str:
        while len(self._seen) <= index:
            level, number, config = next(self._order)
            self._seen.append((level, number))
            self._identities.append(identity(self._space, config))
        return self._identities[index]


def grid_searcher(space: SearchSpace, levels: int) -> GridSearcher:
    """A grid with `levels` values of each continuous parameter and all of the others.

    ValueError for a sampled parameter.
    """
    return GridSearcher(space, levels)


def _coarse_to_fine(subgrids: list[Subgrid]) -> Iterator[tuple[int, int, dict[str, Value]]]:
    """(level, number in the subgrid of that level, configuration), each configuration once."""
    before = 0
    for level, subgrid in enumerate(subgrids):
        if subgrid.size == before:
            continue
        before = subgrid.size
        for number in _spread(subgrid.size):
            config, finest = subgrid.configuration(number)
            if finest == level:
                yield level, number, config


def _spread(size: int) -> Iterator[int]:
    """Each number below `size` once, far from those just before.

    Equal steps through the lower half, each number followed by its mirror image: on a grid two
    opposite corners.
    """
    half = (size + 1) // 2
    # e - 2: each pair of axes meets its combinations as early as in random order; steps by the
    # golden ratio fall in with axes of 3 or 5 values and take up to three times as long.
    stride = max(1, round(half * 0.7182818284590452))
    while gcd(stride, half) != 1:
        stride += 1
    for turn in range(half):
        number = turn * stride % half
        yield number
        if number != size - 1 - number:
            yield size - 1 - number
