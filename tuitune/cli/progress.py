"""Lines about a running study for a log file, and a live line for a terminal."""

from __future__ import annotations

import math
import os
import sys
import time
from typing import TYPE_CHECKING

import msgspec

from tuitune.cli.console import Outlet
from tuitune.cli.output import folded, is_terminal, output, terminal_width
from tuitune.core import events as ev, gpu_reasons
from tuitune.core.placement.gpu_state import obstacle_changes
from tuitune.core.search.registry import searcher_kind
from tuitune.core.study import forecast, leaving
from tuitune.messages import reasons, states
from tuitune.messages.as_json import as_json, is_utf8
from tuitune.messages.facts import told, whose
from tuitune.messages.text import (
    configuration_words,
    duration,
    number,
    plain,
    trial_count,
    trial_name,
    trial_names,
)
from tuitune.ui.render.glyphs import ASCII, FULL, bar
from tuitune.ui.render.lines import Line, Segment, Span, cut, joined, line, width_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TextIO

    from tuitune.core.study import Study, Trial


_LIVE_EVERY = 0.2  # s between two paints of the live line
_NOTE_EVERY = 15.0  # s between two notes in a log file
_INDENT = " " * len("12:34:56  ")
_BAR = 16  # cells
_LEAST_WIDTH = 30  # columns: a terminal that says fewer, or none, is not believed


