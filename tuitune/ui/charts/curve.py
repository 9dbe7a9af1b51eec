"""The curve chart: the metric of the chosen trials over the resource, with their legend."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from tuitune.messages.text import trial_name
from tuitune.store.curves import Curve
from tuitune.ui.charts import frame, overlaid
from tuitune.ui.charts.axis import Range, Tick, scale, shown_range, snapped
from tuitune.ui.charts.canvas import Ink
from tuitune.ui.charts.window import Window, shown_part, visible
from tuitune.ui.render.lines import Size
from tuitune.ui.state.render_context import RenderContext
from tuitune.ui.text.phrases import missing
from tuitune.ui.text.trial import resource

BEHIND: Final = Ink("rule", ".", under=True)
_ACTIONS: Final = (
    ("chart.log", "log"),
    ("chart.metric", "metric"),
    ("chart.right", "read"),
    ("chart.closer", "zoom"),
)
_SCALES: Final = 8  # for which the curves of all trials are kept
# (columns, lines) from a curve's end to its letter
_ENDS: Final = ((1, 0), (1, -1), (1, 1), (0, -1), (0, 1), (2, 0), (0, 0))


class Shown(NamedTuple):
    """A curve that is drawn: the whole, and the part that the zoom shows."""

    who: overlaid.Overlaid
    curve: Curve
    part: Curve


class CurveChart:
    """The chart of one study. It caches the traces of unchanged curves."""

    def __init__(self) -> None:
        self._plot = Plot()
        self._behind: dict[object, bytes] = {}  # by scales: the cursor changes between few
        self._leaders = overlaid.Leaders()

    def key(self, context: RenderContext) -> object:
        """Changes when the chart has to be drawn again."""
        selection = context.selection
        shown = tuple(
            (one.trial, one.part, overlaid.stamp(context, one.trial))
            for one in self._leaders.overlaid(context)
        )
        view = (
            *(
                overlaid.metric(context),
                selection.log_y,
                selection.inspected,
                overlaid.left_out(context),
            ),
            *(frame.epoch(context), context.theme.is_plain, selection.span),
        )
        return shown, view, context.snapshot.study.rungs, _missing_key(context)

    def draw(self, context: RenderContext, size: Size) -> frame.Drawing:
        """The curves with their legend; a message where no report can be shown."""
        title = overlaid.metric(context)
        chosen = self._leaders.overlaid(context)
        lines = [(one, overlaid.curve(context, one.trial)) for one in chosen]
        reported = [line for line in lines if line[1].steps]
        if not reported:
            return frame.message(title, _ACTIONS[1:2], _nothing(context, chosen))
        _, part, drawn = _parts(context, reported)
        made = framed(context, drawn, part, size)
        if isinstance(made, str):
            return frame.message(title, _ACTIONS[:2], made)
        if made is None:
            return frame.too_small(title)
        self._plot.draw(context, made, drawn, overlaid.metric(context))
        made.canvas.put_below(self._faint(context, made, part), BEHIND)
        overlaid.put_legend(made.canvas, [_entry(context, *line) for line in lines])
        name = resource(context.snapshot)
        return frame.Drawing(
            title, made.lines(ticks(context, made), name), _note(context), _ACTIONS
        )

    def window(self, context: RenderContext, size: Size) -> Window | None:
        """What the x axis shows; None without curves."""
        lines = [
            (one, overlaid.curve(context, one.trial)) for one in self._leaders.overlaid(context)
        ]
        reported = [line for line in lines if line[1].steps]
        if not reported:
            return None
        whole, part, drawn = _parts(context, reported)
        made = framed(context, drawn, part, size)
        if made is None or isinstance(made, str):
            return None
        return Window(whole, part, made.gutter, made.canvas.width)

    def _faint(self, context: RenderContext, made: frame.Frame, part: Range) -> bytes:
        """The curves of all trials, drawn again when a trial has ended or the scales change."""
        if overlaid.metric(context) != context.snapshot.spec.objective.metric:
            return b""
        canvas = made.canvas
        key = frame.epoch(context)[:1], made.x, made.y, canvas.width, canvas.height
        known = self._behind.pop(key, None)
        self._behind[key] = behind(context, made, part) if known is None else known
        if len(self._behind) > _SCALES:
            del self._behind[next(iter(self._behind))]
        return self._behind[key]


def behind(context: RenderContext, made: frame.Frame, part: Range) -> bytes:
    """The dots of the curves of all trials, or of a sample of many."""
    below, bottom = made.emptied(), made.canvas.down - 1
    for row in frame.some(context.snapshot.rows, overlaid.MOST_BEHIND):
        points = visible(context.snapshot.curves.points(row.number), part)
        for path in frame.trace(below, points).paths:
            below.canvas.path([dot for dot in path if 0 < dot[1] < bottom], BEHIND)
    return below.canvas.bits()


class Plot:
    """Draws the curves of one metric. It caches the traces of unchanged ones."""

    def __init__(self) -> None:
        self._traces: dict[int, tuple[object, frame.Trace]] = {}

    def draw(
        self, context: RenderContext, made: frame.Frame, lines: Sequence[Shown], name: str
    ) -> None:
        """Draws the curves, the cursor's on top, and letters where there are few colours."""
        self._traces = {line.who.trial: self._trace(context, made, line, name) for line in lines}
        for line in reversed(lines):
            frame.draw_trace(made.canvas, self._traces[line.who.trial][1], line.who.ink)
        if context.selection.inspected is not None:
            _draw_vertical(made, context.selection.inspected, "accent")
        for line in lines if context.theme.is_plain else ():
            end = self._traces[line.who.trial][1].end
            if end is not None:
                _write_letter(made, line.who, end)
        for step in _rungs(context, made):
            _draw_vertical(made, step, "rule")

    def _trace(
        self, context: RenderContext, made: frame.Frame, line: Shown, name: str
    ) -> tuple[object, frame.Trace]:
        trial, canvas = line.who.trial, made.canvas
        key = (
            *(name, overlaid.stamp(context, trial, name), made.x, made.y),
            *(canvas.width, canvas.height),
        )
        known = self._traces.get(trial)
        return (
            known if known is not None and known[0] == key else (key, frame.trace(made, line.part))
        )


