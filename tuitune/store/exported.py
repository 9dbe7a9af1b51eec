"""Export of a study as CSV or JSON: a row for each trial, or for each parameter's importance."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from tuitune.core.search.importance import Importance
from tuitune.messages.as_json import as_json
from tuitune.messages.parameters import by_importance
from tuitune.store.rows import TrialRow

Form = Literal["csv", "json"]
ExportedTable = Literal["trials", "importance"]

_FIRST = ("trial", "state", "value", "step")
_LAST = (
    *("started", "ended", "attempts", "device", "error", "waiting_for"),
    *("gpu_hours", "energy_wh"),
)


def exported(
    rows: Iterable[TrialRow], names: Sequence[str], form: Form, *, ascii_only: bool = False
) -> str:
    """All trials as text; `names`: the parameters, in order; `ascii_only` is for JSON."""
    columns = _parameter_columns(names)
    records = [_record(row, columns) for row in rows]
    if form == "json":
        return as_json(records, indent=2, ascii_only=ascii_only) + "\n"
    return _written(records, [*_FIRST, *columns.values(), *_LAST])


def importance_record(found: Importance) -> dict[str, Any]:
    """As JSON has it; `importance` is the rise of the squared error without the parameter."""
    return {
        "finished": found.finished,
        "configurations": found.configurations,
        "r2": found.r2,
        "rank_correlation": found.rank,
        "why": found.why or None,
        "parameters": _importance_rows(found),
    }


def exported_importance(found: Importance, form: Form, *, ascii_only: bool = False) -> str:
    """The importance of each parameter as text, the most important first."""
    if form == "json":
        return as_json(importance_record(found), indent=2, ascii_only=ascii_only) + "\n"
    rows = _importance_rows(found)
    return _written(rows, list(rows[0]) if rows else [])


def _importance_rows(found: Importance) -> list[dict[str, Any]]:
    return [
        {"parameter": one.name, "importance": one.rise, "configurations": one.present}
        for one in by_importance(found)
    ]


def _parameter_columns(names: Sequence[str]) -> dict[str, str]:
    """Each parameter's column: its name, or `config.NAME` if another column has that name."""
    taken = {*_FIRST, *_LAST}
    columns = {}
    for name in names:
        column = name
        if name in taken:
            column = f"config.{name}"
            while column in names:  # a parameter may be called that, too
                column = f"config.{column}"
        columns[name] = column
    return columns


def _record(row: TrialRow, columns: Mapping[str, str]) -> dict[str, Any]:
    """One trial; an inactive parameter has the value None."""
    values = {column: row.config.get(name) for name, column in columns.items()}
    first = {"trial": row.number, "state": row.state, "value": row.value, "step": row.step}
    last = {
        "started": row.started,
        "ended": row.ended,
        "attempts": row.attempt,
        "device": row.device,
        "error": row.error,
        "waiting_for": row.waiting_for,
        **usage_record(row),
    }
    return {**first, **values, **last}


def usage_record(*rows: TrialRow) -> dict[str, float | None]:
    """GPU time and energy of these trials together; None: unknown."""
    known = [row.energy for row in rows if row.energy is not None]
    return {
        "gpu_hours": round(sum(row.gpu_seconds for row in rows) / 3600, 6),
        "energy_wh": round(sum(known) / 3600, 4) if known else None,
    }


def _written(records: Sequence[dict[str, Any]], columns: Sequence[str]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in r.items()} for r in records)
    return text.getvalue()


def _cell(value: Any) -> Any:
    """Lists, dicts and booleans as JSON, for readers that are not Python."""
    return as_json(value) if isinstance(value, bool | list | dict) else value
