"""`show`: a stored study, one trial's decisions, and all trials as a table."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuitune.cli.console import print_json
from tuitune.cli.progress import fact_record
from tuitune.cli.studies import open_study
from tuitune.cli.summary import best_record, counted_words, counts
from tuitune.messages.configuration import configuration_toml
from tuitune.messages.facts import told
from tuitune.messages.parameters import by_importance, caution, score
from tuitune.messages.states import shown, shown_counts
from tuitune.messages.text import (
    configuration_words,
    duration,
    number,
    plain,
    table,
    trial_name,
)
from tuitune.store.errors import StoreError
from tuitune.store.exported import importance_record, usage_record
from tuitune.store.rows import StudyRow

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tuitune.cli.studies import StudyFolder
    from tuitune.core.events import TrialState
    from tuitune.core.search.importance import Importance
    from tuitune.store.owner import Owner
    from tuitune.store.rows import StudyState, TrialRow


_AFTER_TIME = 5  # the place of a column in the table of trials


@dataclass(frozen=True, slots=True)
class _Stored:
    """A study as it was at one moment."""

    study: StudyFolder
    row: StudyRow
    rows: list[TrialRow]
    engine: Owner | None
    importance: Importance | None

    @staticmethod
    def read(study: StudyFolder) -> _Stored:
        """Raises StoreError."""
        engine = study.owner()  # asked before reading, so that no result is missed
        found = study.reader.changes()
        importance = study.importance(found.rows, engine)
        return _Stored(study, found.study or StudyRow(), found.rows, engine, importance)

    @property
    def state(self) -> StudyState:
        return self.row.state(running=self.engine is not None)


def show_study(text: str, runs: Path, *, as_json: bool, why: int | None) -> int:
    """Print a study, or the facts of trial `why`; the exit status."""
    study = open_study(text, runs)
    if study is None:
        return 2
    try:
        if why is not None:
            return _print_why(study, why, as_json=as_json)
        stored = _Stored.read(study)
        if as_json:
            print_json(_record(stored), indent=2)
        else:
            print(_words(stored))
    except StoreError as error:
        print(error, file=sys.stderr)
        return 2
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
        **usage_record(row),
    }


def _nothing_starts(stored: _Stored) -> str:
    """Why a running study launches no trial; empty if it does, or if no engine runs it."""
    row = stored.row
    if stored.engine is None or row.finished:
        return ""
    if row.halted:
        return f"the study is stopping: {row.halted}"
    if row.disk_low:
        return "the disk is too full; make room, or lower `disk_free` in [limits]"
    if row.blocked:
        return row.blocked
    return (
        ""
        if row.launching
        else f"launching is paused; `tuitune resume {stored.study.name}` resumes it"
    )


def _counts(stored: _Stored) -> tuple[dict[TrialState, int], int]:
    return counts((row.state, row.is_held) for row in stored.rows)


def _record(stored: _Stored) -> dict[str, Any]:
    best, partial = stored.study.best(stored.rows)
    found = stored.importance
    return {
        "study": stored.study.name,
        "state": stored.state,
        "nothing_starts": _nothing_starts(stored) or None,
        "counts": _counts(stored)[0],
        "best": best and best_record(best.number, best.value, best.config, partial=partial),
        "importance": found and importance_record(found),
        **usage_record(*stored.rows),
        "trials": [trial_record(row) for row in stored.rows],
    }


def _words(stored: _Stored) -> str:
    study, rows = stored.study, stored.rows
    frozen = sum(row.is_frozen for row in rows)
    counted = counted_words(
        shown_counts(*_counts(stored), frozen, engine_gone=stored.engine is None)
    )
    total = study.total(stored.row)
    lines = [f"{study.name}: {stored.state}, {counted} of {total} trials; {study.path}"]
    if why := _nothing_starts(stored):
        lines.append(f"nothing starts: {plain(why)}")
    if any(row.gpu_seconds for row in rows):
        lines.append(f"GPUs: {_usage_words(rows)}")
    best, partial = study.best(rows)
    if best is not None:
        what = f"{study.spec.objective.metric} {number(best.value)}"
        lines += ["", f"best{' (partial)' if partial else ''}: {trial_name(best.number)}, {what}"]
        lines += [f"  {line}" for line in configuration_toml(best.config).splitlines()]
    if stored.importance is not None and stored.importance.parameters:
        lines += ["", *_importance_words(stored.importance)]
    if rows:
        lines += ["", _table(stored)]
    return "\n".join(lines)


def _usage_words(rows: Sequence[TrialRow]) -> str:
    """As "12.4 GPU-hours, 3.1 kWh"."""
    usage = usage_record(*rows)
    hours, energy = usage["gpu_hours"], usage["energy_wh"]
    if energy is None:
        return f"{number(hours)} GPU-hours"
    words = f"{number(energy / 1000)} kWh" if energy >= 1000 else f"{number(energy)} Wh"
    return f"{number(hours)} GPU-hours, {words}"


def _importance_words(found: Importance) -> list[str]:
    """A headline with how far the figures can be trusted, then a line for each parameter."""
    doubts = f"; {words}" if (words := caution(found)) else ""
    cells = [[f"  {one.name}", f"{one.rise:.2f}"] for one in by_importance(found)]
    headline = f"importance of parameters, by {found.finished} trials: {score(found)}{doubts}"
    return [headline, *table(cells).splitlines()]


def _table(stored: _Stored) -> str:
    spec = stored.study.spec
    resource = spec.pruning.resource or "reports"
    head = ["trial", "state", spec.objective.metric, resource, "time", "configuration", "note"]
    now = None if stored.engine is None else time.time()
    lines = [head, *(_cells(row, now) for row in stored.rows)]
    if any(row.gpu_seconds for row in stored.rows):
        hours = (number(usage_record(row)["gpu_hours"]) for row in stored.rows)
        for cells, cell in zip(lines, ("GPU-h", *hours), strict=True):
            cells.insert(_AFTER_TIME, cell)
    return table(lines)


def _cells(row: TrialRow, now: float | None) -> list[str]:
    """now: None where no engine runs the study, so that nothing goes on."""
    end = row.ended or (now if row.device else None)  # it holds a device while it runs
    lasted = "-" if row.started is None or end is None else duration(end - row.started)
    return [
        trial_name(row.number),
        shown(
            row.state,
            activity=row.activity,
            is_stopping=row.is_stopping,
            at_rung=row.is_held,
            engine_gone=now is None,
        ),
        number(row.value),
        str(row.step or "-"),
        lasted,
        configuration_words(row.config),
        plain(row.note),
    ]


def _print_why(study: StudyFolder, trial: int, *, as_json: bool) -> int:
    """Print all facts of a trial but its reports, in order."""
    facts = [fact for _, fact in study.reader.facts_of(trial)]
    if not facts:
        print(f"{study.name}: there is no trial {trial_name(trial)}", file=sys.stderr)
        return 2
    for fact in facts:
        words = told(fact)
        if not words:
            continue
        if as_json:
            print_json(fact_record(fact))
        else:
            clock = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(fact.time))
            print(f"{clock}  {words}")
    return 0
