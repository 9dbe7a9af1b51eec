"""How good a search is after equal times, where trials take different times: see README.md.

    equal_time.py run --tasks made --seeds 0:15 --methods bayes,tpe --workers 1 --out F
    equal_time.py table F…

Every method runs twice on each task and seed, with the seconds of its trials and without them, on
one simulated clock. Times are in units of the mean trial of a random search. gap: 0 is the best
known, 1 the median without seconds after ten units; each within 0.02 and 10. made: tasks of this
file, whose best is dear, cheap, anywhere, or seen through noise. Others are those of a search bench
(TUITUNE_SEARCH_BENCH), every trial to its end.
"""

import argparse
import heapq
import json
import math
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import mean, median, stdev
from typing import Any

from tuitune.core.paces import Times
from tuitune.core.search.proposal import AskModel, History, Past, SearchSpec, identity
from tuitune.core.search.registry import make_model, make_searcher
from tuitune.core.space import Choice, FloatRange, IntRange, SearchSpace, to_unit

MARKS = (5, 10, 20, 30)  # mean trials of a random search
MOST = 130  # trials of a run
SAMPLE = 400  # configurations that tell how long the mean trial takes
ERROR = 0.05  # of the seconds of a trial, in ln

SPACE = SearchSpace(
    (
        FloatRange("lr", 1e-5, 1.0, log=True),
        FloatRange("decay", 1e-6, 1.0, log=True),
        IntRange("layers", 1, 8),
        IntRange("width", 16, 1024, log=True),
        IntRange("batch", 8, 256, log=True),
        FloatRange("dropout", 0.0, 0.9),
        Choice("optimizer", ("sgd", "adam", "lion")),
    )
)
SIZES = {"dear": (0.75, 0.85, 0.25), "cheap": (0.25, 0.2, 0.75)}  # of the best network


class Made:
    """A bowl; larger networks and smaller batches take longer."""

    space = SPACE

    def __init__(self, kind: str) -> None:
        random = Random(kind)
        self.noise = 0.05 if kind == "noise" else 0.0
        self.best = [random.uniform(0.2, 0.8) for _ in range(6)]
        self.weights = [0.1 + random.gammavariate(0.7, 1.0) for _ in range(6)]
        if kind in SIZES:
            self.best[2:5] = SIZES[kind]
            self.weights[2:5] = [max(weight, 0.6) for weight in self.weights[2:5]]

    def true_loss(self, config: dict[str, Any]) -> float:
        numbers = SPACE.searched[:6]
        far = [to_unit(p, config[p.name]) - b for p, b in zip(numbers, self.best, strict=True)]
        total = sum(w * d * d for w, d in zip(self.weights, far, strict=True))
        return math.sqrt(total + 0.1 * (config["optimizer"] != "adam") + 0.005)

    def evaluate(self, config: dict[str, Any], noise: int) -> tuple[float, float]:
        size = 0.05 * config["layers"] * config["width"] ** 0.9
        loss = self.true_loss(config) + self.noise * Random(noise).gauss(0.0, 1.0)
        return loss, 2.0 + size * (1.0 + 16.0 / config["batch"]) / 4.0


@dataclass
class OfBench:
    """A task of the search bench."""

    task: Any
    space: SearchSpace

    def true_loss(self, config: dict[str, Any]) -> float:
        return float(self.task.true_loss(config))

    def evaluate(self, config: dict[str, Any], noise: int) -> tuple[float, float]:
        loss, seconds = self.task.evaluate(config, noise=noise if self.task.noisy else None)
        return float(loss), float(seconds)


def task_of(name: str) -> Made | OfBench:
    """A task of this file by its kind, or one of the bench by its name there."""
    if "/" not in name:
        return Made(name)
    import search_bench  # noqa: PLC0415 - only with a bench

    search_bench.bench_folder()
    import tasks  # noqa: PLC0415 - of the bench

    task = tasks.get(name)
    return OfBench(task, search_bench.space_of(task.space))


