"""One run of a study: opened, resumed where it was left, run to its end, and closed."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tuitune.control import ControlError, choose_place, leave_place, serve, socket_path
from tuitune.core import events as ev
from tuitune.core.placement.snapshots import Snapshot
from tuitune.core.search.registry import make_searcher
from tuitune.core.spec import StudySpec
from tuitune.core.study import Study
from tuitune.devices.host import host_room
from tuitune.engine import monitors
from tuitune.engine.context import (
    EngineContext,
    make_gpus,
    make_model_client,
    opening_events,
    restore,
    warm,
)
from tuitune.engine.engine import Engine
from tuitune.engine.failure import GuardedWatcher, Watcher, end_by_failures, failure, raise_error
from tuitune.engine.gpus import Gpus
from tuitune.engine.learning import learned_once
from tuitune.engine.loggers import Loggers, check_logs
from tuitune.engine.monitors import ClockSteps
from tuitune.engine.notify import Notifier
from tuitune.engine.orders import import_environment
from tuitune.engine.ports import EngineDeps, Timeouts
from tuitune.engine.settings import (
    CannotRunError,
    StudyDocument,
    check_machine,
    check_program,
    has_gpus,
    interpreter_of,
    look_for,
    pause_warning,
)
from tuitune.engine.startup import (
    ControlHandler,
    Signals,
    StartupGate,
    StoppedEarlyError,
    following_import,
)
from tuitune.engine.trial_folders import TrialFolders
from tuitune.executors.base import Executor, Plan, Sink, TargetError
from tuitune.executors.local.exit_text import shortage
from tuitune.executors.local.interpreter import Interpreter
from tuitune.executors.registry import DEFAULT, find_executor
from tuitune.ipc.process_tree import sweep
from tuitune.messages.command import variables_of_all
from tuitune.messages.reasons import reason_words
from tuitune.model_process import ModelProcess
from tuitune.plugins import PluginError
from tuitune.store.errors import StoreError
from tuitune.store.folder import DATABASE, LOG, TRIALS, remember
from tuitune.store.journal import Journal
from tuitune.store.owner import Claim, claim
from tuitune.store.rows import EngineRow, Phase
from tuitune.studyfile.trial import working_folder

__all__ = ["Opening", "Outcome", "StoppedEarlyError", "Watcher", "run"]

_SETTLED = 0.5  # s after which the first trials have started; less urgent work begins then


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended, and the study as it is then."""

    study: Study
    finished: ev.Finished
    interrupted: bool
    store_error: StoreError | None


@dataclass(frozen=True, slots=True)
class Opening:
    """The study to be run, its folder and its file."""

    spec: StudySpec
    folder: Path  # the study folder, which exists
    as_run: str  # the text of its study.toml
    source: Path  # the study file
    steal: bool = False
    executor: str | None = None  # its name; None: the one of the last run, or the default
    is_whole_process: bool = False  # this process does nothing else
    hold: float = 0.0  # s that a finished study waits for a first request, which may add to it
    timeouts: Timeouts = field(default_factory=Timeouts)


def run(
    opening: Opening,
    watcher: Callable[[Study], Watcher],
    listening: Callable[[], None] = lambda: None,
) -> Outcome:
    """Run the study of this folder to its end, or until it is asked to stop.

    `listening` is called once the study is claimed and its engine answers requests. Raises
    StoreError (held by another engine, not to be read or written), CannotRunError (this machine
    lacks what it asks for), TargetError (the training code can't be imported), StoppedEarlyError
    and EngineFailedError.
    """
    spec, folder = opening.spec, opening.folder
    machine = host_room()
    seen = look_for(spec)
    check_machine(spec, machine, seen)
    check_program(spec)
    check_logs(spec)
    python = interpreter_of(spec)
    held = claim(folder, steal=opening.steal)
    try:
        journal = Journal.open(folder / DATABASE, spec.objective.metric)
        try:
            make_executor = _executor_maker(opening, journal, python, seen)
            document = StudyDocument(folder, machine, seen)
            _describe(opening, document, journal)
            notes = [text for text in (pause_warning(spec),) if text and has_gpus(spec, seen)]
            with _storing_failure(journal, folder):
                journal.rebuild(spec)
                study = restore(spec, journal, notes.append)
                if study.state.opening and not study.state.finished:
                    sweep(str(folder))  # processes of a dead engine must be gone first
                foreign = learned_once(spec, journal)
                context = EngineContext(
                    study,
                    journal,
                    held,
                    machine,
                    document,
                    foreign,
                    seen,
                    opening.timeouts,
                    hold=opening.hold if study.state.finished else 0.0,
                )
                seen_by = GuardedWatcher(watcher(study), folder / LOG)
                return asyncio.run(_run(context, make_executor, seen_by, listening, notes))
        finally:
            journal.close()
    finally:
        held.release()


