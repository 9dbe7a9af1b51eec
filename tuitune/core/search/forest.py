"""Permutation importance by a forest of extremely randomised regression trees.

Trees: Geurts, Ernst and Wehenkel 2006, each grown on a bootstrap sample. Importance: Breiman 2001,
"Random Forests", section 10: the rise of the squared error on the rows that a tree was not fitted
to when one column's values are permuted among them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

TREES: Final = 48
_SMALLEST_SPLIT: Final = 5  # rows; a node with fewer is a leaf
_DEPTH: Final = 12
_ABSENT: Final = -1.0  # stands for NaN: below every value


class ForestFit(NamedTuple):
    """The importance of each column, and the quality of the fit.

    importance: the rise of the squared error over the variance of the targets, (columns,).
    r2, rank (Spearman's): of the predictions for rows by the trees that were not fitted to them.
    """

    importance: Floats
    r2: float
    rank: float


class _Trees(NamedTuple):
    """The nodes of all trees; the first `trees` nodes are the roots. All arrays (nodes,)."""

    feature: Indices  # -1 for a leaf
    cut: Floats
    child: Indices  # the node of the rows below the cut; the one after it has the others
    mean: Floats

    def predict(self, rows: Floats, tree: Indices) -> Floats:
        """The prediction for each of `rows` (rows, columns) by its own `tree` (rows,)."""
        node, places = tree, np.arange(len(rows))
        for _ in range(_DEPTH):
            feature = self.feature[node]
            below = rows[places, feature] < self.cut[node]
            node = np.where(feature < 0, node, self.child[node] + ~below)
        return self.mean[node]


def fit_forest(
    columns: ArrayLike, ordered: ArrayLike, targets: ArrayLike, trees: int = TREES
) -> ForestFit:
    """Fit `targets` (rows,) by `columns` (rows, columns); equal input gives an equal result.

    Values lie in [0, 1], or are NaN where the column does not exist. ordered (columns,): False
    where the values are categories, which get a random order in each tree.
    """
    values, truth = np.asarray(columns, dtype=float), np.asarray(targets, dtype=float)
    count, width = values.shape
    variance = float(truth.var())
    if not variance:
        return ForestFit(np.zeros(width), 0.0, 0.0)
    random = np.random.default_rng(0)
    coded = _coded(values, np.asarray(ordered, dtype=bool), trees, random)
    bags = random.integers(count, size=(trees, count))
    forest = _grow(coded, truth, bags, random)
    unseen = np.ones((trees, count), dtype=bool)
    np.put_along_axis(unseen, bags, values=False, axis=1)
    tree, row = np.nonzero(unseen)
    rows = coded[tree, row]
    guess = forest.predict(rows, tree)
    errors = (guess - truth[row]) ** 2
    sizes = np.bincount(tree, minlength=trees)
    importance = np.zeros(width)
    for place in range(width):
        permuted = rows.copy()
        there = np.flatnonzero(~np.isnan(values[row, place]))
        sources = there[np.lexsort((random.random(len(there)), tree[there]))]  # of the same tree
        permuted[there, place] = rows[sources, place]
        rise = (forest.predict(permuted, tree) - truth[row]) ** 2 - errors
        sums = np.bincount(tree, weights=rise, minlength=trees)
        importance[place] = np.sum(sums / np.maximum(sizes, 1)) / trees / variance
    times = np.bincount(row, minlength=count)
    known = times > 0
    means = np.bincount(row, weights=guess, minlength=count)[known] / times[known]
    r2 = 1 - float(np.mean((means - truth[known]) ** 2)) / variance
    return ForestFit(importance, r2, correlation(ranks(means), ranks(truth[known])))


def ranks(values: ArrayLike) -> Floats:
    """From 0 for the smallest to 1; equal values share the mean of their ranks.

    Of an array (rows,), or of (rows, keys) whose rows are compared key by key.
    """
    compared = np.asarray(values, dtype=float)
    _, inverse, counts = np.unique(compared, axis=0, return_inverse=True, return_counts=True)
    middles = np.cumsum(counts) - (counts + 1) / 2
    found: Floats = middles[inverse.reshape(-1)] / max(1, len(compared) - 1)
    return found


def correlation(one: ArrayLike, other: ArrayLike) -> float:
    """Pearson's, of two arrays (rows,); 0 where one of them does not vary."""
    first, second = (np.asarray(values, dtype=float) for values in (one, other))
    spread = float(first.std() * second.std())
    products = (first - first.mean()) * (second - second.mean())
    return float(products.mean()) / spread if spread else 0.0


def _coded(
    values: Floats, ordered: NDArray[np.bool_], trees: int, random: np.random.Generator
) -> Floats:
    """The values as each tree compares them, (trees, rows, columns)."""
    coded = np.repeat(values[None], trees, axis=0)
    for place in np.flatnonzero(~ordered):
        names, codes = np.unique(values[:, place], return_inverse=True)
        orders = np.argsort(random.random((trees, len(names))), axis=1)
        orders = np.where(np.isnan(names), np.nan, orders.astype(float))
        coded[:, :, place] = orders[:, codes.reshape(-1)]
    return np.where(np.isnan(coded), _ABSENT, coded)


def _grow(coded: Floats, targets: Floats, bags: Indices, random: np.random.Generator) -> _Trees:
    """All trees at once, level by level. Each node tries one random cut in each column."""
    trees, count = bags.shape
    rows = np.take_along_axis(coded, bags[:, :, None], axis=1).reshape(trees * count, -1)
    truth = targets[bags].reshape(-1)
    node = np.repeat(np.arange(trees), count)
    levels: list[_Trees] = []
    begun = trees  # nodes so far
    for depth in range(_DEPTH + 1):
        # The samples lie node by node, and every node of this level has some.
        starts = np.flatnonzero(np.r_[True, node[1:] != node[:-1]])
        sizes = np.diff(np.r_[starts, len(node)])
        totals = np.add.reduceat(truth, starts)
        best, cuts = _split(rows, truth, starts, sizes, random)
        best[(sizes < _SMALLEST_SPLIT) | (depth == _DEPTH)] = -1
        split = best >= 0
        children = np.where(split, begun + 2 * (np.cumsum(split) - 1), -1)
        levels.append(_Trees(best, cuts, children, totals / sizes))
        if not split.any():
            break
        begun += 2 * int(split.sum())
        group = np.repeat(np.arange(len(starts)), sizes)
        kept = split[group]
        rows, truth, group = rows[kept], truth[kept], group[kept]
        above = rows[np.arange(len(rows)), best[group]] >= cuts[group]
        node = children[group] + above
        order = np.argsort(node, kind="stable")
        rows, truth, node = rows[order], truth[order], node[order]
    return _Trees(*(np.concatenate(parts) for parts in zip(*levels, strict=True)))


def _split(
    rows: Floats, truth: Floats, starts: Indices, sizes: Indices, random: np.random.Generator
) -> tuple[Indices, Floats]:
    """For each node the column whose random cut leaves the least variance (-1: none), and the cut.

    The samples of a node begin at its place in `starts` (nodes,).
    """
    low = np.minimum.reduceat(rows, starts)  # (nodes, columns)
    high = np.maximum.reduceat(rows, starts)
    cuts = high - (high - low) * random.random(low.shape)
    below = rows < np.repeat(cuts, sizes, axis=0)
    counts = np.add.reduceat(below.astype(float), starts)
    parts = np.add.reduceat(np.where(below, truth[:, None], 0.0), starts)
    totals, others = np.add.reduceat(truth, starts)[:, None], sizes[:, None] - counts
    with np.errstate(divide="ignore", invalid="ignore"):
        gains = parts**2 / counts + (totals - parts) ** 2 / others
    gains[(counts == 0) | (others == 0)] = -np.inf
    best = np.argmax(gains, axis=1)
    places = np.arange(len(starts))
    return np.where(np.isneginf(gains[places, best]), -1, best), cuts[places, best]
