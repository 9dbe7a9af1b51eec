"""The screen of this machine's studies, from which one is opened."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from textual.screen import Screen
from textual.widgets import Input

from tuitune.messages.states import Shown
from tuitune.messages.text import duration, number, which
from tuitune.store.errors import StoreError
from tuitune.studyfile import StudyFileError
from tuitune.ui.render.glyphs import ASCII, FULL
from tuitune.ui.render.line_pane import LinePane
from tuitune.ui.render.lines import Box, Line, Size, cut, ends, fit, line, marked, padded
from tuitune.ui.render.paint import Paint
from tuitune.ui.render.themes import THEMES
from tuitune.ui.state.records import Record
from tuitune.ui.state.render_context import TRIALS
from tuitune.ui.state.studies import Studies

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from textual import events
    from textual.app import ComposeResult

    from tuitune.ui.render.glyphs import Glyphs
    from tuitune.ui.state.keymap import Keymap
    from tuitune.ui.state.options import Options
    from tuitune.ui.state.studies import Entry

_NONE_YET: Final = (
    "No studies yet.",
    "",
    "tuitune STUDY.toml     runs one",
    "tuitune init SCRIPT    drafts a study file from a training script",
)
_ROLES: Final[Mapping[str, str]] = {
    "running": "success",
    "interrupted": "warning",
    "finished": "text",
    "unreadable": "error",
}
_SIGNS: Final[Mapping[str, str]] = {"interrupted": "=", "unreadable": "?"}
_HEADS: Final = ("study", "state", "trials", "best", "changed", "folder")
_CHANGED_FROM: Final = 72  # columns
_FOLDER_FROM: Final = 100


class Listing(Record, frozen=True):
    """The contents of the list at one moment."""

    entries: Sequence[Entry]
    cursor: int  # its line
    text: str  # of the filter
    glyphs: Glyphs
    now: float  # Unix s


def study_lines(listing: Listing, size: Size) -> list[Line]:
    """The rule, the heads, and a line for each study."""
    width, entries, text = size.width, listing.entries, listing.text
    title = f"Studies {len(entries)}" + (f"  /{text}" if text else "")
    sign = listing.glyphs.rule
    named = line((f"{sign} ", "rule"), (f"{fit(title, len(title))} ", "accent bold"))
    rule = ends(named, (), width, (sign, "rule"))
    if not entries:
        message = ("no study matches; esc clears the filter",) if text else _NONE_YET
        return [rule, *(cut(line((f"  {words}", "info")), width) for words in message)]
    widths = _widths(entries, width)
    heads = cut(line(("    " + _row(_HEADS, widths), "muted")), width)
    room = max(1, size.height - 2)
    top = max(0, min(listing.cursor - room // 2, len(entries) - room))
    seen = range(top, min(top + room, len(entries)))
    return [rule, heads, *(_line(listing, at, widths, width) for at in seen)]


def _line(listing: Listing, at: int, widths: Sequence[int], width: int) -> Line:
    entry, glyphs = listing.entries[at], listing.glyphs
    role = _ROLES.get(entry.state, "muted")
    cells = (
        entry.name,
        "..." if entry.state == "…" and glyphs.ascii else entry.state,
        f"{entry.done}/{'-' if entry.total is None else entry.total}",
        entry.problem or _best_words(entry),
        f"{duration(max(0.0, listing.now - entry.when))} ago",
        str(entry.folder),
    )
    signs = {
        **_SIGNS,
        "running": glyphs.states[Shown.RUNNING],
        "finished": glyphs.states[Shown.COMPLETE],
    }
    chosen = at == listing.cursor
    start = (f"{glyphs.cursor if chosen else ' '} ", "accent")
    whole = line(start, (f"{signs.get(entry.state, '.')} ", role), (_row(cells, widths), role))
    return marked(padded(whole, width), "on-cursor") if chosen else padded(whole, width)


def _best_words(entry: Entry) -> str:
    """The best value and its trial; "-" without one."""
    if entry.best is None or entry.trial is None:
        return "-"
    return f"{entry.metric} {number(entry.best)} {which(entry.trial, partial=entry.partial)}"


def _widths(entries: Sequence[Entry], width: int) -> list[int]:
    """Widths of name, state, trials, best, changed and folder, as far as they fit."""
    name = max(5, min(24, width // 4, max(len(entry.name) for entry in entries)))
    trials = max(6, *(len(f"{entry.done}/{entry.total}") for entry in entries))
    best = max(4, min(36, max(len(entry.problem or _best_words(entry)) for entry in entries)))
    widths = [name, 11, trials, best, *([11] if width >= _CHANGED_FROM else [])]
    left = width - 4 - sum(widths) - 2 * len(widths)
    if width >= _FOLDER_FROM and left >= 10:
        return [*widths, left]
    widths[3] = max(4, best + min(0, left + 2))
    return widths


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(fit(cell, width) for cell, width in zip(cells, widths, strict=False))


_TICK = 1.0  # s between two readings of the studies
_HEAD = 2  # lines above the first study


class StudiesScreen(Screen[None]):
    """The list of studies, until one is opened. It changes nothing."""

    def __init__(
        self,
        runs: Path,
        keymap: Keymap,
        options: Options,
        screen_of: Callable[[Path], Screen[None]],
    ) -> None:
        """screen_of: makes the screen of a study; may raise StoreError and StudyFileError."""
        super().__init__()
        self._studies = Studies(runs)
        self._keymap = keymap
        self._screen_of = screen_of
        self._glyphs = ASCII if options.ascii else FULL
        paint = Paint(THEMES[options.theme])
        self._list, self._keys = LinePane("studies", paint), LinePane("keys", paint)
        self._filter_line = Input(id="line", compact=True, select_on_focus=False)
        self._cursor: Path | None = None
        self._filter = ""
        self._problem = ""  # why the last study that was chosen can't be opened
        self._acts: dict[str, Callable[[], None]] = {
            "move.down": lambda: self._by_lines(1),
            "move.up": lambda: self._by_lines(-1),
            "move.page_down": lambda: self._by_lines(self.size.height - _HEAD),
            "move.page_up": lambda: self._by_lines(_HEAD - self.size.height),
            "move.first": lambda: self._by_lines(-len(self._studies.entries)),
            "move.last": lambda: self._by_lines(len(self._studies.entries)),
            "pane.enter": self._open,
            "table.filter": self._begin_filter,
            "pane.back": self._drop_filter,
            "app.quit": self.action_interrupt,
            "app.interrupt": self.action_interrupt,
        }

    def compose(self) -> ComposeResult:
        """The list, the keys, and the input of the filter over them."""
        yield self._list
        yield self._keys
        yield self._filter_line

    def on_mount(self) -> None:
        """Reads some studies, then more every second."""
        self._studies.refresh()
        self._timer = self.set_interval(_TICK, self._tick)

    def on_resize(self, event: events.Resize) -> None:
        """Places the list above the last line."""
        width, height = event.size
        self._list.place(Box(0, 0, width, max(1, height - 1)))
        self._keys.place(Box(0, height - 1, width, 1))
        self._filter_line.styles.offset = (1, height - 1)
        self._paint_list()

    def on_unmount(self) -> None:
        """Closes the databases."""
        self._studies.close()

    def on_key(self, event: events.Key) -> None:
        """Runs the action of the key, if the list has it."""
        if self._filter_line.has_focus:
            if event.key == "escape":
                self._drop_filter()
            return
        event.stop()
        event.prevent_default()
        self._problem = ""
        found = self._keymap.find(event.key, event.character, TRIALS)
        act = self._acts.get(found or "")
        if act is not None:
            act()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filters while the text is typed."""
        self._filter = event.value
        self._paint_list()

    def on_input_submitted(self, _: Input.Submitted) -> None:
        """Keeps the filter and closes its input."""
        self._end_filter()

    def on_line_pane_clicked(self, event: LinePane.Clicked) -> None:
        """Moves the cursor; a double click opens the study."""
        entries = self._studies.listed(self._filter)
        at = event.line - _HEAD
        if event.pane == "studies" and 0 <= at < len(entries) <= self.size.height - _HEAD - 1:
            self._cursor = entries[at].folder
            self._paint_list()
            if event.double:
                self._open()

    def on_line_pane_wheeled(self, event: LinePane.Wheeled) -> None:
        """Moves the cursor."""
        self._by_lines(event.lines)

    def action_interrupt(self) -> None:
        """Leaves the app at Ctrl+C."""
        self.app.exit()

    def _tick(self) -> None:
        self._studies.refresh()
        self._paint_list()  # even if nothing is new: ages are shown

    def _paint_list(self) -> None:
        width, height = self.size
        entries = self._studies.listed(self._filter)
        size = Size(width, max(1, height - 1))
        listing = Listing(entries, self._line_of(entries), self._filter, self._glyphs, time.time())
        self._list.show(study_lines(listing, size), *size)
        self._keys.show([self._last_line(width)], width, 1)

    def _line_of(self, entries: list[Entry]) -> int:
        """The line of the cursor, which stays on its study."""
        folders = [entry.folder for entry in entries]
        return folders.index(self._cursor) if self._cursor in folders else 0

    def _by_lines(self, lines: int) -> None:
        entries = self._studies.listed(self._filter)
        if entries:
            to = max(0, min(self._line_of(entries) + lines, len(entries) - 1))
            self._cursor = entries[to].folder
        self._paint_list()

    def _open(self) -> None:
        entries = self._studies.listed(self._filter)
        if not entries or entries[self._line_of(entries)].state == "unreadable":
            return
        try:
            screen = self._screen_of(entries[self._line_of(entries)].folder)
        except (StoreError, StudyFileError) as error:
            self._problem = str(error)
            self._paint_list()
        else:
            self._timer.stop()
            self._studies.close()
            self.app.push_screen(screen)  # the list is never shown again

    def _begin_filter(self) -> None:
        self._filter_line.display = True
        self._filter_line.value = self._filter
        self._filter_line.focus()
        self._paint_list()

    def _end_filter(self) -> None:
        self._filter_line.display = False
        self.set_focus(None)
        self._paint_list()

    def _drop_filter(self) -> None:
        self._filter = ""
        self._end_filter()

    def _last_line(self, width: int) -> Line:
        if self._problem:
            return line((fit(self._problem, width).rstrip(), "error"))
        if self._filter_line.display:
            return line(("/", "accent bold"))
        named = (("pane.enter", "open"), ("table.filter", "filter"), ("app.quit", "leave"))
        return tuple(
            part
            for id_, word in named
            for part in ((self._keymap.shown(id_), "accent"), (f" {word}  ", "muted"))
        )
