"""A screen of text that can be scrolled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.screen import Screen

from tuitune.ui.app import passed_on
from tuitune.ui.render.line_pane import LinePane
from tuitune.ui.render.lines import Line, ends, line
from tuitune.ui.state.keymap import pressed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from textual import events
    from textual.app import ComposeResult

    from tuitune.ui.render.paint import Paint

    Text = Callable[[int], list[Line]]  # for a width in cells

_CLOSING = frozenset({"escape", "q", "enter"})


class LinesScreen(Screen[None]):
    """A title and lines. text: makes the lines. more: (label, function) of further keys."""

    def __init__(
        self,
        title: str,
        text: Text,
        paint: Paint,
        *,
        rule: str,
        more: Mapping[str, tuple[str, Callable[[], None]]] | None = None,
    ) -> None:
        super().__init__()
        self._heading = title
        self._text = text
        self._rule = rule
        self._more = more or {}
        self._pane = LinePane("text", paint)
        self._lines: list[Line] = []
        self._top = 0

    def compose(self) -> ComposeResult:
        """One pane."""
        yield self._pane

    def on_resize(self, event: events.Resize) -> None:
        """Makes the lines again for the new width."""
        width, height = event.size
        self._pane.styles.width, self._pane.styles.height = width, height
        self._lines = self._text(max(1, width - 2))
        self._paint_lines()

    def on_key(self, event: events.Key) -> None:
        """Scrolls, closes, or runs a function of `more`."""
        if passed_on(self, event):
            return
        event.stop()
        event.prevent_default()
        name = pressed(event.key, event.character)
        if name in self._more:
            self.dismiss()
            self._more[name][1]()
        elif name in _CLOSING or name == "?":
            self.dismiss()
        else:
            self._scroll_by(self._step(name))

    def on_line_pane_wheeled(self, event: LinePane.Wheeled) -> None:
        """Scrolls."""
        event.stop()
        self._scroll_by(event.lines)

    def on_line_pane_clicked(self, event: LinePane.Clicked) -> None:
        """Ignores the click."""
        event.stop()

    def _step(self, name: str) -> int:
        page, end = self._room(), len(self._lines)
        steps = {
            **dict.fromkeys(("down", "j"), 1),
            **dict.fromkeys(("up", "k"), -1),
            **dict.fromkeys(("pagedown", "space", "ctrl+d"), page),
            **dict.fromkeys(("pageup", "ctrl+u"), -page),
            **dict.fromkeys(("home", "g"), -end),
            **dict.fromkeys(("end", "G"), end),
        }
        return steps.get(name, 0)

    def _room(self) -> int:
        return max(1, self.size.height - 2)

    def _scroll_by(self, lines: int) -> None:
        last = max(0, len(self._lines) - self._room())
        self._top = min(max(0, self._top + lines), last)
        self._paint_lines()

    def _paint_lines(self) -> None:
        width, height = self.size
        self._top = min(self._top, max(0, len(self._lines) - self._room()))
        seen: list[Line] = [
            ((" ", ""), *one) for one in self._lines[self._top : self._top + self._room()]
        ]
        head = ends(
            line((f"{self._rule} ", "rule"), (f"{self._heading} ", "accent bold")),
            (),
            width,
            (self._rule, "rule"),
        )
        blank: list[Line] = [()] * (self._room() - len(seen))
        self._pane.show([head, *seen, *blank, self._foot(width)], width, height)

    def _foot(self, width: int) -> Line:
        last = self._top + self._room()
        parts = [line((" esc", "accent"), (" back", "muted"))]
        parts += [
            line((f"  {key}", "accent"), (f" {word}", "muted"))
            for key, (word, _) in self._more.items()
        ]
        right: Line = ()
        if len(self._lines) > self._room():
            parts.append(line(("  arrows", "accent"), (" scroll", "muted")))
            right = line((f"{min(last, len(self._lines))} of {len(self._lines)} lines ", "muted"))
        return ends(tuple(span for part in parts for span in part), right, width)
