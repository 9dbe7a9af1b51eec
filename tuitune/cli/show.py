"""`show` and `export`: a stored study, one trial's decisions, and all trials as a table."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from tuitune.cli.console import print_json
from tuitune.cli.progress import fact_record
from tuitune.cli.studies import open_study
from tuitune.cli.summary import best_record, counted_words, counts
from tuitune.messages.as_json import is_utf8
from tuitune.messages.facts import told
from tuitune.messages.states import shown
from tuitune.messages.text import (
    configuration_toml,
    configuration_words,
    duration,
    number,
    plain,
    table,
    trial_name,
)
from tuitune.store.errors import StoreError
from tuitune.store.exported import exported

if TYPE_CHECKING:
    from pathlib import Path

    from tuitune.cli.studies import StudyFolder
    from tuitune.store.exported import Form
    from tuitune.store.rows import TrialRow


def show_study(text: str, runs: Path, *, as_json: bool, why: int | None) -> int:
    """Print a study, or the facts of trial `why`; the exit status."""
    study = open_study(text, runs)
    if study is None:
        return 2
    try:
        if why is not None:
            return _print_why(study, why, as_json=as_json)
        rows = study.reader.trials()
        if as_json:
            print_json(_record(study, rows), indent=2)
        else:
            print(_words(study, rows))
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
        "error": row.error,
        "note": row.note,
    }


def nothing_starts(study: StudyFolder) -> str:
    """Why a running study launches no trial; empty if it does, or if no engine runs it."""
    row = study.reader.study()
    if study.owner() is None or row.finished:
        return ""
    if row.halted:
        return f"the study stops: {row.halted}"
    if row.disk_low:
        return "the disk is too full; make room, or lower `disk_free` in [limits]"
    if row.blocked:
        return row.blocked
    return "" if row.launching else f"paused by hand; `tuitune resume {study.name}` goes on"


def _record(study: StudyFolder, rows: list[TrialRow]) -> dict[str, Any]:
    best, partial = study.best(rows)
    return {
        "study": study.name,
        "state": study.state(),
        "nothing_starts": nothing_starts(study) or None,
        "counts": counts((r.state, r.is_held) for r in rows)[0],
        "best": best and best_record(best.number, best.value, best.config, partial=partial),
        "trials": [trial_record(row) for row in rows],
    }


def _words(study: StudyFolder, rows: list[TrialRow]) -> str:
    spec = study.spec
    counted = counted_words(*counts((r.state, r.is_held) for r in rows))
    lines = [f"{study.name}: {study.state()}, {counted} of {study.total()} trials; {study.path}"]
    if why := nothing_starts(study):
        lines.append(f"nothing new starts: {plain(why)}")
    best, partial = study.best(rows)
    if best is not None:
        what = f"{spec.objective.metric} {number(best.value)}"
        lines += ["", f"best{' (partial)' if partial else ''}: {trial_name(best.number)}, {what}"]
        lines += [f"  {line}" for line in configuration_toml(best.config).splitlines()]
    if rows:
        lines += ["", _table(study, rows)]
    return "\n".join(lines)


def _table(study: StudyFolder, rows: list[TrialRow]) -> str:
    spec = study.spec
    resource = spec.pruning.resource or "reports"
    head = ["trial", "state", spec.objective.metric, resource, "time", "configuration", "note"]
    now = None if study.owner() is None else time.time()
    return table([head, *(_cells(row, now) for row in rows)])


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


def export_study(text: str, runs: Path, *, form: Form, out: Path | None) -> int:
    """Write all trials to `out`, None for standard output; the exit status."""
    study = open_study(text, runs)
    if study is None:
        return 2
    try:
        names = [p.name for p in study.spec.space.parameters]
        rows = study.reader.trials()
        if out is None:
            ascii_only = not is_utf8(sys.stdout.encoding)
            sys.stdout.write(exported(rows, names, form, ascii_only=ascii_only))
            sys.stdout.flush()
        else:
            written = exported(rows, names, form)
            out.write_text(written, encoding="utf-8", errors="backslashreplace")
    except StoreError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        if out is None:
            raise  # handled where the command ends
        print(f"{out}: can't be written: {error.strerror}", file=sys.stderr)
        return 2
    return 0