def _describe(opening: Opening, document: StudyDocument, journal: Journal) -> None:
    """Store the study file as it is run."""
    journal.put("source", str(opening.source))
    document.write(opening.as_run)


@contextlib.contextmanager
def _storing_failure(journal: Journal, folder: Path) -> Iterator[None]:
    """Store, for the app and commands, why an engine could not begin or has failed."""
    try:
        yield
    except (TargetError, StoppedEarlyError) as error:
        _store_phase(journal, "failed" if isinstance(error, TargetError) else "ended", str(error))
        raise
    except (StoreError, ControlError, CannotRunError):
        raise
    except Exception as error:
        failed = failure(error, folder)
        _store_phase(journal, "failed", str(failed))
        raise failed from error


def _store_phase(journal: Journal, phase: Phase, text: str = "") -> None:
    with contextlib.suppress(StoreError):  # the next fact meets the same error
        journal.tell(EngineRow(phase, text, time.time()))


def _executor_maker(
    opening: Opening, journal: Journal, python: Interpreter, seen: Snapshot
) -> Callable[[Sink], Executor]:
    """Makes the executor that is asked for, or that ran the study last. Raises CannotRunError."""
    before = journal.get("executor") or DEFAULT
    name = opening.executor or before
    try:
        factory = find_executor(name)
    except PluginError as error:
        raise CannotRunError(f"{opening.folder.name}: its executor: {error}") from error
    if name != before:
        journal.put("executor", name)
    return lambda sink: factory(_plan(opening, python, seen), sink, time.time)


class _Watch:
    """Gets facts once they are stored, for the watcher, the GPUs and the user's command."""

    def __init__(self, watcher: Watcher, notifier: Notifier, study: str) -> None:
        self._watcher = watcher
        self._notifier = notifier
        self._study = study
        self.gpus: Gpus | None = None
        self.interrupted = False

    def __call__(self, facts: Sequence[ev.AnyFact]) -> None:
        self.interrupted |= any(type(fact) is ev.StopAsked for fact in facts)
        if self.gpus is not None:
            self.gpus.act_on(facts, self._study)
        self._watcher(facts)
        self._notifier.watch(facts)


async def _run(
    context: EngineContext,
    make_executor: Callable[[Sink], Executor],
    watcher: Watcher,
    listening: Callable[[], None],
    notes: Sequence[str],
) -> Outcome:
    gate = StartupGate()
    signals = Signals(gate)
    study, journal, folder = context.study, context.journal, context.held.folder

    def note(text: str) -> None:
        watcher.note(text, is_progress=True)
        _store_phase(journal, "importing", text)

    def note_from_thread(text: str) -> None:
        loop.call_soon_threadsafe(watcher.note, text)

    loop = asyncio.get_running_loop()
    notifier = Notifier(study, folder, watcher.note)
    watch = _Watch(watcher, notifier, study.spec.name)
    for text in notes:
        watcher.note(text)
    model_client = make_model_client(context, watcher.note)
    trial_folders = TrialFolders(folder / TRIALS, note_from_thread, study.spec.trial.saves)
    engine = _engine(context, model_client, trial_folders, watch, watcher.note)
    end_by_failures(loop, engine.fail)
    gpus = watch.gpus = make_gpus(context, watcher.note)
    choose_place(folder)
    executor = make_executor(gpus.pass_on if gpus else engine.take)
    engine.executor = executor
    async with contextlib.AsyncExitStack() as closing:  # closed in reverse order
        closing.callback(watcher.close)
        await closing.enter_async_context(notifier)
        loggers = Loggers(study.spec, folder, watcher.note)
        closing.push_async_callback(loggers.close)
        closing.callback(engine.commit)
        closing.push_async_callback(trial_folders.close)
        closing.callback(leave_place, folder)
        if gpus is not None:
            closing.callback(gpus.close)
        closing.push_async_callback(executor.close)
        if gpus is not None:
            closing.callback(gpus.let_pass)
        if model_client is not None:
            closing.push_async_callback(model_client.close)
        control = await serve(socket_path(folder, "control"), gate)
        closing.callback(control.close)
        if gpus is not None:
            gpus.start(context.seen)
        _store_phase(journal, "importing")
        listening()
        async with following_import(folder / LOG, note):
            await gate.wait_for(executor.open())
        _store_phase(journal, "running")
        loggers.start()
        await _open_gate(gate, engine, context, gpus)
        finished = await _to_its_end(engine, context, gpus, model_client, signals)
    _store_end(engine, journal, finished)
    interrupted = watch.interrupted and not finished.complete
    return Outcome(study, finished, interrupted, engine.broken)


