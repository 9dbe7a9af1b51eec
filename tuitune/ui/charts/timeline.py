"""The timeline: a line for each slot of each device, with the trials that ran there."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from tuitune.core.events import TrialState
from tuitune.messages.text import plain, trial_name
from tuitune.ui.charts.axis import UNIT, Range, scale
from tuitune.ui.charts.canvas import Canvas
from tuitune.ui.charts.frame import Drawing, Frame, message, time_ticks, too_small
from tuitune.ui.charts.window import Window, shown_part
from tuitune.ui.render.lines import Line, Size, fit
from tuitune.ui.state.records import Holder
from tuitune.ui.state.render_context import RenderContext
from tuitune.ui.state.snapshot import Attempt, Snapshot

_ACTIONS: Final = (("chart.closer", "zoom"), ("chart.later", "pan"))
_NAME: Final = 10  # most cells of a device's name
_SHARE: Final = 5  # cells at the right, for the share of the time that a slot was busy
_EVERY: Final = 2.0  # s between two drawings while trials run
_ROLES: Final = {
    TrialState.RUNNING: "success",
    TrialState.COMPLETE: "info",
    TrialState.FAILED: "error",
    TrialState.KILLED: "warning",
}
_NAMED: Final = (
    ("success", "running"),
    ("info", "complete"),
    ("muted", "pruned or held"),
    ("error", "failed"),
)


class _Slot(Holder):
    """The attempts that ran in one slot of a device, one after the other."""

    device: str
    starts: list[float] = msgspec.field(default_factory=list)
    attempts: list[Attempt] = msgspec.field(default_factory=list)

    def is_free(self, moment: float) -> bool:
        return not self.attempts or self.attempts[-1].ended_by(moment)

    def at(self, moment: float) -> Attempt | None:
        """The attempt that ran at this moment."""
        place = bisect_right(self.starts, moment) - 1
        found = self.attempts[place] if place >= 0 else None
        return None if found is None or found.ended_by(moment) else found


class _Bar(NamedTuple):
    """Cells of one attempt."""

    column: int
    cells: int
    attempt: Attempt


class Timeline:
    """The chart of one study. It keeps the slots to which attempts were assigned."""

    def __init__(self) -> None:
        self._slots: list[_Slot] = []
        self._of: dict[str, list[_Slot]] = {}  # by device
        self._taken = 0

    def key(self, context: RenderContext) -> object:
        """Changes when the chart has to be drawn again, every 2 s while trials run."""
        snapshot, selection = context.snapshot, context.selection
        runs = snapshot.counts.get(TrialState.RUNNING, 0) and not snapshot.engine_gone
        moment = int(snapshot.now / _EVERY) if runs else 0
        ended = tuple(snapshot.counts.items()) if not runs else 0
        return moment, ended, len(snapshot.rows), selection.cursor, selection.span, snapshot.best

    def draw(self, context: RenderContext, size: Size) -> Drawing:
        """A line for each slot; a message until a trial has been launched."""
        title = "Timeline of slots"
        slots = self._assigned(context.snapshot)
        if not slots:
            return message(title, _ACTIONS[:1], "no trial has been launched yet")
        room = self._room(context.snapshot, size)
        if room is None:
            return too_small(title)
        gutter, width = room
        whole = self._whole(context.snapshot)
        part = shown_part(context.selection, whole)
        height = size.height - 2
        shown = slots if len(slots) <= height else slots[: height - 1]
        names = _names(context.snapshot, slots)
        canvas = Canvas(width, len(shown), ascii_only=context.glyphs.ascii)
        bars = [_bars(slot, part, width) for slot in slots]
        busy = [sum(bar.cells for bar in own) / width for own in bars]
        for at in range(len(shown)):
            _put(context, canvas, at, bars[at])
        lines: list[Line] = []
        for at, drawn in enumerate(canvas.lines()):
            lines += [()] if at and 2 * len(slots) <= height else []
            share = (f"{busy[at]:>{_SHARE}.0%}", "muted")
            lines.append(((fit(names[at], gutter - 1) + " ", "title"), *drawn, share))
        if len(shown) < len(slots):
            lines.append(((f"  {len(slots) - len(shown)} more slots", "muted"),))
        below = _below(part, whole.low, gutter, width, context)
        note = f"{sum(busy) / len(busy):.0%} busy" + (
            ", zoomed" if context.selection.span is not None else ""
        )
        return Drawing(title, [*lines, below, _legend(context)], note, _ACTIONS)

    def window(self, context: RenderContext, size: Size) -> Window | None:
        """What the x axis shows, in Unix s; None before the first launch."""
        slots = self._assigned(context.snapshot)
        room = self._room(context.snapshot, size)
        if not slots or room is None:
            return None
        whole = self._whole(context.snapshot)
        return Window(whole, shown_part(context.selection, whole), *room)

    def _assigned(self, snapshot: Snapshot) -> list[_Slot]:
        """Each attempt in the first slot of its devices that was free when it began."""
        attempts = snapshot.sources.attempts()
        before = len(self._slots)
        for attempt in attempts[self._taken :]:
            row = snapshot.row(attempt.trial)
            if attempt.end is None and row is not None and row.ended is not None:
                attempt.end = max(attempt.start, row.ended)  # its engine was killed
            for device in attempt.devices:
                own = self._of.setdefault(device, [])
                slot = next((slot for slot in own if slot.is_free(attempt.start)), None)
                if slot is None:
                    slot = _Slot(device)
                    own.append(slot)
                    self._slots.append(slot)
                slot.starts.append(attempt.start)
                slot.attempts.append(attempt)
        self._taken = len(attempts)
        if len(self._slots) > before:
            self._slots.sort(key=lambda slot: slot.device)
        return self._slots

    def _room(self, snapshot: Snapshot, size: Size) -> tuple[int, int] | None:
        """(cells before the canvas, cells of it)."""
        gutter = max(map(len, _names(snapshot, self._slots)), default=0) + 1
        width = size.width - gutter - _SHARE
        return None if width < 16 or size.height < 4 else (gutter, width)

    def _whole(self, snapshot: Snapshot) -> Range:
        start = min(slot.starts[0] for slot in self._slots)
        last = [attempt for slot in self._slots for attempt in slot.attempts[-1:]]
        now = snapshot.engine.last_change if snapshot.engine_gone else snapshot.now
        end = max(now if attempt.end is None else attempt.end for attempt in last)
        return Range(start, max(end, start + 1.0))


def _names(snapshot: Snapshot, slots: Sequence[_Slot]) -> list[str]:
    """The device of each slot, by the number that other tools show; once for each device."""
    newest = (samples[-1] for samples in snapshot.devices.values() if samples)
    known = {one.device: f"GPU {one.index}" for one in newest if one.index is not None}
    names = [known.get(slot.device, plain(slot.device)[:_NAME]) for slot in slots]
    return [
        name if at == 0 or slots[at - 1].device != slots[at].device else ""
        for at, name in enumerate(names)
    ]


def _bars(slot: _Slot, part: Range, width: int) -> list[_Bar]:
    """What ran in a slot."""
    cell = part.span() / width
    found = [slot.at(part.low + (column + 0.5) * cell) for column in range(width)]
    bars: list[_Bar] = []
    for column, attempt in enumerate(found):
        if attempt is None:
            continue
        if bars and bars[-1].attempt is attempt and bars[-1].column + bars[-1].cells == column:
            bars[-1] = bars[-1]._replace(cells=bars[-1].cells + 1)
        else:
            bars.append(_Bar(column, 1, attempt))
    return bars


def _put(context: RenderContext, canvas: Canvas, line: int, bars: Sequence[_Bar]) -> None:
    glyphs = context.glyphs
    canvas.write(0, line, glyphs.rest * canvas.width, "rule")
    for bar in bars:
        role = _role(context, bar.attempt)
        end = glyphs.half if glyphs.half and bar.cells > 1 else glyphs.full
        canvas.write(bar.column, line, glyphs.full * (bar.cells - 1) + end, role)
        name = trial_name(bar.attempt.trial)
        if bar.cells >= len(name) + 3:
            canvas.write(bar.column + 1, line, name, f"{role} bold")


def _role(context: RenderContext, attempt: Attempt) -> str:
    if attempt.trial == context.selection.cursor:
        return "accent"
    row = context.snapshot.row(attempt.trial)
    if row is None or (attempt.end is not None and row.state == TrialState.RUNNING):
        return "muted"
    return _ROLES.get(row.state, "muted")


def _below(part: Range, start: float, gutter: int, width: int, context: RenderContext) -> Line:
    """The time since the first launch."""
    x = scale(part.low - start, part.high - start)
    axis = Frame(Canvas(width, 1), x, UNIT, gutter, context.glyphs.ascii)
    return axis.lines(time_ticks(x, width), "")[-1]


def _legend(context: RenderContext) -> Line:
    sign = context.glyphs.full
    named = [(f" {sign} {word} ", role) for role, word in (*_NAMED, ("accent", "cursor"))]
    return (*named, ("  right: busy", "muted"))
