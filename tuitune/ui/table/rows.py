"""Lines of the table: the cells of a trial with their roles."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from tuitune.core.events import TrialState
from tuitune.messages.states import WORDS
from tuitune.ui.render.glyphs import shown_state
from tuitune.ui.render.lines import Line, Span, fit, marked
from tuitune.ui.state import device_samples, records
from tuitune.ui.table import cells, sorting
from tuitune.ui.table.columns import CURVE, GAP, NOTE, Column

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tuitune.store.rows import TrialRow
    from tuitune.ui.state.render_context import RenderContext
    from tuitune.ui.state.snapshot import Snapshot

    Text = Callable[[TrialRow], str]

_QUIET: Final = frozenset(
    {TrialState.WAITING, TrialState.PRUNED, TrialState.KILLED}
)  # states whose lines are less bright
_fitted = lru_cache(maxsize=8192)(fit)  # most cells stay the same from update to update


class TrialLines:
    """The lines of the visible trials, cached until a trial changes."""

    def __init__(self) -> None:
        self._made_for: tuple[object, ...] = ()
        self._cells: list[_Cell] = []
        self._known: dict[int, tuple[tuple[object, ...], Line]] = {}  # by trial

    def of(
        self, context: RenderContext, columns: Sequence[Column], rows: Sequence[TrialRow]
    ) -> list[Line]:
        """A line for each of these trials, as wide as all columns."""
        snapshot = context.snapshot
        made_for = (
            snapshot.curves,
            columns,
            context.glyphs,
            snapshot.engine_gone,
            _indices(snapshot),
        )
        if made_for != self._made_for:
            self._made_for, self._known = made_for, {}
            self._cells = [_cell(column, context, " " * GAP) for column in columns[:-1]]
            self._cells += [_cell(column, context, "") for column in columns[-1:]]
        self._known = {row.number: self._kept(row, context) for row in rows}
        return [line for _, line in self._known.values()]

    def _kept(self, row: TrialRow, context: RenderContext) -> tuple[tuple[object, ...], Line]:
        number, snapshot, selection = row.number, context.snapshot, context.selection
        moment = _time(snapshot)(row) if row.ended is None else ""
        # fmt: off
        key = (
            row, snapshot.curves.stamp(number), moment,
            number == snapshot.best, number == selection.cursor, number in selection.marks,
        )
        # fmt: on
        known = self._known.get(number)
        return known if known and known[0] == key else (key, _line(row, context, self._cells))


class _Cell(records.Record, frozen=True):
    """How to draw a column. role: None for that of the line."""

    text: Text
    role: Text | None
    width: int
    right: bool
    gap: str  # blanks after it


def _line(row: TrialRow, context: RenderContext, made: Sequence[_Cell]) -> Line:
    selection, snapshot = context.selection, context.snapshot
    usual = "quiet" if row.state in _QUIET else "text"
    if row.number == snapshot.best:
        usual += " bold"
    line: Line = (
        _signs(row, context),
        *(
            (
                _fitted(cell.text(row), cell.width, right=cell.right) + cell.gap,
                usual if cell.role is None else cell.role(row),
            )
            for cell in made
        ),
    )
    if row.number == selection.cursor:
        return marked(line, "on-cursor")
    return marked(line, "on-mark") if row.number in selection.marks else line


def _signs(row: TrialRow, context: RenderContext) -> Span:
    glyphs, number = context.glyphs, row.number
    mark = glyphs.mark if number in context.selection.marks else " "
    best = glyphs.best if number == context.snapshot.best else " "
    return f"{mark}{best}", "accent bold"


def _cell(column: Column, context: RenderContext, gap: str) -> _Cell:
    text, role = _drawn(column, context)
    return _Cell(text, role, column.width, column.right, gap)


def _drawn(column: Column, context: RenderContext) -> tuple[Text, Text | None]:  # noqa: PLR0911
    key = column.key
    if key.startswith(sorting.PARAMETER):
        return _parameter(key.removeprefix(sorting.PARAMETER), column), None
    match key:
        case "state":
            return _state(context)
        case "value" | "best":
            return _metric(key, column.form), None
        case "device":
            return _device(context), None
        case "step":
            return _step(context.snapshot.spec.pruning.max), None
        case "time":
            return _time(context.snapshot), None
        case _ if key == CURVE:
            return _curve(context, column.width), _curve_role
        case _ if key == NOTE:
            return _note, lambda row: "error" if row.error else "muted"
    return _PLAIN[key], None


def _parameter(name: str, column: Column) -> Text:
    form, width = column.form, column.width

    def text(row: TrialRow) -> str:
        value = row.config.get(name)
        return "-" if value is None else cells.parameter(value, form, width)

    return text


def _state(context: RenderContext) -> tuple[Text, Text]:
    gone, signs = context.snapshot.engine_gone, context.glyphs.states

    def text(row: TrialRow) -> str:
        shown = shown_state(row, engine_gone=gone)
        return f"{signs[shown]} {shown}"

    return text, lambda row: WORDS[shown_state(row, engine_gone=gone)].role


def _indices(snapshot: Snapshot) -> dict[str, str]:
    """The index of each GPU, as other tools show it, by device."""
    known = (sample for sample in device_samples.newest(snapshot) if not sample.node)
    return {sample.device: str(sample.index) for sample in known if sample.index is not None}


def _device(context: RenderContext) -> Text:
    indices = _indices(context.snapshot)

    def text(row: TrialRow) -> str:
        if row.node:  # "gpu-07, GPU 0+1" is "gpu-07:0+1"
            _, _, numbers = row.device.partition(", GPU ")
            return f"{row.node}:{numbers}" if numbers else row.node
        return ",".join(indices.get(name, name) or "-" for name in row.device.split(","))

    return text


def _step(most: int | None) -> Text:
    of = "" if most is None else f"/{cells.count(most)}"
    return lambda row: cells.count(row.step or 0) + of


def _time(snapshot: Snapshot) -> Text:
    def text(row: TrialRow) -> str:
        seconds = sorting.duration_of(row, snapshot.now)
        return "-" if seconds is None else cells.elapsed(seconds)

    return text


def _curve(context: RenderContext, width: int) -> Text:
    curves, ascii_only = context.snapshot.curves, context.glyphs.ascii
    return lambda row: cells.sparkline(curves.points(row.number), width, ascii_only=ascii_only)


def _curve_role(row: TrialRow) -> str:
    return "muted" if row.state in _QUIET else "info"


def _metric(key: str, form: str) -> Text:
    """The value, or the best one; "nan" if one was reported: the store keeps none."""
    if key == "best":
        return lambda row: cells.metric(row.best, form)

    def text(row: TrialRow) -> str:
        return "nan" if row.value is None and row.step else cells.metric(row.value, form)

    return text


def _note(row: TrialRow) -> str:
    """The last line of the traceback, or the note."""
    lines = row.error.strip().splitlines()
    return lines[-1] if lines else row.note


_PLAIN: Final[dict[str, Text]] = {
    "trial": lambda row: str(row.number),
    "rung": lambda row: "-" if row.rung is None else str(row.rung),
    "tries": lambda row: str(row.attempt),
}
