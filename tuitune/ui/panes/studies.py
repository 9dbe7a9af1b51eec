"""How do this machine's studies look in a list?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tuitune.messages.states import Shown
from tuitune.messages.text import duration, number, trial_name
from tuitune.ui.render.lines import Line, cut, ends, fit, line, marked, padded
from tuitune.ui.state.records import Record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tuitune.ui.render.glyphs import Glyphs
    from tuitune.ui.render.lines import Size
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
    """The list at one moment."""

    entries: Sequence[Entry]
    cursor: int  # the line of the chosen one
    text: str  # that they are filtered by
    glyphs: Glyphs
    now: float  # Unix s


def study_lines(listing: Listing, size: Size) -> list[Line]:
    """A rule, the heads, a line a study."""
    width, entries, text = size.width, listing.entries, listing.text
    title = f"Studies {len(entries)}" + (f"  /{text}" if text else "")
    sign = listing.glyphs.rule
    named = line((f"{sign} ", "rule"), (f"{fit(title, len(title))} ", "accent bold"))
    rule = ends(named, (), width, (sign, "rule"))
    if not entries:
        said = ("None like that; esc shows all again.",) if text else _NONE_YET
        return [rule, *(cut(line((f"  {words}", "info")), width) for words in said)]
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
    """The best value and its trial."""
    if entry.best is None or entry.trial is None:
        return "-"
    partial = ", partial" if entry.partial else ""
    return f"{entry.metric} {number(entry.best)} ({trial_name(entry.trial)}{partial})"


def _widths(entries: Sequence[Entry], width: int) -> list[int]:
    """Of name, state, trials, best, changed and folder, as far as there is room for them."""
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
