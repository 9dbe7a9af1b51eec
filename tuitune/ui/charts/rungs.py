"""The rungs chart: a line for each rung, with its entries, its cut and the trials held there."""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from tuitune.core.events import ENDED, TrialState
from tuitune.core.pruning.rungs import Rung, Standing, follow
from tuitune.core.spec import StudySpec
from tuitune.core.study.ranking import loss
from tuitune.messages.text import number, trial_name
from tuitune.store.rows import TrialRow
from tuitune.ui.charts.frame import Drawing, message
from tuitune.ui.render.lines import Line, Size, fit
from tuitune.ui.state.render_context import RenderContext
from tuitune.ui.state.snapshot import Snapshot
from tuitune.ui.text.trial import resource

_ACTIONS: Final = (("chart.rungs", "curve"),)
_NARROW: Final = (6, 6, 7, 5, 5, 5, 5)  # least cells of the figures
_NARROW_NAMES: Final = ("in", "need", "pass", "here", "held", "end")
_WIDE: Final = (8, 9, 9, 9, 7, 7, 7)
_WIDE_NAMES: Final = ("entries", "needed", "passed", "here", "held", "ended")
_WIDE_FROM: Final = 70
_BAR: Final = 8  # least cells of a bar
# most trials that one snapshot enters, so that opening a large study doesn't block
_AT_ONCE: Final = 1000

_Part = Literal["here", "waits", "ended", "complete", "failed"]


class Figures(NamedTuple):
    """Counts of one rung. failed: entries that never reached it and count as worst."""

    rung: Rung
    here: int  # running on from this rung, or paused by the user
    ended: int
    failed: int

    @property
    def entries(self) -> int:
        """Trials counted in this rung, failed ones included."""
        return len(self.rung.entries)

    @property
    def waits(self) -> int:
        """Trials held at this rung until they are promoted."""
        return len(self.rung.waiting)

    @property
    def gone_on(self) -> int:
        """Trials promoted from this rung."""
        return self.entries - self.failed - self.here - self.waits - self.ended

    def cut(self, reduction: float) -> float | None:
        """The largest loss that is promoted; None if there are too few entries to promote one."""
        found = self.rung.cut(reduction)
        return found if found is not None and math.isfinite(found) else None


class Entries:
    """The rungs of a study, updated with the changed rows of each snapshot."""

    def __init__(self) -> None:
        self.changes = 0
        self._begin(())

    def _begin(self, steps: Sequence[Sequence[int]]) -> None:
        """Starts with empty rungs at these steps of each bracket."""
        self._steps = steps
        self._brackets = [[Rung() for _ in rungs] for rungs in steps]
        self._standings: dict[int, Standing] = {}
        self._parts: dict[int, _Part] = {}
        self._counts: Counter[tuple[int, int, _Part]] = Counter()  # by bracket, rungs filled, part
        self._seen = -1
        self._version = -1

    def follow(self, snapshot: Snapshot) -> None:
        """Enters up to _AT_ONCE rows that have changed; the rest follow at the next call."""
        if snapshot.study.rungs != self._steps:
            self._begin(snapshot.study.rungs)
        if snapshot.version == self._version or not len(snapshot.curves):
            return
        changed = [row for row in snapshot.rows if row.changed > self._seen]
        if len(changed) > _AT_ONCE:
            changed = sorted(changed, key=lambda row: row.changed)[:_AT_ONCE]
        else:
            self._version = snapshot.version
        for row in changed:
            self._seen = max(self._seen, row.changed)
            if row.bracket < len(self._brackets):
                self._enter(row, snapshot)

    def figures(self, bracket: int, number: int) -> Figures:
        """The counts of a rung of a bracket, both numbered from 0."""
        filled = bracket, number + 1
        here, ended = self._counts[*filled, "here"], self._counts[*filled, "ended"]
        failed = self._counts[bracket, number, "failed"]
        return Figures(self._brackets[bracket][number], here, ended, failed)

    def complete(self, bracket: int) -> int:
        """The number of complete trials of this bracket."""
        rungs = len(self._brackets[bracket])
        return sum(self._counts[bracket, filled, "complete"] for filled in range(rungs + 1))

    def _enter(self, row: TrialRow, snapshot: Snapshot) -> None:
        before = self._standings.get(row.number)
        known = () if before is None else before.losses
        filled = 0 if row.rung is None else row.rung + 1
        new = (_value_at(snapshot, row, number) for number in range(len(known), filled))
        losses = (*known, *(loss(value, snapshot.spec.objective) for value in new))
        # A failed trial counts as worst in its next rung unless it reaches that one.
        failed = before is not None and before.failed and len(losses) == len(known)
        failed = failed or row.state == TrialState.FAILED
        part = _part(row)
        now = Standing(row.number, row.bracket, losses, failed, waits=part == "waits")
        if now == before and part == self._parts[row.number]:
            return
        self.changes += 1
        if before is not None:
            self._count(before, self._parts[row.number], -1)
        follow(self._brackets, before, now)
        self._count(now, part, 1)
        self._standings[row.number], self._parts[row.number] = now, part

    def _count(self, standing: Standing, part: _Part, by: int) -> None:
        place = standing.bracket, len(standing.losses)
        self._counts[*place, part] += by
        if standing.failed:
            self._counts[*place, "failed"] += by