def _parts(
    context: RenderContext, reported: Sequence[tuple[overlaid.Overlaid, Curve]]
) -> tuple[Range, Range, list[Shown]]:
    """All steps of these curves, those that are shown, and the curves there."""
    whole = steps_of(context, [curve for _, curve in reported])
    part = shown_part(context.selection, whole)
    return whole, part, [Shown(one, curve, visible(curve, part)) for one, curve in reported]


def steps_of(context: RenderContext, curves: Sequence[Curve]) -> Range:
    """The steps of an x axis that shows these curves whole; at least one has points."""
    first = min(curve.steps[0] for curve in curves if curve.steps)
    last = max(curve.steps[-1] for curve in curves if curve.steps)
    first = 1 if first <= last / 10 else first
    return Range(first, max(first, _room_for(last, context.snapshot.spec.pruning.max)))


def framed(
    context: RenderContext, lines: Sequence[Shown], part: Range, size: Size
) -> frame.Frame | str | None:
    """A frame for the values within the part; why there is none, or None if it is too small."""
    log = context.selection.log_y
    trusted = sorted(lines, key=lambda line: "best" not in line.who.part)
    shown = shown_range((line.part.values for line in trusted), log=log)
    if shown is None and log:
        shown, log = shown_range(line.part.values for line in trusted), False
        if shown is not None:
            return "no value above 0: a log scale can't show any"
    if shown is None:
        count = sum(len(line.part.values) for line in lines)
        if not count:
            return "no report within this part: it is zoomed"
        return f"no finite value: {count} reports are all nan or infinite"
    y = scale(*snapped(shown, log=log), log=log)
    return frame.frame(size, scale(*part), y, context.glyphs)


