"""Random machines, studies and trials, all drawn from one seed."""

from __future__ import annotations

import math
from random import Random
from typing import TYPE_CHECKING, Literal, TypeVar

from msgspec.structs import replace

from simulator.course import Course
from tuitune.core.placement.host import HostResources
from tuitune.core.space import Choice, FloatRange, SearchSpace
from tuitune.core.spec import Limits, Objective, PruningSpec, SearchSpec, StudySpec, TrialSpec
from tuitune.simulation.recorded import Point

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulator.course import End, Heeds
    from tuitune.core.events import Gpu
    from tuitune.core.pruning.pruner import PruningStyle
    from tuitune.core.spec import OnForeign
    from tuitune.trial.wire import Order

T = TypeVar("T")

GB = 1 << 30
ENDS: Sequence[tuple[End, int]] = (
    ("returns", 80),
    ("raises", 8),
    ("killed", 4),
    ("lost", 4),
    ("hangs", 4),
    ("oom", 4),
)
HEEDS: Sequence[tuple[Heeds, int]] = (("ask", 88), ("term", 7), ("kill", 5))
LINGERS = ((0.0, 90), (8.0, 3), (90.0, 4), (math.inf, 3))  # s
Habit = Literal["once", "in parts", "by batches", "back and forth"]
HABITS: Sequence[tuple[Habit, int]] = (
    ("once", 55),
    ("in parts", 15),
    ("by batches", 20),
    ("back and forth", 10),
)


def generator(*names: object) -> Random:
    """A random generator for this name alone."""
    return Random("/".join(map(str, names)))


def draw_machine(rng: Random) -> HostResources:
    return HostResources(float(rng.randint(1, 5)), rng.choice((4, 8)) * GB)


def draw_study(rng: Random, machine: HostResources) -> StudySpec:
    cpus = rng.choice((0.5, 1.0, 1.0, min(2.0, machine.cpus)))
    values = FloatRange("x", 0.0, 1.0, log=False, step=None, when={})
    few = Choice("kind", ("a", "b", "c", "d", "e"))
    return StudySpec(
        name="s",
        objective=Objective(
            "loss", rng.choice(("min", "max")), rng.choice(("last", "last", "best"))
        ),
        trial=TrialSpec(
            target="t.py:train",
            cpus=cpus,
            memory=rng.choice((None, None, 2 * GB)),
            retries=rng.choice((0, 0, 1, 2)),
            timeout=float(rng.choice((rng.randint(100, 500), 1500))),
            checkpoint_every=rng.choice((0.0, 10.0, 600.0)),
            keep_checkpoints=rng.choice(("best", "all", "none")),
        ),
        space=SearchSpace((few,) if rng.random() < 0.1 else (values, few)),
        search=SearchSpec(
            "random",
            trials=rng.randint(2, 16),
            seed=rng.randrange(1000),
            concurrency=rng.choice((None, None, 1, 2, 3)),
        ),
        pruning=_draw_pruning(rng),
        limits=Limits(
            time=float(rng.randint(50, 600)) if rng.random() < 0.1 else None,
            target=rng.choice((0.05, 0.2)) if rng.random() < 0.15 else None,
        ),
        file="/s/s.toml",
    )


def with_gpus(rng: Random, spec: StudySpec, gpus: Sequence[Gpu]) -> StudySpec:
    """The study with a random request for these GPUs."""
    if not gpus:
        return spec
    several = float(min(2, len(gpus)))
    requests: Sequence[float | Literal["auto"] | None]
    requests = (None, 0.0, 1.0, 0.5, "auto", "auto", several)
    request = rng.choice(requests)
    reactions: Sequence[OnForeign] = ("drain", "pause", "ignore")
    foreign = rng.choice(reactions)
    return replace(
        spec,
        trial=replace(spec.trial, gpus=request),
        devices=replace(spec.devices, on_foreign=foreign),
    )


def with_command(rng: Random, spec: StudySpec) -> StudySpec:
    """The study, in a fifth of the cases with a command that prints its reports."""
    if rng.random() < 0.8:
        return spec
    return replace(spec, trial=replace(spec.trial, target=None, command=("./t", "{kind}")))


