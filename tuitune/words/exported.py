"""How is a study told to other programs? A row a trial, as CSV or JSON."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tuitune.store.rows import TrialRow

Form = Literal["csv", "json"]

FIRST = ("trial", "state", "value", "step")
LAST = ("started", "ended", "attempts", "device", "error")


def exported(rows: Iterable[TrialRow], names: Sequence[str], form: Form) -> str:
    """All trials; `names` are the space's parameters in its order."""
    records = [_record(row, names) for row in rows]
    if form == "json":
        return msgspec.json.format(msgspec.json.encode(records), indent=2).decode() + "\n"
    return _csv(records, names)


def _record(row: TrialRow, names: Sequence[str]) -> dict[str, Any]:
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


def _csv(records: Sequence[dict[str, Any]], names: Sequence[str]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, [*FIRST, *names, *LAST], lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in r.items()} for r in records)
    return text.getvalue()


def _cell(value: Any) -> Any:
    """Lists and booleans as JSON spells them: their Python spelling helps nobody."""
    return msgspec.json.encode(value).decode() if isinstance(value, bool | list | dict) else value
