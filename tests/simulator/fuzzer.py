"""One random study through several engines, with all invariants checked after each event."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import structs
from msgspec.structs import replace

from simulator.clock import SimulatedLoop, StalledError, WallClock
from simulator.deadlines import Deadlines
from simulator.environment_faults import EnvironmentFaults
from simulator.executor import SimulatedExecutor
from simulator.generators import (
    RandomTarget,
    draw_machine,
    draw_study,
    generator,
    with_command,
    with_gpus,
)
from simulator.gpu_fuzzer import GpuFuzzer, draw_gpus
from simulator.invariants import Invariants, lost_reports, on_the_shelf, over, stale_rows, unsynced
from simulator.journal_guard import DiedError, FailingJournal, Guard
from simulator.memory import MemoryJournal, MemoryTrialFolders
from simulator.model_client import InProcessModel, make_model_client
from simulator.node_fuzzer import NodeFuzzer, draw_nodes
from simulator.shadow_model import EVENTS
from simulator.user_fuzzer import UserFuzzer
from tuitune.core import events as ev
from tuitune.core.search.registry import make_searcher
from tuitune.core.study import Study
from tuitune.engine.context import opening_events, restore
from tuitune.engine.engine import LAZY_COMMIT, Engine
from tuitune.engine.failure import GuardedWatcher
from tuitune.engine.monitors import ClockSteps
from tuitune.engine.ports import EngineDeps
from tuitune.model_process import ModelError
from tuitune.store.projection import study_row, trial_row

if TYPE_CHECKING:
    from random import Random

    from tuitune.core.placement.host import HostResources
    from tuitune.core.spec import StudySpec

LIVES = 6  # engines of one study, at most
START = 1e6
METHODS: tuple[str, ...] = ("random", "tpe", "bayes")
TOO_LONG = 1e5  # s of a study's own time


@dataclass(slots=True)
class Report:
    """The outcome of one seed."""

    seed: int
    spec: StudySpec
    violations: list[str] = field(default_factory=list)
    facts: int = 0
    events: int = 0
    trials: int = 0
    engines: int = 0
    seconds: float = 0.0  # by the study's clock
    journal: list[ev.AnyFact] = field(default_factory=list)


def run_seed(seed: int) -> Report:
    """Run the random study of this seed, and check it after every event."""
    rng = generator(seed, "study")
    machine = draw_machine(rng)
    gpus = draw_gpus(generator(seed, "gpus"))
    if gpus:  # so that it's not the CPUs that keep trials from sharing them
        machine = structs.replace(machine, cpus=4 * machine.cpus)
    spec = with_gpus(generator(seed, "wish"), draw_study(rng, machine), gpus)
    spec = with_command(generator(seed, "command"), spec)
    method = generator(seed, "method").choices(METHODS, (20, 4, 1))[0]
    spec = replace(spec, search=replace(spec.search, method=method))
    fuzzer = _Fuzzer(seed, spec, machine, gpus)
    report = fuzzer.run()
    report.journal = fuzzer.journal.facts
    report.facts = len(report.journal)
    report.events = sum(type(fact) in EVENTS for fact in report.journal)
    return report


def _on_nodes(event: ev.Event, nodes: tuple[ev.Node, ...]) -> ev.Event:
    """The study is opened on these nodes; without any on the machine."""
    if not nodes or not isinstance(event, ev.Opened):
        return event
    cpus, memory = sum(node.cpus for node in nodes), sum(node.memory for node in nodes)
    return structs.replace(event, cpus=cpus, memory=memory, nodes=nodes)


class _Fuzzer:
    """A study's disk, and its engines one after another."""

    def __init__(
        self, seed: int, spec: StudySpec, machine: HostResources, gpus: tuple[ev.Gpu, ...]
    ) -> None:
        self.gpus = gpus
        self.nodes = () if gpus else draw_nodes(generator(seed, "nodes"), machine)
        self.spec = spec
        self.machine = machine
        self.journal = MemoryJournal()
        self.trial_folders = MemoryTrialFolders()
        self.report = Report(seed, spec)
        self.now = START
        self.behind = False  # whether the journal lacks facts of a dead engine
        self.restored = False  # whether an older copy of it was put back
        self.ahead = 0.0  # s that the machine's clock is ahead of the loops'

    def run(self) -> Report:
        report = self.report
        while report.engines < LIVES and not report.violations:
            life = _Life(self, generator(report.seed, "engine", report.engines))
            report.engines += 1
            life.live()
            self.now = life.loop.time() + 1.0
            self.ahead = life.wall.offset
            if life.finished is not None and not self._goes_on(life.finished):
                break
            if life.died():
                self.behind = True
                self._lose_power()
        report.seconds = self.now - START
        return report

    def _lose_power(self) -> None:
        """In some cases the journal loses its newest facts, while checkpoints stay."""
        rng = generator(self.report.seed, "power", self.report.engines)
        if rng.random() < 0.6:
            return
        restored = rng.random() < 0.5
        self.restored = self.restored or restored
        if self.journal.cut(rng.choice((1.0, 20.0, 120.0)), restored=restored):
            study = Study(self.spec)
            study.replay(self.journal.history())
            state = study.state
            self.journal.rows = {t.number: trial_row(self.spec, state, t) for t in state.trials}
            self.journal.study = study_row(self.spec, state) if state.opened else None
            # what is proposed again is another configuration, as with a model or a user
            seed = self.spec.search.seed + 1
            self.spec = replace(self.spec, search=replace(self.spec.search, seed=seed))

    def _goes_on(self, finished: ev.Finished) -> bool:
        """Whether the study is opened once more, with changes that let it go on."""
        rng = generator(self.report.seed, "again", self.report.engines)
        if finished.complete and rng.random() < 0.6:
            return False
        limits = replace(self.spec.limits, time=None, target=None)
        search = replace(self.spec.search, trials=self.spec.search.trials + rng.randint(0, 4))
        self.spec = replace(self.spec, limits=limits, search=search)
        return True


