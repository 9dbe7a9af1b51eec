"""Export of a study as CSV or JSON: its trials, its reports, or the importance of parameters."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TextIO

from tuitune.core.search.importance import Importance
from tuitune.messages.as_json import as_json
from tuitune.messages.parameters import by_importance
from tuitune.store.reader import Report
from tuitune.store.rows import TrialRow

Form = Literal["csv", "json"]
ExportedTable = Literal["trials", "reports", "importance"]

_FIRST = ("trial", "state", "value", "step")
_LAST = (
    *("started", "ended", "attempts", "device", "error", "waiting_for"),
    *("gpu_hours", "energy_wh", "node"),
)
_OF_REPORTS = ("trial", "attempt", "step", "time")


def exported(
    rows: Iterable[TrialRow], names: Sequence[str], form: Form, *, ascii_only: bool = False
) -> str:
    """All trials as text; `names`: the parameters, in order; `ascii_only` is for JSON."""
    columns = _columns(names)
    records = trial_records(rows, names)
    if form == "json":
        return as_json(records, indent=2, ascii_only=ascii_only) + "\n"
    return _written(records, [*_FIRST, *columns.values(), *_LAST])


def trial_records(rows: Iterable[TrialRow], names: Sequence[str]) -> list[dict[str, Any]]:
    """A record for each trial: column -> value. `names`: the parameters, in order."""
    columns = _columns(names)
    return [_record(row, columns) for row in rows]


def report_records(reports: Iterable[Report], names: Iterable[str]) -> Iterator[dict[str, Any]]:
    """A record for each report: column -> value, with a column for each metric of `names`.

    A metric that a report has not is None; one that is not finite stays so.
    """
    columns = _columns(names, "metrics", _OF_REPORTS)
    for one in reports:
        first = (one.trial, one.attempt, one.step, one.time)
        values = {column: one.metrics.get(name) for name, column in columns.items()}
        yield {**dict(zip(_OF_REPORTS, first, strict=True)), **values}


def metric_names(reports: Iterable[Report]) -> list[str]:
    """The names of all metrics, in the order of their first reports."""
    names: dict[str, None] = {}
    for one in reports:
        names.update(dict.fromkeys(one.metrics))
    return list(names)


def write_reports(
    reports: Callable[[], Iterable[Report]], form: Form, out: TextIO, *, ascii_only: bool = False
) -> None:
    """Write all reports one by one, as there may be millions; `reports` is called twice."""
    names = metric_names(reports())
    records = report_records(reports(), names)
    if form == "csv":
        _write_csv(out, [*_OF_REPORTS, *_columns(names, "metrics", _OF_REPORTS).values()], records)
        return
    before = "[\n "
    for record in records:
        known = {name: value for name, value in record.items() if value is not None}
        out.write(before + as_json(known, ascii_only=ascii_only))
        before = ",\n "
    out.write("[]\n" if before.startswith("[") else "\n]\n")


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


def _columns(
    names: Iterable[str], prefix: str = "config", others: Sequence[str] = (*_FIRST, *_LAST)
) -> dict[str, str]:
    """Each name's column: the name itself, or `config.NAME` if another column has that name."""
    known, taken = list(names), set(others)
    columns = {}
    for name in known:
        column = name
        if name in taken:
            column = f"{prefix}.{name}"
            while column in known:  # a parameter may be called that, too
                column = f"{prefix}.{column}"
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
        "node": row.node,
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
    _write_csv(text, columns, ({name: _cell(v) for name, v in r.items()} for r in records))
    return text.getvalue()


class _Lines(NamedTuple):
    """Ends each row that a csv.writer writes in a line feed alone.

    The writer of Python 3.12 and earlier quotes a carriage return only if its own rows end in one.
    """

    out: TextIO

    def write(self, row: str) -> int:
        return self.out.write(row.removesuffix("\r\n") + "\n")


def _write_csv(out: TextIO, columns: Sequence[str], records: Iterable[dict[str, Any]]) -> None:
    writer = csv.DictWriter(_Lines(out), columns, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(records)


def _cell(value: Any) -> Any:
    """Lists, dicts and booleans as JSON, for readers that are not Python."""
    return as_json(value) if isinstance(value, bool | list | dict) else value
