from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tuitune.ui.render import layout
from tuitune.ui.render.layout import Box, arrange

widths, heights, devices = st.integers(1, 300), st.integers(1, 120), st.integers(0, 40)
zooms = st.none() | st.sampled_from(layout.NUMBERED)


def cells(box: Box) -> set[tuple[int, int]]:
    return {
        (x, y) for x in range(box.x, box.x + box.width) for y in range(box.y, box.y + box.height)
    }


@given(widths, heights, devices, zooms)
def test_panes_share_the_screen_and_leave_nothing_out(width, height, count, zoomed):
    boxes = arrange(width, height, count, zoomed)
    taken = [cells(box) for box in boxes.values()]
    assert sum(map(len, taken)) == len(set().union(*taken)) == width * height


@given(st.integers(*[layout.LEAST[0], 300]), st.integers(layout.LEAST[1], 120), devices)
def test_trials_and_the_last_lines_are_always_there(width, height, count):
    boxes = arrange(width, height, count)
    assert {layout.STATUS, layout.TRIALS, layout.FLASH, layout.KEYS} <= set(boxes)
    assert boxes[layout.TRIALS].height >= 5
    assert all(box.width > 0 and box.height > 0 for box in boxes.values())


@given(st.integers(60, 300), st.integers(16, 120), devices, st.sampled_from(layout.NUMBERED))
def test_a_zoomed_pane_has_all_but_the_status_and_the_last_lines(width, height, count, zoomed):
    assert arrange(width, height, count, zoomed)[zoomed] == Box(0, 2, width, height - 4)


def test_wider_screens_have_more_columns():
    def columns(width, height):
        return len({box.x for name, box in arrange(width, height, 2).items() if box.width > 1})

    assert [columns(80, 24), columns(120, 40), columns(200, 60)] == [1, 2, 3]


def test_below_the_least_size_there_is_the_status_alone():
    assert set(arrange(59, 24, 1)) == set(arrange(80, 15, 1)) == {layout.STATUS}
