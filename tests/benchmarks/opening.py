"""Cost of opening a study of 10,000 trials, each of 10 parameters and 20 reports."""

from __future__ import annotations

import functools
import json
import sys
from typing import TYPE_CHECKING

import peers
import tree
from table import Benchmark, Figure

if TYPE_CHECKING:
    from table import Place

FIGURES = {
    "opening": Figure("opening 10,000 trials x 20 reports: best and all curves, CPU", "s", 0.5),
    "building": Figure("writing them, a transaction a trial, CPU", "s"),
}


def measure(who: str, place: Place) -> dict[str, float]:
    """Each in a fresh process, whose start and imports count."""
    script = str(tree.MEASURED / f"stored_{who}.py")
    building = tree.run([sys.executable, script, "build"], place.folder, place.core)
    tree.run([sys.executable, script, "open"], place.folder, place.core)
    (opening,) = json.loads((place.folder / "log").read_text())
    return {"opening": opening, "building": building.cpu}


SUBJECTS = {name: functools.partial(measure, name) for name in ("ours", "floor")}
BENCHMARK = Benchmark(FIGURES, {**SUBJECTS, **peers.openings()})
