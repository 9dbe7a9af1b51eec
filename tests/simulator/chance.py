"""What could a study, its trials and its machine be like? All of it drawn from one seed."""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Literal, TypeVar

from tuitune.core.placement.placement import Room
from tuitune.core.space import Choice, FloatRange, SearchSpace
from tuitune.core.spec import Limits, Objective, PruningSpec, SearchSpec, StudySpec, TrialSpec
from tuitune.simulation.course import Course, Point

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuitune.core.events import Gpu
    from tuitune.core.spec import OnForeign, PruningStyle
    from tuitune.simulation.course import End, Heeds
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


def lots(*names: object) -> Random:
    """A source of chance of its own for whatever bears this name."""
    return Random("/".join(map(str, names)))


def draw_machine(chance: Random) -> Room:
    return Room(float(chance.randint(1, 5)), chance.choice((4, 8)) * GB)


def draw_study(chance: Random, machine: Room) -> StudySpec:
    cpus = chance.choice((0.5, 1.0, 1.0, min(2.0, machine.cpus)))
    values = FloatRange("x", 0.0, 1.0, log=False, step=None, when={})
    few = Choice("kind", ("a", "b", "c", "d", "e"))
    return StudySpec(
        name="s",
        objective=Objective(
            "loss", chance.choice(("min", "max")), chance.choice(("last", "last", "best"))
        ),
        trial=TrialSpec(
            target="t.py:train",
            cpus=cpus,
            memory=chance.choice((None, None, 2 * GB)),
            retries=chance.choice((0, 0, 1, 2)),
            timeout=float(chance.choice((chance.randint(100, 500), 1500))),
            checkpoint_every=chance.choice((0.0, 10.0, 600.0)),
            keep_checkpoints=chance.choice(("best", "all", "none")),
        ),
        space=SearchSpace((few,) if chance.random() < 0.1 else (values, few)),
        search=SearchSpec(
            "random",
            trials=chance.randint(2, 16),
            seed=chance.randrange(1000),
            concurrency=chance.choice((None, None, 1, 2, 3)),
        ),
        pruning=_draw_pruning(chance),
        limits=Limits(
            time=float(chance.randint(50, 600)) if chance.random() < 0.1 else None,
            target=chance.choice((0.05, 0.2)) if chance.random() < 0.15 else None,
        ),
        file="/s/s.toml",
    )


def with_gpus(chance: Random, spec: StudySpec, gpus: Sequence[Gpu]) -> StudySpec:
    """The study, asking for what these can give it."""
    if not gpus:
        return spec
    several = float(min(2, len(gpus)))
    wishes: Sequence[float | Literal["auto"] | None]
    wishes = (None, 0.0, 1.0, 0.5, "auto", "auto", several)
    wish = chance.choice(wishes)
    moods: Sequence[OnForeign] = ("drain", "pause", "ignore")
    foreign = chance.choice(moods)
    return replace(
        spec,
        trial=replace(spec.trial, gpus=wish),
        devices=replace(spec.devices, on_foreign=foreign),
    )


def with_command(chance: Random, spec: StudySpec) -> StudySpec:
    """The study, at times of a command that prints its reports."""
    if chance.random() < 0.8:
        return spec
    return replace(spec, trial=replace(spec.trial, target=None, command=("./t", "{kind}")))


def _draw_pruning(chance: Random) -> PruningSpec:
    most = chance.choice((4, 9, 9, 27))
    reduction = chance.choice((2, 3, 3, 2.5))
    style: PruningStyle = chance.choice(("auto", "promote", "promote", "stop"))
    match chance.choice(("asha", "asha", "asha", "brackets", "hyperband", "median", "none")):
        case "none":
            return PruningSpec("none", "epoch", max=chance.choice((None, most)))
        case "median":
            return PruningSpec("median", "epoch", chance.randint(1, 3), most)
        case "hyperband":
            return PruningSpec("hyperband", "epoch", 1, most, reduction, style)
        case "brackets":
            return PruningSpec("asha", "epoch", 1, most, reduction, style, brackets=2)
        case _:
            return PruningSpec("asha", "epoch", chance.choice((1, 1, 2)), most, reduction, style)


class ChanceTarget:
    """Training code with every kind of misfortune.

    What a trial does hangs on the seed, its number and its attempt alone.
    """

    def __init__(self, seed: int, most: int) -> None:
        self._seed = seed
        self._most = most
        self._saves = lots(seed, "saves").choice((0.0, 0.5, 1.0, 1.0))  # of all trials

    def begin(self, order: Order) -> Course:
        own = lots(self._seed, order.trial)
        chance = lots(self._seed, order.trial, order.attempt)
        saves = own.random() < self._saves
        level, rate = own.random(), 0.2 + own.random()
        stride = own.choice((1, 1, 1, 2, 5))
        pace = own.choice((0.05, 1.0, 1.0, 5.0, 20.0))
        first = (order.resume_step or 0) if own.random() < 0.9 else 0
        last = self._most + chance.choice((0, 0, 0, 2))
        habit = _drawn(own, HABITS)
        end: End = _drawn(chance, ENDS)
        if end != "returns" or own.random() < 0.1:
            last = chance.randint(first, max(first, self._most))
        points: list[Point] = []
        for step in range(first + stride, last + 1, stride):
            seconds = pace * (0.5 + chance.random())
            values = [_value(chance, level, rate, step) for _ in range(4)]
            points += _reports(chance, habit, step, values, seconds)
            if step >= self._most and chance.random() < 0.4:  # it evaluates its model once more
                points.append(Point(step, round(level + chance.random(), 2), seconds))
        spoilt = 0.0 if own.random() < 0.7 else 0.3
        return Course(
            points=points,
            end=end,
            saves=saves and order.command is None,
            saving=own.choice((0.0, 0.0, 0.5, 15.0, 25.0, 90.0)),
            spoilt=frozenset(n for n in range(self._most + 1) if chance.random() < spoilt),
            shrugs=own.random() < 0.5,
            lingers=_drawn(chance, LINGERS),
            polite=own.random() < 0.5,
            command=order.command is not None,
            startup=chance.choice((0.01, 0.5, 3.0)),
            leaving=chance.choice((0.0, 0.1, 0.1, 2.0, 40.0)),
            heeds=_drawn(chance, HEEDS),
        )


def _reports(
    chance: Random, habit: Habit, step: int, values: Sequence[float | None], seconds: float
) -> list[Point]:
    """One step as this training code tells of it."""
    first, *others = values
    match habit:
        case "in parts":  # the objective comes last
            return [Point(step, None, seconds), Point(step, first, 0.1)]
        case "by batches":
            many = chance.randint(0, 3)
            later = (Point(step, value, seconds / 4) for value in others[:many])
            return [Point(step, first, seconds), *later]
        case "back and forth":
            told = [Point(step, first if chance.random() < 0.7 else None, seconds)]
            if step > 1 and chance.random() < 0.3:
                told.append(Point(step - 1, others[0], 0.1))
            if chance.random() < 0.3:
                told.append(Point(step, others[1], 0.1))
            return told
        case _:
            return [Point(step, first, seconds)]


def _value(chance: Random, level: float, rate: float, step: int) -> float | None:
    lot = chance.random()
    if lot < 0.01:
        return chance.choice((math.nan, math.inf, -math.inf))
    if lot < 0.03:
        return None
    # few different values, so that ties come up
    return round(level + math.exp(-rate * step) + 0.1 * chance.random(), 2)


def _drawn(chance: Random, lots: Sequence[tuple[T, int]]) -> T:
    return chance.choices([what for what, _ in lots], [weight for _, weight in lots])[0]
