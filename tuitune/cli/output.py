"""Lines printed by commands: in colour and fitted to the width on a terminal, plain elsewhere."""

import math
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Final, NamedTuple, TextIO

from tuitune.ui.render.lines import Line, Span, cell_len, chopped, fit, line, width_of
from tuitune.ui.render.themes import OUTPUT, PLAIN, THEMES, Theme
from tuitune.ui.state import options, records

_GAP: Final = "  "  # between two columns
_NAMES: Final = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
_ATTRIBUTES: Final[Mapping[str, int]] = {"bold": 1, "dim": 2, "reverse": 7}


class Output(records.Record, frozen=True):
    """Where lines are printed. width: in cells, None without a limit; theme: None for no colour."""

    stream: TextIO
    width: int | None = None
    theme: Theme | None = None

    def print(self, *lines: Line, fold: bool = True) -> None:
        """Print lines; fold: those that are too wide on several, broken between words."""
        for one in lines:
            for part in self._folded(one) if fold else [one]:
                self.stream.write(f"{self.text(part)}\n")
        self.stream.flush()

    def text(self, content: Line) -> str:
        """The line with escape sequences for its roles, without the blanks at its end."""
        spans = _stripped(content)
        if self.theme is None:
            return "".join(text for text, _ in spans)
        runs = groupby(spans, key=itemgetter(1))
        return "".join(
            _painted("".join(map(itemgetter(0), run)), role, self.theme) for role, run in runs
        )

    def _folded(self, content: Line) -> Iterable[Line]:
        if self.width is None or width_of(content) <= self.width:
            return [content]
        return folded(content, self.width)


def output(stream: TextIO | None = None, environment: Mapping[str, str] | None = None) -> Output:
    """The output to this stream; None: standard output. NO_COLOR or a dumb terminal: no colours."""
    stream = stream or sys.stdout
    environment = os.environ if environment is None else environment
    if not is_terminal(stream):
        return Output(stream)
    return Output(stream, terminal_width(stream), _theme(environment))


def is_terminal(stream: TextIO) -> bool:
    """Whether it is a terminal."""
    try:
        return stream.isatty()
    except (AttributeError, ValueError):  # closed, or never there
        return False


def terminal_width(stream: TextIO) -> int:
    """The columns of its terminal; 80 where they can't be told."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except OSError:
        return 80


def _theme(environment: Mapping[str, str]) -> Theme | None:
    """Colours that are read on black and on white, since the terminal's ground is not asked for."""
    if "NO_COLOR" in environment or environment.get("TERM", "dumb") == "dumb":
        return None
    if not options.has_many_colours(environment):
        return PLAIN
    return THEMES.get(environment.get("TUITUNE_THEME", ""), OUTPUT)


def _painted(text: str, role: str, theme: Theme) -> str:
    codes: list[str] = []
    for word in role.split():
        if word in _ATTRIBUTES:
            codes.append(str(_ATTRIBUTES[word]))
        else:
            codes += _code(theme.colours[word])
    return f"\x1b[{';'.join(codes)}m{text}\x1b[m" if codes and text.strip() else text


def _code(colour: int | str) -> list[str]:
    if isinstance(colour, int):
        return [f"38;5;{colour}"]
    if colour == "default":
        return []
    bright = colour.startswith("bright_")
    return [str((90 if bright else 30) + _NAMES.index(colour.removeprefix("bright_")))]


def _stripped(content: Line) -> Line:
    spans = list(content)
    while spans and not spans[-1][0].strip():
        spans.pop()
    if spans:
        spans[-1] = (spans[-1][0].rstrip(), spans[-1][1])
    return tuple(spans)


def folded(content: Line, width: int, indent: int = 2) -> list[Line]:
    """The line on several, broken between words; all but the first begin with `indent` blanks."""
    lines: list[Line] = []
    now: list[Span] = []
    left = width
    for text, role in _words(content):
        for part in chopped(text, width - indent):
            cells = cell_len(part)
            if cells > left:
                lines.append(_stripped(tuple(now)))
                now, left = [(" " * indent, "")], width - indent
                if part.isspace():
                    continue
            now.append((part, now[-1][1] if now and part.isspace() else role))
            left -= cells
    return [*lines, _stripped(tuple(now))]


def _words(content: Line) -> Iterable[Span]:
    for text, role in content:
        yield from ((word, role) for word in re.findall(r"\s+|\S+", text))


EXPENDABLE: Final = 1  # the weight of a column for which no other one is cut


class Column(NamedTuple):
    """A column of a table. weight: the one with the least is cut and left out first.

    least: the width to which it may be cut before another column is left out, but its values only
    if they are wider; 0: it is never cut.
    """

    title: str
    cells: Sequence[Span]
    weight: int
    right: bool = False
    least: int = 0


class _Sized(NamedTuple):
    """A column, the cells that it takes, and those to which it may be cut."""

    column: Column
    width: int
    least: int


def _sized(column: Column) -> _Sized:
    width = max(cell_len(text) for text in (column.title, *(cell for cell, _ in column.cells)))
    return _Sized(column, width, min(width, column.least) if column.least else width)


def table(columns: Sequence[Column], width: int | None) -> tuple[list[Line], list[str]]:
    """The lines of a table with its heads, and the titles of the columns that don't fit."""
    room = math.inf if width is None else width
    sized, missing = [_sized(column) for column in columns], []
    while len(sized) > 1 and _over(sized, room) > 0:
        least = min(sized, key=lambda one: one.column.weight)
        sized.remove(least)
        missing.append(least.column.title)
    kept = [one.column for one in sized]
    widths = [one.width for one in sized]
    over = sum(widths) + len(_GAP) * (len(kept) - 1) - room
    for at in sorted(range(len(kept)), key=lambda at: kept[at].weight):
        less = int(max(0, min(over, widths[at] - sized[at].least)))
        widths[at] -= less
        over -= less
    heads = _row([(column.title, "muted") for column in kept], kept, widths)
    rows = zip(*(column.cells for column in kept), strict=True)
    return [heads, *(_row(cells, kept, widths) for cells in rows)], missing


def _over(columns: Sequence[_Sized], room: float) -> float:
    """Cells that are missing once columns are cut, which none is to make room for an expendable."""
    some = min(one.column.weight for one in columns) <= EXPENDABLE
    cut = [one.width if some and one.column.weight > EXPENDABLE else one.least for one in columns]
    return sum(cut) + len(_GAP) * (len(columns) - 1) - room


def _row(cells: Sequence[Span], columns: Sequence[Column], widths: Sequence[int]) -> Line:
    spans: list[Span] = []
    for (text, role), column, width in zip(cells, columns, widths, strict=True):
        spans += [(_GAP, "")] if spans else []
        spans.append((fit(text, width, right=column.right), role))
    return line(*spans)