class Rungs:
    """The chart of one study."""

    def __init__(self) -> None:
        self._entries = Entries()

    def key(self, context: RenderContext) -> object:
        """Changes when the chart has to be drawn again; enters the changed rows first."""
        self._entries.follow(context.snapshot)
        study = context.snapshot.study
        return self._entries.changes, study.rungs, study.style, context.selection.cursor

    def draw(self, context: RenderContext, size: Size) -> Drawing:
        """A line for each rung of each bracket; a message for a study without rungs."""
        snapshot = context.snapshot
        pruning = snapshot.spec.pruning
        title = f"Rungs {pruning.method}"
        if not any(snapshot.study.rungs):
            return message(title, _ACTIONS, _none(snapshot.spec))
        cursor = snapshot.row(context.selection.cursor)
        first = 0 if cursor is None else cursor.bracket
        brackets = sorted(range(len(snapshot.study.rungs)), key=lambda bracket: bracket != first)
        columns = self._columns(context, size.width)
        lines = [_head(resource(snapshot), columns, size.width)]
        for bracket in brackets:
            lines += self._bracket(context, bracket, columns, size.width)
        note = f"{snapshot.study.style or pruning.style}, 1 of {pruning.reduction:g} passes"
        if len(lines) > size.height > 0:
            lines[size.height - 1 :] = [_cut_off(len(lines) - size.height + 1)]
        return Drawing(title, lines, note, _ACTIONS)

    def _columns(self, context: RenderContext, width: int) -> list[int]:
        """The cells of each figure: a blank before the longest of all brackets."""
        columns = [*(_WIDE if width >= _WIDE_FROM else _NARROW)]
        for bracket, steps in enumerate(context.snapshot.study.rungs):
            for place, step in enumerate(steps):
                texts = _texts(context, step, self._entries.figures(bracket, place), width)
                columns = [max(c, len(t) + 1) for c, t in zip(columns, texts, strict=True)]
        return columns

    def _bracket(
        self, context: RenderContext, bracket: int, columns: Sequence[int], width: int
    ) -> list[Line]:
        """The complete trials, then the rungs, the last one first."""
        snapshot = context.snapshot
        steps = snapshot.study.rungs[bracket]
        rungs = [self._entries.figures(bracket, place) for place in range(len(steps))]
        most = max((rung.entries for rung in rungs), default=0)
        cursor = snapshot.row(context.selection.cursor)
        own = None
        if cursor is not None and cursor.bracket == bracket:
            own = -1 if cursor.rung is None else cursor.rung
        lines: list[Line] = []
        if len(snapshot.study.rungs) > 1:
            lines.append(((f" bracket {bracket}", "title"),))
        complete = self._entries.complete(bracket)
        lines.append(_top(snapshot.spec.pruning.max, complete, columns))
        for place in reversed(range(len(steps))):
            sign = context.glyphs.cursor if own == place else " "
            texts = _texts(context, steps[place], rungs[place], width)
            cells = [fit(t, w, right=True) for t, w in zip(texts, columns, strict=True)]
            lines.append(((sign, "accent bold"), ("".join(cells), "text")))
            room = width - sum(columns) - 3
            if room >= _BAR and most:
                lines[-1] += (("  ", ""), *_bar(context, rungs[place], most, room))
            lines += _waiting(rungs[place], width)
        return lines


