"""CPU of ASHA alone."""

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
    "asha": Figure("ASHA alone: CPU of 10,000 trials, up to 81 reports, 16 in flight", "s", 0.2),
    "finished": Figure("trials of the 10,000 that were done within 60 s of CPU", ""),
}


def measure(who: str, place: Place) -> dict[str, float]:
    script = str(tree.MEASURED / "asha_drive.py")
    tree.run([sys.executable, script, who], place.folder, place.core)
    return json.loads((place.folder / "log").read_text())


SUBJECTS = {name: functools.partial(measure, name) for name in ("ours", "floor")}
BENCHMARK = Benchmark(FIGURES, {**SUBJECTS, **peers.ashas()})
