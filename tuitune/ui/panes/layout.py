"""Layout of the panes, by the size of the screen, the places they ask for and the zoom."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from tuitune.ui.panes.pane import BOXED_FROM, Pane, Place, Room
from tuitune.ui.render.lines import Box
from tuitune.ui.state.snapshot import Snapshot

STATUS: Final = "status"
FLASH: Final = "flash"
KEYS: Final = "keys"
BARS: Final = ("bar-1", "bar-2")  # between columns

LEAST: Final = (60, 8)  # columns and lines; a smaller screen shows only the status
_SIDE_FROM: Final = 110  # columns of a screen from which panes are in two columns
_THIRD_FROM: Final = 180  # and from which they are in three
_COLUMNS: Final[Mapping[int, Sequence[int]]] = {
    1: (),
    2: (66,),
    3: (52, 56),
}  # % of the remaining width
_AIRY_FROM: Final = 44  # lines of a screen from which a blank line is below the status
_BOXED_LINES: Final = 20  # lines of a screen from which panes have boxes
_LEAST_BODY: Final = 8  # least lines of the columns, between the panes above and below
_LEAST_LINES: Final = 4  # of a pane that asks for no height


def arrange(
    width: int, height: int, panes: Collection[Pane], snapshot: Snapshot, zoomed: str | None = None
) -> dict[str, Box]:
    """The box of each visible pane. zoomed: the pane that is shown alone."""
    if width < LEAST[0] or height < LEAST[1]:
        return {STATUS: Box(0, 0, width, height)}
    blank = 1 if height >= _AIRY_FROM and width >= BOXED_FROM else 0  # below the status
    boxes = {
        STATUS: Box(0, 0, width, 2 + blank),
        FLASH: Box(0, height - 2, width, 1),
        KEYS: Box(0, height - 1, width, 1),
    }
    body = Box(0, 2 + blank, width, height - 4 - blank)
    if zoomed is not None:
        return {**boxes, zoomed: body}
    boxed = is_boxed(width, height)
    count = 1 + (width >= _SIDE_FROM) + (width >= _THIRD_FROM)
    room = Room(width, body.height, count, body.height, boxed)
    asked = _asked(panes, room, snapshot)
    for name, place in asked.items():
        lines = place.lines + boxed if place.lines else body.height // 4
        if isinstance(place.where, str) and body.height - lines >= _LEAST_BODY:
            box, body = _band(body, lines, above=place.where == "above")
            boxes[name] = box
    asked = _asked(panes, room._replace(body=body.height), snapshot)
    columns, bars = _columns(body, _COLUMNS[room.columns], gap=0 if boxed else 1)
    for number, column in enumerate(columns):
        here = {
            name: place.lines and place.lines + boxed
            for name, place in asked.items()
            if not isinstance(place.where, str) and min(place.where, len(bars)) == number
        }
        boxes |= _stacked(column, here)
    return boxes if boxed else {**boxes, **dict(zip(BARS, bars, strict=False))}


def is_boxed(width: int, height: int) -> bool:
    """Whether panes have boxes on a screen of this size; a low one has only rules."""
    return width >= BOXED_FROM and height >= _BOXED_LINES


def _asked(panes: Collection[Pane], room: Room, snapshot: Snapshot) -> dict[str, Place]:
    places = ((pane.name, pane.place(room, snapshot)) for pane in panes)
    return {name: place for name, place in places if place is not None}


def _band(box: Box, lines: int, *, above: bool) -> tuple[Box, Box]:
    """The first or the last `lines` lines, and the rest."""
    rest = box.height - lines
    if above:
        return box._replace(height=lines), box._replace(y=box.y + lines, height=rest)
    return box._replace(y=box.y + rest, height=lines), box._replace(height=rest)


def _columns(box: Box, shares: Sequence[int], gap: int) -> tuple[list[Box], list[Box]]:
    """The columns, and the bars between them, `gap` cells wide."""
    columns: list[Box] = []
    bars: list[Box] = []
    for share in shares:
        width = box.width * share // 100
        columns.append(box._replace(width=width))
        bars.append(box._replace(x=box.x + width, width=gap))
        box = box._replace(x=box.x + width + gap, width=box.width - width - gap)
    return [*columns, box], bars


def _stacked(box: Box, wanted: Mapping[str, int | None]) -> dict[str, Box]:
    """Panes on top of one another; those without a height share the rest equally.

    The last panes are left out until the others fit.
    """
    kept = dict(wanted)
    while len(kept) > 1 and sum(lines or _LEAST_LINES for lines in kept.values()) > box.height:
        kept.popitem()
    free = sum(lines is None for lines in kept.values())
    share = (box.height - sum(lines or 0 for lines in kept.values())) // max(1, free)
    boxes: dict[str, Box] = {}
    for name, lines in kept.items():
        last = len(boxes) == len(kept) - 1
        boxes[name], box = _band(box, box.height if last else lines or share, above=True)
    return boxes