def _none(spec: StudySpec) -> str:
    if not any(spec.pruner.plan.steps):
        return f"no rungs: the study's pruning.method is {spec.pruning.method}"
    return "no rungs yet: the engine sets them when it starts"


def _cut_off(lines: int) -> Line:
    return ((f"  {lines} more lines (the cursor's bracket comes first): z zooms", "muted"),)


def _head(name: str, columns: Sequence[int], width: int) -> Line:
    names = _WIDE_NAMES if width >= _WIDE_FROM else _NARROW_NAMES
    cells = [fit(n, w, right=True) for n, w in zip((name, *names), columns, strict=True)]
    return ((" " + "".join(cells), "muted"),)


def _top(most: int | None, complete: int, columns: Sequence[int]) -> Line:
    step = "end" if most is None else str(most)
    return (
        (" " + fit(step, columns[0], right=True), "text"),
        (fit(str(complete), columns[1], right=True) + " complete", "success"),
    )


def _texts(context: RenderContext, step: int, rung: Figures, width: int) -> list[str]:
    """The figures of a rung, in the order of the columns."""
    cut = rung.cut(context.snapshot.spec.pruning.reduction)
    sign = 1 if context.snapshot.spec.objective.mode == "min" else -1
    too_few = "too few" if width >= _WIDE_FROM else "-"
    limit = too_few if cut is None else number(sign * cut)
    return [
        str(step),
        str(rung.entries),
        limit,
        *(str(count) for count in (rung.gone_on, rung.here, rung.waits, rung.ended)),
    ]


def _waiting(rung: Figures, width: int) -> list[Line]:
    """The names of the trials that wait to be promoted."""
    if not rung.waits:
        return []
    named = [trial_name(trial) for trial in sorted(trial for _, trial in rung.rung.waiting)]
    return [((" " * 10 + "held: ", "muted"), (_within(named, width - 16), "text"))]


def _bar(context: RenderContext, rung: Figures, most: int, room: int) -> Line:
    """A bar of the entries: promoted, undecided, ended."""
    parts = (
        (context.glyphs.full, rung.gone_on, "success"),
        ("=", rung.here + rung.waits, "quiet"),
        (context.glyphs.rest, rung.ended + rung.failed, "faint"),
    )
    cells = ((sign * round(room * part / most), role) for sign, part, role in parts)
    return tuple(span for span in cells if span[0])


def _within(names: list[str], room: int) -> str:
    """As many names as fit, and how many more there are."""
    text = " ".join(names)
    if len(text) <= room:
        return text
    kept = max(0, (room - 9) // (len(names[0]) + 1))
    return " ".join([*names[:kept], f"+{len(names) - kept} more"])


def _part(row: TrialRow) -> _Part:
    if row.state == TrialState.COMPLETE:
        return "complete"
    if row.state in ENDED:
        return "ended"
    return "waits" if row.at_rung else "here"


def _value_at(snapshot: Snapshot, row: TrialRow, number: int) -> float | None:
    """The value that counts at a rung: the first report at or after its step."""
    steps, values = snapshot.curves.points(row.number)
    if not steps:
        return row.value
    at = bisect_left(steps, snapshot.study.rungs[row.bracket][number])
    return values[at] if at < len(steps) else math.nan