async def _open_gate(
    gate: StartupGate, engine: Engine, context: EngineContext, gpus: Gpus | None
) -> None:
    """Requests are handled from now on; a study that is held is opened after the first one."""
    handler = ControlHandler(engine, context.document, time.time, gpus)
    gate.open(handler)
    await handler.hold(context.hold)


def _store_end(engine: Engine, journal: Journal, finished: ev.Finished) -> None:
    _store_phase(journal, "ended", reason_words(finished.why))
    if engine.broken is None:
        engine.commit()
        with contextlib.suppress(StoreError):  # the facts are safe, a snapshot only saves time
            engine.snapshot()


def _engine(
    context: EngineContext,
    model_client: ModelProcess | None,
    trial_folders: TrialFolders,
    watch: Callable[[Sequence[ev.AnyFact]], None],
    note: Callable[[str], None],
) -> Engine:
    spec = context.study.spec
    searcher = make_searcher(spec.space, spec.search, informed=bool(context.foreign))
    deps = EngineDeps(
        context.journal,
        searcher,
        trial_folders,
        time.time,
        watch,
        model_client,
        ClockSteps(),
        context.foreign,
        note,
        context.timeouts,
    )
    return Engine(context.study, deps)


async def _to_its_end(
    engine: Engine,
    context: EngineContext,
    gpus: Gpus | None,
    model_client: ModelProcess | None,
    signals: Signals,
) -> ev.Finished:
    """Run from the first event of this engine to its last."""
    folder = context.held.folder
    tasks = [
        asyncio.create_task(work)
        for work in (
            _beat(context.held, engine, context.timeouts.heartbeat),
            monitors.watch_disk(folder, engine, context.timeouts.disk),
            _sample(engine, context, gpus),
            warm(model_client, context.study.spec.search.trials, _SETTLED),
            monitors.watch_importance(context.study, context.journal, folder),
        )
    ]
    for task in tasks[:2]:  # a failure of the others does not end the study
        task.add_done_callback(raise_error)
    try:
        low = monitors.is_low(folder, context.study.spec.limits.disk_free)
        found = gpus.now if gpus else ()
        now = time.time()
        engine.take(opening_events(context.study, context.machine, now, disk_low=low, gpus=found))
        signals.hand_to(engine)
        if gpus is not None:
            gpus.tell(engine.take)
        return await engine.finished
    finally:
        for task in tasks:
            task.cancel()
        remember(folder)


def _plan(opening: Opening, python: Interpreter, seen: Snapshot) -> Plan:
    spec, folder = opening.spec, opening.folder
    return Plan(
        target=spec.trial.target,
        folder=str(working_folder(spec.file, spec.trial.cwd)),
        study_folder=str(folder),
        socket=str(socket_path(folder, "trials")),
        env={
            **import_environment(spec, seen),
            **variables_of_all(spec.trial.env, {p.name for p in spec.space.parameters}),
        },
        samplers=tuple(p.target for p in spec.space.sampled),
        python=python.path,
        adopt_orphans=opening.is_whole_process,
    )


async def _sample(engine: Engine, context: EngineContext, gpus: Gpus | None) -> None:
    await asyncio.sleep(_SETTLED)
    await monitors.watch_devices(engine, context, gpus, time.time)


async def _beat(held: Claim, engine: Engine, period: float) -> None:
    """Renew the heartbeat; stop the study if another engine has taken it over."""
    await asyncio.sleep(_SETTLED)
    remember(held.folder)
    while True:
        await asyncio.sleep(period)
        try:
            held.beat()
        except StoreError as error:
            cause = error.__cause__
            if isinstance(cause, OSError) and shortage(cause.errno):
                continue  # no disk space: the next heartbeat may be written
            engine.take([ev.StopAsked(time.time(), finish=False, why=str(error))])
            return
