"""Columns of the table: their widths, and which of them are visible.

Widths depend only on the study, so that no column moves while trials run. At first the most
important columns are visible; once scrolled sideways, they are shown in their order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from tuitune.core.space.parameters import Choice, Fixed, FloatRange, IntRange, PowerRange, Sampled
from tuitune.ui.state.records import Record
from tuitune.ui.table import cells
from tuitune.ui.table.sorting import PARAMETER

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tuitune.core.space.parameters import Parameter, Value
    from tuitune.core.spec import StudySpec
    from tuitune.ui.state.render_context import Selection
    from tuitune.ui.state.snapshot import Snapshot

SIGNS: Final = 4  # cells before the first column: cursor, mark, best, a blank
GAP: Final = 2  # cells between two columns
CURVE: Final = "curve"
NOTE: Final = "note"
FIXED: Final = ("trial", "state")  # never scrolled, never hidden
_SHORT_STATE: Final = 7  # cells: a sign, a blank and a short word
FULL_STATE: Final = 10  # cells: a sign, a blank and the longest word
_FULL_FROM: Final = 72  # cells of a table from which states have their full names
_LEAST_NOTE: Final = 16  # least cells of a note
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


class Column(Record, frozen=True):
    """A column. weight: columns with the least are left out first if not all fit."""

    key: str
    title: str
    width: int
    weight: int
    right: bool = True
    form: str = ""  # the format of its numbers, see `cells`
    letter: str = ""  # its key in menus

    @property
    def sorts(self) -> bool:
        """Whether trials can be sorted by it."""
        return self.key not in {CURVE, NOTE}


def shape(snapshot: Snapshot) -> tuple[StudySpec, int, bool, bool]:
    """All that columns depend on: spec, digits of the last trial, whether GPUs and rungs exist."""
    return (
        snapshot.spec,
        len(str(max(snapshot.total, len(snapshot.rows)) - 1)),
        any(sample[-1].kind != "host" for sample in snapshot.devices.values() if sample),
        any(snapshot.study.rungs),
    )


def columns(snapshot: Snapshot) -> tuple[Column, ...]:
    """All columns in their order; parameters in the order of the study file."""
    spec, most, gpus, rungs = shape(snapshot)
    steps = 5 if spec.pruning.max is None else 2 * len(cells.count(spec.pruning.max)) + 1
    metric = spec.objective.metric
    made = [
        Column("trial", "trial", max(5, 1 + most), 99),
        Column("state", "state", _SHORT_STATE, 99, right=False),
    ]
    if gpus:
        made.append(Column("device", "gpu", 4, 5, right=False))
    if rungs:
        made.append(Column("rung", "rung", 4, 6))
    made += [
        Column("step", "step", max(4, steps), 8),
        Column("value", metric, min(12, max(cells.METRIC_WIDTH, len(metric))), 11),
        Column("best", "best", cells.METRIC_WIDTH, 3),
        Column(CURVE, CURVE, 6, 9, right=False),
        *_parameters(spec.space.parameters),
        Column("time", "time", 6, 7),
        Column("tries", "tries", 5, 2),
        Column(NOTE, NOTE, _LEAST_NOTE, 1, right=False),
    ]
    return _lettered(made)


def _parameters(parameters: Iterable[Parameter]) -> Iterable[Column]:
    """Columns of the parameters that are not fixed."""
    searched = [parameter for parameter in parameters if not isinstance(parameter, Fixed)]
    for place, parameter in enumerate(searched):
        name, form = parameter.name, cells.form_of(parameter)
        widest = max(len(name), *(len(cells.parameter(v, form)) for v in _widest(parameter)))
        right = not isinstance(parameter, Sampled) and not _is_text(parameter)
        width = min(widest, cells.TEXT_WIDTH)
        yield Column(PARAMETER + name, name, width, 10 if place == 0 else 4, right, form)


def _widest(parameter: Parameter) -> Sequence[Value]:
    """Some values of the parameter, the widest one included."""
    match parameter:
        case FloatRange(low=low, high=high) | IntRange(low=low, high=high):
            return low, high
        case PowerRange(low=low, high=high):
            return low, high
        case Choice(values=values):
            return values
    return (" " * 8,)


def _is_text(parameter: Parameter) -> bool:
    return isinstance(parameter, Choice) and any(isinstance(v, str) for v in parameter.values)


def _lettered(made: Sequence[Column]) -> tuple[Column, ...]:
    """Gives each column a free letter, of its title if possible; parameters come last."""
    taken: set[str] = set()
    given: dict[str, str] = {}
    for column in sorted(made, key=lambda column: column.key.startswith(PARAMETER)):
        title = column.key.removeprefix(PARAMETER)
        wanted = (*title, *title.upper(), *_LETTERS)
        letter = next((c for c in wanted if c in _LETTERS and c not in taken), "")
        taken.add(letter)
        given[column.key] = letter
    return tuple(replace(column, letter=given[column.key]) for column in made)


def ordered(made: Sequence[Column], selection: Selection) -> list[Column]:
    """The columns that are not hidden; parameters come first if the selection is wide."""
    kept = [column for column in made if column.key not in selection.hidden]
    if not selection.wide:
        return kept
    return sorted(kept, key=lambda c: (c.key not in FIXED, not c.key.startswith(PARAMETER)))


def seen(made: Sequence[Column], selection: Selection, width: int) -> list[Column]:
    """The columns that fit into `width` cells; a note at the end gets the remaining cells."""
    fixed, scrolled, room = _divided(made, selection, width)
    first = min(selection.first_column, last_first_column(made, selection, width))
    if first > 0 or selection.wide:
        return _widened([*fixed, *_fitting(scrolled[first:], room)], width)
    by_weight = sorted(scrolled, key=lambda column: -column.weight)
    fitting = set(_fitting(by_weight, room))
    return _widened([*fixed, *(column for column in scrolled if column in fitting)], width)


def last_first_column(made: Sequence[Column], selection: Selection, width: int) -> int:
    """The largest value of `first_column`, at which the last column is visible."""
    _, scrolled, room = _divided(made, selection, width)
    fitting = len(_fitting(scrolled[::-1], room))
    return max(0, len(scrolled) - max(1, fitting))


def _divided(
    made: Sequence[Column], selection: Selection, width: int
) -> tuple[list[Column], list[Column], int]:
    """The fixed columns, those that scroll, and the cells for the latter."""
    kept = ordered(made, selection)
    fixed = [_in_full(column, width) for column in kept if column.key in FIXED]
    scrolled = [column for column in kept if column.key not in FIXED]
    return fixed, scrolled, width - SIGNS - sum(c.width + GAP for c in fixed) + GAP


def _in_full(column: Column, width: int) -> Column:
    """Widens the state to its full name if the table is wide enough."""
    if column.key == "state" and width >= _FULL_FROM:
        return replace(column, width=FULL_STATE)
    return column


def _fitting(wanted: Sequence[Column], room: int) -> list[Column]:
    """The first ones, as many as fit."""
    fitting: list[Column] = []
    for column in wanted:
        room -= column.width + GAP
        if room < 0:
            break
        fitting.append(column)
    return fitting


def _widened(found: list[Column], width: int) -> list[Column]:
    """Widens the note to the end of the table."""
    if not found or found[-1].key != NOTE:
        return found
    last = found[-1]
    used = SIGNS + sum(column.width + GAP for column in found) - GAP
    return [*found[:-1], replace(last, width=last.width + max(0, width - used))]


def named(text: str, among: Sequence[Column]) -> Column | None:
    """The column with this title or key; None if there is none."""
    name = text.strip()
    return next((column for column in among if name in (column.title, column.key)), None)
