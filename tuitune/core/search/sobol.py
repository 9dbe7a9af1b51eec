"""Which points fill the unit cube evenly, however many of them there are?"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from tuitune.core.search.direction_numbers import JOE_KUO
from tuitune.core.search.proposal import Proposal, is_new
from tuitune.core.search.random_search import draw_untried

if TYPE_CHECKING:
    from tuitune.core.search.proposal import Tried
    from tuitune.core.space import SearchSpace

BITS = 32


@dataclass(frozen=True, slots=True)
class SobolSequence:
    """Sobol's sequence in Gray code order, along the axes that have direction numbers.

    directions: for each axis BITS whole numbers below 2^BITS. shifts: one for each axis, added
    to every point bit by bit.
    """

    directions: tuple[tuple[int, ...], ...]
    shifts: tuple[int, ...]

    def point(self, index: int) -> list[float]:
        """Point number `index`, from 0; each coordinate in [0, 1). Repeats after 2^BITS."""
        gray = index ^ (index >> 1)
        used = [bit for bit in range(BITS) if gray >> bit & 1]
        return [self._coordinate(axis, used) for axis in range(len(self.shifts))]

    def _coordinate(self, axis: int, used: list[int]) -> float:
        directions, number = self.directions[axis], self.shifts[axis]
        for bit in used:
            number ^= directions[bit]
        return number / 2.0**BITS


def plain_sobol(dimensions: int) -> SobolSequence:
    """The sequence as Joe and Kuo 2008 have it, for as many axes as their table here has."""
    axes = range(min(dimensions, len(JOE_KUO)))
    return SobolSequence(tuple(_directions(axis) for axis in axes), tuple(0 for _ in axes))


def scrambled_sobol(dimensions: int, seed: int) -> SobolSequence:
    """The same under a random linear scramble and digital shift (Matousek 1998).

    The first 2^k points stay as balanced as they were.
    """
    plain = plain_sobol(dimensions)
    scrambled: list[tuple[int, ...]] = []
    shifts: list[int] = []
    for axis, directions in enumerate(plain.directions):
        random = Random(f"{seed}/sobol/{axis}")  # noqa: S311 - reproducible by design
        columns = _lower_triangle(random)
        scrambled.append(tuple(_product(columns, number) for number in directions))
        shifts.append(random.getrandbits(BITS))
    return SobolSequence(tuple(scrambled), tuple(shifts))


@dataclass(frozen=True, slots=True)
class SobolSearcher:
    """Trial n gets point n; where that was tried already, chance picks another."""

    space: SearchSpace
    seed: int
    sequence: SobolSequence

    def coordinates(self, index: int) -> list[float]:
        """Point number `index` of the whole space."""
        point = self.sequence.point(index)
        further = len(self.space.searched) - len(point)
        random = Random(f"{self.seed}/{index}/further")  # noqa: S311 - reproducible by design
        return point + [random.random() for _ in range(further)]

    def planned(self, index: int) -> Proposal:
        config = self.space.configuration(self.coordinates(index))
        return Proposal(config, "sobol", f"Sobol point {index}")

    def propose(self, trial: int, tried: Tried) -> Proposal | None:
        planned = self.planned(trial)
        if is_new(self.space, planned.config, tried):
            return planned
        config = draw_untried(self.space, self.seed, trial, tried)
        why = f"random draw {trial}, as Sobol point {trial} was tried before"
        return None if config is None else Proposal(config, "sobol", why)


def sobol_searcher(space: SearchSpace, seed: int) -> SobolSearcher:
    """Sobol's points for a space; coordinates beyond the table's axes are uniform."""
    return SobolSearcher(space, seed, scrambled_sobol(len(space.searched), seed))


def _directions(axis: int) -> tuple[int, ...]:
    """The direction numbers of an axis, the first one with its highest bit set."""
    polynomial, start = JOE_KUO[axis]
    degree = polynomial.bit_length() - 1
    if degree == 0:
        return tuple(1 << (BITS - 1 - bit) for bit in range(BITS))
    numbers = list(start)
    for bit in range(degree, BITS):
        number = numbers[bit - degree] ^ (numbers[bit - degree] << degree)
        for term in range(1, degree):
            if polynomial >> (degree - term) & 1:
                number ^= numbers[bit - term] << term
        numbers.append(number)
    return tuple(number << (BITS - 1 - bit) for bit, number in enumerate(numbers))


def _lower_triangle(random: Random) -> list[int]:
    """Columns of a random matrix of bits; column k changes bit k and bits less significant."""
    return [1 << bit | random.getrandbits(BITS) & (1 << bit) - 1 for bit in range(BITS)]


def _product(columns: list[int], number: int) -> int:
    result = 0
    for bit, column in enumerate(columns):
        if number >> bit & 1:
            result ^= column
    return result
