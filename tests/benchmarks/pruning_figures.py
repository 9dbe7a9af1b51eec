"""Compute that pruning saves, and good trials that it loses, beside other tuners' rules.

TUITUNE_SEARCH_BENCH=…/search_bench python tests/benchmarks/pruning_figures.py [--seeds 20] [--first 0]

Recorded curves on a simulated clock, trials in random order or worst-last (the best come first, so
that each newcomer looks worse than most before it). Ours is the real engine. The others' rules are
written down here as their sources have them, and run by a plain event queue: Ray Tune's
`AsyncHyperBandScheduler`, Optuna's `SuccessiveHalvingPruner`, Syne Tune's `asha.py`; all of them
with one bracket and the same first rung and reduction.

to level: epochs until some report is as good as the end of an unpruned search of 40 trials, of the
epochs of that search, median; reached: in so many searches of 200 trials. Of these: good lost: of
the best tenth, those not trained to the end; best lost: the same of the very best one; good places:
of the trials that were trained to the end, those of the best tenth (of a tenth at most); spent:
epochs, of those that training all 200 takes.
"""

from __future__ import annotations

import argparse
import heapq
import math
import os
import sys
import time
from bisect import insort
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import median
from typing import Protocol

import numpy as np

from tuitune.core import events as ev
from tuitune.core.placement.host import HostResources
from tuitune.core.spec import Limits, Objective, PruningSpec, SearchSpec, StudySpec, TrialSpec
from tuitune.simulation.recorded import Spent

sys.path.append(str(Path(__file__).parents[1]))
from simulator.play import play
from simulator.tables import CurveTable

FIRST, REDUCTION = 1, 3
UNPRUNED = 40  # trials of the unpruned search whose level is to be reached
TRIALS = 200  # of each search
WORKERS = (4, 32)


# --- the curves ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Task:
    """losses, seconds: a row a configuration, a column an epoch."""

    name: str
    losses: list[list[float]]
    seconds: list[list[float]]

    @property
    def epochs(self) -> int:
        return len(self.losses[0])

    def shuffled(self, seed: int) -> list[int]:
        return Random(f"{self.name}/{seed}").sample(range(len(self.losses)), len(self.losses))


def tasks(bench: Path) -> Iterator[Task]:
    digits = np.load(bench / "data" / "curves_digits.npz")
    yield Task("net/digits", digits["ce"].tolist(), digits["sec"].tolist())
    for number in (4, 7):
        file = bench / "cache" / "forests" / f"taskset_{number}.npz"
        if file.exists():
            taskset = np.load(file)
            # its seconds were not recorded; without some spread, all would report at one moment
            pace = np.random.default_rng(number).uniform(0.8, 1.2, (len(taskset["loss"]), 1))
            seconds = np.broadcast_to(pace, taskset["loss"].shape)
            yield Task(f"taskset/{number}", taskset["loss"].tolist(), seconds.tolist())


# --- what came of a search -----------------------------------------------------------------------


@dataclass
class Run:
    """The reports of a search in the order in which they came: (trial, epoch, loss)."""

    reports: list[tuple[int, int, float]] = field(default_factory=list)
    spent: list[int] = field(default_factory=list)  # epochs after each of them

    def to_level(self, level: float) -> float:
        """Epochs until some report is as good; infinity where none is."""
        return next(
            (n for (_, _, loss), n in zip(self.reports, self.spent, strict=True) if loss <= level),
            math.inf,
        )

    def finished(self, epochs: int) -> set[int]:
        return {trial for trial, epoch, _ in self.reports if epoch == epochs}


def ours(style: str, method: str = "asha") -> Callable[[Task, list[int], int], Run]:
    def run(task: Task, order: list[int], workers: int) -> Run:
        table = CurveTable(task.losses, task.seconds, order)
        pruning = PruningSpec(method, "epoch", FIRST, task.epochs, REDUCTION, style)
        spec = StudySpec(
            "figures",
            Objective("loss", "min"),
            TrialSpec(target="table.py:train"),
            table.space,
            SearchSpec("random", trials=len(order), concurrency=workers),
            pruning,
            Limits(),
            "figures.toml",
        )
        result, spent = Run(), Spent()
        for fact in play(spec, table, table, HostResources(float(workers), 0)).facts:
            spent.add(fact)
            if isinstance(fact, ev.Reported):
                result.reports.append((fact.trial, fact.step, fact.metrics["loss"]))
                result.spent.append(spent.steps)
        return result

    return run


# --- the others' rules ---------------------------------------------------------------------------


class Rule(Protocol):
    def goes_on(self, trial: int, epoch: int, loss: float) -> bool: ...


class Unpruned:
    def goes_on(self, trial: int, epoch: int, loss: float) -> bool:
        return True


class Ray:
    """The highest milestone passed and not recorded decides, by the percentile of earlier ones."""

    def __init__(self, epochs: int) -> None:
        count = int(math.log(epochs / FIRST) / math.log(REDUCTION) + 1 + 1e-9)
        self.rungs = [(FIRST * REDUCTION**k, {}) for k in reversed(range(count))]
        self.epochs = epochs

    def goes_on(self, trial: int, epoch: int, loss: float) -> bool:
        for milestone, recorded in self.rungs:
            if epoch < milestone or trial in recorded:
                continue
            cut = np.nanpercentile(list(recorded.values()), 100 / REDUCTION) if recorded else None
            recorded[trial] = loss
            return cut is None or not loss > cut
        return True


