"""The list of studies as lines: state, progress, time left, best, and where each is."""

from collections.abc import Mapping, Sequence
from typing import Final

from tuitune.messages.states import Shown
from tuitune.messages.text import duration, plain
from tuitune.ui.render.glyphs import Glyphs, bar
from tuitune.ui.render.lines import Line, Size, cell_len, cut, ends, fit, line, marked, padded
from tuitune.ui.state import records, studies

_NONE_YET: Final = (
    "No studies yet.",
    "",
    "tuitune STUDY.toml     runs one",
    "tuitune init SCRIPT    drafts a study file from a training script",
)
_SIGNS: Final[Mapping[str, str]] = {"interrupted": "=", "paused": "=", "unreadable": "?"}
_HEADS: Final = ("study", "state", "", "trials", "left", "best", "changed", "folder")
_STATE: Final = len("interrupted")
_LEFT: Final = 6
_CHANGED: Final = len("59m59s ago")
_BAR: Final = 10  # cells
_BAR_FROM: Final = 96  # columns of the screen
_LEFT_FROM: Final = 60
_CHANGED_FROM: Final = 84
_FOLDER_FROM: Final = 110
_LEAST_BEST: Final = 12
_SIGN: Final = 4  # cells before the first column: the cursor, and the sign of the state


class Listing(records.Record, frozen=True):
    """The contents of the list at one moment."""

    entries: Sequence[studies.Entry]
    cursor: int  # its line
    text: str  # of the filter
    glyphs: Glyphs
    now: float  # Unix s

    @property
    def chosen(self) -> studies.Entry | None:
        """The cursor's study; None without studies."""
        return self.entries[self.cursor] if self.entries else None


def first_seen(listing: Listing, height: int) -> int:
    """The first entry that is seen, so that the cursor's is; height: of the whole list."""
    room = max(1, height - 2)
    return max(0, min(listing.cursor - room // 2, len(listing.entries) - room))


def study_lines(listing: Listing, size: Size) -> list[Line]:
    """The rule, the heads, and a line for each study."""
    width, entries, text = size.width, listing.entries, listing.text
    running = sum(entry.state == "running" for entry in entries)
    sign = listing.glyphs.rule
    named = line(
        (f"{sign} ", "rule"),
        ("Studies ", "title bold"),
        (f"{len(entries)} ", "text"),
        (f"/{plain(text)} " if text else "", "accent"),
    )
    right = line((f" {running} running ", "success")) if running else ()
    rule = ends(named, right, width, (sign, "rule"))
    if not entries:
        message = ("no study matches; esc clears the filter",) if text else _NONE_YET
        return [rule, *(cut(line((f"  {words}", "info")), width) for words in message)]
    widths = _widths(entries, width)
    heads = " " * _SIGN + _row(_HEADS, widths)
    top = first_seen(listing, size.height)
    seen = range(top, min(top + max(1, size.height - 2), len(entries)))
    lines = [_line(listing, at, widths, width) for at in seen]
    return [rule, cut(line((heads, "muted")), width), *lines]


def _line(listing: Listing, at: int, widths: Sequence[int], width: int) -> Line:
    entry, glyphs = listing.entries[at], listing.glyphs
    state = shown_state(entry)
    role = "warning" if state == "paused" else studies.STATE_ROLES.get(state, "muted")
    signs = {
        **_SIGNS,
        "running": glyphs.states[Shown.RUNNING],
        "finished": glyphs.states[Shown.COMPLETE],
    }
    chosen = at == listing.cursor
    quiet = "muted"
    spans = [
        (f"{glyphs.cursor if chosen else ' '} ", "accent"),
        (f"{signs.get(state, '.')} ", role),
        (fit(entry.name, widths[0]), "text bold" if chosen else "text"),
        (_gap(widths[1]) + fit("..." if state == "…" and glyphs.ascii else state, widths[1]), role),
        *_progress(entry, widths[2], glyphs),
        (_gap(widths[3]) + fit(studies.progress_words(entry), widths[3], right=True), "text"),
        (_gap(widths[4]) + fit(_left(entry), widths[4], right=True), quiet),
        (
            _gap(widths[5]) + fit(entry.problem or studies.best_words(entry), widths[5]),
            _tone(entry),
        ),
        (
            _gap(widths[6]) + fit(studies.changed_words(entry, listing.now), widths[6], right=True),
            quiet,
        ),
        (_gap(widths[7]) + fit(str(entry.folder), widths[7]), quiet),
    ]
    whole = padded(line(*spans), width)
    return marked(whole, "on-cursor") if chosen else whole


def shown_state(entry: studies.Entry) -> str:
    """The state, or "paused" for a running study that launches no trials."""
    return "paused" if entry.state == "running" and not entry.launching else entry.state


def _progress(entry: studies.Entry, width: int, glyphs: Glyphs) -> Line:
    if not width:
        return ()
    drawn, rest = bar(entry.done / entry.total if entry.total else None, width, glyphs)
    role = drawn[1] if entry.state == "running" else "faint"  # what runs stands out
    return (_gap(width), ""), (drawn[0], role), rest


def _tone(entry: studies.Entry) -> str:
    return "error" if entry.problem else "text"


def _left(entry: studies.Entry) -> str:
    return "" if entry.left is None else duration(entry.left)


def _gap(width: int) -> str:
    return "  " if width else ""


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    right = (3, 4, 6)
    return "".join(
        (_gap(width) if at else "") + fit(cell, width, right=at in right)
        for at, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )


def _widths(entries: Sequence[studies.Entry], width: int) -> list[int]:
    """Widths of the columns of _HEADS, 0 for those without room."""
    name = max(5, min(24, width // 4, max(cell_len(entry.name) for entry in entries)))
    trials = max(6, *(len(studies.progress_words(entry)) for entry in entries))
    best = max(_LEAST_BEST, *(len(entry.problem or studies.best_words(entry)) for entry in entries))
    shown = [
        name,
        _STATE,
        _BAR if width >= _BAR_FROM else 0,
        trials,
        _LEFT if width >= _LEFT_FROM and any(e.left is not None for e in entries) else 0,
        min(36, best),
        _CHANGED if width >= _CHANGED_FROM else 0,
        0,
    ]
    room = width - _SIGN - sum(shown) - 2 * (sum(map(bool, shown)) - 1)
    if room < 0:
        shown[5] = max(4, shown[5] + room)
    elif width >= _FOLDER_FROM and room >= 12:
        shown[7] = room - 2
    return shown
