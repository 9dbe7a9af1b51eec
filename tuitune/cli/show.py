"""`show`: a stored study with all trials as a table, some of its trials, a trial's decisions."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

from tuitune.cli import console, one_trial, progress, studies, summary, trials_table
from tuitune.cli.arguments import Refusal
from tuitune.cli.best import check_number
from tuitune.cli.output import output, table
from tuitune.core import events, sizes
from tuitune.core.search.importance import Importance
from tuitune.core.spec import Objective
from tuitune.core.study.ranking import loss
from tuitune.messages import parameters, states
from tuitune.messages.facts import told
from tuitune.messages.outlook import study_outlook
from tuitune.messages.text import allowance, plain, trial_count, trial_name, usage_words
from tuitune.store import exported, owner
from tuitune.store.rows import StudyRow, StudyState, TrialRow
from tuitune.ui.render.lines import Line, line
from tuitune.ui.state.studies import STATE_ROLES


@dataclass(frozen=True, slots=True)
class Chosen:
    """The trials that are shown: all, the `top` best, those that failed, or these numbers."""

    top: int | None = None
    failed: bool = False
    trials: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Stored:
    """A study as it was at one moment."""

    study: studies.StudyFolder
    row: StudyRow
    rows: list[TrialRow]
    engine: owner.Owner | None
    importance: Importance | None
    best: TrialRow | None
    partial: bool  # the best one is not complete

    @staticmethod
    def read(study: studies.StudyFolder) -> _Stored:
        """Raises StoreError."""
        engine = study.owner()  # asked before reading, so that no result is missed
        found = study.reader.changes()
        importance = study.importance(found.rows, engine)
        row, best = found.study or StudyRow(), study.best(found.rows)
        return _Stored(study, row, found.rows, engine, importance, *best)

    @property
    def state(self) -> StudyState:
        return self.row.state(running=self.engine is not None)


def show_study(
    text: str | None, runs: Path, chosen: Chosen, *, as_json: bool, why: int | None
) -> int:
    """Print a study, or the facts of trial `why`; the exit status."""
    study = studies.open_study(text, runs)
    if why is not None:
        return _print_why(study, why, as_json=as_json)
    stored = _Stored.read(study)
    for number in chosen.trials:
        check_number(study, stored.rows, number)
    if as_json:
        console.print_json(_record(stored, chosen), indent=2)
    elif chosen.trials:
        _print_trials(stored, chosen.trials)
    else:
        _print_words(stored, chosen)
    return 0


def trial_record(row: TrialRow) -> dict[str, Any]:
    """A trial as `show --json` has it. Times are Unix seconds, a missing value is null."""
    return {
        "trial": row.number,
        "state": row.state,
        "waiting_for": row.waiting_for,
        "value": row.value,
        "step": row.step,
        "config": row.config,
        "origin": row.origin,
        "why": row.why,
        "attempts": row.attempt,
        "started": row.started,
        "ended": row.ended,
        "device": row.device,
        "node": row.node,
        "error": row.error,
        "note": row.note,
        **exported.usage_record(row),
    }


def _nothing_starts(stored: _Stored) -> str:
    """Why a running study launches no trial, or an engine gave it up; empty where neither is so."""
    row = stored.row
    if stored.engine is None or row.finished:
        return f"the study was halted: {row.halted}" if row.failed and not row.complete else ""
    if row.halted:
        return f"the study is stopping: {row.halted}"
    if row.disk_low:
        return "the disk is too full; make room, or lower `disk_free` in [limits]"
    if row.blocked:
        return row.blocked
    if not row.launching:
        return f"launching is paused; `tuitune resume {stored.study.name}` resumes it"
    return _no_gpu_allowed(row.settings)


def _no_gpu_allowed(settings: events.Settings | None) -> str:
    """That `max_gpus` and `hours` allow a trial no GPU now; empty if they do."""
    if settings is None or settings.gpus == 0 or (settings.max_gpus, settings.hours) == (None, ()):
        return ""
    from tuitune.engine.leases import allowed_now  # noqa: PLC0415 - few studies need it

    now = allowed_now(settings, time.time())
    needed = 1 if settings.gpus == "auto" else ceil(settings.gpus)
    if now.gpus is None or now.gpus >= needed:
        return ""
    return f"[devices] max_gpus and hours: {allowance(now)}, and a trial has {needed}"


def _counts(stored: _Stored) -> tuple[dict[events.TrialState, int], int]:
    return summary.counts((row.state, row.is_held) for row in stored.rows)


def _record(stored: _Stored, chosen: Chosen) -> dict[str, Any]:
    best, found = stored.best, stored.importance
    return {
        "study": stored.study.name,
        "state": stored.state,
        "nothing_starts": _nothing_starts(stored) or None,
        "counts": _counts(stored)[0],
        "best": best
        and summary.best_record(best.number, best.value, best.config, partial=stored.partial),
        "importance": found and exported.importance_record(found),
        **exported.usage_record(*stored.rows),
        "checkpoint_bytes": stored.study.bytes_of_checkpoints(),
        "trials": [trial_record(row) for row in _listed(stored, chosen)],
    }


def _print_words(stored: _Stored, chosen: Chosen) -> None:
    """The head, trials with the best last, importance, and the best configuration."""
    to, spec = output(), stored.study.spec
    to.print(*_head(stored))
    if chosen.failed:
        lines = list(trials_table.failure_lines(stored.rows, spec, _ranked(stored), to.width))
        to.print(*(lines or [line("no trial has failed")]))
        return
    best, rows = stored.best, _chosen_rows(stored, chosen)
    if rows:
        now = None if stored.engine is None else time.time()
        number_of_best = None if best is None else best.number
        lines, missing = table(
            trials_table.trial_columns(spec, _ranked(stored), rows, now, number_of_best), to.width
        )
        to.print((), *lines)
        if missing:
            to.print(line((f"no room for {', '.join(missing)}", "muted")))
    if stored.importance is not None and stored.importance.parameters:
        to.print((), *_importance_lines(stored.importance))
    if best is not None:
        to.print((), *trials_table.best_lines(spec, best, partial=stored.partial), fold=False)


def _print_trials(stored: _Stored, trials: Sequence[int]) -> None:
    to, engine_gone = output(), stored.engine is None
    for place, trial in enumerate(trials):
        to.print(*([()] if place else []))
        lines = one_trial.trial_lines(stored.study, stored.rows[trial], engine_gone=engine_gone)
        to.print(*lines, fold=False)


def _used(rows: Sequence[TrialRow]) -> tuple[float, float | None]:
    """GPU seconds and joules of all of them."""
    known = [row.energy for row in rows if row.energy is not None]
    return sum(row.gpu_seconds for row in rows), sum(known) if known else None


def _ranked(stored: _Stored) -> list[str]:
    """The parameters by importance; none where that is not known."""
    found = stored.importance
    return (
        []
        if found is None or parameters.is_useless(found)
        else [p.name for p in parameters.by_importance(found)]
    )


def _head(stored: _Stored) -> list[Line]:
    study, rows = stored.study, stored.rows
    still = sum(row.is_frozen for row in rows), sum(row.is_parked for row in rows)
    counted = states.shown_counts(*_counts(stored), *still, engine_gone=stored.engine is None)
    head = line(
        (f"{plain(study.name)}: ", "bold"),
        (stored.state, STATE_ROLES[stored.state]),
        ", ",
        *summary.counted_spans(counted),
        f" of {trial_count(study.total(stored.row))}; ",
        (plain(str(study.path)), "muted"),
    )
    lines = [head]
    if why := _nothing_starts(stored):
        lines.append(line((f"nothing starts: {plain(why)}", "warning")))
    if outlook := _outlook(stored):
        lines.append(line((outlook, "muted")))
    if any(row.gpu_seconds for row in rows):
        lines.append(line(f"GPUs: {usage_words(*_used(rows))}"))
    if held := study.bytes_of_checkpoints():
        lines.append(line(f"checkpoints: {sizes.size(held)} on disk"))
    return lines


def _outlook(stored: _Stored) -> str:
    """What the next hour of a running study is worth; empty where that is not known."""
    if stored.engine is None or stored.row.finished:
        return ""
    study = stored.study
    return study_outlook(stored.rows, study.spec, study.total(stored.row))


def _listed(stored: _Stored, chosen: Chosen) -> list[TrialRow]:
    """Those of the JSON: all by their numbers, else as they are printed."""
    if chosen.trials:
        return [stored.rows[trial] for trial in chosen.trials]
    is_whole = chosen.top is None and not chosen.failed
    return stored.rows if is_whole else _chosen_rows(stored, chosen)


def _chosen_rows(stored: _Stored, chosen: Chosen) -> list[TrialRow]:
    """Those to print, the best last: first the ones without a value, by their numbers."""
    if chosen.failed:
        return [row for row in stored.rows if row.state == events.TrialState.FAILED]
    best, objective = stored.best, stored.study.spec.objective
    rows = [row for row in stored.rows if chosen.top is None or row.value is not None]

    def order(row: TrialRow) -> tuple[bool, tuple[bool, int, float, int]]:
        return best is not None and row.number == best.number, _falling(row, objective)

    rows.sort(key=order)
    return rows if chosen.top is None else rows[-chosen.top :]


def _falling(row: TrialRow, objective: Objective) -> tuple[bool, bool, float, int]:
    """Sorts the best last: by whether there is a value, whether it is complete, and the value."""
    if row.value is None:
        return False, False, 0.0, row.number
    return True, row.state == events.TrialState.COMPLETE, -loss(row.value, objective), -row.number


def _importance_lines(found: Importance) -> list[Line]:
    """A headline with how far the figures can be trusted, then a line for each parameter."""
    doubts = f"; {words}" if (words := parameters.caution(found)) else ""
    listed = parameters.by_importance(found)
    headline = (
        f"importance of parameters, by {found.finished} trials: {parameters.score(found)}{doubts}"
    )
    wide = max(len(one.name) for one in listed)
    return [
        line(headline),
        *(line(f"  {plain(one.name):<{wide}}  ", f"{one.rise:5.2f}") for one in listed),
    ]


def _print_why(study: studies.StudyFolder, trial: int, *, as_json: bool) -> int:
    """Print all facts of a trial but its reports, in order."""
    facts = [fact for _, fact in study.reader.facts_of(trial)]
    if not facts:
        raise Refusal(f"{study.name}: there is no trial {trial_name(trial)}")
    to = output()
    for fact in facts:
        words = told(fact)
        if not words:
            continue
        if as_json:
            console.print_json(progress.fact_record(fact))
        else:
            clock = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(fact.time))
            to.print(line((f"{clock}  ", "muted"), words))
    return 0
