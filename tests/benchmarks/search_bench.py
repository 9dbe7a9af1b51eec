"""Adapters between our searchers and the recorded tasks of a search bench.

The bench is a folder with `tasks.py`, `run.py` and `adapters.py` (its README says what they are);
TUITUNE_SEARCH_BENCH names it. Ours is asked in two ways: by the bench's own loop, which stops
trials and can't resume them, and as a whole study, by the real engine under a simulated clock.
"""

from __future__ import annotations

import math
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from tuitune.core import events as ev
from tuitune.core.placement.host import HostResources
from tuitune.core.search.proposal import AskModel, History, Past, identity
from tuitune.core.search.registry import make_model, make_searcher
from tuitune.core.space import Choice, FloatRange, IntRange, PowerRange, SearchSpace
from tuitune.core.spec import Limits, Objective, PruningSpec, SearchSpec, StudySpec, TrialSpec
from tuitune.simulation.recorded import Point

sys.path.append(str(Path(__file__).parents[1]))
from simulator.course import Course
from simulator.model_client import make_model_client
from simulator.play import play

REDUCTION = 3


def bench_folder() -> Path:
    """Where the bench is, and makes its modules importable; SystemExit where none is named."""
    where = os.environ.get("TUITUNE_SEARCH_BENCH")
    if where is None:
        sys.exit("set TUITUNE_SEARCH_BENCH to the folder of the search bench")
    if where not in sys.path:
        sys.path.insert(0, where)
    return Path(where)


def space_of(parameters: list[dict[str, Any]]) -> SearchSpace:
    return SearchSpace(tuple(_parameter(words) for words in parameters))


def _parameter(words: dict[str, Any]) -> Choice | FloatRange | IntRange:
    name = words["name"]
    match words["type"]:
        case "categorical":
            return Choice(name, tuple(words["choices"]))
        case "int":
            return IntRange(name, words["low"], words["high"], log=words["log"])
        case _:
            return FloatRange(name, float(words["low"]), float(words["high"]), log=words["log"])


def rungs_of(least: int, most: int) -> tuple[int, ...]:
    rungs = [least]
    while rungs[-1] * REDUCTION < most:
        rungs.append(rungs[-1] * REDUCTION)
    return (*rungs, most)


class Ours:
    """As the bench's adapters: ask, report after every unit of resource, tell."""

    method = "bayes"

    def __init__(self, space: list[dict[str, Any]], seed: int, **words: Any) -> None:
        from adapters import StoppingASHA  # noqa: PLC0415 - only there once the bench was named

        least, most, partial = words["min_resource"], words["max_resource"], words["mf"]
        self.space, self.partial = space_of(space), partial
        self.rungs = rungs_of(least, most) if partial else ()
        search = SearchSpec(self.method, seed=seed)
        self.start = make_searcher(self.space, search)
        self.model = make_model(self.space, search, "min", self.rungs)
        self.rule = StoppingASHA(least, most, words["eta"])
        self.past: dict[int, Past] = {}
        self.tried: set[str] = set()

    def ask(self) -> tuple[int, dict[str, Any]]:
        trial = len(self.past)
        proposal = self.start.propose(trial, self.tried)
        if isinstance(proposal, AskModel):
            history = History(tuple(self.past.values()))
            proposal = self.model.propose(trial, history, self.tried)
        assert proposal is not None
        self.tried.add(identity(self.space, proposal.config))
        self.past[trial] = Past(trial, proposal.config, (), "pending")
        return trial, proposal.config

    def report(self, key: int, resource: int, loss: float) -> bool:
        if resource in self.rungs:
            past = self.past[key]
            curve = (*past.curve, (resource, loss))
            self.past[key] = Past(key, past.config, curve, "pending")
        return self.rule.keep(resource, loss)

    def tell(self, key: int, loss: float, resource: int, done: bool) -> None:
        past = self.past[key]
        curve = past.curve if self.partial else ((resource, loss),)
        self.past[key] = Past(key, past.config, curve, "ended")


class OursByKernels(Ours):
    method = "tpe"


OURS = {"ours": Ours, "ours_tpe": OursByKernels}
METHODS = {"ours": "bayes", "ours_tpe": "tpe", "random": "random"}  # of a whole study


