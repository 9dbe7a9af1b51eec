"""A study's trials as a table for other programs: a row a trial."""

from __future__ import annotations

import csv
import io
import sys
from typing import TYPE_CHECKING, Any

import msgspec

from tuitune.cli.studies import open_study
from tuitune.store.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from tuitune.store.rows import TrialRow

FIRST = ("trial", "state", "value", "step")
LAST = ("started", "ended", "attempts", "device", "error")


def export_study(text: str, runs: Path, *, form: str, out: Path | None) -> int:
    study = open_study(text, runs)
    if study is None:
        return 2
    try:
        names = [p.name for p in study.spec.space.parameters]
        records = [_record(row, names) for row in study.reader.trials()]
        written = _json(records) if form == "json" else _csv(records, names)
        if out is None:
            sys.stdout.write(written)
        else:
            out.write_text(written)
    except StoreError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"{out or 'standard output'}: can't be written: {error.strerror}", file=sys.stderr)
        return 2
    return 0


def _record(row: TrialRow, names: list[str]) -> dict[str, Any]:
    """One trial; an inactive parameter is there without a value."""
    values = {name: row.config.get(name) for name in names}
    first = {"trial": row.number, "state": row.state, "value": row.value, "step": row.step}
    last = {
        "started": row.started,
        "ended": row.ended,
        "attempts": row.attempt,
        "device": row.device,
        "error": row.error,
    }
    return {**first, **values, **last}


def _csv(records: list[dict[str, Any]], names: list[str]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, [*FIRST, *names, *LAST], lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in r.items()} for r in records)
    return text.getvalue()


def _cell(value: Any) -> Any:
    """Lists and booleans as JSON spells them: their Python spelling helps nobody."""
    return msgspec.json.encode(value).decode() if isinstance(value, bool | list | dict) else value


def _json(records: list[dict[str, Any]]) -> str:
    return msgspec.json.format(msgspec.json.encode(records), indent=2).decode() + "\n"
