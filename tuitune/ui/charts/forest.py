"""How much does a small model need each parameter, and is the model any good?

A bagged forest of extremely randomised regression trees (Geurts, Ernst, Wehenkel 2006), and the
permutation importance of Breiman 2001 ("Random Forests", section 10): by how much the error on
the trials that a tree has not seen rises when one parameter's values are dealt out anew.
"""

from __future__ import annotations

import math
from random import Random
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from tuitune.ui.state.records import Holder, Record

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

TREES: Final = 48
SMALL: Final = 4  # trials that a leaf may hold
DEEP: Final = 12


class Column(Record, frozen=True):
    """One parameter in every trial. NaN: it is not there. Unordered: the numbers are mere names."""

    values: Sequence[float]
    ordered: bool = True


class Fit(NamedTuple):
    """importance: by parameter, the rise of the squared error over the target's variance.

    r2 and rank (Spearman's) are of trials predicted by trees that have not seen them.
    """

    importance: tuple[float, ...]
    r2: float
    rank: float


class _Tree(Holder):
    feature: list[int] = msgspec.field(default_factory=list)  # of each node; -1 for a leaf
    cut: list[float] = msgspec.field(default_factory=list)
    low: list[int] = msgspec.field(default_factory=list)  # the node of those below the cut
    high: list[int] = msgspec.field(default_factory=list)
    mean: list[float] = msgspec.field(default_factory=list)

    def add(self, mean: float) -> int:
        self.feature.append(-1)
        self.cut.append(0.0)
        self.low.append(-1)
        self.high.append(-1)
        self.mean.append(mean)
        return len(self.mean) - 1

    def predict(self, columns: Sequence[Sequence[float]], row: int) -> float:
        node = 0
        while (feature := self.feature[node]) >= 0:
            node = (self.low if columns[feature][row] < self.cut[node] else self.high)[node]
        return self.mean[node]


def fit(
    columns: Sequence[Column], targets: Sequence[float], trees: int = TREES
) -> Generator[float, None, Fit]:
    """Gives way after each piece of work with the share that is done; the same every time."""
    random = Random(0)  # noqa: S311 - a model, not a secret
    count = len(targets)
    variance = _variance(targets)
    sums, seen = [0.0] * count, [0] * count
    rises = [0.0] * len(columns)
    for number in range(trees):
        coded = [_coded(column, random) for column in columns]
        bag = random.choices(range(count), k=count)
        tree = yield from _grow(coded, targets, bag, random, number / trees)
        unseen = sorted(set(range(count)) - set(bag))
        errors = 0.0
        for row in unseen:
            guess = tree.predict(coded, row)
            sums[row] += guess
            seen[row] += 1
            errors += (guess - targets[row]) ** 2
        for place, column in enumerate(columns):
            rises[place] += _rise(tree, coded, targets, unseen, (place, column), random, errors)
            yield (number + 1) / trees
    pairs = [(sums[row] / seen[row], targets[row]) for row in range(count) if seen[row]]
    wrong = sum((guess - true) ** 2 for guess, true in pairs) / max(1, len(pairs))
    return Fit(
        tuple(rise / trees / variance if variance else 0.0 for rise in rises),
        1 - wrong / variance if variance else 0.0,
        correlation(ranks([guess for guess, _ in pairs]), ranks([true for _, true in pairs])),
    )


def ranks(values: Sequence[Any]) -> list[float]:
    """From 0 to 1, of anything that can be ordered; equals share the middle of their ranks."""
    order = sorted(range(len(values)), key=values.__getitem__)
    found = [0.0] * len(values)
    start = 0
    for place in range(1, len(order) + 1):
        if place == len(order) or values[order[place]] != values[order[start]]:
            middle = (start + place - 1) / 2 / max(1, len(values) - 1)
            for index in order[start:place]:
                found[index] = middle
            start = place
    return found


