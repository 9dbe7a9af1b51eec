"""How does a long text stand in a narrow pane?"""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size

from tuitune.messages.text import plain


def wrapped(text: str, width: int) -> list[str]:
    """Lines of at most `width` cells, broken between words where there are any; never empty."""
    width = max(1, width)
    lines: list[str] = []
    for paragraph in text.split("\n"):
        lines += _paragraph(plain(paragraph.expandtabs(4)).rstrip(), width)
    return lines


def chopped(text: str, width: int) -> list[str]:
    """The text in pieces of `width` cells, wherever that breaks it; never empty."""
    width = max(2, width)  # so that the widest character fits
    segments: list[str] = []
    while cell_len(text) > width:
        segment = set_cell_size(text, width)
        taken = len(segment)
        if text[:taken] != segment:  # half of a wide character is a blank here
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
