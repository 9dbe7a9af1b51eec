"""The engine's CPU on many nodes, with trials that are simulated and a store that is real.

python tests/benchmarks/nodes_figures.py              all tables
python tests/benchmarks/nodes_figures.py --trials 2000
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from msgspec.structs import replace

sys.path.insert(0, str(Path(__file__).parents[1]))

from simulator.clock import SimulatedLoop
from simulator.course import Course
from simulator.executor import SimulatedExecutor
from simulator.memory import MemoryTrialFolders
from tuitune.core import events as ev
from tuitune.core.search.proposal import AskModel, History, Proposal
from tuitune.core.search.registry import make_searcher
from tuitune.core.space import FloatRange, SearchSpace
from tuitune.core.spec import Limits, Objective, PruningSpec, SearchSpec, StudySpec, TrialSpec
from tuitune.core.study import Study
from tuitune.engine.engine import Engine
from tuitune.engine.ports import EngineDeps
from tuitune.engine.settings import settings_of
from tuitune.simulation.recorded import Point
from tuitune.store.journal import Journal
from tuitune.trial.wire import Order

REPORTS = 27
LINK, ASK = 0.02, 0.03  # s, of those that are far away
EACH = 8  # slots, or GPUs, of a node
GB = 1 << 30
CARD = ev.Gpu("", 0, "A100", 80 * GB)


class Training:
    """A trial that reports so many losses, two seconds apart, each trial at its own pace."""

    def __init__(self, reports: int) -> None:
        self._reports = reports

    def begin(self, order: Order) -> Course:
        """The course of one attempt, from the step that it resumes at."""
        seconds = 2.0 + 0.001 * (order.trial * 7919 % 1000)
        first = (order.resume_step or 0) + 1
        loss = order.config["x"]
        points = [Point(step, loss + 1 / step, seconds) for step in range(first, self._reports + 1)]
        return Course(points)


def study_of(trials: int, pruning: PruningSpec, gpus: Any = 0) -> StudySpec:
    """A study of one parameter. gpus: of each trial."""
    return StudySpec(
        name="s",
        objective=Objective("loss", "min"),
        trial=TrialSpec(target="t.py:train", gpus=gpus),
        space=SearchSpace((FloatRange("x", 0.0, 1.0),)),
        search=SearchSpec("random", trials=trials),
        pruning=pruning,
        limits=Limits(),
        file="/s/s.toml",
    )


def nodes_with(slots: int, gpus: int = 0) -> tuple[ev.Node, ...]:
    """Nodes of at most EACH slots, which have so many together. gpus: of each node."""

    def cards(node: int) -> Iterator[ev.Gpu]:
        for index in range(gpus):
            yield ev.Gpu(f"{node}-{index}", index, CARD.name, CARD.memory)

    count = -(-slots // EACH)
    each = min(EACH, slots)
    return tuple(
        ev.Node(f"n{number:02}", float(each), 64 * GB, tuple(cards(number)))
        for number in range(count)
    )


class Far(NamedTuple):
    """A study's nodes are so many seconds away; its model; who is told of its facts."""

    delay: float
    model: SlowModel
    watch: Callable[[Sequence[ev.AnyFact]], None]


def played(
    spec: StudySpec, nodes: Sequence[ev.Node], folder: Path, far: Far | None = None
) -> tuple[float, int]:
    """(CPU seconds of the engine, facts) of the whole study."""
    loop = SimulatedLoop()
    journal = Journal.open(folder / f"{time.monotonic_ns()}.db", spec.objective.metric)
    facts = 0

    def watch(new: Sequence[ev.AnyFact]) -> None:
        nonlocal facts
        facts += len(new)
        if far is not None:
            far.watch(new)

    async def play() -> None:
        folders = MemoryTrialFolders()
        searcher = make_searcher(spec.space, spec.search)
        study = Study(spec)
        model = None if far is None else far.model
        engine = Engine(study, EngineDeps(journal, searcher, folders, loop.time, watch, model))
        delay = None if far is None else far.delay
        late = None if delay is None else (lambda: delay)
        training = Training(spec.pruning.max or REPORTS)
        executor = SimulatedExecutor(training, engine.take, loop, folders, latency=late)
        engine.executor = executor if delay is None else Linked(executor, delay)
        cpus, memory = sum(node.cpus for node in nodes), sum(node.memory for node in nodes)
        settings = settings_of(spec)
        engine.take([ev.Opened(loop.time(), settings, cpus, memory, nodes=tuple(nodes))])
        await engine.finished

    asyncio.set_event_loop(loop)
    began = time.process_time()
    loop.run_until_complete(play())
    spent = time.process_time() - began
    loop.close()
    journal.close()
    return spent, facts


def engines(trials: int) -> None:
    """The engine with its simulated trials: their share is in all figures alike."""
    print(f"{trials} trials x {REPORTS} reports, simulated; the store is real")
    print(f"{'':24}{'CPU s':>8}{'us a fact':>11}{'over 16 slots':>15}")
    asha = PruningSpec("asha", "epoch", 1, REPORTS, 3, "stop")
    for name, pruning in (
        ("no pruning", PruningSpec("none", "epoch", max=REPORTS)),
        ("ASHA", asha),
    ):
        base = 0.0
        for slots in (16, 512):
            with tempfile.TemporaryDirectory() as folder:
                spent, facts = played(study_of(trials, pruning), nodes_with(slots), Path(folder))
            each = spent / facts * 1e6
            base = base or each
            print(f"{f'{name}, {slots} slots':24}{spent:8.1f}{each:11.1f}{each / base:15.2f}")


