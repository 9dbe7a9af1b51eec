"""Where on the screen does each pane stand? Chosen by the size alone, and by what is zoomed."""

from __future__ import annotations

from typing import Final, NamedTuple

STATUS: Final = "status"
DEVICES: Final = "devices"
TRIALS: Final = "trials"
CURVE: Final = "curve"
DETAIL: Final = "detail"
WHY: Final = "why"
LOG: Final = "log"
FLASH: Final = "flash"
KEYS: Final = "keys"

BARS: Final = ("bar-1", "bar-2")  # between columns

NUMBERED: Final = (DEVICES, TRIALS, CURVE, DETAIL, WHY, LOG)  # by the digit that focuses them
PANES: Final = (STATUS, *NUMBERED, FLASH, KEYS, *BARS)

LEAST: Final = (60, 16)  # columns and lines below which there is one pane only
SIDE_FROM: Final = 110  # columns from which there is a second column
THIRD_FROM: Final = 180  # and a third
THREE_FROM: Final = 18  # lines of a column from which it holds three panes
TALL_FROM: Final = 40  # lines from which the log is always there


class Box(NamedTuple):
    """A pane's place, in cells from the top left corner."""

    x: int
    y: int
    width: int
    height: int


def arrange(width: int, height: int, devices: int, zoomed: str | None = None) -> dict[str, Box]:
    """Each pane that is seen, and where.

    devices: how many lines the devices would fill. zoomed: the pane that has all the room.
    """
    if width < LEAST[0] or height < LEAST[1]:
        return {STATUS: Box(0, 0, width, height)}
    boxes = {
        STATUS: Box(0, 0, width, 2),
        FLASH: Box(0, height - 2, width, 1),
        KEYS: Box(0, height - 1, width, 1),
    }
    room = Box(0, 2, width, height - 4)
    if zoomed is not None:
        return {**boxes, zoomed: room}
    if width < SIDE_FROM:
        return {**boxes, **_one_column(room, devices)}
    return {**boxes, **_columns(room, devices)}


def _one_column(room: Box, devices: int) -> dict[str, Box]:
    lines = 1 + max(1, min(devices, room.height // 5))
    top, rest = _split(room, lines)
    tall = rest.height >= TALL_FROM - 10
    trials, below = _split(rest, rest.height - (14 if tall else 3))
    if not tall:
        return {DEVICES: top, TRIALS: trials, DETAIL: below}
    curve, detail = _split(below, 10)
    return {DEVICES: top, TRIALS: trials, CURVE: curve, DETAIL: detail}


def _columns(room: Box, devices: int) -> dict[str, Box]:
    top, rest = _split(room, 1 + max(1, min(devices, room.height // 4)))
    boxes = {DEVICES: top}
    if room.height + 4 >= TALL_FROM:
        rest, boxes[LOG] = _split(rest, rest.height - (11 if room.height > 50 else 5))
    if rest.width >= THIRD_FROM:
        left, boxes[BARS[0]], right = _beside(rest, rest.width * 50 // 100)
        middle, boxes[BARS[1]], last = _beside(right, right.width * 58 // 100)
        curve, detail = _split(middle, middle.height * 60 // 100)
        return {**boxes, TRIALS: left, CURVE: curve, DETAIL: detail, WHY: last}
    left, boxes[BARS[0]], right = _beside(rest, rest.width * 61 // 100)
    if right.height < THREE_FROM:
        curve, detail = _split(right, right.height * 60 // 100)
        return {**boxes, TRIALS: left, CURVE: curve, DETAIL: detail}
    curve, below = _split(right, right.height * 50 // 100)
    detail, why = _split(below, min(8, max(4, below.height // 2)))
    return {**boxes, TRIALS: left, CURVE: curve, DETAIL: detail, WHY: why}


def _split(box: Box, lines: int) -> tuple[Box, Box]:
    """The first `lines` lines, and the rest."""
    lines = max(0, min(lines, box.height))
    return (
        box._replace(height=lines),
        box._replace(y=box.y + lines, height=box.height - lines),
    )


def _beside(box: Box, columns: int) -> tuple[Box, Box, Box]:
    """The first `columns` columns, a bar, and the rest."""
    bar = Box(box.x + columns, box.y, 1, box.height)
    rest = Box(bar.x + 1, box.y, box.width - columns - 1, box.height)
    return box._replace(width=columns), bar, rest
