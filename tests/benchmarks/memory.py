"""Memory of our processes, and what each live trial adds."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import tree
from table import Benchmark, Figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from table import Place

MODELLED = 1000  # trials

FIGURES = {
    "memory": Figure("PSS of ours but the trials, light target", "MB", 60),
    "model": Figure("PSS of ours but the trials, 1,000 trials asked of the model", "MB", 200),
    "trial": Figure("private memory of a live forked torch trial", "MB", 20),
}


def held(command: Sequence[str], place: Place, name: str) -> tuple[float, float]:
    """(PSS of all less what is the trials' own, the larger trial's own), two trials alive."""
    folder = place.folder / name
    folder.mkdir()
    hold = folder / "hold"
    hold.touch()
    found: list[tuple[float, float]] = []

    def watch(pid: int, marks: Path) -> None:
        deadline = time.monotonic() + 60
        while sum(m["event"] == "reports" for m in tree.read_marks(marks)) < 2:
            if time.monotonic() > deadline:
                break
            time.sleep(0.02)
        time.sleep(0.3)  # for what the last report set going
        trials = {mark["pid"] for mark in tree.read_marks(marks)}
        own = [tree.memory(trial)[1] for trial in trials]
        everything = sum(tree.memory(process)[0] for process in tree.family(pid))
        found.append((everything - sum(own), max(own, default=0.0)))
        hold.unlink()

    tree.run(command, folder, place.core, {"BENCH_HOLD": str(hold)}, watch)
    return found[0]


def modelled(place: Place) -> float:
    """The most of ours but the trials, over the last of MODELLED trials."""
    folder = place.folder / "modelled"
    folder.mkdir()
    found: list[float] = []

    def watch(pid: int, marks: Path) -> None:
        deadline = time.monotonic() + tree.PATIENCE
        while time.monotonic() < deadline and Path(f"/proc/{pid}/stat").exists():
            started = tree.read_marks(marks)
            if len(started) >= MODELLED - 20:
                trials = {mark["pid"] for mark in started}
                family = tree.family(pid)
                if len(family) < 2:  # it has ended, and waits to be asked how
                    return
                found.append(sum(tree.memory(process)[0] for process in family - trials))
            time.sleep(0.1)

    sets = [f"search.trials={MODELLED}", "search.concurrency=2", "trial.cpus=0"]
    words = [word for setting in sets for word in ("--set", setting)]
    file, runs = str(tree.MEASURED / "modelled.toml"), str(folder / "runs")
    command = [sys.executable, "-m", "tuitune", file, "--no-ui", "--runs", runs, *words]
    tree.run(command, folder, place.core, watch=watch)
    return max(found)


def our_command(kind: str, place: Place) -> list[str]:
    runs, file = str(place.folder / f"{kind}-runs"), str(tree.MEASURED / f"{kind}.toml")
    sets = ["search.trials=2", "search.concurrency=2", "trial.cpus=0"]
    words = [word for setting in sets for word in ("--set", setting)]
    return [sys.executable, "-m", "tuitune", file, "--no-ui", "--runs", runs, *words]


def ours(place: Place) -> dict[str, float]:
    return {
        "memory": held(our_command("light", place), place, "light")[0],
        "model": modelled(place),
        "trial": held(our_command("torched", place), place, "torched")[1],
    }


def floor(place: Place) -> dict[str, float]:
    command = [sys.executable, str(tree.MEASURED / "floor_study.py"), "2", "1", "0"]
    return {
        "memory": held([*command, "0"], place, "light")[0],
        "trial": held([*command, "1"], place, "torched")[1],
    }


BENCHMARK = Benchmark(FIGURES, {"ours": ours, "floor": floor})
