"""Benchmarks of other tuners: their scripts, run in their own environment."""

from __future__ import annotations

import functools
import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from table import Place

PYTHON = os.environ.get("TUITUNE_PEERS_PYTHON", "")
SCRIPTS = os.environ.get("TUITUNE_PEERS_BENCH", "")
PATIENCE = 900.0  # s


def known() -> bool:
    return bool(PYTHON and SCRIPTS)


def run(script: str, *words: str, place: Place, core: int | None = None) -> list[dict[str, Any]]:
    """The JSON lines that a peer's script prints. Pinned where `core` is given."""
    pinned = [] if core is None else ["taskset", "-c", str(core)]
    home = str(place.folder)  # some leave files in the home and the current folder
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HOME": home, "TMPDIR": home}
    done = subprocess.run(
        [*pinned, PYTHON, str(Path(SCRIPTS) / script), *words],
        capture_output=True,
        check=False,
        cwd=place.folder,
        env=environment,
        text=True,
        timeout=PATIENCE,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{script} {words}: {done.stdout[-1000:]}{done.stderr[-1000:]}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def study(group: str, case: str, trials: int, place: Place) -> dict[str, Any]:
    """One whole study of a peer, which its own driver pins and measures."""
    words = [group, "--repeats", "1", "--core", str(place.core), "--only", case]
    (result,) = run("bench_studies.py", *words, "--trials", str(trials), place=place)
    if result["rc"] != 0 or result["timed_out"]:
        raise RuntimeError(f"{case}: {result}")
    return result


def study_figures(cases: Sequence[tuple[str, str, int]], place: Place) -> dict[str, float]:
    """The figures of several studies, (group, case, trials) each, as our own are named."""
    figures: dict[str, float] = {}
    for group, case, trials in cases:
        result = study(group, case, trials, place)
        if group == "start":
            figures["start"] = result["first_trial_s"]
            figures["start_cpu"] = result["cpu_s"]
            figures["memory"] = result["peak_pss_mb"]
        elif group == "reports":
            (marked,) = [mark for mark in result["marks"] if mark["event"] == "reports"]
            figures["report"] = marked["s"] / marked["n"] * 1e6
            figures["report_cpu"] = marked["cpu_s"] / marked["n"] * 1e6
            if "syne" not in case:  # every report of the other two waits until it is dealt with
                figures["waiting"] = figures["report"]
                figures["stored"] = 1e6 / figures["report"]
        elif group == "throughput":
            figures[group] = result["steady_trials_per_s"]
            further = result["cpu_s"] - figures["start_cpu"]
            figures["throughput_cpu"] = further / (trials - 1) * 1e3
        else:
            figures[group] = result["steady_trials_per_s"]
    return figures


RAY = (
    ("start", "ray_tune", 1),
    ("throughput", "ray_reuse", 200),
    ("torch", "ray_reuse", 10),
    ("reports", "ray", 1),
)
OPTUNA = (
    ("start", "optuna_sqlite_2procs", 1),
    ("throughput", "optuna_sqlite_2procs", 200),
    ("torch", "optuna_sqlite_2procs", 10),
    ("reports", "optuna_sqlite", 1),
)
SYNE = (
    ("start", "syne_local_sleep0.1", 1),
    ("throughput", "syne_local_sleep0.1", 30),
    ("torch", "syne_local_sleep0.1", 10),
    ("reports", "syne_local_sleep0.1", 1),
)


def studies() -> dict[str, Callable[[Place], Mapping[str, float]]]:
    """Whole studies of each peer: Ray Tune with its actors used again, its fastest way."""
    if not known():
        return {}
    peers = {"Ray Tune": RAY, "Optuna": OPTUNA, "Syne Tune": SYNE}
    return {name: functools.partial(study_figures, cases) for name, cases in peers.items()}


def asha(peer: str, place: Place) -> dict[str, float]:
    (result,) = run("asha_sim.py", peer, "--cap", "60", place=place, core=place.core)
    return {"asha": result["cpu_s"], "finished": result["finished"]}


def ashas() -> dict[str, Callable[[Place], Mapping[str, float]]]:
    if not known():
        return {}
    peers = {"Ray Tune": "ray", "Optuna": "optuna", "Syne Tune": "syne"}
    return {name: functools.partial(asha, peer) for name, peer in peers.items()}


def opened(place: Place) -> dict[str, float]:
    """Optuna's SQLite: a study of 1,000 trials, made ten times as large by copying its rows."""
    small, large = str(place.folder / "small.db"), str(place.folder / "large.db")
    words = ["--repeats", "1", "--backend", "sqlite", "--path"]
    run("storage_scale.py", *words, small, "--trials", "1000", place=place)
    more = ["--trials", "10000", "--from-db", small]
    lines = run("storage_scale.py", *words, large, *more, place=place, core=place.core)
    seconds = {line["case"].partition(":")[2]: line["median"] for line in lines}
    return {"opening": seconds["load_study_cpu"] + seconds["trials_first_cpu"]}


def openings() -> dict[str, Callable[[Place], Mapping[str, float]]]:
    return {"Optuna": opened} if known() else {}
