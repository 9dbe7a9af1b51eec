"""How is the whole study doing? Two lines that are always there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuitune.core.study.state import (
    COMPLETE,
    ENDED,
    FAILED,
    KILLED,
    PAUSED,
    PRUNED,
    RUNNING,
    WAITING,
)
from tuitune.messages.text import duration, number, plain
from tuitune.ui.render.glyphs import LOST, WORDS
from tuitune.ui.render.lines import Line, Size, cut, ends, fit, line, width_of
from tuitune.ui.render.pieces import Piece, joined
from tuitune.ui.state.pace import elapsed
from tuitune.ui.table.cells import label
from tuitune.ui.text.health import engine_gone, health
from tuitune.ui.text.phrases import next_step, notice, why_ended
from tuitune.ui.text.trial_words import ago

if TYPE_CHECKING:
    from tuitune.ui.state.look import Look
    from tuitune.ui.state.picture import Picture

ORDER = (RUNNING, PAUSED, WAITING, COMPLETE, PRUNED, FAILED, KILLED)
WORDS_FROM = 110  # columns from which states have their word beside their sign
GAP = 3  # blanks between two pieces
LEAST_REASON = 24  # columns


def lines(look: Look, size: Size) -> list[Line]:
    width = size.width
    return [_first(look, width), _second(look, width)][: size.height]


def _first(look: Look, width: int) -> Line:
    picture = look.picture
    done = sum(picture.counts.get(state, 0) for state in ENDED)
    flags = _flags(look)
    right = line(*flags, (f"{done}/{picture.total}", "text bold"))
    pieces = [
        Piece(9, line((fit(picture.file, min(len(picture.file), width // 3)), "title bold"))),
        Piece(2, line((_method(picture), "muted"))),
        Piece(1, line((f"host {plain(picture.host)}", "muted")) if picture.host else ()),
        Piece(8, _counts(look, words=width >= WORDS_FROM)),
    ]
    return ends(joined(pieces, width - width_of(right) - 1, GAP), right, width)


def _second(look: Look, width: int) -> Line:
    words, role = health(look)
    right = line((words, role))
    room = width - width_of(right) - 1
    told = notice(look)
    first = _cut_to(told, room) if told else _best(look, width)
    pieces = [
        Piece(9, first),
        _reason(look, room - width_of(first) - GAP),
        Piece(7, next_step(look)),
        *_figures(look.picture),
    ]
    left = joined(pieces, room, GAP)
    return ends(cut(left, room), right, width)


def _reason(look: Look, room: int) -> Piece:
    """Why the study has ended, or why nothing starts: that is not left out for want of room."""
    words = why_ended(look)
    if look.picture.study.blocked and not look.picture.study.halted:
        return Piece(8, _cut_to(line((words, "error")), max(room, LEAST_REASON)))
    return Piece(1, line((words, "muted")))


def _cut_to(told: Line, width: int) -> Line:
    """Words of others may be long: what is cut is seen to be."""
    return tuple((fit(text, width).rstrip(), role) for text, role in told)


def _flags(look: Look) -> Line:
    words = [("frozen", look.view.frozen), ("readonly", look.readonly)]
    spans: list[tuple[str, str]] = []
    for word, on in words:
        if on:
            spans += [(f" {word} ", "warning reverse"), ("  ", "")]
    return tuple(spans)


def _counts(look: Look, *, words: bool) -> Line:
    gone = engine_gone(look.picture)
    spans: list[tuple[str, str]] = []
    for state in ORDER:
        count = look.picture.counts.get(state, 0)
        if not count and state != RUNNING:
            continue
        shown = LOST if gone and state == RUNNING else state
        if gone and not count:
            continue
        word, role = WORDS[shown]
        said = f"{look.glyphs.state(shown)} {count}{' ' + word if words else ''}"
        spans += [("  ", ""), (said, role)] if spans else [(said, role)]
    return tuple(spans)


def _best(look: Look, width: int) -> Line:
    picture = look.picture
    best = picture.row(picture.best)
    if best is None:
        return line(("no value yet", "muted"))
    metric = f"{plain(picture.spec.objective.metric)} " if width >= WORDS_FROM else ""
    when = "so far" if best.ended is None else ago(picture.now - best.ended)
    partial = ", partial" if picture.partial and best.ended is not None else ""
    return line(
        (f"best {metric}", "muted"),
        (number(best.value), "text bold"),
        (f" {look.glyphs.best}{label(best.number)}", "accent"),
        (f" {when}{partial}", "muted"),
    )


def _figures(picture: Picture) -> list[Piece]:
    pieces = [Piece(3, line((busy(picture), "muted")))]
    if not engine_gone(picture):
        rate = picture.pace.rate(picture.now)
        left = picture.pace.remaining(picture) if picture.study.may_launch else None
        if rate is not None:
            pieces.append(Piece(2, line((throughput(rate), "muted"))))
        if not picture.study.halted:
            eta = "-" if left is None else duration(left)
            pieces.append(Piece(6, line(("eta ", "muted"), (eta, "text"))))
    pieces.append(Piece(4, line((f"elapsed {duration(elapsed(picture))}", "muted"))))
    return pieces


def throughput(rate: float) -> str:
    """Of trials a second. Two figures are enough, and change less often than more would."""
    a_minute = rate * 60
    if a_minute < 1:
        return f"{rate * 3600:.2g} trials/h"
    return f"{a_minute:.0f} trials/min" if a_minute >= 10 else f"{a_minute:.2g} trials/min"


def busy(picture: Picture) -> str:
    """How busy the devices are: the GPUs where there are some, else the CPU slots."""
    if engine_gone(picture):
        return ""
    newest = [samples[-1] for samples in picture.devices.values() if samples]
    gpus = [s.utilisation for s in newest if s.kind != "host" and s.utilisation is not None]
    if gpus:
        return f"gpu {sum(gpus) / len(gpus):.0%} busy"
    for sample in newest:
        if sample.slots is not None and sample.slots_used is not None:
            return f"cpu {sample.slots_used:g}/{sample.slots:g} slots"
    return ""


def _method(picture: Picture) -> str:
    pruning = picture.spec.pruning.method
    return picture.spec.search.method + ("" if pruning == "none" else f"+{pruning}")