def run(task: Made | OfBench, search: SearchSpec, workers: int, *, timed: bool) -> dict[str, Any]:
    """The best true loss, as the search sees it, at each mark; None before the first trial."""
    random, unit = Random(search.seed + 777), mean_seconds(task)
    start = make_searcher(task.space, search)
    model = make_model(task.space, search, "min", ())
    past: dict[int, Past] = {}
    tried: set[str] = set()
    running: list[tuple[float, int, float, float]] = []
    trace: list[tuple[float, float]] = []
    now, best = 0.0, math.inf
    while now <= MARKS[-1] * unit / workers:
        while len(running) < workers and len(past) < MOST:
            trial = len(past)
            found = start.propose(trial, tried)
            if isinstance(found, AskModel):
                found = model.propose(trial, History(tuple(past.values())), tried)
            assert found is not None
            tried.add(identity(task.space, found.config))
            past[trial] = Past(trial, found.config, (), "pending")
            loss, seconds = task.evaluate(found.config, random.getrandbits(30))
            seconds *= math.exp(random.gauss(0.0, ERROR))
            heapq.heappush(running, (now + seconds, trial, loss, seconds))
        if not running:
            break
        now, trial, loss, seconds = heapq.heappop(running)
        config, times = past[trial].config, Times(1.0, seconds) if timed else None
        past[trial] = Past(trial, config, ((1, loss),), "ended", times=times)
        if loss < best:
            best = loss
            trace.append((now, task.true_loss(config)))
    at = {n: [loss for when, loss in trace if when <= n * unit / workers] for n in MARKS}
    return {"at": {n: seen[-1] if seen else None for n, seen in at.items()}, "trials": len(past)}


def mean_seconds(task: Made | OfBench) -> float:
    """Of a random configuration."""
    random = Random(5)
    points = [[random.random() for _ in task.space.searched] for _ in range(SAMPLE)]
    return mean(task.evaluate(task.space.configuration(point), 0)[1] for point in points)


def table(files: list[Path]) -> None:
    runs = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    best: dict[str, float] = defaultdict(lambda: math.inf)
    for one in runs:
        known = [loss for loss in one["at"].values() if loss is not None]
        best[one["task"]] = min([best[one["task"]], *known])
    for method in sorted({one["method"] for one in runs}):
        of = {(r["task"], r["seed"], r["timed"]): r["at"] for r in runs if r["method"] == method}
        names = sorted({task for task, _, _ in of})
        for names_of in (names, *([name] for name in names)):
            label = names_of[0] if len(names_of) == 1 else f"{method}, all"
            cells = [cell(of, names_of, str(mark), best) for mark in MARKS]
            print(f"{label:<34}" + " | ".join(cells))


def cell(of: dict[Any, Any], names: list[str], mark: str, best: dict[str, float]) -> str:
    """Mean difference of ln(gap) with its 90 % interval, and the share of pairs won."""
    differences, won = [], []
    for name in names:
        seeds = [s for task, s, timed in of if task == name and timed]
        unit = median(of[name, s, False]["10"] or math.inf for s in seeds) - best[name]
        for seed in seeds:
            pair = [of[name, seed, timed][mark] for timed in (True, False)]
            gaps = [10.0 if x is None else (x - best[name]) / unit for x in pair]
            gaps = [min(max(gap, 0.02), 10.0) for gap in gaps]
            differences.append(math.log(gaps[0] / gaps[1]))
            won.append(0.5 if gaps[0] == gaps[1] else float(gaps[0] < gaps[1]))
    half = 1.645 * stdev(differences) / math.sqrt(len(differences)) if len(won) > 1 else math.nan
    return f"at {mark}: {mean(differences):+.2f} +- {half:.2f}, {mean(won):.0%} of {len(won)}"


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="equal_time.py")
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("run")
    one.add_argument("--tasks", default="made")
    one.add_argument("--seeds", default="0:15")
    one.add_argument("--methods", default="bayes")
    one.add_argument("--workers", type=int, default=1)
    one.add_argument("--out", type=Path, required=True)
    commands.add_parser("table").add_argument("files", nargs="+", type=Path)
    options = parser.parse_args(words)
    if options.command == "table":
        table(options.files)
        return 0
    first, last = (int(word) for word in options.seeds.split(":"))
    names = ["any", "dear", "cheap", "noise"] if options.tasks == "made" else []
    for name in names or options.tasks.split(","):
        task = task_of(name)
        for method in options.methods.split(","):
            for seed in range(first, last):
                for timed in (True, False):
                    found = run(task, SearchSpec(method, seed=seed), options.workers, timed=timed)
                    found |= {"task": name, "method": method, "seed": seed, "timed": timed}
                    with options.out.open("a") as file:
                        file.write(json.dumps(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
