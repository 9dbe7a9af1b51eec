"""How does a trial stand on its line of the table?"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from tuitune.core.study.state import KILLED, PRUNED, WAITING
from tuitune.ui.render.glyphs import WORDS, shown_state
from tuitune.ui.render.lines import fit, marked
from tuitune.ui.state.records import Record
from tuitune.ui.table import cells
from tuitune.ui.table.columns import CURVE, GAP, NOTE
from tuitune.ui.table.sorting import PARAMETER, duration_of
from tuitune.ui.table.sparkline import sparkline
from tuitune.ui.text.health import engine_gone

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tuitune.store.rows import TrialRow
    from tuitune.ui.render.lines import Line, Span
    from tuitune.ui.state.look import Look
    from tuitune.ui.state.picture import Picture
    from tuitune.ui.table.columns import Column

    Text = Callable[[TrialRow], str]

QUIET: Final = frozenset({WAITING, PRUNED, KILLED})  # states whose lines stand back
fitted = lru_cache(maxsize=8192)(fit)  # at most looks a cell is as it was


class TrialLines:
    """A line for each trial that is seen, made anew only where something of it has changed."""

    def __init__(self) -> None:
        self._made_for: tuple[object, ...] = ()
        self._cells: list[_Cell] = []
        self._known: dict[int, tuple[tuple[object, ...], Line]] = {}  # by trial

    def of(self, look: Look, columns: Sequence[Column], rows: Sequence[TrialRow]) -> list[Line]:
        """As wide as the columns are together."""
        picture = look.picture
        made_for = picture.curves, columns, look.glyphs, engine_gone(picture), _indices(picture)
        if made_for != self._made_for:
            self._made_for, self._known = made_for, {}
            self._cells = [_cell(column, look, " " * GAP) for column in columns[:-1]]
            self._cells += [_cell(column, look, "") for column in columns[-1:]]
        self._known = {row.number: self._kept(row, look) for row in rows}
        return [line for _, line in self._known.values()]

    def _kept(self, row: TrialRow, look: Look) -> tuple[tuple[object, ...], Line]:
        number, picture, view = row.number, look.picture, look.view
        moment = _time(picture)(row) if row.ended is None else ""
        # fmt: off
        key = (
            row, picture.curves.stamp(number), moment,
            number == picture.best, number == view.cursor, number in view.marks,
        )
        # fmt: on
        known = self._known.get(number)
        return known if known and known[0] == key else (key, _line(row, look, self._cells))


class _Cell(Record, frozen=True):
    """One column of one moment. `role`: of its own, "" where it is the line's."""

    text: Text
    role: Text | None
    width: int
    right: bool
    gap: str  # behind it


def _line(row: TrialRow, look: Look, made: Sequence[_Cell]) -> Line:
    view, picture = look.view, look.picture
    usual = "muted" if row.state in QUIET else "text"
    if row.number == picture.best:
        usual += " bold"
    line: Line = (
        _signs(row, look),
        *(
            (
                fitted(cell.text(row), cell.width, right=cell.right) + cell.gap,
                usual if cell.role is None else cell.role(row),
            )
            for cell in made
        ),
    )
    if row.number == view.cursor:
        return marked(line, "on-cursor")
    return marked(line, "on-mark") if row.number in view.marks else line


def _signs(row: TrialRow, look: Look) -> Span:
    glyphs, number = look.glyphs, row.number
    cursor = glyphs.cursor if number == look.view.cursor else " "
    mark = glyphs.mark if number in look.view.marks else " "
    best = glyphs.best if number == look.picture.best else " "
    return f"{cursor}{mark}{best} ", "accent bold"


def _cell(column: Column, look: Look, gap: str) -> _Cell:
    text, role = _drawn(column, look)
    return _Cell(text, role, column.width, column.right, gap)


def _drawn(column: Column, look: Look) -> tuple[Text, Text | None]:  # noqa: PLR0911
    key = column.key
    if key.startswith(PARAMETER):
        return _parameter(key.removeprefix(PARAMETER), column.form), None
    match key:
        case "state":
            return _state(look)
        case "device":
            return _device(look), None
        case "step":
            return _step(look.picture.spec.pruning.max), None
        case "time":
            return _time(look.picture), None
        case _ if key == CURVE:
            return _curve(look, column.width), _curve_role
        case _ if key == NOTE:
            return note, lambda row: "error" if row.error else "muted"
    return PLAIN[key], None


def _parameter(name: str, form: str) -> Text:
    def text(row: TrialRow) -> str:
        value = row.config.get(name)
        return "-" if value is None else cells.parameter(value, form)

    return text


def _state(look: Look) -> tuple[Text, Text]:
    gone, signs = engine_gone(look.picture), look.glyphs.states

    def text(row: TrialRow) -> str:
        shown = shown_state(row, engine_gone=gone)
        return f"{signs[shown]} {WORDS[shown][0]}"

    return text, lambda row: WORDS[shown_state(row, engine_gone=gone)][1]


def _indices(picture: Picture) -> dict[str, str]:
    """Of the GPUs, by their names: what other tools call them by."""
    newest = (samples[-1] for samples in picture.devices.values() if samples)
    return {sample.device: str(sample.index) for sample in newest if sample.index is not None}


def _device(look: Look) -> Text:
    indices = _indices(look.picture)

    def text(row: TrialRow) -> str:
        return ",".join(indices.get(name, name) or "-" for name in row.device.split(","))

    return text


def _step(most: int | None) -> Text:
    of = "" if most is None else f"/{cells.count(most)}"
    return lambda row: cells.count(row.step or 0) + of


def _time(picture: Picture) -> Text:
    def text(row: TrialRow) -> str:
        seconds = duration_of(row, picture.now)
        return "-" if seconds is None else cells.elapsed(seconds)

    return text


def _curve(look: Look, width: int) -> Text:
    curves, ascii_only = look.picture.curves, look.glyphs.ascii
    return lambda row: sparkline(curves.points(row.number), width, ascii_only=ascii_only)


def _curve_role(row: TrialRow) -> str:
    return "muted" if row.state in QUIET else "info"


def _value(row: TrialRow) -> str:
    """The store keeps no NaN: what was reported and is not there was one."""
    return "nan" if row.value is None and row.step else cells.metric(row.value)


def note(row: TrialRow) -> str:
    """What went wrong, in the last line of its traceback, or what else is to be said."""
    lines = row.error.strip().splitlines()
    return lines[-1] if lines else row.note


PLAIN: Final[dict[str, Text]] = {
    "trial": lambda row: cells.label(row.number),
    "rung": lambda row: "-" if row.rung is None else str(row.rung),
    "value": _value,
    "best": lambda row: cells.metric(row.best),
    "tries": lambda row: str(row.attempt),
}
