"""The best-so-far chart: every trial over the order of ending or time, and the best until then."""

from bisect import bisect_left
from collections.abc import Sequence
from math import inf
from typing import Final, NamedTuple

from tuitune.core.events import TrialState
from tuitune.messages import outlook, text
from tuitune.ui.charts import axis, canvas, frame
from tuitune.ui.charts.ended import Ended, EndedTrials
from tuitune.ui.panes.pane import Memo
from tuitune.ui.render.lines import Line, Size
from tuitune.ui.state.render_context import RenderContext
from tuitune.ui.state.snapshot import Snapshot

_ACTIONS: Final = (("chart.best", "trials/time"), ("chart.log", "log"))
_STEP: Final = canvas.Ink("success", "#")
_CURSOR: Final = canvas.Ink("accent bold", "O")
# by state: how a trial is drawn; others are as the pruned
_INKS: Final = {
    TrialState.COMPLETE: canvas.Ink("text", "o", under=True),
    TrialState.FAILED: canvas.Ink("error", "!", under=True),
}
_PRUNED: Final = canvas.Ink("faint", ".", under=True)
_ROOM: Final = 0.04  # of the range of values, left free at its ends
_DOTS: Final = 800  # trials that are drawn as dots behind the line
_LARGE: Final = 300  # trials up to which each has four dots


class BestChart:
    """The chart of one study."""

    def __init__(self) -> None:
        self._ended = EndedTrials()
        self._counted = Memo[tuple[list[Ended], bool]]()
        self._outlook = Memo[str]()

    def key(self, context: RenderContext) -> object:
        """Changes when the chart has to be drawn again."""
        return frame.epoch(context), context.selection.by_time, context.selection.log_y

    def draw(self, context: RenderContext, size: Size) -> frame.Drawing:
        """The trials and the stairs of best values; a message where none has ended with a value."""
        selection, snapshot = context.selection, context.snapshot
        title = f"Best so far by {'time' if selection.by_time else 'trial'}"
        every = self._ended.follow(snapshot)
        if not every:
            why = "no trial has ended with a value yet"
            return frame.message(title, _ACTIONS[:1], why)
        minimise = snapshot.spec.objective.mode == "min"
        key = self._ended.changes, id(snapshot)
        steps, partial = self._counted.get(key, lambda: _steps(self._ended, minimise=minimise))
        y = _values(context, every, steps)
        if y is None:
            why = "no value above 0: a log scale can't show any"
            return frame.message(title, _ACTIONS, why)
        begun, end = 0.0, float(len(every))
        if selection.by_time:
            begun = min((row.started for row in snapshot.rows if row.started), default=0.0)
            end = every[-1].ended - begun
        made = frame.frame(
            size._replace(height=size.height - 1), axis.scale(0.0, end), y, context.glyphs
        )
        if made is None:
            return frame.too_small(title)
        plot = _Plot(made, every, begun if selection.by_time else None)
        _put_dots(plot, self._ended.of(selection.cursor))
        _put_stairs(plot, steps)
        _name_steps(plot, steps, selection.cursor)
        width = made.canvas.width
        below = (
            frame.time_ticks(made.x, width)
            if selection.by_time
            else frame.value_ticks(made.x, width)
        )
        lines = made.lines(below, "" if selection.by_time else "ended")
        note = _note(plot, steps[-1], partial=partial)
        ended = sum(row.ended is not None for row in snapshot.rows)
        seen = ended, snapshot.total, snapshot.study.finished, id(snapshot)
        note += self._outlook.get(seen, lambda: _outlook(snapshot))
        worse = self._ended.outside(y.low, y.high)
        return frame.Drawing(title, [*lines, _legend(context, plot, worse)], note, _ACTIONS)


def _steps(ended: EndedTrials, *, minimise: bool) -> tuple[list[Ended], bool]:
    """The trials that were the best when they ended; whether none of all is complete."""
    counted = ended.counted()
    better = improvements([one.value for one in counted], 1 if minimise else -1)
    return [counted[at] for at in better], counted is ended.every


class _Plot(NamedTuple):
    """begun: when the first trial began, on an axis of time; None: the axis counts trials."""

    made: frame.Frame
    every: list[Ended]
    begun: float | None

    def place(self, one: Ended) -> int:
        """The position of a trial among all, from 1."""
        return bisect_left(self.every, one) + 1

    def across(self, one: Ended, place: int | None = None) -> int:
        """The dot column of a trial. place: its position, if it is known."""
        if self.begun is not None:
            return self.made.across(one.ended - self.begun)
        return self.made.across(self.place(one) if place is None else place)


