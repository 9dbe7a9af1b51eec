"""Signs of states, bars and rules: one set in Unicode, one in ASCII.

Signs within text have the East Asian width Neutral: the usual circles and triangles are Ambiguous,
which is two cells wide in CJK terminals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tuitune.messages.states import Shown, shown
from tuitune.ui.render.themes import STEPS
from tuitune.ui.state.records import Record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tuitune.store.rows import TrialRow
    from tuitune.ui.render.lines import Line

_SIGNS = {
    Shown.WAITING: ".",
    Shown.STARTING: "\N{DOTTED CIRCLE}",
    Shown.RUNNING: "\N{BLACK RIGHT-POINTING SMALL TRIANGLE}",
    Shown.HELD: ":",
    Shown.PAUSED: "=",
    Shown.FROZEN: "_",
    Shown.PARKED: "^",
    Shown.STOPPING: "~",
    Shown.COMPLETE: "\N{CHECK MARK}",
    Shown.PRUNED: "\N{BLACK DOWN-POINTING SMALL TRIANGLE}",
    Shown.FAILED: "!",
    Shown.KILLED: "x",
    Shown.LOST: "?",
}
_ASCII = {**_SIGNS, Shown.STARTING: "o", Shown.RUNNING: ">", Shown.COMPLETE: "v", Shown.PRUNED: "-"}


class Glyphs(Record, frozen=True):
    """One set of signs."""

    ascii: bool = False
    states: Mapping[Shown, str] = msgspec.field(default_factory=lambda: _SIGNS)
    rule: str = "─"
    bar: str = "│"
    corners: str = "╭╮╰╯"
    full: str = "━"
    half: str = "╸"  # the first half of a cell; "" if there is none
    rest: str = "─"
    celsius: str = "\N{DEGREE SIGN}C"
    live: str = "\N{BLACK CIRCLE}"
    best: str = "\N{BLACK STAR}"
    cross: str = "\N{BALLOT X}"
    mark: str = "+"
    cursor: str = ">"
    cut: str = "\N{HORIZONTAL ELLIPSIS}"


FULL = Glyphs()
ASCII = Glyphs(
    ascii=True,
    states=_ASCII,
    rule="-",
    bar="|",
    corners="++++",
    full="#",
    half="",
    rest=".",
    celsius="C",
    live="*",
    cut="~",
    cross="x",
    best="*",
)


def shown_state(row: TrialRow, *, engine_gone: bool) -> Shown:
    """The state as the app shows it, such as STOPPING or LOST, which the store doesn't have."""
    return shown(
        row.state,
        activity=row.activity,
        is_stopping=row.is_stopping,
        at_rung=row.is_held,
        engine_gone=engine_gone,
    )


_BRAILLE = 0x2800
_LEFT = (0x40, 0x44, 0x46, 0x47)  # dots of the left column of a cell, filled from below
_RIGHT = (0x80, 0xA0, 0xB0, 0xB8)
_LEVELS = "_.-=+*#@"  # heights in ASCII


def bar(share: float | None, width: int, glyphs: Glyphs) -> Line:
    """A thin line of `width` cells of which `share` (0 to 1) is drawn; nothing if it is unknown."""
    drawn, rest = _drawn(share, width, glyphs)
    return (drawn, "success"), (rest, "rule")


def meter(share: float | None, width: int, glyphs: Glyphs, ramp: str) -> Line:
    """As `bar`, in the colours of a ramp of the theme from its low end on: "load" or "memory"."""
    drawn, rest = _drawn(share, width, glyphs)
    spans: list[tuple[str, str]] = []
    for step in range(STEPS):
        start, end = step * width // STEPS, (step + 1) * width // STEPS
        if part := drawn[start:end]:
            spans.append((part, f"{ramp}-{step}"))
    return (*spans, (rest, "rule"))


def _drawn(share: float | None, width: int, glyphs: Glyphs) -> tuple[str, str]:
    """The drawn cells and the others; at least one cell for 1 %, the half of one if it has that."""
    parts = 2 if glyphs.half else 1
    count = 0 if share is None else round(max(0.0, min(1.0, share)) * width * parts)
    if share and not count and width and share >= 0.01:
        count = 1
    full, half = divmod(count, parts)
    drawn = glyphs.full * full + (glyphs.half if half else "")
    return drawn, glyphs.rest * (width - full - half)


def history(shares: Sequence[float | None], width: int, glyphs: Glyphs) -> str:
    """The newest shares (0 to 1) in `width` cells, oldest first; two per cell in braille."""
    per_cell = 1 if glyphs.ascii else 2
    known = list(shares)[-width * per_cell :]
    newest = [*[None] * (width * per_cell - len(known)), *known]
    if glyphs.ascii:
        return "".join(" " if s is None else _LEVELS[_level(s, len(_LEVELS))] for s in newest)
    pairs = zip(newest[::2], newest[1::2], strict=True)
    return "".join(chr(_BRAILLE | _dots(one, _LEFT) | _dots(two, _RIGHT)) for one, two in pairs)


def _dots(share: float | None, column: tuple[int, ...]) -> int:
    return 0 if share is None else column[_level(share, len(column))]


def _level(share: float, levels: int) -> int:
    return max(0, min(levels - 1, round(share * (levels - 1))))
