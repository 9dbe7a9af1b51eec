"""The part of the unit cube that constraints may leave, as boxes, in which draws need few tries."""

import heapq
import math
from bisect import bisect_right
from collections.abc import Callable, MutableSequence, Sequence
from functools import cached_property
from itertools import accumulate, count

import msgspec

_MOST = 200  # boxes
_LEAST_WIDTH = 1e-6  # of a side that is split

Side = tuple[float, float]  # ends in [0, 1]
Box = tuple[Side, ...]
Judge = Callable[[Box], bool | None]  # False: none of its points keeps the constraints; True: all


class Boxes(msgspec.Struct, frozen=True, dict=True):
    """Disjoint boxes that hold all points of the unit cube that keep the constraints."""

    places: tuple[int, ...]  # of the sides, among the coordinates of a point
    boxes: tuple[Box, ...]

    @cached_property
    def volume(self) -> float:
        """The share of the unit cube."""
        return self._ends[-1] if self.boxes else 0.0

    @cached_property
    def _ends(self) -> list[float]:
        return list(accumulate(map(_volume, self.boxes)))

    def move(self, point: MutableSequence[float]) -> None:
        """Move a point of the unit cube into the boxes. Evenly spread points stay so.

        Its first coordinate chooses the box, in proportion to the volumes, and the place there.
        """
        if not self.boxes or not self.places:
            return
        first = point[self.places[0]] * self.volume
        number = min(bisect_right(self._ends, first), len(self.boxes) - 1)
        box, before = self.boxes[number], self._ends[number - 1] if number else 0.0
        point[self.places[0]] = (first - before) / _volume(box)
        for place, (low, high) in zip(self.places, box, strict=True):
            point[place] = low + (high - low) * point[place]


def boxes_of(places: Sequence[int], judge: Judge) -> Boxes:
    """Split the cube, the largest undecided box first; leave out what breaks the constraints."""
    whole: Box = ((0.0, 1.0),) * len(places)
    decided: list[Box] = []
    order = count()  # of equally large boxes
    undecided = [(-1.0, next(order), whole)] if judge(whole) is not False else []
    while undecided and len(undecided) + len(decided) < _MOST:
        _, _, box = heapq.heappop(undecided)
        for half, kept in _halves(box, judge):
            if kept:
                decided.append(half)
            elif kept is None:
                heapq.heappush(undecided, (-_volume(half), next(order), half))
    return Boxes(tuple(places), tuple(sorted(decided + [box for _, _, box in undecided])))


def _halves(box: Box, judge: Judge) -> list[tuple[Box, bool | None]]:
    """The halves along the side where most is decided; of several such sides the longest."""
    splits = []
    for axis, (low, high) in enumerate(box):
        if high - low < _LEAST_WIDTH:
            continue
        middle = (low + high) / 2
        parts = [(low, middle), (middle, high)]
        halves: list[Box] = [(*box[:axis], side, *box[axis + 1 :]) for side in parts]
        judged = [(half, judge(half)) for half in halves]
        open_ = sum(kept is None for _, kept in judged)
        splits.append((open_, low - high, axis, judged))
    if not splits:
        return [(box, True)]
    return min(splits, key=lambda split: split[:3])[3]


def _volume(box: Box) -> float:
    return math.prod(high - low for low, high in box)