class _Life:
    """One engine, from its start to its end or its death."""

    def __init__(self, fuzzer: _Fuzzer, rng: Random) -> None:
        self._fuzzer = fuzzer
        self._rng = rng
        self.report = fuzzer.report
        self.loop = SimulatedLoop(fuzzer.now)
        self.wall = WallClock(self.loop, fuzzer.ahead)
        self.finished: ev.Finished | None = None
        self._last = self.report.engines + 1 >= LIVES
        self._engine: Engine | None = None
        self._executor: SimulatedExecutor | None = None
        self._failing_journal = FailingJournal(fuzzer.journal)
        self._guard: Guard | None = None
        self._safe = math.inf  # reports received by then must be in the journal
        self._began = fuzzer.journal.seq
        self._invariants = Invariants(fuzzer.spec, fuzzer.journal.history())
        self._deadlines = Deadlines(self._invariants.shadow, fuzzer.ahead)

    def live(self) -> None:
        loop = self.loop
        loop.call_soon(self._open)
        loop.call_later(TOO_LONG, self._too_long)
        try:
            loop.run_forever()
        except StalledError:
            self.violated("nothing is due any more, and the study has not ended")
        for failure in loop.failures:
            if not isinstance(failure, DiedError):
                self.violated(f"the engine raised {failure!r}")
        self._check_end()
        loop.close()

    def died(self) -> bool:
        """Whether it may have known more than its journal has."""
        return self.finished is None or self._engine is None or self._engine.broken is not None

    def violated(self, words: str) -> None:
        state = "" if self._engine is None else f" (at {self.loop.time() - START:.3f} s)"
        self.report.violations.append(words + state)
        self.loop.stop()

    def _open(self) -> None:
        fuzzer, loop = self._fuzzer, self.loop
        study = _Watched(restore(fuzzer.spec, fuzzer.journal), self._reacted)
        searcher = make_searcher(fuzzer.spec.space, fuzzer.spec.search)
        faults_rng = generator(self.report.seed, "weather", self.report.engines)
        faults = EnvironmentFaults(self._failing_journal.watched, self.wall, loop, faults_rng)
        watcher = GuardedWatcher(faults, Path(os.devnull))
        watcher._reported = True  # nothing is to be written about it
        world = EngineDeps(
            self._failing_journal,
            searcher,
            fuzzer.trial_folders,
            self.wall,
            watcher,
            self._model_client(),
            ClockSteps(self.wall, loop.time),
        )
        self._engine = engine = Engine(study, world)
        target = RandomTarget(self.report.seed, fuzzer.spec.pruning.max or 9)
        latency = generator(self.report.seed, "latency", self.report.engines)
        guard = self._guard = Guard(
            engine.take,
            fuzzer.journal,
            self.violated,
            lambda: engine.broken is not None,
            restored=fuzzer.restored,
        )
        guard.executor = SimulatedExecutor(
            target,
            guard.sink,
            loop,
            fuzzer.trial_folders,
            latency=lambda: latency.choice((1e-4, 1e-3, 0.05)),
            neglected=lambda trial: self.violated(f"trial {trial} waits for a verdict in vain"),
            clock=self.wall,
        )
        engine.executor = guard
        engine.finished.add_done_callback(self._ended)
        horizon = 0.0 if self._last else self._rng.choice((0.0, 60.0, 200.0, 400.0))
        UserFuzzer(engine, loop, self.wall, self._rng, horizon, lambda: not self._last)
        faults.begin(engine, guard.executor, horizon)
        if not self._last and self._rng.random() < 0.4:
            loop.call_later(self._rng.expovariate(1 / 60), self._die)
        gpus = generator(self.report.seed, "gpus", self.report.engines)
        box = GpuFuzzer(engine, loop, self.wall, gpus, fuzzer.gpus, horizon)
        rng = generator(self.report.seed, "nodes", self.report.engines)
        executor = guard.executor
        nodes = NodeFuzzer(engine, executor, loop, self.wall, rng, fuzzer.nodes, horizon)
        events = opening_events(study, fuzzer.machine, self.wall(), gpus=box.gpus)
        engine.take([_on_nodes(event, nodes.first) for event in events])

    def _model_client(self) -> InProcessModel | None:
        """A model that is slow, and fails now and then."""
        rng = generator(self.report.seed, "model", self.report.engines)
        slow = rng.choice((0.0, 0.01, 3.0))

        def latency() -> float:
            if rng.random() < 0.05:
                raise ModelError("it failed")
            return slow * rng.random()

        return make_model_client(self._fuzzer.spec, latency)

    def _reacted(self, group: list[ev.AnyFact], study: Study) -> None:
        problems = self._invariants.after(group, study.state)
        problems += self._deadlines.after(group, self.loop.time())
        for problem in problems:
            self.violated(f"after {group[0]}: {problem}")

    def _ended(self, future: Any) -> None:
        self.finished = future.result()
        self.loop.stop()

    def _die(self) -> None:
        """Die now, or before or after the next commit; or let the disk be full."""
        match self._rng.choice(("now", "before", "after", "full")):
            case "now":
                self._failing_journal.kill()
                self.loop.stop()
            case "before":
                self._failing_journal.die_before(self.loop.stop)
            case "full":
                self._safe = self.loop.time() - 2 * LAZY_COMMIT
                self._failing_journal.full = True
            case _:
                self._failing_journal.die_after(self.loop.stop)

    def _too_long(self) -> None:
        self.violated("the study does not come to an end")

    def _check_end(self) -> None:
        """Check what must hold once the engine is gone."""
        fuzzer, engine = self._fuzzer, self._engine
        if self.report.violations or engine is None or self._guard is None:
            return
        received = self._guard.received
        ended = self.finished is not None and engine.broken is None
        if ended:
            engine.commit()
            engine.snapshot()
            study = engine.study
            journal = fuzzer.journal
            self.report.violations += stale_rows(study, journal.rows, journal.study)
            self.report.violations += unsynced(
                journal.facts[self._began :],
                [seq - self._began for seq in journal.syncs if seq > self._began],
            )
        else:  # newer ones may be lost with the engine
            self._safe = min(self._safe, self.loop.time() - 2 * LAZY_COMMIT)
            study = Study(fuzzer.spec)
            study.replay(fuzzer.journal.history())
        self.report.violations += over(study, fuzzer.journal.facts)
        self.report.violations += on_the_shelf(
            study, fuzzer.trial_folders.steps, over=ended, behind=fuzzer.behind
        )
        self.report.violations += lost_reports(
            received, fuzzer.journal.facts[self._began :], self._safe
        )
        self.report.trials = len(study.state.trials)


class _Watched(Study):
    """A study that passes on what each event has led to."""

    def __init__(self, study: Study, look: Any) -> None:
        super().__init__(study.spec, study.snapshot())
        self._look = look

    def react(self, event: ev.Event) -> list[ev.AnyFact]:
        facts = super().react(event)
        self._look(facts, self)
        return facts