def _missing_key(context: RenderContext) -> object:
    """Changes when the message about a trial without reports changes."""
    row = context.snapshot.row(context.selection.cursor)
    if row is None or overlaid.curve(context, row.number).steps:
        return len(context.snapshot.rows) == 0
    return row.changed, context.snapshot.engine.state, int(context.snapshot.now)


def _room_for(last: int, most: int | None) -> int:
    """At most a quarter more than the last step, so that the axis seldom changes."""
    unit: int = 1 << max(0, last.bit_length() - 3)
    room = -(-last // unit) * unit
    return room if most is None or last > most else min(most, room)


def _write_letter(made: frame.Frame, shown: overlaid.Overlaid, end: frame.Dot) -> None:
    """Write the curve's letter next to its last value, or on it where there is no room."""
    column, line = end
    role = f"{shown.ink.role} bold"
    for right, down in _ENDS:
        if made.canvas.is_free(column + right, line + down) or (right, down) == (0, 0):
            made.canvas.write(column + right, line + down, shown.letter, role)
            return


def _draw_vertical(made: frame.Frame, step: float, role: str) -> None:
    if not made.x.low <= step <= made.x.high:
        return
    column = made.across(step) // 2
    sign = ":" if made.ascii_only else "\N{BOX DRAWINGS LIGHT TRIPLE DASH VERTICAL}"
    for at in range(made.canvas.height):
        if made.canvas.is_free(column, at):
            made.canvas.write(column, at, sign, role)


def _rungs(context: RenderContext, made: frame.Frame) -> list[int]:
    """The steps of the rungs of the cursor's bracket that are inside of the frame."""
    rungs = context.snapshot.study.rungs
    row = context.snapshot.row(context.selection.cursor)
    bracket = 0 if row is None else row.bracket
    steps = rungs[bracket] if bracket < len(rungs) else ()
    return [step for step in steps if made.x.low < step < made.x.high]


def ticks(context: RenderContext, made: frame.Frame) -> list[Tick]:
    """The step that is read out, then the rungs and the ends; without rungs, round values."""
    inspected = context.selection.inspected
    first = [] if inspected is None else [Tick(made.x.at(inspected), str(inspected))]
    inside = _rungs(context, made)
    if not inside:
        return [*first, *frame.value_ticks(made.x, made.canvas.width)]
    ends = [step for step in (made.x.high, made.x.low) if step == int(step)]
    steps = [*ends[:1], *reversed(inside), *ends[1:]]
    return [*first, *(Tick(made.x.at(step), str(int(step))) for step in steps)]


def _entry(context: RenderContext, who: overlaid.Overlaid, curve: Curve) -> overlaid.Entry:
    name = who.name(plain=context.theme.is_plain, dash=context.glyphs.full)
    short = name.removesuffix(who.part).rstrip()
    return overlaid.Entry(
        name, short, overlaid.value_text(curve, context.selection.inspected), who.ink.role
    )


def _note(context: RenderContext) -> str:
    more = overlaid.left_out(context)
    return ", ".join(overlaid.notes(context) + ([f"{more} marked not drawn"] if more else []))


def _nothing(context: RenderContext, chosen: Sequence[overlaid.Overlaid]) -> str:
    if not context.snapshot.rows:
        return "no trials yet"
    if not chosen:
        return "no trial is selected"
    row = context.snapshot.row(chosen[0].trial)
    if row is not None and overlaid.metric(context) == context.snapshot.spec.objective.metric:
        return missing(context, row)
    return f"{trial_name(chosen[0].trial)} reports no {overlaid.metric(context)}"


def reported_steps(context: RenderContext) -> list[int]:
    """All steps of the curves in colour, ascending."""
    return sorted(
        {
            step
            for one in overlaid.overlaid(context)
            for step in overlaid.curve(context, one.trial).steps
        }
    )
