"""How do keys and their words share a line, and what a menu offers two of them?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.cells import cell_len, set_cell_size

from tuitune.ui.render.lines import cut, line, width_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuitune.ui.render.lines import Line
    from tuitune.ui.state.status_line import Menu

    Named = Sequence[tuple[str, str]]  # (key, its word)

NONE: Final = (("esc", "none"),)
SHORTER: Final = (99, *range(14, 1, -1))  # cells of a word, until all have room


def fitting(named: Named, width: int, last: Named = ()) -> Line:
    """As many as there is room for; `last` is always there."""
    return _filled((), named, width, last)[0]


def menu_lines(menu: Menu, width: int) -> tuple[Line, Line]:
    """Its title and its choices; where one line is too short for those, they begin behind it."""
    title = line((f"{menu.title}?", "accent bold"))
    named = [(choice.key, choice.title) for choice in menu.choices]
    below, left = _filled((), named, width, NONE)
    if not left:
        return cut(title, width), below
    above: Line = ()
    for cells in SHORTER:
        words = [(key, set_cell_size(word, min(cells, cell_len(word)))) for key, word in named]
        above, rest = _filled(title, words, width, in_order=True)
        below, left = _filled((), rest, width, NONE)
        if not left:
            break
    return above, below


def _filled(
    start: Line, named: Named, width: int, last: Named = (), *, in_order: bool = False
) -> tuple[Line, Named]:
    """The line, and those without room; in_order: nothing goes on after the first of them."""
    spans = list(start)
    end = tuple(span for key, word in last for span in _part("  ", key, word))
    left = width - width_of(start) - width_of(end)
    missing: list[tuple[str, str]] = []
    for key, word in named:
        part = _part("  " if spans else "", key, word)
        if width_of(part) > left or (in_order and missing):
            missing.append((key, word))
            continue
        left -= width_of(part)
        spans += part
    return cut((*spans, *end), width), missing


def _part(gap: str, key: str, word: str) -> Line:
    return line((gap, ""), (key, "accent"), (f" {word}", "muted"))