def correlation(one: Sequence[float], other: Sequence[float]) -> float:
    """Pearson's; 0 where one of them does not vary."""
    spread = math.sqrt(_variance(one) * _variance(other))
    if not spread:
        return 0.0
    mean, mean_other = sum(one) / len(one), sum(other) / len(other)
    products = ((a - mean) * (b - mean_other) for a, b in zip(one, other, strict=True))
    return sum(products) / len(one) / spread


def _coded(column: Column, random: Random) -> list[float]:
    """What is not there lies below all else; names get an order by chance, another in each tree."""
    if column.ordered:
        return [-1.0 if math.isnan(value) else value for value in column.values]
    names = sorted({value for value in column.values if not math.isnan(value)})
    order = random.sample(range(len(names)), len(names))
    code = dict(zip(names, map(float, order), strict=True))
    return [code.get(value, -1.0) for value in column.values]


def _grow(
    columns: Sequence[Sequence[float]],
    targets: Sequence[float],
    bag: list[int],
    random: Random,
    done: float,
) -> Generator[float, None, _Tree]:
    tree = _Tree()
    todo = [(tree.add(_mean(targets, bag)), bag, 0)]
    while todo:
        node, rows, depth = todo.pop()
        if len(rows) <= SMALL or depth == DEEP:
            continue
        split = _split(columns, targets, rows, random)
        yield done
        if split is None:
            continue
        feature, cut = split
        column = columns[feature]
        low = [row for row in rows if column[row] < cut]
        high = [row for row in rows if column[row] >= cut]
        tree.feature[node], tree.cut[node] = feature, cut
        tree.low[node], tree.high[node] = (
            tree.add(_mean(targets, low)),
            tree.add(_mean(targets, high)),
        )
        todo += [(tree.low[node], low, depth + 1), (tree.high[node], high, depth + 1)]
    return tree


def _split(
    columns: Sequence[Sequence[float]],
    targets: Sequence[float],
    rows: Sequence[int],
    random: Random,
) -> tuple[int, float] | None:
    """(parameter, cut): of one random cut a parameter, the one that leaves the least variance."""
    best, chosen = -math.inf, None
    total = sum([targets[row] for row in rows])
    for feature, column in enumerate(columns):
        values = [column[row] for row in rows]
        low, high = min(values), max(values)
        if low == high:
            continue
        cut = low + (high - low) * (1 - random.random())  # above low: neither side is empty
        below = [targets[row] for row in rows if column[row] < cut]
        if not below or len(below) == len(rows):
            continue
        part = sum(below)
        gain = part * part / len(below) + (total - part) ** 2 / (len(rows) - len(below))
        if gain > best:
            best, chosen = gain, (feature, cut)
    return chosen


def _rise(  # noqa: PLR0913, PLR0917 - one tree's test of one parameter
    tree: _Tree,
    coded: Sequence[list[float]],
    targets: Sequence[float],
    unseen: Sequence[int],
    place: tuple[int, Column],
    random: Random,
    errors: float,
) -> float:
    """How much the mean squared error rises. Values are dealt only among trials that have one."""
    feature, column = place
    if feature not in tree.feature or not unseen:
        return 0.0
    there = [row for row in unseen if not math.isnan(column.values[row])]
    dealt = random.sample(there, len(there))
    kept = coded[feature]
    anew = kept.copy()
    for row, giver in zip(there, dealt, strict=True):
        anew[row] = kept[giver]
    columns = [*coded[:feature], anew, *coded[feature + 1 :]]
    worse = sum((tree.predict(columns, row) - targets[row]) ** 2 for row in unseen)
    return (worse - errors) / len(unseen)


def _mean(targets: Sequence[float], rows: Sequence[int]) -> float:
    return sum([targets[row] for row in rows]) / len(rows)


def _variance(values: Sequence[float]) -> float:
    if not values:
        return 0.0
    mean = sum(values) / len(values)
    return sum((value - mean) ** 2 for value in values) / len(values)
