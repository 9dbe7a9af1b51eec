"""What does a study come to, played through without a wait?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuitune import events as ev
from tuitune.engine.loop import Engine, World
from tuitune.engine.opening import opening_events
from tuitune.simulation.clock import SimulatedLoop
from tuitune.simulation.executor import SimulatedExecutor
from tuitune.simulation.memory import MemoryJournal, MemoryShelf
from tuitune.study import Study

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuitune.devices.placement import Room
    from tuitune.engine.seams import Oracle
    from tuitune.search.searcher import Searcher
    from tuitune.simulation.course import Target
    from tuitune.spec import StudySpec


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
    machine: Room,
    oracle: Oracle | None = None,
) -> Played:
    """Run the study, from nothing to its end, with the real engine.

    oracle: its model, where the searcher leaves trials to one. Raises whatever a callback of the
    engine raised, and StalledError where nothing is due and the study has not ended.
    """
    loop = SimulatedLoop()
    try:
        world = World(
            MemoryJournal(), searcher, MemoryShelf(), loop.time, lambda _facts: None, oracle
        )
        return loop.run_until_complete(_play(loop, spec, world, target, machine))
    finally:
        loop.close()


async def _play(
    loop: SimulatedLoop, spec: StudySpec, world: World, target: Target, machine: Room
) -> Played:
    study, journal, shelf = Study(spec), world.journal, world.shelf
    assert isinstance(journal, MemoryJournal)
    assert isinstance(shelf, MemoryShelf)
    engine = Engine(study, world)
    unknown: set[int] = set()

    def let_go(trial: int) -> None:
        """No rung is told of it: what it would have shown there, nobody knows."""
        unknown.add(trial)
        engine.take([ev.KillAsked(loop.time(), trial)])

    engine.executor = SimulatedExecutor(target, engine.take, loop, shelf, unknown=let_go)
    start = loop.time()
    engine.take(opening_events(study, machine, start))
    await engine.finished
    engine.commit()
    if loop.failures:
        raise loop.failures[0]
    return Played(study, journal.facts, loop.time() - start, frozenset(unknown))
