"""Cost of whole studies: starting, trials and reports."""

from __future__ import annotations

import sqlite3
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import peers
import tree
from table import Benchmark, Figure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from table import Place

LIGHT, TORCH = 200, 60  # trials
REPORTS, WAITING, STORED = 10_000, 2_000, 100_000
DENSE = (
    "pruning.reduction=1.0005",
    f"pruning.max={WAITING + 1}",
)  # a rung at each step below 2,001

FIGURES = {
    "start": Figure("command to first trial running, light target", "s", 0.3),
    "start_cpu": Figure("- CPU of that whole study of one trial", "s"),
    "throughput": Figure("trials, light target, two at a time", "/s", 150, at_least=True),
    "throughput_cpu": Figure("- CPU of each further trial", "ms"),
    "torch": Figure("trials, torch target, after the one import", "/s", 50, at_least=True),
    "torch_cpu": Figure("- CPU of each further trial", "ms"),
    "report": Figure("a report between rungs, in the trial", "us", 20),
    "report_cpu": Figure("- CPU of it in the trial's process", "us"),
    "waiting": Figure("a report that waits for its verdict", "us", 150),
    "waiting_cpu": Figure("- CPU of it in all processes", "us"),
    "stored": Figure(
        "reports received and stored, with the trial on the same core", "/s", 30_000, at_least=True
    ),
    "stored_cpu": Figure("- CPU of each in all processes", "us"),
    "memory": Figure("peak PSS of all processes (ours is under memory)", "MB"),
}


@dataclass(frozen=True, slots=True)
class Costs:
    """What each study of the benchmark has cost."""

    one: tree.Cost
    light: tree.Cost
    torch_one: tree.Cost
    torch: tree.Cost
    report: tree.Cost
    waiting: tree.Cost
    stored: tree.Cost


def study(
    place: Place, name: str, reports: int = 1, settings: Sequence[str] = (), kind: str = "light"
) -> tree.Cost:
    """Run a study with tuitune. Its study folder is FOLDER/NAME/runs/KIND."""
    folder = place.folder / name
    folder.mkdir()
    sets = [word for setting in settings for word in ("--set", setting)]
    file = str(tree.MEASURED / f"{kind}.toml")
    command = [sys.executable, "-m", "tuitune", file, "--no-ui", "--runs", str(folder / "runs")]
    return tree.run([*command, *sets], folder, place.core, {"BENCH_REPORTS": str(reports)})


def bare(
    place: Place, name: str, *, trials: int = 1, reports: int = 1, waits: int = 0, torch: int = 0
) -> tree.Cost:
    """Run a study with the floor program."""
    folder = place.folder / name
    folder.mkdir()
    words = [str(number) for number in (trials, reports, waits, torch)]
    variables = {"BENCH_REPORTS": str(reports)}
    return tree.run(
        [sys.executable, str(tree.MEASURED / "floor_study.py"), *words],
        folder,
        place.core,
        variables,
    )


def rate(cost: tree.Cost) -> float:
    """Trials started a second, from the first start to the last."""
    starts = [mark["time"] for mark in cost.of("trial")]
    return (len(starts) - 1) / (starts[-1] - starts[0])


def report_time(cost: tree.Cost, clock: str = "wall") -> float:
    """Microseconds that a report takes in the trial; `clock` is "wall" or "cpu"."""
    (mark,) = cost.of("reports")
    return mark[clock] / mark["n"] * 1e6


def stored_rate(cost: tree.Cost) -> float:
    """Reports stored a second, from the start of the trial to the end of the command."""
    return STORED / (cost.began + cost.wall - cost.of("trial")[0]["time"])


def figures(costs: Costs) -> dict[str, float]:
    one, torch_one = costs.one.cpu, costs.torch_one.cpu
    return {
        "start": costs.one.of("trial")[0]["time"] - costs.one.began,
        "start_cpu": one,
        "throughput": rate(costs.light),
        "throughput_cpu": (costs.light.cpu - one) / (LIGHT - 1) * 1e3,
        "torch": rate(costs.torch),
        "torch_cpu": (costs.torch.cpu - torch_one) / (TORCH - 1) * 1e3,
        "report": report_time(costs.report),
        "report_cpu": report_time(costs.report, "cpu"),
        "waiting": report_time(costs.waiting),
        "waiting_cpu": (costs.waiting.cpu - one) / WAITING * 1e6,
        "stored": stored_rate(costs.stored),
        "stored_cpu": (costs.stored.cpu - one) / STORED * 1e6,
    }


def ours(place: Place) -> dict[str, float]:
    one, two = ["search.trials=1"], ["search.concurrency=2", "trial.cpus=0"]
    judged = [*one, "pruning.method=asha"]
    costs = Costs(
        one=study(place, "one", settings=one),
        light=study(place, "light", settings=[f"search.trials={LIGHT}", *two]),
        torch_one=study(place, "torch_one", settings=one, kind="torched"),
        torch=study(place, "torch", settings=[f"search.trials={TORCH}", *two], kind="torched"),
        report=study(place, "report", REPORTS, [*judged, f"pruning.max={REPORTS + 1}"]),
        waiting=study(place, "waiting", WAITING, [*judged, *DENSE]),
        stored=study(place, "stored", STORED, one),
    )
    count_reports(place.folder / "stored" / "runs" / "light" / "study.db")
    return figures(costs)


def floor(place: Place) -> dict[str, float]:
    costs = Costs(
        one=bare(place, "one"),
        light=bare(place, "light", trials=LIGHT),
        torch_one=bare(place, "torch_one", torch=1),
        torch=bare(place, "torch", trials=TORCH, torch=1),
        report=bare(place, "report", reports=REPORTS),
        waiting=bare(place, "waiting", reports=WAITING, waits=1),
        stored=bare(place, "stored", reports=STORED),
    )
    return figures(costs)


def count_reports(path: Path) -> None:
    """Check that every report is in the database. Raises RuntimeError."""
    with sqlite3.connect(path) as db:
        (count,) = db.execute("SELECT count(*) FROM reports").fetchone()
    if count != STORED:
        raise RuntimeError(f"{count} of {STORED} reports are in {path}")


BENCHMARK = Benchmark(FIGURES, {"ours": ours, "floor": floor, **peers.studies()})
