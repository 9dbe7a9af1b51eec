"""Which observations does the model use where there are more than it can afford?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FITTED = 160  # lines that hyperparameters are fitted to
MODELLED = 500  # lines that predictions are made from
EVERY = 24  # up to so many trials, hyperparameters are fitted anew with each
GROWTH = 1.15  # later with every so much growth


def settled(trials: int, pending: int) -> int:
    """To how many of the first trials hyperparameters are fitted.

    A function of two counts, so that they stay the same over several questions; trials that are
    still to end come late in the order and would change what was fitted.
    """
    count = trials if trials <= EVERY else max(EVERY, trials - pending)
    level = EVERY
    if count <= level:
        return count
    while (further := max(level + 1, int(level * GROWTH))) <= count:
        level = further
    return level


def thinned(values: NDArray[np.float64], most: int, newest: float = 0.2) -> NDArray[np.intp]:
    """Which lines to keep, in order: the best two fifths of `most`, the newest, and an even spread.

    values: of lines in order of trials, small is good.
    """
    count = len(values)
    if count <= most:
        return np.arange(count)
    best = np.argsort(values, kind="stable")[: int(0.4 * most)]
    late = np.arange(count - int(newest * most), count)
    kept = np.zeros(count, dtype=bool)
    kept[best] = True
    kept[late] = True
    rest = np.flatnonzero(~kept)
    room = most - int(kept.sum())
    kept[rest[np.linspace(0, len(rest) - 1, room).astype(np.intp)]] = True
    return np.flatnonzero(kept)