class _Count:
    """The number of ended trials and the forecast, counted from the facts."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self._ended: set[int] = set()
        self._forecast = forecast.Forecast()

    def note(self, fact: ev.AnyFact) -> None:
        trials = self._study.state.trials
        if isinstance(fact, ev.Opened):
            self._ended = {t.number for t in trials if t.state in ev.ENDED}
            settled = ((t.number, t.ended or t.launched) for t in trials if _is_settled(t))
            self._forecast.begin(fact.time, settled)
        elif isinstance(fact, ev.Settled | ev.RetryAsked | ev.Promoted):
            trial = trials[fact.trial]
            (self._ended.add if trial.state in ev.ENDED else self._ended.discard)(trial.number)
            self._forecast.note(trial.number, settled=_is_settled(trial), now=fact.time)

    @property
    def done(self) -> int:
        return len(self._ended)

    @property
    def total(self) -> int:
        settings = self._study.state.settings
        return (settings.trials if settings else 0) + self._study.state.by_hand

    def remaining(self) -> str:
        """As "ETA 2h05m"; empty where unknown, or where nothing is left to wait for."""
        state = self._study.state
        if not state.may_launch or self.done >= self.total:
            return ""
        limit = leaving.time_limit(state)
        time_left = None if limit is None else limit - state.now
        left = self._forecast.remaining(state.now, self.total, time_left)
        return "" if left is None else f"ETA {duration(left)}"


def _spaced(parts: Iterable[Span]) -> Line:
    """The parts that are not empty, two blanks between them."""
    spans: list[Span] = []
    for part in parts:
        if part[0]:
            spans += [("  ", ""), part] if spans else [part]
    return tuple(spans)


def _is_settled(trial: Trial) -> bool:
    return trial.state in ev.ENDED or trial.at_rung


class Lines:
    """Prints a line for each notable fact, and on a terminal a live line below them."""

    def __init__(self, study: Study, where: str, stream: TextIO | None = None) -> None:
        self._study = study
        self._count = _Count(study)
        self._where = where
        self._stream = stream or sys.stdout
        self._live = is_terminal(self._stream) and os.environ.get("TERM") != "dumb"
        self._output = output(self._stream)
        self._glyphs = FULL if is_utf8(self._stream.encoding) else ASCII
        self._painted = 0.0
        self._noted = 0.0
        self._idle = False
        self._blocked: dict[str, str] = {}
        # the last lines of the logs of trials that have exited, until they are settled
        self._tails: dict[int, str] = {}

    def __call__(self, facts: Sequence[ev.AnyFact]) -> None:
        for fact in facts:
            if type(fact) not in _MOST:
                self._count.note(fact)
                self._tell(fact)
        self._tell_idle(facts)
        if self._live and time.monotonic() - self._painted > _LIVE_EVERY:
            self._paint()

    def _tell_idle(self, facts: Sequence[ev.AnyFact]) -> None:
        """Print once that only trials paused by a user are left."""
        state = self._study.state
        held = [t.number for t in state.trials if t.paused_by_user] if not state.running else []
        idle = bool(held) and not (state.waiting or state.asking or state.halted or state.finished)
        if idle and not self._idle and facts:
            numbers = trial_names(held)
            words = f"nothing runs: the study waits for trials paused by hand: {numbers}"
            self._line(facts[-1].time, line((f"{words}; resume or kill them", "warning")))
        self._idle = idle

    def _tell(self, fact: ev.AnyFact) -> None:
        match fact:
            case ev.Opened():
                self._line(fact.time, line(_opening_words(self._study, self._where)))
                if words := reasons.reason_words(obstacle_changes((), fact.gpus)):
                    self._line(fact.time, line((plain(words), "warning")))
            case ev.Settled():
                self._line(fact.time, self._settled(fact))
                tail = self._tails.pop(fact.trial, "")
                if fact.state == ev.TrialState.FAILED:
                    self._quote(tail)
            case ev.Exited():
                self._tails[fact.trial] = fact.tail
            case ev.Halted():
                words = told(fact) + self._time_to_leave(fact)
                self._line(fact.time, line((words, "warning")))
            case _ if type(fact) in _PRINTED and self._is_new(fact) and (words := told(fact)):
                whom, role = whose(fact), "warning" if isinstance(fact, _TROUBLE) else ""
                named = ((f"{whom}  ", "accent"),) if whom else ()
                self._line(fact.time, line(*named, (words, role)))
            case _:
                pass

    def _time_to_leave(self, fact: ev.Halted) -> str:
        seconds = leaving.longest(self._study.state, fact.time)
        if fact.finish or fact.now or not seconds:
            return ""
        longest = duration(seconds)
        return f"; at most {longest} plus the time of a save; a second signal doesn't wait"

    def _is_new(self, fact: ev.AnyFact) -> bool:
        """False if the same launch problem was printed before: many trials meet it at once."""
        if not isinstance(fact, ev.LaunchBlocked):
            return True
        before = self._blocked.get(fact.cause, "")
        self._blocked[fact.cause] = fact.why
        return fact.why != before

    def _settled(self, fact: ev.Settled) -> Line:
        trial = self._study.state.trials[fact.trial]
        objective = self._study.spec.objective
        state = states.shown(fact.state, at_rung=trial.at_rung and not trial.paused_by_user)
        parts = [(trial_name(fact.trial), "accent"), (f"{state:<8}", states.WORDS[state].role)]
        if trial.value is not None:
            value = number(trial.counted(objective))
            parts.append((f"{self._study.spec.pruning.unit} {trial.step}", ""))
            parts.append((f"{objective.metric} {value}", "bold" if self._leads(trial) else ""))
        if fact.state in ev.ENDED:
            parts.append((f"{self._count.done}/{self._count.total}", ""))
            parts.append((self._best(), ""))
            parts.append((self._count.remaining(), "muted"))
        if fact.state != ev.TrialState.COMPLETE:
            role = "error" if fact.state == ev.TrialState.FAILED else "muted"
            parts.append((plain(reasons.reason_words(fact.why)), role))
        else:
            parts.append((configuration_words(trial.config), "muted"))
            if trial.error:  # its value counts nevertheless
                parts.append(
                    (f"; after that: {plain(reasons.reason_words(trial.error))}", "warning")
                )
        return _spaced(parts)

    def _leads(self, trial: Trial) -> bool:
        best, _ = self._study.best()
        return best is trial

    def _quote(self, tail: str) -> None:
        for text in tail.splitlines()[-8:]:
            self._write(f"{_INDENT}| {plain(text)}\n")

    def _best(self) -> str:
        best, partial = self._study.best()
        if best is None:
            return ""
        value = number(best.counted(self._study.spec.objective))
        # the furthest one may be better than any that will be complete
        return f"{'furthest' if partial else 'best'} {value} ({trial_name(best.number)})"

    def _line(self, when: float, content: Line) -> None:
        """One line; on a terminal on several where it is too wide, broken between words."""
        clock = time.strftime("%H:%M:%S", time.localtime(when))
        whole = line((f"{clock}  ", "muted"), *content)
        width = max(_LEAST_WIDTH, terminal_width(self._stream)) if self._live else math.inf
        is_wide = width_of(whole) > width
        parts = folded(whole, int(width), len(_INDENT)) if is_wide else [whole]
        text = "".join(f"{self._output.text(part)}\n" for part in parts)
        self._write(f"\r\x1b[K{text}" if self._live else text)

    def _paint(self) -> None:
        self._painted = time.monotonic()
        state, count = self._study.state, self._count
        share = count.done / count.total if count.total else None
        running = f"{len(state.running)} running"
        segments = (
            Segment(1, bar(share, _BAR, self._glyphs)),
            Segment(9, line((f"{count.done}/{count.total} trials", "bold"))),
            Segment(3, line((running, states.WORDS[states.Shown.RUNNING].role))),
            Segment(8, line(self._best())),
            Segment(5, line((count.remaining(), "muted"))),
        )
        width = terminal_width(self._stream) - 1
        whole = cut(joined(segments, width, gap=2), width)
        self._repaint("\r\x1b[K" + self._output.text(whole))

    def _repaint(self, text: str) -> None:
        if isinstance(self._stream, Outlet):
            self._stream.repaint(text)
        else:
            self._write(text)

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()

    def note(self, text: str, *, is_progress: bool = False) -> None:
        """Print a message; of progress a log file gets at most one every 15 s."""
        now = time.time()
        if self._live or not is_progress or now - self._noted > _NOTE_EVERY:
            self._noted = now
            self._line(now, line(plain(text)))

    def close(self) -> None:
        """Clear the live line."""
        if self._live:
            self._repaint("")  # a repaint that still waits must not appear below the result
            self._write("\r\x1b[K")


_TROUBLE = (
    *(ev.Warned, ev.Silent, ev.LaunchBlocked, ev.SaveFailed, ev.SampleFailed, ev.DiskChanged),
    ev.OnWrongGpu,
)
# Facts that get a line of their own, besides openings and ends.
_PRINTED = frozenset(
    {
        *(ev.Warned, ev.Silent, ev.Exhausted, ev.StyleChosen, ev.CodeChanged, ev.Promoted),
        *(ev.Frozen, ev.Parked, ev.ParkFailed, ev.Restored, ev.Added, ev.RetryAsked),
        *(ev.KillAsked, ev.UndoKillAsked, ev.PauseAsked, ev.ResumeAsked, ev.SettingsChanged),
        *(ev.DiskChanged, ev.LaunchBlocked, ev.DevicesChanged, ev.NodeChanged, ev.Packed),
        *(ev.SaveFailed, ev.SampleFailed, ev.Returned, ev.ClockStepped, ev.OnWrongGpu),
    }
)


# most facts of a study, which no line tells
_MOST = frozenset({ev.Reported, ev.Verdict})


class JsonLines:
    """Prints every fact as one JSON object a line."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._ascii = not is_utf8(self._stream.encoding)

    def __call__(self, facts: Sequence[ev.AnyFact]) -> None:
        lines = [as_json(fact_record(fact), ascii_only=self._ascii) + "\n" for fact in facts]
        self._stream.write("".join(lines))
        self._stream.flush()

    def note(self, text: str, *, is_progress: bool = False) -> None:  # noqa: ARG002 - all are printed
        """Print a message to stderr: standard output has JSON objects only."""
        print(text, file=sys.stderr)

    def close(self) -> None:
        """Nothing: each line was flushed."""