class Syne:
    """As Ray's, but by the newcomer's rank, from 0, among all with itself."""

    def __init__(self, epochs: int) -> None:
        self.rungs = [(step, {}) for step, _ in Ray(epochs).rungs]

    def goes_on(self, trial: int, epoch: int, loss: float) -> bool:
        for milestone, recorded in self.rungs:
            if epoch < milestone or trial in recorded:
                continue
            better = sum(other < loss for other in recorded.values())
            recorded[trial] = loss
            return better / len(recorded) <= 1 / REDUCTION
        return True


class Optuna:
    """Rung after rung with the same value: within the best n // reduction, or the very best."""

    def __init__(self, epochs: int) -> None:
        self.values: list[list[float]] = []
        self.rung: dict[int, int] = {}

    def goes_on(self, trial: int, epoch: int, loss: float) -> bool:
        while epoch >= FIRST * REDUCTION ** self.rung.get(trial, 0):
            if math.isnan(loss):
                return False
            rung = self.rung.get(trial, 0)
            if rung == len(self.values):
                self.values.append([])
            values = self.values[rung]
            insort(values, loss)
            self.rung[trial] = rung + 1
            if loss > values[max(len(values) // REDUCTION - 1, 0)]:
                return False
        return True


def theirs(rule_of: Callable[[int], Rule]) -> Callable[[Task, list[int], int], Run]:
    """Each worker takes the next trial as soon as the one before has ended."""

    def run(task: Task, order: list[int], workers: int) -> Run:
        rule, result, spent = rule_of(task.epochs), Run(), 0
        coming = iter(enumerate(order))
        queue: list[tuple[float, int, int, int]] = []  # time, trial, row, epoch

        def start(now: float) -> None:
            for trial, row in [next(coming, (-1, -1))]:
                if row >= 0:
                    heapq.heappush(queue, (now + task.seconds[row][0], trial, row, 1))

        for _ in range(workers):
            start(0.0)
        while queue:
            now, trial, row, epoch = heapq.heappop(queue)
            loss = task.losses[row][epoch - 1]
            spent += 1
            result.reports.append((trial, epoch, loss))
            result.spent.append(spent)
            if epoch == task.epochs or not rule.goes_on(trial, epoch, loss):
                start(now)
            else:
                heapq.heappush(queue, (now + task.seconds[row][epoch], trial, row, epoch + 1))
        return result

    return run


SUBJECTS: dict[str, Callable[[Task, list[int], int], Run]] = {
    "unpruned": theirs(lambda _: Unpruned()),
    "ours, promote": ours("promote"),
    "ours, stop": ours("stop"),
    "ours, model": ours("promote", "model"),
    "Ray Tune": theirs(Ray),
    "Optuna": theirs(Optuna),
    "Syne Tune": theirs(Syne),
}


# --- the figures ---------------------------------------------------------------------------------


@dataclass
class Figures:
    """A value a seed, as shares of one."""

    to_level: list[float] = field(default_factory=list)  # epochs, of those of the unpruned search
    spent: list[float] = field(default_factory=list)  # epochs, of those to train every trial
    lost: list[float] = field(default_factory=list)  # of the best tenth: not trained to the end
    best: list[float] = field(default_factory=list)  # 1 where the very best one is lost
    places: list[float] = field(default_factory=list)  # trained to the end: good, if it could be

    def add(self, run: Run, good: list[int], epochs: int, trials: int) -> None:
        """`good`: the best tenth of the trials, best first."""
        finished = run.finished(epochs)
        kept = finished.intersection(good)
        self.spent.append(run.spent[-1] / (trials * epochs))
        self.lost.append(1 - len(kept) / len(good))
        self.best.append(float(good[0] not in finished))
        self.places.append(len(kept) / min(len(good), len(finished)))

    def row(self, name: str) -> str:
        reached = sum(share < math.inf for share in self.to_level)
        share = median(self.to_level)
        level = f"{share:.0%}" if share < math.inf else "never"
        cells = [f"{np.mean(v):.0%}" for v in (self.lost, self.best, self.places, self.spent)]
        return f"  {name:<14}" + "".join(
            f"{cell:>12}" for cell in (level, f"{reached} of {len(self.to_level)}", *cells)
        )


HEAD = ("to level", "reached", "good lost", "best lost", "good places", "spent")


def measure(task: Task, workers: int, seeds: range, *, worst_last: bool) -> dict[str, Figures]:
    figures = {name: Figures() for name in SUBJECTS}
    for seed in seeds:
        rows = task.shuffled(seed)
        level = min(task.losses[row][-1] for row in rows[:UNPRUNED])
        order = rows[:TRIALS]
        if worst_last:
            order.sort(key=lambda row: task.losses[row][-1])
        numbers = sorted(range(len(order)), key=lambda n: task.losses[order[n]][-1])
        good = numbers[: len(order) // 10]
        for name, subject in SUBJECTS.items():
            run = subject(task, order, workers)
            figures[name].to_level.append(run.to_level(level) / (UNPRUNED * task.epochs))
            figures[name].add(run, good, task.epochs, len(order))
    return figures


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="pruning_figures.py")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    options = parser.parse_args(words)
    where = os.environ.get("TUITUNE_SEARCH_BENCH")
    if where is None:
        print("set TUITUNE_SEARCH_BENCH to the folder of the recorded curves", file=sys.stderr)
        return 2
    start = time.perf_counter()
    seeds = range(options.first, options.first + options.seeds)
    for task in tasks(Path(where)):
        for workers in WORKERS:
            for worst_last in (False, True):
                order = "worst-last" if worst_last else "random"
                print(f"{task.name}, {workers} workers, {order} arrival, {options.seeds} seeds")
                print(f"  {'':<14}" + "".join(f"{word:>12}" for word in HEAD))
                figures = measure(task, workers, seeds, worst_last=worst_last)
                print("\n".join(figure.row(name) for name, figure in figures.items()))
    print(f"{time.perf_counter() - start:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
