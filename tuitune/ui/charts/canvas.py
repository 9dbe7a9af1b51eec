"""The canvas of charts: braille with 2 x 4 dots per cell, or one ASCII character per cell."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from rich.cells import cell_len

from tuitune.messages.text import plain
from tuitune.ui.render.lines import Line, Span

_BITS: Final = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # of a dot, by line, column
_BRAILLE: Final = " " + "".join(chr(0x2800 + bits) for bits in range(1, 256))


def narrow(text: str) -> str:
    """The text with a question mark for each character that isn't one cell wide."""
    return "".join(sign if cell_len(sign) == 1 else "?" for sign in plain(text))


class Ink(NamedTuple):
    """How a line is drawn. sign: replaces its dots in ASCII."""

    role: str
    sign: str
    dash: str = "1"  # a repeated pattern: "1" for a dot that is drawn, "0" for a gap
    under: bool = False  # replaced wherever another ink draws in the same cell


class Canvas:
    """A grid of dots, counted from the top left corner. Dots outside of it must not be drawn."""

    def __init__(self, width: int, height: int, *, ascii_only: bool = False) -> None:
        self.width = width  # cells
        self.height = height
        self.across = 2 * width  # dots
        self.down = 4 * height
        self._ascii = ascii_only
        self._bits = bytearray(width * height)
        self._owners = bytearray(width * height)  # the ink that drew last: its number, from 1
        self._inks: list[Ink] = []
        self._texts: dict[int, dict[int, Span]] = {}  # by line, then by column

    def dot(self, x: int, y: int, ink: Ink) -> None:
        """One dot; x and y count dots, not cells."""
        self.path([(x, y)], ink)

    def path(self, points: Sequence[tuple[int, int]], ink: Ink) -> None:
        """A connected line through these dots, with the dash pattern of the ink."""
        if not points:
            return
        draw, length = self._pen(ink), len(ink.dash)
        drawn_here = [sign == "1" for sign in ink.dash]
        x, y = points[0]
        draw(x, y)
        drawn = 1
        for to_x, to_y in points[1:]:
            dx, dy = to_x - x, to_y - y
            most = max(abs(dx), abs(dy))
            for i in range(1, most + 1):
                if drawn_here[drawn % length]:
                    draw(
                        x + (2 * dx * i + most) // (2 * most), y + (2 * dy * i + most) // (2 * most)
                    )
                drawn += 1
            x, y = to_x, to_y

    def blots(self, points: Iterable[tuple[int, int]], ink: Ink) -> None:
        """Four dots at each of these, which are seen better than one."""
        draw = self._pen(ink)
        across, down = self.across - 2, self.down - 2
        for x, y in points:
            left, top = min(x, across), min(y, down)
            draw(left, top)
            draw(left + 1, top)
            draw(left, top + 1)
            draw(left + 1, top + 1)

    def dots(self, points: Iterable[tuple[int, int]], ink: Ink) -> None:
        """One dot at each of these."""
        draw = self._pen(ink)
        for x, y in points:
            draw(x, y)

    def bits(self) -> bytes:
        """The dots of all cells, for `put_below` on a canvas of the same size."""
        return bytes(self._bits)

    def put_below(self, bits: bytes, ink: Ink) -> None:
        """Draws dots that were taken from another canvas, where no other ink has drawn."""
        pen = self._number(ink)
        for cell, dots in enumerate(bits):
            if dots and not self._owners[cell]:
                self._bits[cell] = dots
                self._owners[cell] = pen

    def write(self, column: int, line: int, text: str, role: str) -> None:
        """Writes characters over the dots, one cell each; those outside the canvas are dropped."""
        if not 0 <= line < self.height:
            return
        written = self._texts.setdefault(line, {})
        for place, sign in enumerate(text, column):
            if 0 <= place < self.width:
                written[place] = (sign, role)

    def role_at(self, column: int, line: int) -> str:
        """The role of what was written in this cell; "" for nothing."""
        return self._texts.get(line, {}).get(column, ("", ""))[1]

    def is_free(self, column: int, line: int, cells: int = 1) -> bool:
        """Whether these cells are inside the canvas and empty."""
        if not (0 <= line < self.height and column >= 0 and column + cells <= self.width):
            return False
        start = line * self.width + column
        written = self._texts.get(line, {})
        return not any(self._bits[start : start + cells]) and not any(
            place in written for place in range(column, column + cells)
        )

    def dots_in(self, column: int, line: int, cells: int, lines: int) -> int:
        """The number of cells of this block that have dots."""
        rows = range(max(0, line), min(self.height, line + lines))
        column = max(0, column)
        return sum(
            cells - self._bits[y * self.width + column : y * self.width + column + cells].count(0)
            for y in rows
        )

    def lines(self) -> list[Line]:
        """The drawing, each line as wide as the canvas."""
        return [self._line(y) for y in range(self.height)]

    def _line(self, y: int) -> Line:
        start, end = y * self.width, (y + 1) * self.width
        owners = self._owners[start:end]
        texts = self._texts.get(y)
        if not any(owners) and not texts:
            return ((" " * self.width, ""),)
        roles = ["", *(ink.role for ink in self._inks)]
        if self._ascii:
            marks = [" ", *(ink.sign for ink in self._inks)]
            signs = [marks[owner] for owner in owners]
        else:
            signs = [_BRAILLE[bits] for bits in self._bits[start:end]]
        cell_roles = [roles[owner] for owner in owners]
        for place, (sign, role) in (texts or {}).items():
            signs[place], cell_roles[place] = sign, role
        return _runs(signs, cell_roles)

    def _number(self, ink: Ink) -> int:
        if ink not in self._inks:
            self._inks.append(ink)
        return self._inks.index(ink) + 1

    def _pen(self, ink: Ink) -> Callable[[int, int], None]:
        number = self._number(ink)
        bits, owners, width = self._bits, self._owners, self.width
        under = frozenset(i for i, known in enumerate(self._inks, 1) if known.under)

        def over(x: int, y: int) -> None:
            cell = (y >> 2) * width + (x >> 1)
            if owners[cell] in under:
                bits[cell] = 0
            bits[cell] |= _BITS[y & 3][x & 1]
            owners[cell] = number

        def below(x: int, y: int) -> None:
            cell = (y >> 2) * width + (x >> 1)
            if not owners[cell] or owners[cell] in under:
                bits[cell] |= _BITS[y & 3][x & 1]
                owners[cell] = number

        return below if ink.under else over


def _runs(signs: Sequence[str], roles: Sequence[str]) -> Line:
    """Joins neighbouring characters of one role to a span."""
    spans: list[Span] = []
    start = 0
    for place in range(1, len(signs) + 1):
        if place == len(signs) or roles[place] != roles[start]:
            spans.append(("".join(signs[start:place]), roles[start]))
            start = place
    return tuple(spans)
