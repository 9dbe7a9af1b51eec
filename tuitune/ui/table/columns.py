"""Columns of the table: their widths, and which of them are visible.

At first the most important columns are visible; once scrolled sideways, they are shown in their
order.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from tuitune.core.space import parameters as kinds
from tuitune.ui.state.device_samples import newest
from tuitune.ui.state.records import Record
from tuitune.ui.table import cells, sorting

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tuitune.core.events import Settings
    from tuitune.core.placement.snapshots import DeviceSample
    from tuitune.core.spec import StudySpec
    from tuitune.ui.state.render_context import Selection
    from tuitune.ui.state.snapshot import Snapshot

SIGNS: Final = 2  # cells before the first column: mark, best
GAP: Final = 2  # cells between two columns
CURVE: Final = "curve"
NOTE: Final = "note"
FIXED: Final = ("trial", "state")  # never scrolled, never hidden
STATE_WIDTH: Final = 10  # cells: a sign, a blank and the longest word
_REASON: Final = 48  # most cells of the reason of a failure
_REASON_LEAST: Final = 30
_REASON_MATTERS: Final = 70  # more than any other column that may be left out
_LEAST_NOTE: Final = 16  # least cells of a note
_MATTERS: Final = 40  # the weight of a parameter, less its rank by importance
_NODE: Final = 16  # most cells of a node and a GPU
_TITLE: Final = 20  # most cells of the title of a parameter
_WIDE_FROM: Final = 96  # cells from which whole titles matter more than that all parameters fit
_ENOUGH: Final = 4  # parameters with whole titles; if fewer fit, more with cut titles are better
_LESSER: Final = 10  # a lower weight: no title is cut for such a column
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


class Column(Record, frozen=True):
    """A column. weight: columns with the least are left out first if not all fit.

    least: the width of its values, to which it is narrowed, with a cut title, if room is short.
    """

    key: str
    title: str
    width: int
    weight: int
    least: int
    right: bool = True
    form: str = ""  # the format of its numbers, see `cells`
    letter: str = ""  # its key in menus

    @property
    def sorts(self) -> bool:
        """Whether trials can be sorted by it."""
        return self.key not in {CURVE, NOTE}


def shape(snapshot: Snapshot) -> tuple[StudySpec, int, int, bool, Sequence[str], str]:
    """All that columns depend on.

    The spec, digits of the last trial, cells for a trial's node (0: one machine without GPUs, 1:
    with some), whether there are rungs, the ranks of parameters, and the format of the metric.
    """
    best = snapshot.row(snapshot.best)
    return (
        snapshot.spec,
        len(str(max(snapshot.total, len(snapshot.rows)) - 1)),
        _cells_of_node(newest(snapshot), snapshot.study.settings),
        any(snapshot.study.rungs),
        snapshot.ranked,
        cells.metric_form(None if best is None else best.value),
    )


def columns(snapshot: Snapshot) -> tuple[Column, ...]:
    """All columns in their order; parameters by importance once it is known, else as in the file.

    Widths depend on the study alone, so that no column moves while trials run.
    """
    spec, digits, nodes, rungs, ranked, form = shape(snapshot)
    steps = 5 if spec.pruning.max is None else 2 * len(cells.count(spec.pruning.max)) + 1
    metric, resource = spec.objective.metric, spec.pruning.resource or "step"
    value = cells.METRIC_WIDTH
    made = [
        _column("trial", "trial", max(3, digits), 99),
        _column("state", "state", STATE_WIDTH, 99, right=False),
        _column("step", resource, max(4, steps), 50),
        Column("value", metric, max(value, min(14, len(metric))), 60, value, form=form),
        _column(CURVE, CURVE, 6, 45, right=False),
        *_parameters(spec.space.parameters, ranked),
    ]
    if nodes:
        title, width = ("gpu", 4) if nodes == 1 else ("node", nodes)
        made.append(_column("device", title, width, 8, right=False))
    made.append(_column("time", "time", 6, 7))
    if rungs:
        made.append(_column("rung", "rung", 4, 6))
    made += [
        Column("best", "best", value, 3, value, form=form),
        _column("tries", "tries", 5, 2),
        _column(NOTE, NOTE, _LEAST_NOTE, 1, right=False),
    ]
    return _lettered(made)


def _cells_of_node(samples: Iterable[DeviceSample], settings: Settings | None) -> int:
    """As `shape` has it: for the name of a node and the numbers of the trial's GPUs there."""
    names = {sample.node for sample in samples if sample.kind != "host" or sample.node}
    if names <= {""}:
        return len(names)
    gpus = 1 if settings is None or settings.gpus == "auto" else max(1, int(settings.gpus))
    return max(len("node"), min(_NODE, max(map(len, names)) + 2 * gpus))


def _column(key: str, title: str, width: int, weight: int, *, right: bool = True) -> Column:
    return Column(key, title, width, weight, width, right)