@dataclass(frozen=True)
class Recorded:
    """Training code that follows a task's curves."""

    task: Any

    def begin(self, order: Any) -> Course:
        losses, seconds = self.task.curve(order.config)
        start = order.resume_step or 0
        steps = zip(losses, seconds, strict=True)
        points = [
            Point(step, float(loss), float(second))
            for step, (loss, second) in enumerate(steps, 1)
            if step > start
        ]
        return Course(points, saves=True)


def run_study(
    task: Any,
    seed: int,
    full_trainings: float,
    style: str,
    method: str = "bayes",
    pruned: str = "asha",
    workers: int = 4,
) -> dict:
    """A whole study on the bench's clock, scored as the bench's own loop scores."""
    horizon = full_trainings * task.full_seconds / workers
    space = space_of(task.space)
    search = SearchSpec(method, trials=100_000, seed=seed, concurrency=workers)
    pruning = PruningSpec(pruned, "epoch", task.min_resource, task.max_resource, REDUCTION, style)
    spec = StudySpec(
        "figures",
        Objective("loss", "min"),
        TrialSpec(target="task.py:train"),
        space,
        search,
        pruning,
        Limits(time=horizon),
        "figures.toml",
    )
    model = make_model_client(spec)
    began = time.process_time()
    played = play(
        spec, make_searcher(space, search), Recorded(task), HostResources(float(workers), 0), model
    )
    spent = time.process_time() - began
    best, trace, asked, full = float("inf"), [], 0, 0
    first = played.facts[0].time
    for fact in played.facts:
        asked += isinstance(fact, ev.Proposed)
        if not isinstance(fact, ev.Reported) or fact.time - first > horizon:
            continue
        full += fact.step == task.max_resource
        if fact.metrics["loss"] < best:
            best = fact.metrics["loss"]
            trace.append(((fact.time - first) / horizon, best))
    fractions = (0.0625, 0.125, 0.25, 0.5, 0.75, 1.0)
    at = {str(f): min((loss for when, loss in trace if when <= f), default=None) for f in fractions}
    return {
        "workers": workers,
        "at": at,
        "trace": trace,
        "trials": asked,
        "full_trials": full,
        "ask_ms": 1e3 * spent / asked,
    }


TEN = SearchSpace(
    (
        FloatRange("lr", 1e-5, 1.0, log=True),
        FloatRange("decay", 1e-6, 1e-2, log=True),
        FloatRange("dropout", 0.0, 0.6),
        FloatRange("momentum", 0.0, 1.0),
        FloatRange("mixup", 0.0, 1.0),
        IntRange("layers", 1, 6),
        IntRange("width", 16, 1024, log=True),
        PowerRange("batch", 4, 256),
        Choice("optimizer", ("sgd", "adam", "lion")),
        Choice("activation", ("relu", "tanh")),
    )
)


def ask_seconds(outcomes: int, asks: int, pending: int = 4) -> list[float]:
    """CPU seconds of each of so many asks, from `outcomes` outcomes on, a third of them random.

    The others lie where a search would have gone; every ask has other trials running.
    """
    random = Random(outcomes)
    tried: set[str] = set()
    past: list[Past] = []

    def add(config: dict[str, Any]) -> None:
        past.append(Past(len(past), config, ((1, _loss(config, random)),), "ended"))
        tried.add(identity(TEN, config))

    for trial in range(outcomes):
        point = [random.random() for _ in TEN.searched]
        if trial > outcomes // 3:
            point = [min(max(0.4 + random.gauss(0.0, 0.1), 0.0), 1.0) for _ in TEN.searched]
        add(TEN.configuration(point))
    model = make_model(TEN, SearchSpec("bayes"), "min", ())
    model.propose(len(past) + pending, History(tuple(past)), tried)
    spent = []
    for _ in range(asks):
        waiting = [
            Past(
                len(past) + n,
                TEN.configuration([random.random() for _ in TEN.searched]),
                (),
                "pending",
            )
            for n in range(pending)
        ]
        began = time.process_time()
        proposal = model.propose(len(past) + pending, History((*past, *waiting)), tried)
        spent.append(time.process_time() - began)
        assert proposal is not None
        add(proposal.config)
    return spent


def _loss(config: dict[str, Any], random: Random) -> float:
    far = 0.3 * (math.log10(config["lr"]) + 3.0) ** 2 + (config["momentum"] - 0.3) ** 2
    far += 0.2 * abs(config["layers"] - 3) + (config["dropout"] - 0.2) ** 2
    return far + 0.3 * (config["optimizer"] != "adam") + random.gauss(0.0, 0.02)
