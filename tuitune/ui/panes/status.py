"""The first two lines of the screen: the state of the whole study."""

from functools import partial

from tuitune.core.events import ENDED
from tuitune.messages.states import WORDS, Shown
from tuitune.messages.text import duration, number, plain, trial_name
from tuitune.ui.charts import ended, frame
from tuitune.ui.panes import layout, pane
from tuitune.ui.render import lines
from tuitune.ui.render.glyphs import bar
from tuitune.ui.state.render_context import RenderContext
from tuitune.ui.state.snapshot import Snapshot, elapsed
from tuitune.ui.table.cells import sparkline
from tuitune.ui.text import phrases, trial
from tuitune.ui.text.phrases import health

_ORDER = (
    *(Shown.RUNNING, Shown.LOST, Shown.HELD, Shown.PAUSED, Shown.FROZEN, Shown.PARKED),
    *(Shown.WAITING, Shown.COMPLETE, Shown.PRUNED, Shown.FAILED, Shown.KILLED),
)
_SPARK_FROM = 110  # columns from which the best value has a small curve
_SPARK = 10  # cells of it
_TOO_SMALL = f"the trials need {layout.LEAST[0]} columns and {layout.LEAST[1]} lines"
_CALM = frozenset({"success", "info", "text"})  # roles of signs whose words need no colour
_GAP = 3  # blanks between two segments
_LEAST_REASON = 24  # columns
_WIDE = 120  # columns that have room for the best value and for a reason, too


class StatusPane:
    """The first two lines of the screen. It caches the curve of the best value so far."""

    def __init__(self) -> None:
        self._curve = pane.Memo[str]()
        self._ended = ended.EndedTrials()

    def lines(self, context: RenderContext, size: lines.Size) -> list[lines.Line]:
        """The study, its counts and its engine; the best trial, figures and the progress."""
        width = size.width - 2
        spark = ""
        if size.width >= _SPARK_FROM and context.snapshot.best is not None:
            spark = self._curve.get(frame.epoch(context)[:3], partial(self._spark, context))
        made = [_first(context, width), _second(context, width, spark)]
        if size.height > len(made) + 1:  # it has the whole screen
            made.append(lines.line((_TOO_SMALL, "muted")))
        return lines.stacked((((" ", ""), *one, (" ", "")) for one in made), size)

    def _spark(self, context: RenderContext) -> str:
        """The best value so far after each trial that has ended."""
        best = self._ended.best_after_each(context.snapshot)
        return sparkline(best, _SPARK, ascii_only=context.glyphs.ascii)


