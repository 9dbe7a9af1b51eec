"""Workloads for GPUs that are simulated: ten that stand for kinds of training, and drawn ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from simulator.gpus import Program, pace

if TYPE_CHECKING:
    from simulator.gpus import PaceOf

GB = 10**9
KINDS = {  # duty, friction, GB, its growth, seconds a report, reports
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
}
ODDITIES = ("", "", "sizes", "pruned", "evaluates", "slows down")


@dataclass(frozen=True, slots=True)
class Kind:
    """All trials of a workload alike, but for some spread."""

    name: str

    def pace_of(self) -> PaceOf:
        return pace

    def trial(self, chance: Random) -> Program:
        duty, friction, memory, growth, seconds, count = KINDS[self.name]
        if self.name == "mixed sizes":
            scale = chance.choice((0.5, 1.0, 2.0, 4.0))  # as a batch size would
            memory, seconds = memory * scale, seconds * math.sqrt(scale)
            duty = min(0.9, duty * scale)
        memory *= 1 + 0.05 * chance.random()
        seconds *= 0.8 + 0.4 * chance.random()
        noise = 0.35 if self.name == "noisy" else 0.05
        reports = [seconds * chance.lognormvariate(0, noise) for _ in range(count)]
        return _program(reports, duty, friction, memory, growth)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A workload of which chance has drawn all, under one of two models of machines."""

    number: int

    @property
    def name(self) -> str:
        return f"drawn {self.number}"

    def pace_of(self) -> PaceOf:
        return (pace, filled)[self.number % 2]

    def trial(self, chance: Random) -> Program:
        drawn = Random(self.number)
        duty, growth = drawn.uniform(0.05, 0.97), drawn.uniform(1.0, 1.6)
        friction, memory = 10 ** drawn.uniform(-2.3, -0.5), 10 ** drawn.uniform(0.0, 1.6)
        seconds, count = 10 ** drawn.uniform(0.5, 2.0), drawn.randint(8, 60)
        noise, oddity = 10 ** drawn.uniform(-1.7, -0.5), drawn.choice(ODDITIES)
        scale = chance.uniform(0.9, 1.1)
        if oddity == "sizes":
            scale = 2 ** chance.uniform(-1.2, 1.2)
            duty = min(0.97, duty * scale)
        if oddity == "pruned":
            count = max(2, count // chance.choice((1, 1, 3, 9)))
        reports = [seconds * scale * chance.lognormvariate(0, noise) for _ in range(count)]
        if oddity == "evaluates":
            reports = [s * (2 if i % 5 == 4 else 1) for i, s in enumerate(reports)]
        if oddity == "slows down":
            reports = [s * (1 + i / count) for i, s in enumerate(reports)]
        return _program(reports, duty, friction, min(40.0, memory * scale), growth)


@dataclass(frozen=True, slots=True)
class Cliff:
    """Trials that hardly hinder each other, until one more makes all of them slow."""

    most: int  # as many are best
    left: float  # of the work that so many do together, whatever number there is above

    @property
    def name(self) -> str:
        return f"{self.left:g} beyond {self.most}"

    def pace_of(self) -> PaceOf:
        return self._pace

    def _pace(self, together: Sequence[Program]) -> float:
        count = len(together)
        each = 0.98 ** (min(max(1, count), self.most) - 1)
        return each if count <= self.most else each * self.left * self.most / count

    def trial(self, chance: Random) -> Program:
        seconds = chance.choice((6.0, 30.0)) * (0.8 + 0.4 * chance.random())
        reports = [seconds * chance.lognormvariate(0, 0.1) for _ in range(30)]
        return _program(reports, 0.3, 0.0, 2.0, 1.1)


SHORT = {  # reports, seconds before each, seconds of its start
    "12 of 0.05 s": (12, 0.05, 0.0),
    "12 of 0.35 s": (12, 0.35, 0.0),
    "60 of 0.35 s": (60, 0.35, 0.0),
    "30 of 20 s": (30, 20.0, 4.0),
    "late 12": (12, 0.05, 2.0),
    "late 3": (3, 2.0, 1.0),
    "late 1": (1, 5.0, 2.0),
}


@dataclass(frozen=True, slots=True)
class Short:
    """Trials of which a GPU runs many at once, or some: their duty and friction."""

    kind: str
    duty: float = 0.1
    friction: float = 0.02

    @property
    def name(self) -> str:
        return f"{self.kind}, {self.duty:g}"

    def pace_of(self) -> PaceOf:
        return pace

    def trial(self, chance: Random) -> Program:
        count, seconds, start = SHORT[self.kind]
        scale = 0.8 + 0.4 * chance.random()
        reports = [seconds * scale * chance.lognormvariate(0, 0.05) for _ in range(count)]
        memory = 2 + 0.1 * chance.random()
        return _program(reports, self.duty, self.friction, memory, 1.05, start)


def filled(together: Sequence[Program]) -> float:
    """Another model of machines: nobody waits for another before the GPU is full."""
    duty = sum(program.duty for program in together)
    friction = sum(program.friction for program in together) / max(1, len(together))
    return 1 / max(1.0, duty) / (1 + friction * (len(together) - 1))


def _program(
    reports: list[float],
    duty: float,
    friction: float,
    memory: float,
    growth: float,
    start: float = 0.0,
) -> Program:
    """Most of its memory (GB) is there by the first report, and more comes late."""
    first, late = reports[0], sum(reports[: len(reports) * 3 // 4])
    steps = ((0.0, 0.4), (0.2 * first, 0.9), (1.1 * first, 1.0), (max(late, 1.1 * first), growth))
    memories = [(at, int(memory * GB * s)) for at, s in steps]
    return Program(reports, duty, friction, memories, start)