def _parameters(parameters: Iterable[kinds.Parameter], ranked: Sequence[str]) -> Iterable[Column]:
    """Columns of the parameters that are not fixed, the most important first."""
    for rank, parameter in enumerate(searched(parameters, ranked)):
        name, form = parameter.name, cells.form_of(parameter)
        widest, tight = (
            max(3, *(len(cells.parameter(v, form, width)) for v in _widest(parameter)))
            for width in (99, 0)
        )
        least = min(tight, cells.TEXT_WIDTH)
        width = max(min(widest, cells.TEXT_WIDTH), min(len(name), _TITLE))
        weight = max(_LESSER, _MATTERS - rank)
        yield Column(
            sorting.PARAMETER + name, name, width, weight, least, is_number(parameter), form
        )


def _widest(parameter: kinds.Parameter) -> Sequence[kinds.Value]:
    """Some values of the parameter, the widest one included."""
    match parameter:
        case kinds.FloatRange(low=low, high=high) | kinds.IntRange(low=low, high=high):
            return low, high
        case kinds.PowerRange(low=low, high=high):
            return low, high
        case kinds.Choice(values=values):
            return values
    return (" " * 8,)


def searched(parameters: Iterable[kinds.Parameter], ranked: Sequence[str]) -> list[kinds.Parameter]:
    """Those that are not fixed, in the order of `ranked`, which may lack some."""
    ranks = {name: rank for rank, name in enumerate(ranked)}
    found = [parameter for parameter in parameters if not isinstance(parameter, kinds.Fixed)]
    return sorted(found, key=lambda parameter: ranks.get(parameter.name, len(ranks)))


def is_number(parameter: kinds.Parameter) -> bool:
    """Whether its values are numbers, which are aligned at their ends."""
    if isinstance(parameter, kinds.Choice):
        return not any(isinstance(value, str) for value in parameter.values)
    return not isinstance(parameter, kinds.Sampled)


def _lettered(made: Sequence[Column]) -> tuple[Column, ...]:
    """Gives each column a free letter, of its title if possible; parameters come last."""
    taken: set[str] = set()
    given: dict[str, str] = {}
    for column in sorted(made, key=lambda column: column.key.startswith(sorting.PARAMETER)):
        title = column.key.removeprefix(sorting.PARAMETER)
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
    return sorted(kept, key=lambda c: (c.key not in FIXED, not c.key.startswith(sorting.PARAMETER)))


def seen(made: Sequence[Column], selection: Selection, width: int) -> list[Column]:
    """The columns that fit into `width` cells; titles, then a note at the end get the rest."""
    fixed, scrolled, room = _divided(made, selection, width)
    first = min(selection.first_column, last_first_column(made, selection, width))
    if first > 0 or selection.wide:
        return _widened([*fixed, *_fitting(scrolled[first:], room)], width)
    by_weight = sorted(scrolled, key=lambda column: -column.weight)
    fitting = {column.key for column in _with_titles(by_weight, room, wide=width >= _WIDE_FROM)}
    return _widened([*fixed, *(column for column in scrolled if column.key in fitting)], width)


def with_reasons(made: Sequence[Column]) -> tuple[Column, ...]:
    """The columns with the note after the state, for trials that have failed."""
    note = next(column for column in made if column.key == NOTE)
    wide = replace(note, title="reason", width=_REASON, least=_REASON_LEAST, weight=_REASON_MATTERS)
    rest = [column for column in made if column.key not in {*FIXED, NOTE}]
    return (*(column for column in made if column.key in FIXED), wide, *rest)


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
    fixed = [column for column in kept if column.key in FIXED]
    scrolled = [column for column in kept if column.key not in FIXED]
    return fixed, scrolled, width - SIGNS - sum(c.width + GAP for c in fixed) + GAP


def _with_titles(wanted: Sequence[Column], room: int, *, wide: bool) -> Sequence[Column]:
    """The first ones, as many as fit with whole titles; with cut ones if these are too few."""
    used = list(accumulate(column.width + GAP for column in wanted))
    whole, cut = wanted[: bisect_right(used, room)], _fitting(wanted, room)
    if not wide and _parameters_in(cut) == _parameters_in(wanted) > _parameters_in(whole):
        return cut
    return whole if _parameters_in(whole) >= min(_ENOUGH, _parameters_in(wanted)) else cut


def _parameters_in(found: Sequence[Column]) -> int:
    return sum(column.key.startswith(sorting.PARAMETER) for column in found)


def _fitting(wanted: Sequence[Column], room: int) -> list[Column]:
    """The first ones, as many as fit; titles are cut for parameters, not for lesser columns."""
    fitting: list[Column] = []
    used, whole = 0, 0
    for column in wanted:
        used += column.least + GAP
        whole += column.width + GAP
        if used > room or (column.weight < _LESSER and whole > room):
            break
        fitting.append(column)
    return fitting


def _widened(found: list[Column], width: int) -> list[Column]:
    """Each as narrow as its values; the cells that are left complete titles, then widen a note."""
    left = width - SIGNS - sum(column.least + GAP for column in found) + GAP
    widths: dict[str, int] = {}
    for column in sorted(found, key=lambda column: -column.weight):
        more = max(0, min(left, column.width - column.least))
        widths[column.key] = column.least + more
        left -= more
    if found and found[-1].key == NOTE:
        widths[NOTE] += max(0, left)
    return [replace(column, width=widths[column.key]) for column in found]


def named(text: str, among: Sequence[Column]) -> Column | None:
    """The column with this title or key; None if there is none."""
    name = text.strip()
    return next((column for column in among if name in (column.title, column.key)), None)
