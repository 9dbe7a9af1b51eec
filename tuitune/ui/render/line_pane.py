"""The widget of a pane, which repaints only the parts of lines that have changed."""

from collections.abc import Sequence

from textual import events
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from tuitune.ui.render.lines import Box, Line, width_of
from tuitune.ui.render.paint import Paint


class LinePane(Widget):
    """A rectangle of lines, set by `show`."""

    DEFAULT_CSS = "LinePane { position: absolute; }"

    class Clicked(Message):
        """A click on a pane, in cells from its top left corner."""

        def __init__(self, pane: str, column: int, line: int, *, double: bool) -> None:
            super().__init__()
            self.pane = pane
            self.column = column
            self.line = line
            self.double = double

    class Wheeled(Message):
        """The mouse wheel was turned over a pane: `lines` down, or up if negative."""

        def __init__(self, pane: str, lines: int, column: int) -> None:
            super().__init__()
            self.pane = pane
            self.lines = lines
            self.column = column

    def __init__(self, name: str, paint: Paint) -> None:
        super().__init__(id=name)
        self.pane = name
        self._paint = paint
        self._shown: Sequence[Line] = ()  # the lines of the last `show`
        self._lines: list[Line] = []
        self._strips: list[Strip] = []

    def place(self, box: Box | None) -> None:
        """Moves the pane to this box; hides it if None."""
        self.display = box is not None
        if box is not None:
            self.styles.offset = (box.x, box.y)
            self.styles.width = box.width
            self.styles.height = box.height
            self._lines = []

    def show(self, lines: Sequence[Line], width: int, height: int) -> None:
        """Shows these lines; repaints only what differs."""
        whole = len(self._lines) != height
        if lines is self._shown and not whole:
            return
        self._shown = lines
        if whole:
            self._lines = [()] * height
            self._strips = [Strip.blank(width, self._paint.blank)] * height
        regions: list[Region] = []
        for y in range(height):
            new = lines[y] if y < len(lines) else ()
            old = self._lines[y]
            if new is old or new == old:
                continue
            self._lines[y] = new
            self._strips[y] = self._paint.strip(new, width)
            if not whole:
                regions.append(changed_cells(old, new, y, width))
        if whole:
            self.refresh()
        elif regions:
            self.refresh(*regions)

    def line(self, y: int) -> Line:
        """The line that is shown there; empty if there is none."""
        return self._lines[y] if 0 <= y < len(self._lines) else ()

    def forget(self) -> None:
        """Paints all lines again at the next `show`."""
        self._shown, self._lines = (), []

    def render_line(self, y: int) -> Strip:
        """The strip of a line, blank before the first `show`."""
        if y < len(self._strips):
            return self._strips[y]
        return Strip.blank(self.size.width, self._paint.blank)

    def on_click(self, event: events.Click) -> None:
        """Posts `Clicked`."""
        self.post_message(self.Clicked(self.pane, event.x, event.y, double=event.chain == 2))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Posts `Wheeled` by three lines."""
        event.stop()
        self.post_message(self.Wheeled(self.pane, 3, event.x))

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Posts `Wheeled` by three lines up."""
        event.stop()
        self.post_message(self.Wheeled(self.pane, -3, event.x))


def changed_cells(old: Line, new: Line, y: int, width: int) -> Region:
    """The cells of line `y` in which the two lines differ, in whole spans."""
    same = 0
    for before, after in zip(old, new, strict=False):
        if before != after:
            break
        same += 1
    start = width_of(new[:same])
    total = width_of(new)
    tail = 0
    for before, after in zip(reversed(old[same:]), reversed(new[same:]), strict=False):
        if before != after:
            break
        tail += 1
    if total != width_of(old) or not tail:  # the blanks after the last span look as that span
        return Region(start, y, max(1, width - start), 1)
    end = total - width_of(new[len(new) - tail :])
    return Region(start, y, max(1, min(end, width) - start), 1)
