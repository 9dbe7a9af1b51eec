"""What the kernel has to know of the places of a row."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_HALF_TURN = float(np.pi)  # the range, as an angle


class Expected(NamedTuple):
    """What is expected of ln(length / sqrt(places)), before any outcome: a normal distribution."""

    mean: float
    spread: float


UNKNOWN = Expected(0.21, 1.7)


@dataclass(frozen=True)
class Layout:
    """The number of categories at each place of a row, 0 for a number, as the kernel needs it.

    lengths: what is expected of the first places' lengths; of the others nothing is known.
    """

    categories: tuple[int, ...]
    lengths: tuple[Expected, ...] = ()

    @cached_property
    def expected(self) -> tuple[Expected, ...]:
        """Of the length of each place."""
        return self.lengths + (UNKNOWN,) * (len(self.categories) - len(self.lengths))

    @cached_property
    def expansion(self) -> NDArray[np.intp]:
        """For each column of `expanded`, the place it comes from."""
        widths = [1 if count == 0 else count + 1 for count in self.categories]
        return np.repeat(np.arange(len(widths)), widths)

    @cached_property
    def _codes(self) -> NDArray[np.float64]:
        """For each column of `expanded`, the category it stands for; NaN for a number."""
        codes = [[np.nan] if count == 0 else list(range(count + 1)) for count in self.categories]
        return np.array([code for of_place in codes for code in of_place])

    def expanded(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Numbers as they are, categories one-hot times sqrt(1/2).

        Squared distances are then differences squared, or 1 where categories differ (Hamming).
        """
        values = rows[:, self.expansion]
        if any(self.categories):
            hot = (values == self._codes) * np.sqrt(0.5)
            return np.where(np.isnan(self._codes), values, hot)
        return values

    def effects(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """(rows, features): two rows' product is the mean over the places of how alike they are.

        That is cos(pi (x - y)) of numbers, and of categories whether they are the same. The first
        features are the cosines of all places, then come their sines, both 0 for categories.
        """
        numbers = np.array(self.categories) == 0
        angles = _HALF_TURN * rows
        parts = [np.cos(angles) * numbers, np.sin(angles) * numbers]
        if not numbers.all():
            parts.append((rows[:, self.expansion] == self._codes)[:, ~np.isnan(self._codes)])
        found: NDArray[np.float64] = np.hstack(parts) / np.sqrt(len(self.categories))
        return found

    def effect_slopes(
        self,
        weights: NDArray[np.float64],
        rows: NDArray[np.float64],
        others: NDArray[np.float64],
        places: NDArray[np.intp],
    ) -> NDArray[np.float64]:
        """(rows, places): slopes of the weighted sum of the rows' products with other rows.

        weights: (others,) or (rows, others). rows, others: their `effects`. places: of numbers.
        """
        sines = places + len(self.categories)
        along = rows[:, places] * (weights @ others[:, sines])
        across = rows[:, sines] * (weights @ others[:, places])
        return _HALF_TURN * (along - across)

    def distances(
        self, rows: NDArray[np.float64], first: NDArray[np.intp], second: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """The squared distance along each place, of each pair: (pairs, places)."""
        differences = rows[first] - rows[second]
        hamming = np.array(self.categories) > 0
        squared = np.square(differences)
        squared[:, hamming] = differences[:, hamming] != 0.0
        return squared
