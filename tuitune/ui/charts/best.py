"""The best-so-far chart: the best value over trials or time, and the trials that set it."""

from __future__ import annotations

from itertools import accumulate
from math import inf, isfinite
from typing import TYPE_CHECKING, Final, NamedTuple

from tuitune.core.events import TrialState
from tuitune.messages.text import duration, number, trial_name
from tuitune.store.curves import new_curve
from tuitune.ui.charts.axis import scale, shown_range
from tuitune.ui.charts.canvas import Ink
from tuitune.ui.charts.frame import Drawing, Tick, epoch, frame, some, too_small, value_ticks, words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tuitune.store.curves import Curve
    from tuitune.store.rows import TrialRow
    from tuitune.ui.charts.frame import Frame
    from tuitune.ui.render.lines import Size
    from tuitune.ui.state.render_context import RenderContext
    from tuitune.ui.state.snapshot import Snapshot

_ACTIONS: Final = (("chart.best", "trials/time"), ("chart.log", "log"))
_EACH: Final = Ink("faint", ".", under=True)
_STEP: Final = Ink("success", "#")
_DOTS: Final = 400  # trials that are drawn as dots behind the line
_UNITS: Final = (
    1.0,
    2.0,
    5.0,
    10.0,
    15.0,
    30.0,
)  # round steps of the time axis, in s, min, h or days


class _Ended(NamedTuple):
    """An ended trial: its position on the x axis, and its value."""

    trial: int
    at: float
    value: float


class _Counted(NamedTuple):
    """Trials in the order of ending, and their places among all that have ended."""

    trials: Sequence[int]
    places: Sequence[float]
    values: Sequence[float]
    partial: bool  # none of them is complete

    def ended(self, place: int) -> _Ended:
        """The trial at this place in the order of ending, from 0."""
        return _Ended(self.trials[place], self.places[place], self.values[place])


def key(context: RenderContext) -> object:
    """Changes when the chart has to be drawn again."""
    return epoch(context), context.selection.by_time, context.selection.log_y


def draw(context: RenderContext, size: Size) -> Drawing:
    """The stairs of best values; a message where no trial has ended with a value."""
    selection, snapshot = context.selection, context.snapshot
    title = "Best so far"
    found, every = _counted(context)
    if not found.trials:
        why = "no trial has ended with a value yet"
        return Drawing(title, words(why), actions=_ACTIONS[:1])
    sign = 1 if snapshot.spec.objective.mode == "min" else -1
    steps = [found.ended(place) for place in improvements(found.values, sign)]
    each = [every.ended(place) for place in some(range(len(every.trials)), _DOTS)]
    drawn = [step.value for step in steps], [one.value for one in each]
    shown = shown_range(drawn, log=selection.log_y)
    if shown is None:
        return Drawing(
            title, words("no value above 0: a log scale can't show any"), actions=_ACTIONS
        )
    end = max(found.places[-1], every.places[-1])
    x = scale(0.0, end)
    made = frame(size, x, scale(*shown, log=selection.log_y), context.glyphs)
    if made is None:
        return Drawing(title, too_small())
    for one in each:
        if not made.beyond(one.value):
            made.canvas.dot(made.across(one.at), made.down(one.value), _EACH)
    made.canvas.path(_stairs(made, steps, end), _STEP)
    _name_steps(made, steps, selection.cursor)
    last = steps[-1]
    note = f"{number(last.value)} {trial_name(last.trial)}"
    since = len(every.trials) - 1 - every.trials.index(last.trial)
    note += f", no better for {since} trial{'s' if since > 1 else ''}" if since else ""
    note += ", none complete" if found.partial else ""
    if selection.by_time:
        below, name = _time_ticks(made), ""
    else:
        below, name = value_ticks(x, made.canvas.width), "ended"
    return Drawing(title, made.lines(below, name), note, _ACTIONS)


def _counted(context: RenderContext) -> tuple[_Counted, _Counted]:
    """The complete trials (if none is, all that have ended with a value), and all that have."""
    rows = context.snapshot.rows
    ended = _with_values(row for row in rows if row.ended is not None)
    places: Sequence[float] = range(1, len(ended) + 1)
    if context.selection.by_time:
        begun = min((row.started for row in rows if row.started is not None), default=0.0)
        places = [_end(row) - begun for row in ended]
    place_of = dict(zip((row.number for row in ended), places, strict=True))
    counted = _ended_rows(rows)
    partial = not any(row.state == TrialState.COMPLETE for row in counted)
    first, every = (
        _Counted(
            [row.number for row in group],
            [place_of[row.number] for row in group],
            [row.value for row in group if row.value is not None],
            partial,
        )
        for group in (counted, ended)
    )
    return first, every


def _ended_rows(every: Sequence[TrialRow]) -> list[TrialRow]:
    """The complete trials with a value, in the order of ending; if there are none, all ended."""
    complete = _with_values(row for row in every if row.state == TrialState.COMPLETE)
    return complete or _with_values(row for row in every if row.ended is not None)


def _with_values(rows: Iterable[TrialRow]) -> list[TrialRow]:
    """Those with a finite value, in the order of ending."""
    found = (row for row in rows if row.value is not None and isfinite(row.value))
    return sorted(found, key=_end)


def improvements(values: Sequence[float], sign: int) -> list[int]:
    """The indices of values better than all before them. sign: 1 to minimise, -1 to maximise."""
    found: list[int] = []
    best = inf
    for place, value in enumerate(values):
        if sign * value < best:
            best = sign * value
            found.append(place)
    return found


def best_after_each(snapshot: Snapshot) -> Curve:
    """The best value so far after each trial that has ended, as a curve over their number."""
    values = [row.value for row in _ended_rows(snapshot.rows) if row.value is not None]
    better = min if snapshot.spec.objective.mode == "min" else max
    best = new_curve()
    for place, value in enumerate(accumulate(values, better), 1):
        best.add(place, value)
    return best


def _end(row: TrialRow) -> float:
    return row.ended or 0.0


def _stairs(made: Frame, steps: Sequence[_Ended], last: float) -> list[tuple[int, int]]:
    path: list[tuple[int, int]] = []
    for step in steps:
        x, y = made.across(step.at), made.down(step.value)
        if path:
            path.append((x, path[-1][1]))
        path.append((x, y))
    path.append((made.across(last), path[-1][1]))
    return path


def _name_steps(made: Frame, steps: Sequence[_Ended], cursor: int | None) -> None:
    """Writes the trial of each best next to its step, the newest first, where there is room."""
    for step in reversed(steps):
        column, line = made.across(step.at) // 2, made.down(step.value) // 4
        name = trial_name(step.trial)
        left = column - len(name)
        places = (
            (column + 1, line - 1),
            (column + 1, line + 1),
            (left, line + 1),
            (left, line - 1),
        )
        for start, at in places:
            if made.canvas.is_free(start, at, len(name)):
                role = "accent bold" if step.trial == cursor else "muted"
                made.canvas.write(start, at, name, role)
                break


def _time_ticks(made: Frame) -> list[Tick]:
    """Ticks at whole seconds, minutes, hours or days."""
    seconds = made.x.high
    most = max(2, made.canvas.width // 12)
    units = [unit * base for base in (1.0, 60.0, 3600.0, 86400.0) for unit in _UNITS]
    step = next((unit for unit in units if seconds / unit <= most), units[-1])
    while seconds / step > most:
        step *= 2
    count = int(seconds / step)
    return [Tick(made.x.at(i * step), duration(i * step)) for i in range(count + 1)]
