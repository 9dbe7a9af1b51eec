"""Packing by measurement against one a GPU, the best fixed k, and admission by free memory.

python tests/benchmarks/packing_figures.py [--seeds N] [--trials N] [--gpus N]

A model of machines, not machines: `tuitune.simulation.gpus` says what it assumes. Ours is the
study's own state machine, told what a sampler and the trials would tell it. Each figure is the
mean over the seeds of trials done an hour, by one-a-GPU; hurt: trials that died because another
was put beside them. exit status 1 where a bound is broken.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import msgspec

from tuitune import events as ev
from tuitune.engine.settings import settings_of
from tuitune.simulation.gpus import Program, SimulatedGpus
from tuitune.space import FloatRange, SearchSpace
from tuitune.spec import Limits, Objective, PruningSpec, SearchSpec, StudySpec, TrialSpec
from tuitune.study import Study

GB = 10**9
MEMORY = 80 * GB
FIXED = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16)
LEAST_OF_BEST, LEAST_OF_ONE = 0.95, 0.97


def programs(name: str, chance: Random) -> Program:
    """One trial of a workload: most as all others of it, some with a wider spread."""
    duty, friction, memory, growth, seconds, count = {
        "tiny net": (0.08, 0.01, 1.2, 1.05, 6.0, 30),
        "loader-bound": (0.25, 0.02, 4.0, 1.1, 20.0, 20),
        "half busy": (0.55, 0.04, 9.0, 1.1, 30.0, 20),
        "full": (0.97, 0.12, 12.0, 1.1, 30.0, 20),
        "contended": (0.8, 0.35, 8.0, 1.1, 30.0, 20),
        "grows late": (0.3, 0.03, 16.0, 1.6, 25.0, 20),
        "large": (0.35, 0.03, 45.0, 1.15, 30.0, 20),
        "mixed sizes": (0.3, 0.03, 6.0, 1.1, 25.0, 20),
        "short": (0.2, 0.02, 2.0, 1.05, 2.5, 12),
        "noisy": (0.4, 0.03, 5.0, 1.1, 20.0, 20),
    }[name]
    noise = 0.35 if name == "noisy" else 0.05
    if name == "mixed sizes":
        scale = chance.choice((0.5, 1.0, 2.0, 4.0))  # as a batch size would
        memory, seconds, duty = memory * scale, seconds * math.sqrt(scale), min(0.9, duty * scale)
    memory *= 1 + 0.05 * chance.random()
    seconds *= 0.8 + 0.4 * chance.random()
    reports = [seconds * chance.lognormvariate(0, noise) for _ in range(count)]
    late = sum(reports[: count * 3 // 4])
    steps = ((0.0, 0.4), (0.2 * seconds, 0.9), (reports[0] + 0.1 * seconds, 1.0), (late, growth))
    return Program(reports, duty, friction, [(at, int(memory * GB * s)) for at, s in steps])


WORKLOADS = (
    "tiny net",
    "loader-bound",
    "half busy",
    "full",
    "contended",
    "grows late",
    "large",
    "mixed sizes",
    "short",
    "noisy",
)


@dataclass
class Result:
    seconds: float
    ooms: int
    hurt: int
    most: int = 0


class Plain:
    """Starts whatever waits wherever `room` finds some; who runs out of memory starts anew."""

    def __init__(self, todo: list[Program], gpus: int) -> None:
        self.todo = todo
        self.box = SimulatedGpus(gpus, MEMORY)
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

    def __init__(self, todo: list[Program], gpus: int) -> None:
        self.todo = todo
        self.box = SimulatedGpus(gpus, MEMORY)
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

    def run(self) -> Result:
        ooms = 0
        self._take(self.opened)
        while self.box.running:
            now, what, trial, value = self.box.step()
            attempt = self.study.state.trials[trial].attempt
            ooms += what == "oom"
            match what:
                case "memory":
                    self._take(ev.Footprint(now, trial, attempt, value))
                case "report" | "end":
                    self._take(ev.Reported(now, trial, attempt, value, {"loss": 1.0}))
            if what in ("end", "oom"):
                oom = what == "oom"
                error = "CUDA out of memory" if oom else ""
                end = ev.Exited(now, trial, attempt, int(oom), None, error, "", 0, lost=False)
                self._take(msgspec.structs.replace(end, oom=oom))
        states = {trial.state for trial in self.study.state.trials}
        assert states == {"COMPLETE"}, states
        assert len(self.study.state.trials) == len(self.todo)
        return Result(self.box.now, ooms, self.box.hurt, self.most)

    def _take(self, event: ev.Event) -> None:
        for fact in self.study.react(event):
            if isinstance(fact, ev.Ask):
                self._take(ev.Proposed(self.box.now, fact.trial, {"x": 0.5}, "random", ""))
            elif isinstance(fact, ev.Launch):
                gpu = self.names.index(fact.gpus[0])
                self.box.start(fact.trial, self.todo[fact.trial], gpu)
                self.most = max(self.most, len(self.box.residents(gpu)))


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def row(name: str, seeds: int, trials: int, gpus: int) -> tuple[str, float, float, float, int]:
    """The table's line; ours by the best k, the best without OOM, and one a GPU; how many hurt."""
    one, ours, free, best, safe = [], [], [], [], []
    for seed in range(seeds):
        chance = Random(f"{name}/{seed}")
        todo = [programs(name, chance) for _ in range(trials)]
        results = {k: Plain(todo, gpus).run(fixed(k)) for k in FIXED}
        k = min(results, key=lambda k: results[k].seconds)
        one.append(results[1])
        best.append((k, results[k]))
        safe.append(min(r.seconds for r in results.values() if not r.ooms))
        free.append(Plain(todo, gpus).run(by_free_memory))
        ours.append(Ours(todo, gpus).run())

    def rate(results: list[Result]) -> float:
        return mean([a.seconds / r.seconds for a, r in zip(one, results, strict=True)])

    fixed_results = [r for _, r in best]
    of_best = mean([b.seconds / o.seconds for (_, b), o in zip(best, ours, strict=True)])
    of_safe = mean([seconds / o.seconds for seconds, o in zip(safe, ours, strict=True)])
    hurt = sum(r.hurt for r in ours)
    cells = [
        f"{name:<13}",
        f"{rate(fixed_results):>6.2f}",
        f"{mean([k for k, _ in best]):>5.1f}",
        f"{sum(r.ooms for r in fixed_results):>5}",
        f"{sum(r.hurt for r in fixed_results):>5}",
        f"{rate(free):>7.2f}",
        f"{sum(r.ooms for r in free):>5}",
        f"{sum(r.hurt for r in free):>5}",
        f"{rate(ours):>7.2f}",
        f"{mean([r.most for r in ours]):>5.1f}",
        f"{sum(r.ooms for r in ours):>5}",
        f"{hurt:>5}",
        f"{100 * of_best:>8.1f}%",
        f"{100 * of_safe:>8.1f}%",
    ]
    return " ".join(cells), of_best, of_safe, rate(ours), hurt


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Packing by measurement, on simulated GPUs.")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=240)
    parser.add_argument("--gpus", type=int, default=4)
    said = parser.parse_args(words)
    print(f"{said.gpus} GPUs of 80 GB, {said.trials} trials, {said.seeds} seeds")
    print(
        f"{'':<13} {'best fixed k':<24} {'by free memory':<19} {'ours':<27} {'of best':>7} {'safe':>9}"
    )
    heads = ("rate", "k", "OOM", "hurt", "rate", "OOM", "hurt", "rate", "most", "OOM", "hurt")
    widths = (6, 5, 5, 5, 7, 5, 5, 7, 5, 5, 5)
    print(f"{'':<13} " + " ".join(f"{h:>{w}}" for h, w in zip(heads, widths, strict=True)))
    rows = []
    for name in WORKLOADS:
        line, *figures = row(name, said.seeds, said.trials, said.gpus)
        rows.append(figures)
        print(line, flush=True)
    of_best, of_safe = mean([r[0] for r in rows]), mean([r[1] for r in rows])
    worst, hurt = min(r[2] for r in rows), sum(r[3] for r in rows)
    print(f"of the best fixed k, over all: {100 * of_best:.1f}%, its out-of-memories forgiven")
    bounds = {
        f"of the best fixed k without OOM, over all: {100 * of_safe:.1f}% (at least 95%)": of_safe
        >= 0.95,
        f"of one a GPU, at worst: {100 * worst:.1f}% (at least 97%)": worst >= 0.97,
        f"neighbours hurt: {hurt} (none)": hurt == 0,
    }
    for words_, holds in bounds.items():
        print(f"{'ok' if holds else 'BROKEN':<7}{words_}")
    return 0 if all(bounds.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
