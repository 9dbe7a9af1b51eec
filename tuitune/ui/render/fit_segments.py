"""Which parts of a line stay where there is too little room for all of them?"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tuitune.ui.render.lines import Line, width_of

if TYPE_CHECKING:
    from collections.abc import Iterable


class Segment(NamedTuple):
    """A part of a line; the one that matters least goes first."""

    matters: int
    line: Line


def joined(segments: Iterable[Segment], room: int, gap: int) -> Line:
    """The pieces that fit into `room` cells, in their order, `gap` blanks between them."""
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