def _first(context: RenderContext, width: int) -> lines.Line:
    snapshot = context.snapshot
    name = lines.fit(snapshot.name, min(len(snapshot.name), width // 3))
    room = width - len(name) - _GAP
    health_words = lines.line(health(context))
    flags = _flags(context)
    counts = _counts(context, words=True)
    if sum(map(lines.width_of, (flags, counts, health_words))) + 2 * _GAP > room:
        counts = _counts(context, words=False)
    right = lines.joined(
        (lines.Segment(9, flags), lines.Segment(7, counts), lines.Segment(8, health_words)),
        room,
        _GAP,
    )
    left = lines.joined(
        (
            lines.Segment(9, lines.line((name, "title bold"))),
            lines.Segment(2, lines.line((_method(snapshot), "muted"))),
            lines.Segment(1, lines.line((plain(snapshot.host), "faint"))),
        ),
        width - lines.width_of(right) - _GAP,
        2,
    )
    return lines.ends(left, right, width)


def _second(context: RenderContext, width: int, spark: str) -> lines.Line:
    message = phrases.notice(context)
    right = _progress(context, 0 if message or _is_stuck(context) else width)
    room = width - lines.width_of(right) - _GAP
    first = _cut_to(message, room) if message else _best(context)
    if context.snapshot.study.failed and not message and width < _WIDE:
        first = ()  # what to mend comes first
    segments = [
        lines.Segment(9, first),
        lines.Segment(3, lines.line(("" if message else spark, "info"))),
        _reason(context, room - lines.width_of(first) - _GAP),
        lines.Segment(7, phrases.next_step(context)),
        *_figures(context.snapshot),
    ]
    left = lines.joined(segments, room, _GAP)
    return lines.ends(lines.cut(left, room), right, width)


def _progress(context: RenderContext, width: int) -> lines.Line:
    """A bar of the trials that have ended or are held, their count, and the time left.

    width: of the whole line; 0 leaves the bar out.
    """
    snapshot = context.snapshot
    done = sum(snapshot.counts.get(state, 0) for state in ENDED) + snapshot.held
    share = done / snapshot.total if snapshot.total else None
    wide = width >= 116 and snapshot.engine.state != "finished"
    cells = 40 if wide else 16 if width >= 76 else 8 if width >= 58 else 0
    count = f"{done}/{snapshot.total}"
    return lines.line(
        *bar(share, cells, context.glyphs),
        ("  " if cells else "", ""),
        (count, "text"),
        (f"  {_time(snapshot)}", "text" if not snapshot.engine_gone else "muted"),
    )


def _time(snapshot: Snapshot) -> str:
    """The time left while it can be told, else the time taken so far."""
    if snapshot.engine.state == "finished":
        return f"took {duration(elapsed(snapshot))}"
    if not snapshot.engine_gone and not snapshot.study.halted and snapshot.study.may_launch:
        left = snapshot.pace.remaining(snapshot)
        if left is not None:
            return f"{duration(left)} left"
    return f"{duration(elapsed(snapshot))} so far"


def _is_stuck(context: RenderContext) -> bool:
    """Whether no trial starts until somebody mends something."""
    study = context.snapshot.study
    return study.failed or bool(study.blocked and not study.halted)


def _reason(context: RenderContext, room: int) -> lines.Segment:
    """Why the study has ended, or why no trial starts until that is mended: never left out."""
    words = phrases.why_ended(context)
    if _is_stuck(context):
        return lines.Segment(8, _cut_to(lines.line((words, "error")), max(room, _LEAST_REASON)))
    return lines.Segment(5, lines.line((words, "muted")))


def _cut_to(text: lines.Line, width: int) -> lines.Line:
    """The line, with a tilde where it is cut."""
    return tuple((lines.fit(span, width).rstrip(), role) for span, role in text)


def _flags(context: RenderContext) -> lines.Line:
    words = [("updates off", context.selection.frozen), ("readonly", context.readonly)]
    spans: list[tuple[str, str]] = []
    for word, on in words:
        if on:
            spans += [(f" {word} ", "warning reverse"), ("  ", "")]
    return tuple(spans)


def _counts(context: RenderContext, *, words: bool) -> lines.Line:
    gone = context.snapshot.engine_gone
    spans: list[tuple[str, str]] = []
    counts = context.snapshot.shown_counts()
    for state in _ORDER:
        count = counts.get(state, 0)
        if not count and (gone or state != Shown.RUNNING):
            continue
        role = WORDS[state].role
        spans += [("   " if words else "  ", "")] if spans else []
        spans += [(f"{context.glyphs.states[state]} ", role), (str(count), "text")]
        spans += [(f" {state}", "text" if role in _CALM else role)] if words else []
    return tuple(spans)


def _best(context: RenderContext) -> lines.Line:
    snapshot = context.snapshot
    best = snapshot.row(snapshot.best)
    if best is None:
        return lines.line(("no value yet", "muted"))
    metric = lines.fit(snapshot.spec.objective.metric, min(20, len(snapshot.spec.objective.metric)))
    when = "so far" if best.ended is None else trial.ago(snapshot.now - best.ended)
    what = "furthest" if snapshot.partial and best.ended is not None else "best"
    return lines.line(
        (f"{what} {metric} ", "muted"),
        (number(best.value), "text bold"),
        (f" {trial_name(best.number)}", "accent"),
        (f"  {when}", "faint"),
    )


def _figures(snapshot: Snapshot) -> list[lines.Segment]:
    rate = None if snapshot.engine_gone else snapshot.pace.rate(snapshot.now)
    segments = [lines.Segment(4, lines.line((_busy(snapshot), "muted")))]
    if rate is not None:
        segments.append(lines.Segment(2, lines.line((_throughput(rate), "muted"))))
    if not snapshot.engine_gone:
        segments.append(
            lines.Segment(3, lines.line((f"elapsed {duration(elapsed(snapshot))}", "muted")))
        )
    return segments


def _throughput(rate: float) -> str:
    """rate: trials per second. Shows two digits, since more would change at every update."""
    a_minute = rate * 60
    if a_minute < 1:
        return f"{rate * 3600:.2g} trials/h"
    return f"{a_minute:.0f} trials/min" if a_minute >= 10 else f"{a_minute:.2g} trials/min"


def _busy(snapshot: Snapshot) -> str:
    """The mean utilisation of the GPUs; without GPUs, the CPU slots in use."""
    if snapshot.engine_gone:
        return ""
    newest = [samples[-1] for samples in snapshot.devices.values() if samples]
    gpus = [s.utilisation for s in newest if s.kind != "host" and s.utilisation is not None]
    if gpus:
        return f"gpu {sum(gpus) / len(gpus):.0%} busy"
    hosts = [s for s in newest if s.slots is not None and s.slots_used is not None]
    hosts = [sample for sample in hosts if sample.node] or hosts  # only nodes, if there are any
    if not hosts:
        return ""
    used, slots = sum(s.slots_used or 0.0 for s in hosts), sum(s.slots or 0.0 for s in hosts)
    return f"cpu {used:g}/{slots:g} slots"


def _method(snapshot: Snapshot) -> str:
    pruning = snapshot.spec.pruning.method
    return snapshot.spec.search.method + ("" if pruning == "none" else f" + {pruning}")
