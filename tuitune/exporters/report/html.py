"""The text of a report: the data of a study in a page, with the library that draws it."""

import base64
import gzip
import importlib.util
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from string import Template
from typing import Any, Final, NamedTuple

from tuitune.core import space
from tuitune.core.search.importance import Importance
from tuitune.core.spec import StudySpec
from tuitune.core.study.ranking import merit
from tuitune.exporters.destination import DestinationError
from tuitune.messages.as_json import as_json
from tuitune.messages.parameters import caution, score
from tuitune.store import exported, reader
from tuitune.store.curves import Curve, new_curve
from tuitune.store.rows import StudyRow, TrialRow

_FOLDER: Final = "tuitune.exporters.report"
_POINTS: Final = 400_000  # of all curves together; longer ones are thinned
_MOST_METRICS: Final = 12  # that have curves, the objective first
_FEWEST: Final = 40  # points of a curve, however many there are


class Told(NamedTuple):
    """What a report is made of."""

    name: str
    spec: StudySpec
    row: StudyRow
    rows: Sequence[TrialRow]
    best: tuple[TrialRow | None, bool]  # and whether it is partial
    importance: Importance | None
    state: str


def html_report(told: Told, reports: Iterable[reader.Report]) -> str:
    """The whole file. Raises DestinationError if plotly is not installed."""
    library = base64.b64encode(gzip.compress(_library(), 9, mtime=0)).decode()
    data = as_json(_data(told, reports), ascii_only=True).replace("<", "\\u003c")
    files = resources.files(_FOLDER)
    page = Template((files / "page.html").read_text(encoding="utf-8"))
    title = told.name.replace("&", "&amp;").replace("<", "&lt;")
    return page.substitute(
        title=f"{title} - tuitune",
        style=(files / "report.css").read_text(encoding="utf-8").strip(),
        script=(files / "report.js").read_text(encoding="utf-8").strip(),
        data=data,
        library=library,
    )


def _library() -> bytes:
    """Plotly's JavaScript, from its Python package, which is not imported: that takes a second."""
    found = importlib.util.find_spec("plotly")
    if found is None or found.origin is None:
        raise DestinationError("html: plotly is not installed here; pip install 'tuitune[report]'")
    return (Path(found.origin).parent / "package_data" / "plotly.min.js").read_bytes()


def _data(told: Told, reports: Iterable[reader.Report]) -> dict[str, Any]:
    spec, row, rows = told.spec, told.row, told.rows
    best, partial = told.best
    ranked = sorted(rows, key=lambda one: merit(one, spec.objective))
    order = {one.number: n for n, one in enumerate(ranked)}
    found = told.importance
    return {
        "study": told.name,
        "metric": spec.objective.metric,
        "mode": spec.objective.mode,
        "unit": spec.pruning.resource,
        "state": told.state,
        "written": time.time(),
        "version": version("tuitune"),
        "elapsed": _elapsed(row, told.state),
        **exported.usage_record(*rows),
        "counts": Counter(one.state for one in rows),
        "best": None if best is None else best.number,
        "partial": partial,
        "rungs": sorted({step for bracket in row.rungs for step in bracket})[:40],
        "parameters": [_parameter(p) for p in spec.space.parameters],
        "importance": None
        if found is None
        else [{"name": one.name, "rise": one.rise} for one in found.parameters],
        "importance_note": _importance_note(found),
        "trials": [_trial(one, order[one.number]) for one in rows],
        "curves": _curves(reports, spec.objective.metric),
    }


def _elapsed(row: StudyRow, state: str) -> float | None:
    if not row.opened:
        return None
    return row.elapsed + (time.time() - row.opened if state == "running" else 0.0)


def _trial(row: TrialRow, order: int) -> dict[str, Any]:
    """`order`: its place among all trials, the best first."""
    end = row.ended if row.ended is not None else time.time()
    return {
        "trial": row.number,
        "state": row.state,
        "value": row.value,
        "order": order,
        "step": row.step,
        "config": row.config,
        "origin": row.origin,
        "note": row.note,
        "error": row.error,
        "seconds": None if row.started is None else max(0.0, end - row.started),
        "device": row.device,
    }


def _parameter(parameter: space.Parameter) -> dict[str, Any]:
    """The axis that the parameter has: its ends, or its values."""
    about: dict[str, Any] = {"name": parameter.name, "log": False, "low": None, "high": None}
    match parameter:
        case space.Choice(values=values) if not all(map(space.is_number, values)):
            return {**about, "kind": "category", "values": [_word(value) for value in values]}
        case space.Choice(values=values):
            numbers = [value for value in values if space.is_number(value)]
            ends = {"low": min(numbers), "high": max(numbers)}
            return {**about, **ends, "kind": "number", "log": _spans_much(numbers)}
        case space.Fixed(value=value):
            return {
                **about,
                "kind": "number" if space.is_number(value) else "category",
                "values": [],
            }
        case space.Sampled():
            return {**about, "kind": "category", "values": []}
    log = isinstance(parameter, space.PowerRange) or parameter.log
    return {**about, "kind": "number", "log": log, "low": parameter.low, "high": parameter.high}


def _spans_much(numbers: Sequence[float]) -> bool:
    return min(numbers) > 0 and max(numbers) >= 8 * min(numbers)


def _word(value: Any) -> str:
    """As the page spells it."""
    return value if isinstance(value, str) else as_json(value)


def _importance_note(found: Importance | None) -> str:
    if found is None:
        return "Too few trials have finished."
    if not found.parameters:
        return found.why
    doubts = f"; {words}" if (words := caution(found)) else ""
    told = "How much worse a model of the trials gets without a parameter"
    return f"{told}; by {found.finished} trials, {score(found)}{doubts}."


def _curves(reports: Iterable[reader.Report], objective: str) -> dict[str, dict[str, list[Any]]]:
    """Steps and values by metric and trial; a report replaces those at and after its step."""
    found: dict[str, dict[int, Curve]] = {objective: {}}
    for one in reports:
        for metric, value in one.metrics.items():
            own = found.get(metric)
            if own is None:
                if len(found) == _MOST_METRICS:
                    continue
                own = found[metric] = {}
            curve = own.get(one.trial)
            if curve is None:
                curve = own[one.trial] = new_curve()
            curve.add(one.step, value)
    most = max(_FEWEST, _POINTS // max(1, sum(len(own) for own in found.values())))
    told: dict[str, dict[str, list[Any]]] = {}
    for metric, curves in found.items():
        for curve in curves.values():
            while len(curve.steps) > most:
                curve.thin()
        told[metric] = {
            str(n): [list(c.steps), [_short(v) for v in c.values]] for n, c in curves.items()
        }
    return {metric: own for metric, own in told.items() if own}


def _short(value: float) -> float | None:
    """The value with six digits, more than a figure shows; None if it is not finite."""
    return float(f"{value:.6g}") if abs(value) < float("inf") else None
