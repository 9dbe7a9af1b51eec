"""A study with simulated trials, run by the real engine without waiting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.clock import SimulatedLoop
from simulator.executor import SimulatedExecutor
from simulator.memory import MemoryJournal, MemoryTrialFolders
from tuitune.core import events as ev
from tuitune.core.study import Study
from tuitune.engine.context import opening_events
from tuitune.engine.engine import Engine
from tuitune.engine.ports import EngineDeps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulator.course import Target
    from tuitune.core.placement.host import HostResources
    from tuitune.core.search.proposal import Searcher
    from tuitune.core.spec import StudySpec
    from tuitune.engine.ports import ModelClient


@dataclass(frozen=True, slots=True)
class Played:
    """A study that was played to its end."""

    study: Study
    facts: Sequence[ev.AnyFact]
    seconds: float  # by its own clock
    unknown: frozenset[int]  # trials that should have gone on where their record ends


def play(
    spec: StudySpec,
    searcher: Searcher,
    target: Target,
    machine: HostResources,
    model_client: ModelClient | None = None,
    *,
    gives_up: bool = True,
) -> Played:
    """Run the study, from nothing to its end, with the real engine.

    model_client: where the searcher asks a model. gives_up: whether many failures end the study.
    Raises what a callback of the engine raised, and StalledError where nothing is due and the study
    has not ended.
    """
    loop = SimulatedLoop()
    try:
        last = _LastResort()
        deps = EngineDeps(
            MemoryJournal(), searcher, MemoryTrialFolders(), loop.time, last.watch, model_client
        )
        study = Study(spec) if gives_up else _Undaunted(spec)
        return loop.run_until_complete(_play(loop, study, deps, target, machine, last))
    finally:
        loop.close()


class _Undaunted(Study):
    """A study that many failures in a row don't end."""

    def evolve(self, fact: ev.AnyFact) -> None:
        super().evolve(fact)
        if type(fact) is ev.Settled:
            self.state.streak = self.state.same = 0


class _LastResort:
    """The trials that were promoted without a rank, so that one comes to its end."""

    def __init__(self) -> None:
        self.trials: set[int] = set()

    def watch(self, facts: Sequence[ev.AnyFact]) -> None:
        self.trials.update(f.trial for f in facts if type(f) is ev.Promoted and not f.by_rank)


async def _play(
    loop: SimulatedLoop,
    study: Study,
    deps: EngineDeps,
    target: Target,
    machine: HostResources,
    last: _LastResort,
) -> Played:
    journal, trial_folders = deps.journal, deps.trial_folders
    assert isinstance(journal, MemoryJournal)
    assert isinstance(trial_folders, MemoryTrialFolders)
    engine = Engine(study, deps)
    unknown: set[int] = set()

    def let_go(trial: int) -> bool:
        """The record of a trial ends here. Whether the trial is to be taken as complete."""
        unknown.add(trial)
        if trial in last.trials:
            return True
        engine.take([ev.KillAsked(loop.time(), trial)])
        return False

    engine.executor = SimulatedExecutor(target, engine.take, loop, trial_folders, unknown=let_go)
    start = loop.time()
    engine.take(opening_events(study, machine, start))
    await engine.finished
    engine.commit()
    if loop.failures:
        raise loop.failures[0]
    return Played(study, journal.facts, loop.time() - start, frozenset(unknown))
