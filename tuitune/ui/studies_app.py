"""Which study does the user want to open? The list of all that this machine knows."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar

from textual.app import App
from textual.widgets import Input

from tuitune.ui.panes.studies import Listing, study_lines
from tuitune.ui.render.glyphs import ASCII, FULL
from tuitune.ui.render.line_pane import LinePane
from tuitune.ui.render.lines import Box, Line, Size, line
from tuitune.ui.render.paint import Paint, dress
from tuitune.ui.state.selection import TRIALS
from tuitune.ui.state.studies import Studies

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from textual import events
    from textual.app import ComposeResult

    from tuitune.ui.state.keymap import Keymap
    from tuitune.ui.state.options import Options
    from tuitune.ui.state.studies import Entry

TICK = 1.0  # s between two looks
HEAD = 2  # lines above the first study


class StudiesApp(App["Path | None"]):
    """Returns the chosen study's folder, None where its user left. It only reads."""

    CSS_PATH: ClassVar = "app.tcss"
    AUTO_FOCUS: ClassVar = ""
    ENABLE_COMMAND_PALETTE: ClassVar = False
    TITLE = "tuitune"

    def __init__(self, runs: Path, keymap: Keymap, options: Options) -> None:
        super().__init__()
        dress(self, many_colours=options.many_colours)
        self._studies = Studies(runs)
        self.keymap = keymap
        self._options = options
        self._glyphs = ASCII if options.ascii else FULL
        paint = Paint(many_colours=options.many_colours)
        self._list, self._keys = LinePane("studies", paint), LinePane("keys", paint)
        self._cursor: Path | None = None
        self._filter = ""
        self._acts: dict[str, Callable[[], None]] = {
            "move.down": lambda: self._by_lines(1),
            "move.up": lambda: self._by_lines(-1),
            "move.page_down": lambda: self._by_lines(self.size.height - HEAD),
            "move.page_up": lambda: self._by_lines(HEAD - self.size.height),
            "move.first": lambda: self._by_lines(-len(self._studies.entries)),
            "move.last": lambda: self._by_lines(len(self._studies.entries)),
            "pane.enter": self._open,
            "table.filter": self._begin_filter,
            "pane.back": self._drop_filter,
            "app.quit": self.exit,
        }

    def compose(self) -> ComposeResult:
        yield self._list
        yield self._keys
        yield Input(id="line", compact=True, select_on_focus=False)

    def on_mount(self) -> None:
        self._studies.refresh()
        self.set_interval(TICK, self._tick)

    def on_resize(self, event: events.Resize) -> None:
        width, height = event.size
        self._list.place(Box(0, 0, width, max(1, height - 1)))
        self._keys.place(Box(0, height - 1, width, 1))
        self.query_one("#line", Input).styles.offset = (1, height - 1)
        self.paint()

    def on_unmount(self) -> None:
        self._studies.close()

    def paint(self) -> None:
        """The list and the keys as they are now."""
        width, height = self.size
        entries = self._studies.listed(self._filter)
        place = self._place(entries)
        size = Size(width, max(1, height - 1))
        listing = Listing(entries, place, self._filter, self._glyphs, time.time())
        self._list.show(study_lines(listing, size), *size)
        self._keys.show([self._key_line()], width, 1)

    def on_key(self, event: events.Key) -> None:
        typing = self.query_one("#line", Input)
        if typing.has_focus:
            if event.key == "escape":
                self._drop_filter()
            return
        event.stop()
        event.prevent_default()
        found = self.keymap.find(event.key, event.character, TRIALS)
        act = self._acts.get(found or "")
        if act is not None:
            act()

    def on_input_changed(self, event: Input.Changed) -> None:
        self._filter = event.value
        self.paint()

    def on_input_submitted(self, _: Input.Submitted) -> None:
        self._end_filter()

    def on_line_pane_clicked(self, event: LinePane.Clicked) -> None:
        entries = self._studies.listed(self._filter)
        line_ = event.line - HEAD
        if event.pane == "studies" and 0 <= line_ < len(entries) <= self.size.height - HEAD - 1:
            self._cursor = entries[line_].folder
            self.paint()
            if event.double:
                self._open()

    def on_line_pane_wheeled(self, event: LinePane.Wheeled) -> None:
        self._by_lines(event.lines)

    async def action_quit(self) -> None:
        self.exit()

    def action_help_quit(self) -> None:
        self.exit()

    def _tick(self) -> None:
        self._studies.refresh()
        self.paint()  # how long ago each was written changes anyway

    def _place(self, entries: list[Entry]) -> int:
        """The cursor's line; it stays on its study wherever that goes."""
        folders = [entry.folder for entry in entries]
        return folders.index(self._cursor) if self._cursor in folders else 0

    def _by_lines(self, lines: int) -> None:
        entries = self._studies.listed(self._filter)
        if entries:
            to = max(0, min(self._place(entries) + lines, len(entries) - 1))
            self._cursor = entries[to].folder
            self.paint()

    def _open(self) -> None:
        entries = self._studies.listed(self._filter)
        if entries and entries[self._place(entries)].state != "unreadable":
            self.exit(entries[self._place(entries)].folder)

    def _begin_filter(self) -> None:
        typing = self.query_one("#line", Input)
        typing.display = True
        typing.value = self._filter
        typing.focus()
        self.paint()

    def _end_filter(self) -> None:
        self.query_one("#line", Input).display = False
        self.set_focus(None)
        self.paint()

    def _drop_filter(self) -> None:
        self._filter = ""
        self._end_filter()

    def _key_line(self) -> Line:
        if self.query_one("#line", Input).display:
            return line(("/", "accent bold"))
        named = (("pane.enter", "open"), ("table.filter", "filter"), ("app.quit", "leave"))
        parts = [
            part
            for id_, word in named
            for part in ((f"{self.keymap.shown(id_)}", "accent"), (f" {word}  ", "muted"))
        ]
        return tuple(parts)