class Linked:
    """The executor of nodes that are `delay` seconds away: launches come late, too."""

    def __init__(self, executor: SimulatedExecutor, delay: float) -> None:
        self._executor = executor
        self._delay = delay

    def launch(self, order: Order) -> None:
        """Launches when the order has come."""
        self._executor.loop.call_later(self._delay, self._executor.launch, order)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._executor, name)


class SlowModel:
    """Draws at random, in `seconds` of the simulated clock."""

    def __init__(self, spec: StudySpec, seconds: float) -> None:
        self._searcher = make_searcher(spec.space, replace(spec.search, method="random"))
        self._seconds = seconds

    async def propose(self, trial: int, _: History, tried: Collection[str]) -> Proposal | None:
        """As `ModelClient.propose`."""
        await asyncio.sleep(self._seconds)
        found = self._searcher.propose(trial, tried)
        assert not isinstance(found, AskModel)
        return found


class Work:
    """The seconds in which trials work, up to the last launch of a study."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._opened = self._last = 0.0
        self._began: dict[int, float] = {}
        self._spans: list[tuple[float, float]] = []

    def watch(self, facts: Sequence[ev.AnyFact]) -> None:
        """Takes in facts; a start and an exit are told equally late."""
        for fact in facts:
            match fact:
                case ev.Opened():
                    self._opened = fact.time
                case ev.Launch():
                    self._last = fact.time
                case ev.Started():
                    self._began[fact.trial] = fact.time
                case ev.Exited():
                    self._spans.append((self._began.pop(fact.trial), fact.time))

    def share(self) -> float:
        """Of the slots' time while there is work."""
        spent = sum(max(0.0, min(end, self._last) - start) for start, end in self._spans)
        return spent / (self._slots * (self._last - self._opened))


def busy(trials: int) -> None:
    """The slots with a trial that works, over a link and with a model that take their time."""
    print(
        f"slots that work while there is work: a link of {LINK * 1e3:.0f} ms, {ASK * 1e3:.0f} ms an ask"
    )
    for slots, reports in ((16, 5), (64, 27), (512, 27)):
        search = SearchSpec("tpe", trials=min(trials, 40 * slots))
        spec = replace(study_of(1, PruningSpec("none", "epoch", max=reports)), search=search)
        work = Work(slots)
        with tempfile.TemporaryDirectory() as folder:
            far = Far(LINK, SlowModel(spec, ASK), work.watch)
            played(spec, nodes_with(slots), Path(folder), far)
        each = f"{2 * reports} s a trial"
        print(f"{f'{slots} slots, {search.trials} trials, {each}':44}{work.share():8.1%}")


class Packed:
    """A study with `gpus = "auto"`, of which every GPU has as many trials as it can run."""

    def __init__(self, gpus: int) -> None:
        spec = study_of(10**6, PruningSpec(), "auto")
        self.study = Study(spec)
        self.now = 100.0
        nodes = [ev.Node(n.name, 1000.0, 10**15, n.gpus) for n in nodes_with(gpus, EACH)]
        settings = settings_of(spec, has_gpus=True)
        self.take(ev.Opened(self.now, settings, 10.0**6, 10**15, nodes=tuple(nodes)))
        self.steps: dict[int, int] = {}

    def take(self, event: ev.Event) -> None:
        """Passes an event to the study, and a configuration to each trial that asks for one."""
        for fact in self.study.react(event):
            if isinstance(fact, ev.Ask):
                self.take(ev.Proposed(self.now, fact.trial, {"x": 0.5}, "random", ""))

    def reports(self, rounds: int) -> float:
        """CPU seconds of a report of each running trial, in so many rounds."""
        spent, count = 0.0, 0
        for _ in range(rounds):
            self.now += 5.0
            for trial in [*self.study.state.running]:
                self.steps[trial] = step = self.steps.get(trial, 0) + 1
                report = ev.Reported(self.now, trial, 0, step, {"loss": 1.0})
                began = time.process_time()
                self.take(report)
                spent += time.process_time() - began
                count += 1
        return spent / count

    def hold(self) -> None:
        """Tells the study that each running trial has 30 GB of memory."""
        for trial in [*self.study.state.running]:
            self.take(ev.Footprint(self.now, trial, 0, 30 * GB))


def packed() -> None:
    """What a report costs in a study that packs its GPUs, on few of them and on many."""
    print('gpus = "auto": a report in the study, us')
    print(f"{'GPUs':>6}{'median of 5':>14}{'over 8 GPUs':>14}")
    base = 0.0
    for gpus in (8, 512):
        study = Packed(gpus)
        study.hold()
        study.reports(8)
        study.hold()
        found = sorted(study.reports(40 if gpus == 8 else 1) * 1e6 for _ in range(5))
        each = found[2]
        base = base or each
        print(f"{gpus:>6}{each:14.1f}{each / base:14.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=10_000)
    options = parser.parse_args()
    packed()
    busy(options.trials)
    engines(options.trials)
