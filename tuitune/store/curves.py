"""Curves of trials: of all in compact arrays, of one with every report."""

from __future__ import annotations

import math
import sqlite3
from array import array
from typing import NamedTuple

import msgspec

from tuitune.store.facts import LAST, span

ALL = "SELECT trial, step, value FROM reports WHERE seq <= ? ORDER BY seq"
_VALUES = """SELECT attempt, step, value FROM reports
    WHERE seq BETWEEN ? AND ? AND trial = ? ORDER BY seq"""
_METRICS = """SELECT attempt, step, metrics FROM reports
    WHERE seq BETWEEN ? AND ? AND trial = ? ORDER BY seq"""
_ALL_METRICS = """SELECT seq, step, metrics FROM reports
    WHERE seq BETWEEN ? AND ? AND trial = ? ORDER BY seq"""
_LONGEST_PAUSE = """SELECT max(pause) FROM (
    SELECT time - lag(time) OVER (PARTITION BY trial, attempt ORDER BY seq) AS pause
    FROM reports)"""
_REPEATED = """SELECT trial, step FROM reports GROUP BY trial, attempt, step
    HAVING count(*) > 1 LIMIT 1"""
_NAMES = "SELECT metrics FROM reports ORDER BY seq DESC LIMIT 100"

_FEW = 3  # at least one in so many of the points that could be left out is

_metrics = msgspec.msgpack.Decoder(dict[str, float]).decode


class Curve(NamedTuple):
    """A trial's values, steps rising; NaN where one is missing.

    A report of a later attempt replaces those of earlier attempts at its step and
    those after it.
    """

    steps: array[int]
    values: array[float]

    def add(self, step: int, value: float | None) -> None:
        """Append a point, in place of those at this step and after it."""
        self.cut(step)
        self.steps.append(step)
        self.values.append(math.nan if value is None else value)

    def cut(self, step: int) -> None:
        """Remove the points at this step and after it."""
        steps, values = self
        while steps and steps[-1] >= step:
            steps.pop()
            values.pop()

    def thin(self) -> None:
        """Leave out every second point where they are densest, never the first or the last.

        Thinned again and again as it grows, a curve stays as detailed at its start as at its end.
        """
        steps, values = self
        odd = range(1, len(steps) - 1, 2)
        merged = [steps[place + 1] - steps[place - 1] for place in odd]
        widest = min(merged, default=0)
        while _FEW * sum(gap <= widest for gap in merged) < len(odd):
            widest *= 2
        left = [place for place, gap in zip(odd, merged, strict=True) if gap <= widest]
        for place in reversed(left):
            del steps[place], values[place]


def new_curve() -> Curve:
    """A curve without points."""
    return Curve(array("q"), array("d"))


def read_all(db: sqlite3.Connection, until: int | None, points: int | None) -> dict[int, Curve]:
    """Curves by trial, up to fact `until`, each thinned to less than 2 x `points` points."""
    curves: dict[int, Curve] = {}
    most = 2 * points if points else LAST
    for trial, step, value in db.execute(ALL, (LAST if until is None else until,)):
        curve = curves.get(trial)
        if curve is None:
            curve = curves[trial] = new_curve()
        steps, values = curve
        if value is not None and (not steps or steps[-1] < step):
            steps.append(step)  # as `add` does; a call for each point would take twice as long
            values.append(value)
        else:
            curve.add(step, value)
        if len(steps) >= most:
            curve.thin()
    return curves


def read_one(
    db: sqlite3.Connection, trial: int, metric: str | None
) -> list[tuple[int, int, float | None]]:
    """(attempt, step, value) in order of arrival; of the objective unless `metric` is given."""
    first, last = span(db, trial)
    if metric is None:
        return db.execute(_VALUES, (first, last, trial)).fetchall()
    found = (
        (a, step, _metrics(body).get(metric))
        for a, step, body in db.execute(_METRICS, (first, last, trial))
    )
    return [(a, step, None if v is None or math.isnan(v) else v) for a, step, v in found]


def read_metrics(
    db: sqlite3.Connection, trial: int, since: int
) -> list[tuple[int, int, dict[str, float]]]:
    """(seq, step, metrics) of the reports numbered above `since`, in order of arrival."""
    first, last = span(db, trial)
    found = db.execute(_ALL_METRICS, (max(first, since + 1), last, trial))
    return [(seq, step, _metrics(body)) for seq, step, body in found]


def read_names(db: sqlite3.Connection) -> list[str]:
    """Names of the metrics in the newest reports, in their order."""
    bodies = [body for (body,) in db.execute(_NAMES)]
    return list(dict.fromkeys(name for body in bodies for name in _metrics(body)))


def longest_pause(db: sqlite3.Connection) -> float | None:
    """The most seconds between two reports of an attempt; None if none has reported twice."""
    (found,) = db.execute(_LONGEST_PAUSE).fetchone()
    return None if found is None else float(found)


def repeated(db: sqlite3.Connection) -> tuple[int, int] | None:
    """(trial, step) of a step that one attempt has reported several times; None if none has."""
    found: tuple[int, int] | None = db.execute(_REPEATED).fetchone()
    return found
