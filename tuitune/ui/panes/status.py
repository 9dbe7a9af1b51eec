"""The first two lines of the screen: the state of the whole study."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuitune.core.events import ENDED
from tuitune.messages.states import WORDS, Shown
from tuitune.messages.text import duration, number, plain, trial_name
from tuitune.ui.render.lines import Line, Segment, Size, cut, ends, fit, joined, line, width_of
from tuitune.ui.state.snapshot import elapsed
from tuitune.ui.text.health import health
from tuitune.ui.text.phrases import next_step, notice, why_ended
from tuitune.ui.text.trial import ago

if TYPE_CHECKING:
    from tuitune.ui.state.render_context import RenderContext
    from tuitune.ui.state.snapshot import Snapshot

_ORDER = (
    Shown.RUNNING,
    Shown.LOST,
    Shown.HELD,
    Shown.PAUSED,
    Shown.FROZEN,
    Shown.WAITING,
    Shown.COMPLETE,
    Shown.PRUNED,
    Shown.FAILED,
    Shown.KILLED,
)
_WORDS_FROM = 110  # columns from which states have a name next to their sign
_GAP = 3  # blanks between two segments
_LEAST_REASON = 24  # columns


def lines(context: RenderContext, size: Size) -> list[Line]:
    """Two lines: counts and progress; the best trial, figures and the engine."""
    width = size.width
    return [_first(context, width), _second(context, width)][: size.height]


def _first(context: RenderContext, width: int) -> Line:
    snapshot = context.snapshot
    done = sum(snapshot.counts.get(state, 0) for state in ENDED)
    flags = _flags(context)
    right = line(*flags, (f"{done}/{snapshot.total}", "text bold"))
    segments = [
        Segment(9, line((fit(snapshot.file, min(len(snapshot.file), width // 3)), "title bold"))),
        Segment(2, line((_method(snapshot), "muted"))),
        Segment(1, line((f"host {plain(snapshot.host)}", "muted")) if snapshot.host else ()),
        Segment(8, _counts(context, words=width >= _WORDS_FROM)),
    ]
    return ends(joined(segments, width - width_of(right) - 1, _GAP), right, width)


def _second(context: RenderContext, width: int) -> Line:
    words, role = health(context)
    right = line((words, role))
    room = width - width_of(right) - 1
    message = notice(context)
    first = _cut_to(message, room) if message else _best(context, width)
    segments = [
        Segment(9, first),
        _reason(context, room - width_of(first) - _GAP),
        Segment(7, next_step(context)),
        *_figures(context.snapshot),
    ]
    left = joined(segments, room, _GAP)
    return ends(cut(left, room), right, width)


def _reason(context: RenderContext, room: int) -> Segment:
    """Why the study has ended, or why no trial starts; the latter is never left out."""
    words = why_ended(context)
    if context.snapshot.study.blocked and not context.snapshot.study.halted:
        return Segment(8, _cut_to(line((words, "error")), max(room, _LEAST_REASON)))
    return Segment(1, line((words, "muted")))


def _cut_to(text: Line, width: int) -> Line:
    """The line, with a tilde where it is cut."""
    return tuple((fit(span, width).rstrip(), role) for span, role in text)


def _flags(context: RenderContext) -> Line:
    words = [("updates off", context.selection.frozen), ("readonly", context.readonly)]
    spans: list[tuple[str, str]] = []
    for word, on in words:
        if on:
            spans += [(f" {word} ", "warning reverse"), ("  ", "")]
    return tuple(spans)


def _counts(context: RenderContext, *, words: bool) -> Line:
    gone = context.snapshot.engine_gone
    spans: list[tuple[str, str]] = []
    counts = context.snapshot.shown_counts()
    for state in _ORDER:
        count = counts.get(state, 0)
        if not count and (gone or state != Shown.RUNNING):
            continue
        text = f"{context.glyphs.states[state]} {count}{f' {state}' if words else ''}"
        spans += [("  ", "")] if spans else []
        spans.append((text, WORDS[state].role))
    return tuple(spans)


def _best(context: RenderContext, width: int) -> Line:
    snapshot = context.snapshot
    best = snapshot.row(snapshot.best)
    if best is None:
        return line(("no value yet", "muted"))
    metric = f"{plain(snapshot.spec.objective.metric)} " if width >= _WORDS_FROM else ""
    when = "so far" if best.ended is None else ago(snapshot.now - best.ended)
    partial = ", partial" if snapshot.partial and best.ended is not None else ""
    return line(
        (f"best {metric}", "muted"),
        (number(best.value), "text bold"),
        (f" {context.glyphs.best}{trial_name(best.number)}", "accent"),
        (f" {when}{partial}", "muted"),
    )


def _figures(snapshot: Snapshot) -> list[Segment]:
    segments = [Segment(3, line((_busy(snapshot), "muted")))]
    if not snapshot.engine_gone:
        rate = snapshot.pace.rate(snapshot.now)
        left = snapshot.pace.remaining(snapshot) if snapshot.study.may_launch else None
        if rate is not None:
            segments.append(Segment(2, line((_throughput(rate), "muted"))))
        if not snapshot.study.halted:
            eta = "-" if left is None else duration(left)
            segments.append(Segment(6, line(("eta ", "muted"), (eta, "text"))))
    segments.append(Segment(4, line((f"elapsed {duration(elapsed(snapshot))}", "muted"))))
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
    for sample in newest:
        if sample.slots is not None and sample.slots_used is not None:
            return f"cpu {sample.slots_used:g}/{sample.slots:g} slots"
    return ""


def _method(snapshot: Snapshot) -> str:
    pruning = snapshot.spec.pruning.method
    return snapshot.spec.search.method + ("" if pruning == "none" else f"+{pruning}")