def _draw_pruning(rng: Random) -> PruningSpec:
    most = rng.choice((4, 9, 9, 27))
    reduction = rng.choice((2, 3, 3, 2.5))
    style: PruningStyle = rng.choice(("auto", "promote", "promote", "stop"))
    match rng.choice(("asha", "asha", "model", "brackets", "hyperband", "median", "none")):
        case "none":
            return PruningSpec("none", "epoch", max=rng.choice((None, most)))
        case "median":
            return PruningSpec("median", "epoch", rng.randint(1, 3), most)
        case "hyperband":
            return PruningSpec("hyperband", "epoch", 1, most, reduction, style)
        case "brackets":
            return PruningSpec("asha", "epoch", 1, most, reduction, style, brackets=2)
        case method:
            return PruningSpec(method, "epoch", rng.choice((1, 1, 2)), most, reduction, style)


class RandomTarget:
    """Training code with every kind of failure.

    What an attempt does depends only on the seed, its trial and its number.
    """

    def __init__(self, seed: int, most: int) -> None:
        self._seed = seed
        self._most = most
        self._saves = generator(seed, "saves").choice((0.0, 0.5, 1.0, 1.0))  # of all trials

    def begin(self, order: Order) -> Course:
        own = generator(self._seed, order.trial)
        rng = generator(self._seed, order.trial, order.attempt)
        saves = own.random() < self._saves
        level, rate = own.random(), 0.2 + own.random()
        stride = own.choice((1, 1, 1, 2, 5))
        pace = own.choice((0.05, 1.0, 1.0, 5.0, 20.0))
        first = (order.resume_step or 0) if own.random() < 0.9 else 0
        last = self._most + rng.choice((0, 0, 0, 2))
        habit = _drawn(own, HABITS)
        end: End = _drawn(rng, ENDS)
        if end != "returns" or own.random() < 0.1:
            last = rng.randint(first, max(first, self._most))
        points: list[Point] = []
        for step in range(first + stride, last + 1, stride):
            seconds = pace * (0.5 + rng.random())
            values = [_value(rng, level, rate, step) for _ in range(4)]
            points += _reports(rng, habit, step, values, seconds)
            if step >= self._most and rng.random() < 0.4:  # it evaluates its model once more
                points.append(Point(step, round(level + rng.random(), 2), seconds))
        spoilt = 0.0 if own.random() < 0.7 else 0.3
        return Course(
            points=points,
            end=end,
            saves=saves and order.command is None,
            saving=own.choice((0.0, 0.0, 0.5, 15.0, 25.0, 90.0)),
            spoilt=frozenset(n for n in range(self._most + 1) if rng.random() < spoilt),
            shrugs=own.random() < 0.5,
            lingers=_drawn(rng, LINGERS),
            polite=own.random() < 0.5,
            command=order.command is not None,
            startup=rng.choice((0.01, 0.5, 3.0)),
            leaving=rng.choice((0.0, 0.1, 0.1, 2.0, 40.0)),
            heeds=_drawn(rng, HEEDS),
        )


def _reports(
    rng: Random, habit: Habit, step: int, values: Sequence[float | None], seconds: float
) -> list[Point]:
    """One step as this training code tells of it."""
    first, *others = values
    match habit:
        case "in parts":  # the objective comes last
            return [Point(step, None, seconds), Point(step, first, 0.1)]
        case "by batches":
            many = rng.randint(0, 3)
            later = (Point(step, value, seconds / 4) for value in others[:many])
            return [Point(step, first, seconds), *later]
        case "back and forth":
            told = [Point(step, first if rng.random() < 0.7 else None, seconds)]
            if step > 1 and rng.random() < 0.3:
                told.append(Point(step - 1, others[0], 0.1))
            if rng.random() < 0.3:
                told.append(Point(step, others[1], 0.1))
            return told
        case _:
            return [Point(step, first, seconds)]


def _value(rng: Random, level: float, rate: float, step: int) -> float | None:
    lot = rng.random()
    if lot < 0.01:
        return rng.choice((math.nan, math.inf, -math.inf))
    if lot < 0.03:
        return None
    # few different values, so that ties come up
    return round(level + math.exp(-rate * step) + 0.1 * rng.random(), 2)


def _drawn(rng: Random, generator: Sequence[tuple[T, int]]) -> T:
    return rng.choices([what for what, _ in generator], [weight for _, weight in generator])[0]
