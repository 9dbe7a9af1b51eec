"""Packing by measurement against one trial a GPU, fixed numbers and free memory.

python tests/benchmarks/packing_figures.py [--short] [--seeds N] [--first N] [--trials N] [--gpus N]

A model of machines, not machines: `simulator.gpus` says what it assumes. Ours is the
study's own state machine, told what a sampler and the trials would tell it. Each rate is the
mean over the seeds of trials done an hour, by one-a-GPU; hurt: trials that died because another
was put beside them; "safe" is the best fixed k by which no trial ran out of memory. First short
trials, named by their reports and duty, on one GPU; "late": ones that start for long, or report
seldom. Then mixes: one by which the policy was made, one that chance has drawn, and cliffs, where one
trial too many makes all slow. Exit status 1 where a bound is broken.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import msgspec

from tuitune.core import events as ev
from tuitune.core.space import FloatRange, SearchSpace
from tuitune.core.spec import Limits, Objective, PruningSpec, SearchSpec, StudySpec, TrialSpec
from tuitune.core.study import Study
from tuitune.engine.settings import settings_of

sys.path.append(str(Path(__file__).parents[1]))
from measured.packed_mixes import GB, KINDS, SHORT, Cliff, Drawn, Kind, Short

from simulator.gpus import Program, SimulatedGpus

if TYPE_CHECKING:
    from simulator.gpus import PaceOf

MEMORY = 80 * GB
FIXED = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16)
LEAST_OF_BEST, LEAST_OF_ONE = 0.95, 0.97
SHORT_TRIALS, SHORT_SEEDS, LEAST_SHORT, LEAST_LATE = 200, 20, 0.90, 0.80
LOADS = ((0.1, 0.02), (0.5, 0.04))  # duty and friction of short trials
DRAWN = 12
CLIFFS, LEAST_CLIFFS = tuple(product((1, 2, 3, 5), (0.7, 0.4))), 0.9
SAMPLING, ANSWER = 1.0, 0.03  # s between two looks of the sampler, and until it answers when asked


@dataclass
class Result:
    seconds: float
    ooms: int
    hurt: int
    most: int = 0


class Plain:
    """Starts whatever waits wherever `room` finds some; who runs out of memory starts over."""

    def __init__(self, todo: list[Program], gpus: int, pace_of: PaceOf) -> None:
        self.todo = todo
        self.box = SimulatedGpus(gpus, MEMORY, pace_of)
        self.waiting = list(range(len(todo)))
        self.gpus = gpus
        self.alone: set[int] = set()

    def run(self, room: Callable[[SimulatedGpus, int], bool]) -> Result:
        ooms = most = 0
        while True:
            for _ in range(len(self.waiting)):
                trial = self.waiting[0]
                fitting = [g for g in range(self.gpus) if self._may(trial, g, room)]
                if not fitting:
                    break
                gpu = min(fitting, key=lambda g: len(self.box.residents(g)))
                self.waiting.pop(0)
                self.box.start(trial, self.todo[trial], gpu)
                most = max(most, len(self.box.residents(gpu)))
            if not self.box.running:
                return Result(self.box.now, ooms, self.box.hurt, most)
            happened = self.box.step()
            if happened.what == "oom":
                ooms += 1
                self.waiting.insert(0, happened.trial)
                self.alone.add(happened.trial)  # kindly: a user would have to see to that

    def _may(self, trial: int, gpu: int, room: Callable[[SimulatedGpus, int], bool]) -> bool:
        residents = self.box.residents(gpu)
        if trial in self.alone or self.alone & set(residents):
            return not residents
        return room(self.box, gpu)


def fixed(k: int) -> Callable[[SimulatedGpus, int], bool]:
    return lambda box, gpu: len(box.residents(gpu)) < k


def by_free_memory(box: SimulatedGpus, gpu: int) -> bool:
    """One more where half as much again is free now as a resident holds, ten seconds apart."""
    residents = box.residents(gpu)
    held = box.held(gpu)
    settled = all(box.now - box.running[trial].began > 10 for trial in residents)
    return not residents or (settled and box.memory - held > 1.5 * held / len(residents))


class Ours:
    """The study itself, and a world that answers it at once."""

    def __init__(self, todo: list[Program], gpus: int, pace_of: PaceOf) -> None:
        self.todo = todo
        self.box = SimulatedGpus(gpus, MEMORY, pace_of)
        spec = StudySpec(
            name="s",
            objective=Objective("loss", "min"),
            trial=TrialSpec(target="t.py:train", gpus="auto", cpus=0.1),
            space=SearchSpace((FloatRange("x", 0.0, 1.0),)),
            search=SearchSpec(trials=len(todo)),
            pruning=PruningSpec(),
            limits=Limits(),
            file="/s/s.toml",
        )
        self.study = Study(spec)
        self.names = [f"GPU-{i}" for i in range(gpus)]
        self.opened = ev.Opened(
            0.0,
            settings_of(spec),
            cpus=1000.0,
            memory=1 << 40,
            gpus=tuple(ev.Gpu(name, i, "A100", MEMORY) for i, name in enumerate(self.names)),
        )
        self.most = 0
        self.sampled = 0.0  # when the sampler looks next
        self.peaks: dict[int, int] = {}

    def run(self) -> Result:
        ooms = 0
        self._take(self.opened)
        while self.box.running:
            now, what, trial, value = self.box.step()
            while self.sampled < now:
                self._sample(self.sampled)
                self.sampled += SAMPLING
            attempt = self.study.state.trials[trial].attempt
            ooms += what == "oom"
            match what:
                case "report" | "end":
                    self._take(ev.Reported(now, trial, attempt, value, {"loss": 1.0}))
                    if not self.peaks.get(trial):
                        self.sampled = min(self.sampled, now + ANSWER)
            if what in ("end", "oom"):
                oom = what == "oom"
                error = "CUDA out of memory" if oom else ""
                end = ev.Exited(now, trial, attempt, int(oom), None, error, "", 0, lost=False)
                self._take(msgspec.structs.replace(end, oom=oom))
        states = {trial.state for trial in self.study.state.trials}
        assert states == {"COMPLETE"}, states
        assert len(self.study.state.trials) == len(self.todo)
        return Result(self.box.now, ooms, self.box.hurt, self.most)

    def _sample(self, now: float) -> None:
        """The peaks of memory that a sampler finds."""
        for trial in list(self.box.running):
            memory = self.box.held_by(trial)
            if memory > self.peaks.get(trial, 0) * 1.02 + (16 << 20):
                self.peaks[trial] = memory
                attempt = self.study.state.trials[trial].attempt
                self._take(ev.Footprint(now, trial, attempt, memory))

    def _take(self, event: ev.Event) -> None:
        for fact in self.study.react(event):
            if isinstance(fact, ev.Ask):
                self._take(ev.Proposed(self.box.now, fact.trial, {"x": 0.5}, "random", ""))
            elif isinstance(fact, ev.Launch):
                gpu = self.names.index(fact.gpus[0])
                self.peaks.pop(fact.trial, None)
                self.box.start(fact.trial, self.todo[fact.trial], gpu)
                self.most = max(self.most, len(self.box.residents(gpu)))


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


@dataclass
class Row:
    """One workload over all seeds: `each` has (one a GPU, best k, its result, safe, free, ours)."""

    name: str
    each: list[tuple[Result, int, Result, Result, Result, Result]]

    def line(self) -> str:
        _, ks, best, _, free, ours = zip(*self.each, strict=True)
        cells = [
            f"{self.name:<17} {self._rate(2):>6.2f} {mean(list(ks)):>5.1f}",
            f"{sum(r.ooms for r in best):>5} {sum(r.hurt for r in best):>5}",
            f"{self._rate(4):>7.2f} {sum(r.ooms for r in free):>5} {sum(r.hurt for r in free):>5}",
            f"{self.of_one():>7.2f} {mean([r.most for r in ours]):>5.1f}",
            f"{sum(r.ooms for r in ours):>5} {self.hurt():>5}",
            f"{100 * self.of_best():>8.1f}% {100 * self.of_safe():>8.1f}%",
        ]
        return " ".join(cells)

    def of_one(self) -> float:
        return self._rate(5)

    def of_best(self) -> float:
        return mean([best.seconds / ours.seconds for _, _, best, _, _, ours in self.each])

    def of_safe(self) -> float:
        return mean([safe.seconds / ours.seconds for _, _, _, safe, _, ours in self.each])

    def hurt(self) -> int:
        return sum(ours.hurt for *_, ours in self.each)

    def _rate(self, which: int) -> float:
        return mean([results[0].seconds / results[which].seconds for results in self.each])


def row(workload: Kind | Drawn | Short | Cliff, seeds: range, trials: int, gpus: int) -> Row:
    each = []
    for seed in seeds:
        chance, pace_of = Random(f"{workload.name}/{seed}"), workload.pace_of()
        todo = [workload.trial(chance) for _ in range(trials)]
        results = {k: Plain(todo, gpus, pace_of).run(fixed(k)) for k in FIXED}
        k = min(results, key=lambda k: results[k].seconds)
        safe = min((r for r in results.values() if not r.ooms), key=lambda r: r.seconds)
        free = Plain(todo, gpus, pace_of).run(by_free_memory)
        ours = Ours(todo, gpus, pace_of).run()
        each.append((results[1], k, results[k], safe, free, ours))
    return Row(workload.name, each)


def bounds(mix: str, rows: list[Row], least: float) -> dict[str, bool]:
    of_best, of_safe = mean([r.of_best() for r in rows]), mean([r.of_safe() for r in rows])
    worst, hurt = min(r.of_one() for r in rows), sum(r.hurt() for r in rows)
    print(f"{mix}: {100 * of_safe:.1f}% of the best fixed k without out-of-memory")
    return {
        f"{mix}: {100 * of_best:.1f}% of the best fixed k (at least {100 * least:.0f}%)": (
            of_best >= least
        ),
        f"{mix}: {100 * worst:.1f}% of one a GPU, at worst (at least 97%)": worst >= LEAST_OF_ONE,
        f"{mix}: {hurt} neighbours hurt (none)": hurt == 0,
    }


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Packing by measurement, on simulated GPUs.")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--trials", type=int, default=240)
    parser.add_argument("--gpus", type=int, default=4)
    parser.add_argument("--short", action="store_true", help="short trials alone")
    options = parser.parse_args(words)
    held = short_trials(options.first)
    if not options.short:
        held |= mixes(options)
    for bound, holds in held.items():
        print(f"{'ok' if holds else 'BROKEN':<7}{bound}")
    return 0 if all(held.values()) else 1


def short_trials(first: int) -> dict[str, bool]:
    """Bounds of studies of short trials on one GPU."""
    head(1, SHORT_TRIALS, SHORT_SEEDS)
    held: dict[str, bool] = {}
    for kind, (duty, friction) in product(SHORT, LOADS):
        seeds = range(first, first + SHORT_SEEDS)
        made = row(Short(kind, duty, friction), seeds, SHORT_TRIALS, 1)
        print(made.line(), flush=True)
        least = LEAST_LATE if kind.startswith("late") else LEAST_SHORT
        share, hurt = made.of_best(), made.hurt()
        what = f"{made.name}: {100 * share:.1f}% of the best fixed k (at least {100 * least:.0f}%)"
        held[f"{what}, {hurt} neighbours hurt (none)"] = share >= least and hurt == 0
    return held


def head(gpus: int, trials: int, seeds: int) -> None:
    print(f"{gpus} GPUs of {MEMORY // GB} GB, {trials} trials, {seeds} seeds")
    groups = ("best fixed k", "by free memory", "ours", "of best", "safe")
    print(f"{'':<17} {{:<24}} {{:<19}} {{:<27}} {{:>7}} {{:>9}}".format(*groups))
    heads = ("rate", "k", "OOM", "hurt", "rate", "OOM", "hurt", "rate", "most", "OOM", "hurt")
    widths = (6, 5, 5, 5, 7, 5, 5, 7, 5, 5, 5)
    print(f"{'':<17} " + " ".join(f"{h:>{w}}" for h, w in zip(heads, widths, strict=True)))


def mixes(options: argparse.Namespace) -> dict[str, bool]:
    """Bounds of all mixes."""
    seeds = range(options.first, options.first + options.seeds)
    head(options.gpus, options.trials, options.seeds)
    held: dict[str, bool] = {}
    mixes: dict[str, list[Kind] | list[Drawn] | list[Cliff]] = {
        "made by": [Kind(name) for name in KINDS],
        "drawn": [Drawn(number) for number in range(DRAWN)],
        "cliffs": [Cliff(most, left) for most, left in CLIFFS],
    }
    for mix, workloads in mixes.items():
        rows = []
        for workload in workloads:
            rows.append(row(workload, seeds, options.trials, options.gpus))
            print(rows[-1].line(), flush=True)
        held |= bounds(mix, rows, LEAST_CLIFFS if mix == "cliffs" else LEAST_OF_BEST)
    return held


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
