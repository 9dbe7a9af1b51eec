"""Where panes stand at each size, and what becomes of one more."""

from __future__ import annotations

import pictures
import pytest
from hypothesis import given, strategies as st
from msgspec.structs import replace
from stills import with_log

from tuitune.ui.panes import layout
from tuitune.ui.panes.pane import Place
from tuitune.ui.panes.registry import PANES
from tuitune.ui.render.lines import Box

NAMES = [pane.name for pane in PANES]
SNAPSHOTS = [
    pictures.snapshot(devices=[pictures.gpu(index) for index in range(count)])
    for count in range(20)
]
widths, heights, snapshots = st.integers(1, 300), st.integers(1, 120), st.sampled_from(SNAPSHOTS)
wide, high = st.integers(layout.LEAST[0], 300), st.integers(layout.LEAST[1], 120)
places = st.builds(
    Place,
    st.sampled_from(["above", "below", 0, 1, 2]),
    st.none() | st.integers(1, 40),
)


def arranged(width, height, zoomed=None, snapshot=SNAPSHOTS[2], panes=PANES):
    return layout.arrange(width, height, panes, snapshot, zoomed)


def cells(box):
    return {
        (x, y) for x in range(box.x, box.x + box.width) for y in range(box.y, box.y + box.height)
    }


@given(widths, heights, st.none() | st.sampled_from(NAMES), snapshots)
def test_panes_share_the_screen_and_leave_nothing_out(width, height, zoomed, snapshot):
    boxes = arranged(width, height, zoomed, snapshot)
    taken = [cells(box) for box in boxes.values()]
    assert sum(map(len, taken)) == len(set().union(*taken)) == width * height


@given(wide, high, snapshots)
def test_trials_and_the_last_lines_are_always_there(width, height, snapshot):
    boxes = arranged(width, height, None, snapshot)
    assert {layout.STATUS, "trials", layout.FLASH, layout.KEYS} <= set(boxes)
    assert boxes["trials"].height >= 4
    assert all(box.width > 0 and box.height > 0 for box in boxes.values())


@given(wide, high, st.lists(places, max_size=3), snapshots)
def test_more_panes_share_the_screen_too(width, height, more, snapshot):
    added = [
        replace(PANES[0], name=f"more-{number}", place=lambda *_, place=place: place)
        for number, place in enumerate(more)
    ]
    boxes = arranged(width, height, None, snapshot, (*PANES, *added))
    taken = [cells(box) for box in boxes.values()]
    assert sum(map(len, taken)) == len(set().union(*taken)) == width * height
    assert "trials" in boxes
    assert all(taken)


@given(wide, high, st.sampled_from(NAMES))
def test_a_zoomed_pane_has_all_but_the_status_and_the_last_lines(width, height, zoomed):
    boxes = arranged(width, height, zoomed)
    top = boxes[layout.STATUS].height
    assert top in {2, 3}
    assert boxes[zoomed] == Box(0, top, width, height - 2 - top)


def test_wider_screens_have_more_columns():
    def columns(width, height):
        return len({box.x for box in arranged(width, height).values() if box.width > 1})

    assert [columns(80, 24), columns(120, 40), columns(200, 60)] == [1, 2, 3]


def test_eight_lines_are_enough_for_some_trials_and_have_no_boxes():
    assert {layout.STATUS, "trials", layout.FLASH, layout.KEYS} == set(arranged(80, 8))
    assert arranged(80, 8)["trials"].height == 4
    assert "detail" in arranged(120, 15)
    assert not layout.is_boxed(120, 15)


def test_below_the_least_size_there_is_the_status_alone():
    assert set(arranged(59, 24)) == set(arranged(80, 7)) == {layout.STATUS}


# As they were before panes had rules of their own: x, y, width, height.
@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (
            (80, 24),
            {"devices": (0, 2, 80, 2), "trials": (0, 4, 80, 15), "detail": (0, 19, 80, 3)},
        ),
        (
            (80, 50),
            {
                "devices": (0, 2, 80, 2),
                "trials": (0, 4, 80, 30),
                "curve": (0, 34, 80, 10),
                "detail": (0, 44, 80, 4),
            },
        ),
        (
            (120, 24),
            {
                "devices": (0, 2, 120, 4),
                "trials": (0, 6, 79, 16),
                "curve": (79, 6, 41, 10),
                "detail": (79, 16, 41, 6),
            },
        ),
        (
            (140, 45),
            {
                "devices": (0, 3, 140, 4),
                "trials": (0, 7, 92, 30),
                "curve": (92, 7, 48, 16),
                "detail": (92, 23, 48, 14),
                "log": (0, 37, 140, 6),
            },
        ),
        (
            (200, 60),
            {
                "devices": (0, 3, 200, 4),
                "trials": (0, 7, 104, 39),
                "curve": (104, 7, 53, 39),
                "detail": (157, 7, 43, 39),
                "log": (0, 46, 200, 12),
            },
        ),
    ],
)
def test_each_size_has_its_places(size, expected, tmp_path):
    made = pictures.snapshot(
        pictures.rows("c" * 30),
        devices=[pictures.gpu(index) for index in range(2)],
        folder=with_log(tmp_path, 0),
    )
    boxes = arranged(*size, snapshot=made)
    bottom = {layout.STATUS, layout.FLASH, layout.KEYS}
    assert {name: tuple(box) for name, box in boxes.items() if name not in bottom} == expected


def test_without_output_there_is_no_log_and_few_trials_leave_room_for_a_curve():
    few, many = (pictures.snapshot(pictures.rows("c" * count)) for count in (4, 20))
    assert "log" not in arranged(140, 45, snapshot=many)
    assert "curve" not in arranged(100, 30, snapshot=many)
    boxes = arranged(100, 30, snapshot=few)
    assert boxes["curve"].height >= 7
    assert boxes["trials"].height >= 4 + 3
