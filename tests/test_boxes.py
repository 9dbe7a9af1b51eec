"""Boxes of the unit cube: they lose no point that may keep the constraints, and points fill them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from tuitune.core.space.boxes import Box, boxes_of

SHARES = st.floats(0.0, 1.0)


def below(limit: float):
    """The judge of x + y + … <= limit."""

    def judge(box: Box) -> bool | None:
        if sum(high for _, high in box) <= limit:
            return True
        return None if sum(low for low, _ in box) <= limit else False

    return judge


def holds(box: Box, point: tuple[float, ...]) -> bool:
    return all(low <= at <= high for (low, high), at in zip(box, point, strict=True))


@given(st.integers(1, 3), SHARES, st.lists(st.tuples(SHARES, SHARES, SHARES), max_size=20))
def test_no_point_that_keeps_the_constraint_is_lost(sides: int, share: float, points) -> None:
    limit = share * sides
    found = boxes_of(range(sides), below(limit))
    for point in (whole[:sides] for whole in points):
        if sum(point) <= limit:
            assert any(holds(box, point) for box in found.boxes)


@given(st.integers(1, 3), SHARES)
def test_boxes_are_disjoint_and_their_volumes_add_up(sides: int, share: float) -> None:
    found = boxes_of(range(sides), below(share * sides))
    for number, one in enumerate(found.boxes):
        for other in found.boxes[number + 1 :]:
            overlaps = (min(a[1], b[1]) - max(a[0], b[0]) for a, b in zip(one, other, strict=True))
            assert any(overlap <= 0 for overlap in overlaps)
    assert 0.0 <= found.volume <= 1.0 + 1e-9


@given(SHARES, st.tuples(SHARES, SHARES))
def test_a_moved_point_is_in_a_box(share: float, given_point) -> None:
    found = boxes_of((0, 1), below(2 * share))
    point = list(given_point)
    found.move(point)
    if found.boxes:
        assert any(holds(box, tuple(point)) for box in found.boxes)
    else:
        assert point == list(given_point)


def test_other_coordinates_are_left_alone() -> None:
    found = boxes_of((2, 0), below(0.5))
    point = [0.9, 0.123, 0.9]
    found.move(point)
    assert point[1] == 0.123
    assert point[0] + point[2] <= 0.6


def test_points_that_rise_evenly_do_so_within_the_boxes() -> None:
    """One side: the boxes are passed through in their order, at an even pace."""

    def judge(box: Box) -> bool | None:
        ((low, high),) = box
        if (low >= 0.25 and high <= 0.5) or low >= 0.75:
            return True
        return False if high <= 0.25 or (low >= 0.5 and high <= 0.75) else None

    found = boxes_of((0,), judge)
    assert found.volume == pytest.approx(0.5)
    moved = []
    for step in range(101):
        point = [step / 100]
        found.move(point)
        moved.append(point[0])
    steps = [b - a for a, b in pairwise(moved)]
    assert all(step == pytest.approx(0.005) or step > 0.25 for step in steps)
    assert sum(step > 0.25 for step in steps) == 1
    assert (moved[0], moved[-1]) == (0.25, 1.0)


def test_nothing_is_left_where_nothing_can_keep_it() -> None:
    found = boxes_of((0, 1), lambda _: False)
    assert found.boxes == ()
    assert found.volume == 0.0


def test_all_is_one_box_where_nothing_can_break_it() -> None:
    found = boxes_of((0, 1), lambda _: True)
    assert found.volume == pytest.approx(1.0)
    point = [0.3, 0.7]
    found.move(point)
    assert point == pytest.approx([0.3, 0.7])


def test_what_is_never_decided_ends() -> None:
    found = boxes_of((0, 1, 2), lambda _: None)
    assert found.volume == pytest.approx(1.0)
    assert len(found.boxes) <= 201
