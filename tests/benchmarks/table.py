"""Figures, their bounds, and the table that compares subjects."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Figure:
    """One row: a bound of None makes it information alone."""

    what: str
    unit: str
    bound: float | None = None
    at_least: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where one measurement happens."""

    folder: Path  # empty, gone afterwards
    core: int


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Figures by a short name, and who is measured: each gives the figures that it has."""

    figures: Mapping[str, Figure]
    subjects: Mapping[str, Callable[[Place], Mapping[str, float]]]


def show(benchmark: Benchmark, results: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """A table in Markdown: medians, with the least and the most of several in brackets."""
    rows = [["what", "unit", "bound", *results]]
    for name, figure in benchmark.figures.items():
        sign = "at least" if figure.at_least else "at most"
        bound = "-" if figure.bound is None else f"{sign} {_number(figure.bound)}"
        cells = [_cell([r[name] for r in runs if name in r]) for runs in results.values()]
        rows.append([figure.what, figure.unit, bound, *cells])
    rows.insert(1, ["---"] * len(rows[0]))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def missed(benchmark: Benchmark, ours: Sequence[Mapping[str, float]]) -> list[str]:
    """The figures whose median is beyond its bound."""
    words = []
    for name, figure in benchmark.figures.items():
        values = [r[name] for r in ours if name in r]
        if figure.bound is None or not values:
            continue
        median = statistics.median(values)
        if median < figure.bound if figure.at_least else median > figure.bound:
            words.append(f"{figure.what}: {_number(median)} {figure.unit}")
    return words


def _cell(values: Sequence[float]) -> str:
    if not values:
        return "-"
    median = _number(statistics.median(values))
    return (
        median if len(values) == 1 else f"{median} [{_number(min(values))}-{_number(max(values))}]"
    )


def _number(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
