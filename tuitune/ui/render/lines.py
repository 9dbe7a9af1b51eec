"""Lines of a pane: text with roles instead of colours, so that panes are pure functions.

A line is a tuple of (text, role) spans. A role is a colour of `paint.COLOURS` and attributes,
separated by blanks: "muted", "accent bold", "error reverse".
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tuitune.messages.text import plain

Span = tuple[str, str]
Line = tuple[Span, ...]


class Size(NamedTuple):
    """The size of a pane in cells."""

    width: int
    height: int


class Box(NamedTuple):
    """A rectangle in cells, from the top left corner of the screen."""

    x: int
    y: int
    width: int
    height: int


def cell_len(text: str) -> int:
    """The width of a text in cells; Rich, which measures other signs than ASCII, loads late."""
    if text.isascii():
        return len(text)
    from rich import cells  # noqa: PLC0415 - engines print lines, too, and most are ASCII

    return cells.cell_len(text)


def set_cell_size(text: str, width: int) -> str:
    """The text cut or filled with blanks to this width."""
    if text.isascii():
        return text[:width].ljust(width)
    from rich import cells  # noqa: PLC0415 - see above

    return cells.set_cell_size(text, width)


def line(*parts: str | Span) -> Line:
    """A line of these parts; a plain text gets the role "". Empty parts are left out."""
    spans = ((part, "") if isinstance(part, str) else part for part in parts)
    return tuple(span for span in spans if span[0])


def width_of(line: Line) -> int:
    """The width in cells, not in characters."""
    cells = 0
    for text, _ in line:
        cells += len(text) if text.isascii() else cell_len(text)
    return cells


def fit(text: str, width: int, *, right: bool = False, end: str = "~") -> str:
    """`text` without control characters, in exactly `width` cells; a cut text ends in `end`."""
    if width <= 0:
        return ""
    text = plain(text)
    missing = width - cell_len(text)
    if missing >= 0:
        return " " * missing + text if right else text + " " * missing
    return set_cell_size(text, width - 1) + end


def cut(line: Line, width: int) -> Line:
    """The line's first `width` cells."""
    spans: list[Span] = []
    left = width
    for text, role in line:
        cells = cell_len(text)
        if cells <= left:
            spans.append((text, role))
        elif left > 0:
            spans.append((set_cell_size(text, left), role))
        left -= cells
        if left <= 0:
            break
    return tuple(spans)


def padded(line: Line, width: int, role: str = "") -> Line:
    """The line cut or filled with blanks to exactly `width` cells."""
    missing = width - width_of(line)
    if missing > 0:
        return (*line, (" " * missing, role))
    return cut(line, width) if missing < 0 else line


def ends(left: Line, right: Line, width: int, fill: Span = (" ", "")) -> Line:
    """A line with `left` and `right` at its ends; only `left` if both don't fit."""
    room = width - width_of(left)
    if room <= width_of(right):
        return padded(left, width)
    text, role = fill
    return (*left, (text * (room - width_of(right)), role), *right)


def marked(line: Line, role: str) -> Line:
    """The line with this role added to every span."""
    return tuple((text, f"{own} {role}".strip()) for text, own in line)


def stacked(lines: Iterable[Line], size: Size) -> list[Line]:
    """As many lines as the pane has, each cut to its width."""
    return [cut(line, size.width) for line, _ in zip(lines, range(size.height), strict=False)]


class Segment(NamedTuple):
    """A part of a line. matters: the segment with the least is left out first."""

    matters: int
    line: Line


def joined(segments: Iterable[Segment], room: int, gap: int) -> Line:
    """The segments that fit into `room` cells, in their order, with `gap` blanks between them."""
    kept = [
        (segment.matters, width_of(segment.line), segment.line)
        for segment in segments
        if segment.line
    ]
    total = sum(width for _, width, _ in kept) + gap * (len(kept) - 1)
    while len(kept) > 1 and total > room:
        least = min(kept, key=lambda segment: segment[0])
        kept.remove(least)
        total -= least[1] + gap
    spans: list[tuple[str, str]] = []
    for _, _, line in kept:
        if spans:
            spans.append((" " * gap, ""))
        spans.extend(line)
    return tuple(spans)


def wrapped(text: str, width: int) -> list[str]:
    """The text in lines of at most `width` cells, broken between words if possible; never empty."""
    width = max(1, width)
    lines: list[str] = []
    for paragraph in text.split("\n"):
        lines += _paragraph(plain(paragraph.expandtabs(4)).rstrip(), width)
    return lines


def chopped(text: str, width: int) -> list[str]:
    """The text in segments of `width` cells, broken anywhere; never empty."""
    width = max(2, width)  # so that the widest character fits
    segments: list[str] = []
    while cell_len(text) > width:
        segment = set_cell_size(text, width)
        taken = len(segment)
        if text[:taken] != segment:  # a blank stands for half of a wide character
            taken -= 1
            segment = text[:taken]
        segments.append(segment)
        text = text[taken:]
    return [*segments, text]


def _paragraph(text: str, width: int) -> list[str]:
    if cell_len(text) <= width:
        return [text]
    lines: list[str] = []
    line = ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if cell_len(longer) <= width:
            line = longer
            continue
        if line.strip():
            lines.append(line)
        *full, line = chopped(word, width)
        lines += full
    return [*lines, line]


def joined_columns(rows: Iterable[Sequence[Line]], indent: str, gap: int) -> list[Line]:
    """The cells of each row in aligned columns; a column that is empty in all rows is left out."""
    table = [list(row) for row in rows]
    widths = [max(map(width_of, column)) for column in zip(*table, strict=True)]
    lines: list[Line] = []
    for row in table:
        spans: list[Span] = [(indent, "")]
        for cell, width in zip(row, widths, strict=True):
            spans += padded(cell, width + gap) if width else ()
        lines.append(tuple(spans))
    return lines