def fact_record(fact: ev.AnyFact) -> dict[str, object]:
    """A fact as an object: its kind under "event", then its fields. Not-finite numbers are null."""
    return {"event": type(fact).__struct_config__.tag, **_record(fact)}


def _record(struct: msgspec.Struct) -> dict[str, object]:
    """Its fields by name, also of the structs within it, which would be encoded as lists."""
    return {name: _by_name(value) for name, value in msgspec.structs.asdict(struct).items()}


def _by_name(value: object) -> object:
    if isinstance(value, gpu_reasons.Reason):
        return reasons.reason_words(value)
    if isinstance(value, tuple):
        return [_by_name(one) for one in value]
    return _record(value) if isinstance(value, msgspec.Struct) else value


def _opening_words(study: Study, where: str) -> str:
    spec, state = study.spec, study.state
    settings = state.settings
    assert settings is not None
    search: str = spec.search.method
    kind = searcher_kind(spec.search)
    if kind.size is not None:
        search = f"a {search} of {kind.size(spec.space, spec.search)} points"
    parts = [f"{spec.name}: {trial_count(settings.trials)} by {search}"]
    pruning = spec.pruning
    if spec.pruner.milestones:
        style = state.pruner.style or "style chosen once it is known whether trials save"
        parts.append(
            f"{pruning.method} ({style}) over {pruning.unit} {pruning.min} to {pruning.max}"
        )
    parts.append(f"{state.cpus:g} CPU slots, {settings.cpus:g} a trial")
    if settings.gpus != 0:
        each = settings.gpus if settings.gpus == "auto" else f"{settings.gpus:g}"
        parts.append(f"{len(state.gpus)} GPUs, {each} a trial")
        idle = reasons.idle_gpus(state.cpus, settings.cpus, len(state.gpus), settings.gpus)
        parts += [idle] if idle else []
    if state.disk_low:
        parts.append("the disk is too full to launch trials")
    if state.trials:
        done = sum(t.state in ev.ENDED for t in state.trials)
        parts.append(f"continues with {done} of {settings.trials} done")
    few = reasons.too_few(pruning, settings.trials, state.pruner.style)
    return ", ".join(parts) + f"; {few and f'{few}; '}{where}"
