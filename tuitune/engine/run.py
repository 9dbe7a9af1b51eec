"""How is a study opened, taken up where it was left, run, and closed?"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tuitune import events as ev
from tuitune.control import serve, socket_path
from tuitune.devices.host import host_room
from tuitune.engine import disk, telemetry
from tuitune.engine.document import Document
from tuitune.engine.door import Door, StoppedEarlyError
from tuitune.engine.importing import told
from tuitune.engine.loop import Engine, World
from tuitune.engine.opening import opening_events, restore
from tuitune.engine.settings import check_machine
from tuitune.engine.shelf import Shelf
from tuitune.engine.steering import Steering
from tuitune.execution.executor import Plan, TargetError
from tuitune.execution.local import LocalExecutor
from tuitune.execution.processes import sweep
from tuitune.search.searcher import make_searcher
from tuitune.store.errors import StoreError
from tuitune.store.journal import Journal
from tuitune.store.owner import claim
from tuitune.store.registry import remember
from tuitune.store.rows import EngineRow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tuitune.devices.placement import Room
    from tuitune.spec import StudySpec
    from tuitune.store.owner import Claim
    from tuitune.store.rows import Phase
    from tuitune.study import Study

__all__ = ["Opening", "Outcome", "StoppedEarlyError", "Watcher", "run"]

HEARTBEAT = 10.0  # s
SETTLED = 0.5  # s after which the first trials have started, and there is time for other things


class Watcher(Protocol):
    """Sees every fact once it is in the store."""

    def __call__(self, facts: Sequence[ev.AnyFact]) -> None: ...

    def note(self, text: str) -> None:
        """Something to say that is no fact of the study."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: the study as it is, why it ended, and what stopped it from outside."""

    study: Study
    finished: ev.Finished
    interrupted: bool
    store_error: StoreError | None


@dataclass(frozen=True, slots=True)
class Opening:
    """Which study is run, where, and by which file."""

    spec: StudySpec
    folder: Path  # the study folder, which is there
    as_run: str  # the text of its study.toml
    source: Path  # the study file
    steal: bool = False


def run(
    opening: Opening,
    watcher: Callable[[Study], Watcher],
    listening: Callable[[], None] = lambda: None,
) -> Outcome:
    """Run the study of this folder to its end, or until it is told to stop.

    `listening` is called once the study is ours and its engine answers requests. Raises
    StoreError (held by another engine, not to be read or written), CannotRunError (asks for what
    this machine has not), TargetError (the training code can't be imported) and
    StoppedEarlyError.
    """
    spec, folder = opening.spec, opening.folder
    machine = host_room()
    check_machine(spec, machine)
    held = claim(folder, steal=opening.steal)
    try:
        journal = Journal.open(folder / "study.db", spec.objective.metric)
        try:
            document = Document(folder, machine)
            _describe(opening, document, journal)
            study = restore(spec, journal)
            if study.state.opening and not study.state.finished:
                sweep(str(folder))  # what a dead engine left behind must be gone before we start
            world = _Open(study, journal, held, machine, document)
            with _last_words(journal):
                return asyncio.run(_run(world, watcher(study), listening))
        finally:
            journal.close()
    finally:
        held.release()


def _describe(opening: Opening, document: Document, journal: Journal) -> None:
    """Keep the study file as it is run, whole or not at all."""
    journal.put("source", str(opening.source))
    document.write(opening.as_run)


@contextlib.contextmanager
def _last_words(journal: Journal) -> Iterator[None]:
    """An engine that can't begin says so to whoever looks on."""
    try:
        yield
    except (TargetError, StoppedEarlyError) as error:
        _say(journal, "failed" if isinstance(error, TargetError) else "ended", str(error))
        raise


def _say(journal: Journal, phase: Phase, words: str = "") -> None:
    with contextlib.suppress(StoreError):  # the facts, if there are more, will tell of it
        journal.tell(EngineRow(phase, words, time.time()))


@dataclass(frozen=True, slots=True)
class _Open:
    """A study that is ours to run."""

    study: Study
    journal: Journal
    held: Claim
    machine: Room
    document: Document


async def _run(opened: _Open, watcher: Watcher, listening: Callable[[], None]) -> Outcome:
    study, held, journal = opened.study, opened.held, opened.journal
    folder = held.folder
    interruptions: list[ev.StopAsked] = []

    def watch(facts: Sequence[ev.AnyFact]) -> None:
        interruptions.extend(f for f in facts if type(f) is ev.StopAsked)
        watcher(facts)

    def note(text: str) -> None:
        watcher.note(text)
        _say(journal, "importing", text)

    spec = study.spec
    searcher = make_searcher(spec.space, spec.search)
    engine = Engine(study, World(journal, searcher, Shelf(folder / "trials"), time.time, watch))
    executor = LocalExecutor(_plan(spec, folder), engine.take, time.time)
    engine.executor = executor
    door = Door()
    control = await serve(socket_path(folder, "control"), door)
    try:
        _say(journal, "importing")
        listening()
        async with told(folder / "engine.log", note):
            await door.wait_for(executor.open())
        _say(journal, "running")
        door.open(Steering(engine, opened.document, time.time))
        beside = [
            asyncio.create_task(_beat(held, engine)),
            asyncio.create_task(disk.watch(folder, engine)),
            asyncio.create_task(_sample(engine, opened)),
        ]
        try:
            _listen_to_signals(engine)
            low = disk.free_share(folder) < disk.LEAST_FREE
            engine.take(opening_events(study, opened.machine, time.time(), disk_low=low))
            finished = await engine.finished
        finally:
            for task in beside:
                task.cancel()
            remember(folder)
    finally:
        control.close()
        await executor.close()
        watcher.close()
    _say(journal, "ended", finished.why)
    if engine.broken is None:
        engine.commit()
        with contextlib.suppress(StoreError):  # the facts are safe, a snapshot only saves time
            engine.snapshot()
    interrupted = bool(interruptions) and not finished.complete
    return Outcome(study, finished, interrupted, engine.broken)


def _plan(spec: StudySpec, folder: Path) -> Plan:
    return Plan(
        target=spec.trial.target,
        folder=str(Path(spec.file).parent),
        study_folder=str(folder),
        socket=str(socket_path(folder, "trials")),
        env=spec.trial.env,
        samplers=tuple(p.target for p in spec.space.sampled),
    )


def _listen_to_signals(engine: Engine) -> None:
    """The first signal lets trials save and leave; the second doesn't wait for them."""
    loop = asyncio.get_running_loop()
    seen: list[int] = []

    def stop(number: int) -> None:
        seen.append(number)
        why = f"interrupted by {signal.Signals(number).name}"
        now = len(seen) > 1
        engine.take([ev.StopAsked(time.time(), finish=False, why=why, now=now)])

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup's wish stands
            loop.add_signal_handler(number, stop, number)


async def _sample(engine: Engine, opened: _Open) -> None:
    await asyncio.sleep(SETTLED)
    folder = opened.held.folder
    await telemetry.watch(engine, opened.journal, opened.machine, folder, time.time)


async def _beat(held: Claim, engine: Engine) -> None:
    """Show that this engine lives; let go where another has taken the study over."""
    await asyncio.sleep(SETTLED)
    remember(held.folder)
    while True:
        await asyncio.sleep(HEARTBEAT)
        try:
            held.beat()
        except StoreError as error:
            engine.take([ev.StopAsked(time.time(), finish=False, why=str(error))])
            return
