"""The study that is stored and opened: ten parameters and 20 reports a trial."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

TRIALS, REPORTS = 10_000, 20


def configuration(draw: random.Random) -> dict[str, Any]:
    floats = {f"float_{i}": draw.random() for i in range(6)}
    wholes = {f"whole_{i}": draw.randint(1, 64) for i in range(2)}
    words = {f"word_{i}": draw.choice("abcd") for i in range(2)}
    return floats | wholes | words


def losses(trial: int) -> list[float]:
    return [trial % 97 + 1 / step for step in range(1, REPORTS + 1)]


def serve(build: Callable[[Path], None], read: Callable[[Path], tuple[int, int]]) -> None:
    """Build, or open and print the CPU seconds of this whole process."""
    path = Path("study.db")
    if sys.argv[1] == "build":
        build(path)
        return
    assert read(path) == (TRIALS, TRIALS * REPORTS)
    print([time.process_time()])
