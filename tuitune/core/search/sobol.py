"""Sobol's sequence, scrambled, and the searcher that goes through it.

Direction numbers: Joe and Kuo 2008, "Constructing Sobol sequences with better two-dimensional
projections", set new-joe-kuo-6.
"""

from random import Random
from typing import Final

import msgspec

from tuitune.core.reasons import Drawn, SobolPoint
from tuitune.core.search.proposal import Proposal, Tried, is_new
from tuitune.core.search.random_search import draw_untried
from tuitune.core.space import SearchSpace

# Each row: the primitive polynomial's coefficients as the bits of a whole number, the leading one
# and the constant included, then its starting numbers, as many as its degree.
_JOE_KUO: Final = """
1 | 3 1 | 7 1 3 | 11 1 3 1 | 13 1 1 1 | 19 1 1 3 3 | 25 1 3 5 13 | 37 1 1 5 5 17 | 41 1 1 5 5 5 |
47 1 1 7 11 19 | 55 1 1 5 1 1 | 59 1 1 1 3 11 | 61 1 3 5 5 31 | 67 1 3 3 9 7 49 |
91 1 1 1 15 21 21 | 97 1 3 1 13 27 49 | 103 1 1 1 15 7 5 | 109 1 3 1 15 13 25 |
115 1 1 5 5 19 61 | 131 1 3 7 11 23 15 103 | 137 1 3 7 13 13 15 69 | 143 1 1 3 13 7 35 63 |
145 1 3 5 9 1 25 53 | 157 1 3 1 13 9 35 107 | 167 1 3 1 5 27 61 31 | 171 1 1 5 11 19 41 61 |
185 1 3 5 3 3 13 69 | 191 1 1 7 13 1 19 1 | 193 1 3 7 5 13 19 59 | 203 1 1 3 9 25 29 41 |
211 1 3 5 13 23 1 55 | 213 1 3 7 3 13 59 17 | 229 1 3 1 3 5 53 69 | 239 1 1 5 5 23 33 13 |
241 1 1 7 7 1 61 123 | 247 1 1 7 9 13 61 49 | 253 1 3 3 5 3 55 33 | 285 1 3 1 15 31 13 49 245 |
299 1 3 5 15 31 59 63 97 | 301 1 3 1 11 11 11 77 249 | 333 1 3 1 11 27 43 71 9 |
351 1 1 7 15 21 11 81 45 | 355 1 3 7 3 25 31 65 79 | 357 1 3 1 1 19 11 3 205 |
361 1 1 5 9 19 21 29 157 | 369 1 3 7 11 1 33 89 185 | 391 1 3 3 3 15 9 79 71 |
397 1 3 7 11 15 39 119 27 | 425 1 1 3 1 11 31 97 225 | 451 1 1 1 3 23 43 57 177 |
463 1 3 7 7 17 17 37 71 | 487 1 3 1 5 27 63 123 213 | 501 1 1 3 5 11 43 53 133 |
529 1 3 5 5 29 17 47 173 479 | 539 1 3 3 11 3 1 109 9 69 | 545 1 1 1 5 17 39 23 5 343 |
557 1 3 1 5 25 15 31 103 499 | 563 1 1 1 11 11 17 63 105 183 | 601 1 1 5 11 9 29 97 231 363 |
607 1 1 5 15 19 45 41 7 383 | 617 1 3 7 7 31 19 83 137 221 | 623 1 1 1 3 23 15 111 223 83 |
631 1 1 5 13 31 15 55 25 161 | 637 1 1 3 13 25 47 39 87 257
"""
JOE_KUO: Final = tuple(
    (polynomial, tuple(starts))
    for polynomial, *starts in (map(int, row.split()) for row in _JOE_KUO.split("|"))
)


BITS = 32


class SobolSequence(msgspec.Struct, frozen=True):
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
    """The sequence of Joe and Kuo 2008, for at most as many axes as JOE_KUO has."""
    axes = range(min(dimensions, len(JOE_KUO)))
    return SobolSequence(tuple(_directions(axis) for axis in axes), tuple(0 for _ in axes))


def scrambled_sobol(dimensions: int, seed: int) -> SobolSequence:
    """`plain_sobol` under a random linear scramble and digital shift (Matousek 1998).

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


_LONGEST_GAP = 256  # points without one that keeps the constraints; then a random one is used


class SobolSearcher(msgspec.Struct):
    """Trial n gets point n of those that keep the constraints; a random one if it was tried.

    It caches which points these are; its proposals do not depend on that.
    """

    space: SearchSpace
    seed: int
    sequence: SobolSequence
    _numbers: list[int | None] = []  # None: after the longest gap
    _passed: int = 0  # points of the sequence

    def coordinates(self, index: int) -> tuple[list[float], SobolPoint | Drawn]:
        """Point number `index`, where priors and constraints lead it, and its source."""
        number = self._number(index)
        if number is not None:
            return self._point(number), SobolPoint(number)
        random = Random(f"{self.seed}/{index}/kept")  # noqa: S311 - reproducible by design
        return self.space.draw(random) or self._point(index), Drawn(index)

    def planned(self, index: int) -> Proposal:
        """Point number `index`, whether or not it was tried."""
        point, why = self.coordinates(index)
        return Proposal(self.space.configuration(point), "sobol", why)

    def propose(self, trial: int, tried: Tried) -> Proposal | None:
        """Point number `trial`, or a random one where that was tried."""
        planned = self.planned(trial)
        if is_new(self.space, planned.config, tried):
            return planned
        config = draw_untried(self.space, self.seed, trial, tried)
        if config is None:
            return None
        return Proposal(config, "sobol", Drawn(trial, planned.why))

    def _point(self, number: int) -> list[float]:
        """Beyond the table of axes coordinates are random."""
        point = self.sequence.point(number)
        further = len(self.space.searched) - len(point)
        random = Random(f"{self.seed}/{number}/further")  # noqa: S311 - reproducible by design
        return self.space.placed(point + [random.random() for _ in range(further)])

    def _number(self, index: int) -> int | None:
        """The number in the sequence of the point that is number `index` of those to try."""
        if not self.space.groups:
            return index
        while len(self._numbers) <= index:
            numbers = range(self._passed, self._passed + _LONGEST_GAP)
            found = next((n for n in numbers if self.space.keeps_at(self._point(n))), None)
            self._numbers.append(found)
            self._passed = numbers.stop if found is None else found + 1
        return self._numbers[index]


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