def _values(
    context: RenderContext, every: Sequence[Ended], steps: Sequence[Ended]
) -> axis.Scale | None:
    """The better half, the newest steps and the cursor's trial are within the scale."""
    log = context.selection.log_y
    row = context.snapshot.row(context.selection.cursor)
    own = [] if row is None or row.ended is None or row.value is None else [row.value]
    shown = axis.good_range(
        [one.value for one in frame.some(every, _DOTS)],
        minimise=context.snapshot.spec.objective.mode == "min",
        log=log,
        kept=[*own, *(step.value for step in steps[-3:])],
    )
    if shown is None:
        return None
    room = 0.0 if log else _ROOM * shown.span()
    return axis.scale(shown.low - room, shown.high + room, log=log)


def improvements(values: Sequence[float], sign: int) -> list[int]:
    """The indices of values better than all before them. sign: 1 to minimise, -1 to maximise."""
    found: list[int] = []
    best = inf
    for place, value in enumerate(values):
        if sign * value < best:
            best = sign * value
            found.append(place)
    return found


def _put_dots(plot: _Plot, cursor: Ended | None) -> None:
    """Draws the trials, those that are worse than the range at its edge."""
    made, count = plot.made, len(plot.every)
    inked: dict[canvas.Ink, list[tuple[int, int]]] = {}
    for place in frame.some(range(count), _DOTS):
        one = plot.every[place]
        dot = plot.across(one, place + 1), made.down(one.value)
        inked.setdefault(_INKS.get(one.state, _PRUNED), []).append(dot)
    draw = made.canvas.blots if count <= _LARGE and not made.ascii_only else made.canvas.dots
    for ink, dots in inked.items():
        draw(dots, ink)
    if cursor is not None:
        spot = plot.across(cursor), made.down(cursor.value)
        made.canvas.blots([spot], _CURSOR)


def _put_stairs(plot: _Plot, steps: Sequence[Ended]) -> None:
    """A line that is two dots thick."""
    made = plot.made
    path: list[tuple[int, int]] = []
    for step in steps:
        x, y = plot.across(step), made.down(step.value)
        if path:
            path.append((x, path[-1][1]))
        path.append((x, y))
    path.append((made.canvas.across - 1, path[-1][1]))
    across, down = made.canvas.across - 2, made.canvas.down - 2
    for aside, below in ((0, 0), (1, 0), (0, 1), (1, 1)):
        moved = [(min(x, across) + aside, min(y, down) + below) for x, y in path]
        made.canvas.path(moved, _STEP)


def _name_steps(plot: _Plot, steps: Sequence[Ended], cursor: int | None) -> None:
    """Writes the trial of each best next to its step, the newest first, where there is room."""
    made = plot.made
    for step in reversed(steps):
        if made.beyond(step.value):
            continue
        column, line = plot.across(step) // 2, made.down(step.value) // 4
        name = text.trial_name(step.number)
        left = column - len(name)
        places = (
            (column + 1, line - 1),
            (column + 1, line + 1),
            (left, line + 1),
            (left, line - 1),
        )
        for start, at in places:
            if made.canvas.is_free(start, at, len(name)):
                role = "accent bold" if step.number == cursor else "muted"
                made.canvas.write(start, at, name, role)
                break


def _note(plot: _Plot, last: Ended, *, partial: bool) -> str:
    """The best, and how many trials have ended since."""
    since = len(plot.every) - plot.place(last)
    note = f"{text.number(last.value)} {text.trial_name(last.number)}"
    note += f", no better for {text.trial_count(since)}" if since else ""
    return note + (", none complete" if partial else "")


def _outlook(snapshot: Snapshot) -> str:
    """What the next hour is worth, while the study runs."""
    if snapshot.study.finished:
        return ""
    words = outlook.study_outlook(snapshot.rows, snapshot.spec, snapshot.total)
    return words and f"; {words}"


def _legend(context: RenderContext, plot: _Plot, worse: int) -> Line:
    """What the lines and dots mean, and how many trials are worse than what is shown."""
    glyphs, cursor = context.glyphs, context.snapshot.row(context.selection.cursor)
    states = {one.state for one in frame.some(plot.every, _DOTS)}
    named = [
        (_STEP, "best so far", True),
        (_INKS[TrialState.COMPLETE], "complete", TrialState.COMPLETE in states),
        (_PRUNED, "ended early", bool(states - {*_INKS})),
        (_INKS[TrialState.FAILED], "failed", TrialState.FAILED in states),
        (_CURSOR, "cursor", cursor is not None and cursor.ended is not None),
    ]
    line: Line = ((" ", ""),)
    for ink, word, there in named:
        sign = ink.sign if glyphs.ascii else glyphs.full if ink is _STEP else frame.BLOT
        line = (*line, (f"{sign} {word}  ", ink.role)) if there else line
    return (*line, (f"{worse} worse at the edge", "muted")) if worse else line
