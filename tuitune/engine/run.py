"""One run of a study: opened, resumed where it was left, run to its end, and closed."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from tuitune.control import ControlError, choose_place, leave_place, serve, socket_path
from tuitune.core import events as ev
from tuitune.core.search.registry import make_searcher
from tuitune.core.study import Study
from tuitune.devices.host import host_room
from tuitune.engine import cluster, learning, monitors, node_watch, notify, ports, settings, storing
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
from tuitune.engine.loggers import Loggers, check_logs
from tuitune.engine.opening import MakeExecutor, Opening, executor_maker, moved
from tuitune.engine.startup import (
    ControlHandler,
    Signals,
    StartupGate,
    StoppedEarlyError,
    following_import,
)
from tuitune.engine.trial_folders import TrialFolders
from tuitune.executors.base import Executor, TargetError, UnreachableError, with_nodes
from tuitune.executors.local.exit_text import shortage
from tuitune.ipc.process_tree import sweep
from tuitune.messages.reasons import reason_words
from tuitune.model_process import ModelProcess
from tuitune.store import errors, owner, rows
from tuitune.store.folder import DATABASE, LOG, TRIALS, remember
from tuitune.store.journal import Journal

__all__ = ["Opening", "Outcome", "StoppedEarlyError", "Watcher", "run"]

_SETTLED = 0.5  # s after which the first trials have started; less urgent work begins then


class Outcome(msgspec.Struct, frozen=True):
    """How a run ended, and the study as it is then."""

    study: Study
    finished: ev.Finished
    interrupted: bool
    store_error: errors.StoreError | None


def run(
    opening: Opening,
    watcher: Callable[[Study], Watcher],
    listening: Callable[[], None] = lambda: None,
    waiting: Callable[[str], None] = lambda _text: None,
) -> Outcome:
    """Run the study of this folder to its end, or until it is asked to stop.

    `listening` is called once the study is claimed and its engine answers requests, `waiting` while
    the GPUs are waited for. Raises
    StoreError (held by another engine, not to be read or written), CannotRunError (this machine
    lacks what it asks for), TargetError (the training code can't be imported), StoppedEarlyError
    and EngineFailedError.
    """
    spec, folder = opening.spec, opening.folder
    if opening.on is None:
        machine, seen = host_room(), settings.look_for(spec, waiting)
        settings.check_machine(spec, machine, seen)
        settings.check_program(spec)
    else:
        machine, seen = cluster.ANY_ROOM, cluster.NO_GPU_HERE
        cluster.check_cluster(opening.on, spec)
    if opening.storage is not None:
        storing.check_storage(opening.storage, opening.on)
    check_logs(spec)
    python = settings.interpreter_of(spec)
    held = owner.claim(folder, steal=opening.steal)
    try:
        journal = Journal.open(folder / DATABASE, spec.objective.metric)
        try:
            make_executor = executor_maker(opening, journal, python, seen)
            document = settings.StudyDocument(folder, machine, None if opening.on else seen)
            _describe(opening, document, journal)
            notes = [
                text
                for text in (settings.pause_warning(spec),)
                if text and settings.has_gpus(spec, seen)
            ]
            notes += [f"GPUs: {seen.unmeasured}"] if seen.unmeasured else []
            with _storing_failure(journal, folder):
                with errors.consistent(folder / DATABASE):
                    journal.rebuild(spec)
                    study = restore(spec, journal, notes.append)
                if study.state.opening and not study.state.finished:
                    sweep(str(folder))  # processes of a dead engine must be gone first
                if opening.storage is None:
                    storing.bring_back(study, journal, folder, notes.append)
                learned = learning.learned_once(
                    spec, journal, folder, begun=bool(study.state.trials)
                )
                notes += [f"learns from {words}" for words in learned.words]
                context = EngineContext(
                    study,
                    journal,
                    held,
                    machine,
                    document,
                    learned.trials,
                    seen,
                    opening.timeouts,
                    opening.on,
                    hold=opening.hold if study.state.finished else 0.0,
                )
                seen_by = GuardedWatcher(watcher(study), folder / LOG)
                return asyncio.run(_run(context, make_executor, seen_by, listening, notes))
        finally:
            journal.close()
    finally:
        held.release()


def _describe(opening: Opening, document: settings.StudyDocument, journal: Journal) -> None:
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
    except (errors.StoreError, ControlError, settings.CannotRunError):
        raise
    except UnreachableError as error:
        raise settings.CannotRunError(str(error)) from error
    except Exception as error:
        failed = failure(error, folder)
        _store_phase(journal, "failed", str(failed))
        raise failed from error


def _store_phase(journal: Journal, phase: rows.Phase, text: str = "") -> None:
    with contextlib.suppress(errors.StoreError):  # the next fact meets the same error
        journal.tell(rows.EngineRow(phase, text, time.time()))


class _Watch:
    """Gets facts once they are stored, for the watcher, the GPUs and the user's command."""

    def __init__(self, watcher: Watcher, notifier: notify.Notifier, study: str) -> None:
        self._watcher = watcher
        self._notifier = notifier
        self._study = study
        self.gpus: Gpus | node_watch.NodeWatch | None = None
        self.interrupted = False

    def __call__(self, facts: Sequence[ev.AnyFact]) -> None:
        self.interrupted |= any(type(f) is ev.StopAsked and not f.failed for f in facts)
        if self.gpus is not None:
            self.gpus.act_on(facts, self._study)
        self._watcher(facts)
        self._notifier.watch(facts)

    def close(self) -> None:
        if self.gpus is not None:
            self.gpus.close()


async def _run(
    context: EngineContext,
    make_executor: MakeExecutor,
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
    notifier = notify.Notifier(study, folder, watcher.note)
    watch = _Watch(watcher, notifier, study.spec.name)
    _note_all(notes, watcher)
    model_client = make_model_client(context, watcher.note)
    trial_folders = TrialFolders(folder / TRIALS, note_from_thread, study.spec.trial.saves)
    engine = _engine(context, model_client, trial_folders, watch, watcher.note)
    end_by_failures(loop, engine.fail)
    gpus = make_gpus(context, watcher.note)
    spread = None if context.on is None else node_watch.NodeWatch(engine, time.time)
    choose_place(folder)
    watch.gpus = spread or gpus
    executor = make_executor(watch.gpus.pass_on if watch.gpus else engine.take, watcher.note, study)
    _connect(executor, engine, trial_folders)
    async with contextlib.AsyncExitStack() as closing:  # closed in reverse order
        closing.callback(watcher.close)
        await closing.enter_async_context(notifier)
        loggers = Loggers(study.spec, folder, watcher.note)
        closing.push_async_callback(loggers.close)
        closing.push_async_callback(_leave_stored, engine, context, watcher.note)
        closing.push_async_callback(trial_folders.close)
        closing.callback(leave_place, folder)
        closing.callback(watch.close)
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
        _have_opened(study, journal, executor, watcher)
        loggers.start()
        await _open_gate(gate, engine, context, watch.gpus)
        finished = await _to_its_end(engine, context, (gpus, spread), model_client, signals)
    _store_end(engine, journal, finished)
    interrupted = watch.interrupted and not finished.complete
    return Outcome(study, finished, interrupted, engine.broken)


async def _leave_stored(
    engine: Engine, context: EngineContext, note: Callable[[str], None]
) -> None:
    """Leave all facts, and the best checkpoint, in the study folder."""
    engine.commit()
    await storing.bring_best(context.study, context.journal, context.held.folder, note)


def _connect(executor: Executor, engine: Engine, trial_folders: TrialFolders) -> None:
    engine.executor = executor
    if (on := with_nodes(executor)) is not None:
        trial_folders.elsewhere = on.leave


def _have_opened(study: Study, journal: Journal, executor: Executor, watcher: Watcher) -> None:
    on = with_nodes(executor)
    place = "" if on is None else on.place
    if text := moved(journal, place, has_run=study.state.opening > 0):
        watcher.note(text)
    _store_phase(journal, "running")


def _note_all(notes: Sequence[str], watcher: Watcher) -> None:
    for text in notes:
        watcher.note(text)


async def _open_gate(
    gate: StartupGate,
    engine: Engine,
    context: EngineContext,
    gpus: Gpus | node_watch.NodeWatch | None,
) -> None:
    """Requests are handled from now on; a study that is held is opened after the first one."""
    handler = ControlHandler(engine, context.document, time.time, gpus)
    gate.open(handler)
    await gate.wait_for(handler.hold(context.hold), "it was asked for more")


def _store_end(engine: Engine, journal: Journal, finished: ev.Finished) -> None:
    _store_phase(journal, "ended", reason_words(finished.why))
    if engine.broken is None:
        engine.commit()
        # the facts are safe, a snapshot only saves time
        with contextlib.suppress(errors.StoreError):
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
    deps = ports.EngineDeps(
        context.journal,
        searcher,
        trial_folders,
        time.time,
        watch,
        model_client,
        monitors.ClockSteps(),
        context.foreign,
        note,
        context.timeouts,
    )
    return Engine(context.study, deps)


async def _to_its_end(
    engine: Engine,
    context: EngineContext,
    monitors_of_gpus: tuple[Gpus | None, node_watch.NodeWatch | None],
    model_client: ModelProcess | None,
    signals: Signals,
) -> ev.Finished:
    """Run from the first event of this engine to its last."""
    folder = context.held.folder
    gpus, spread = monitors_of_gpus
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
        opening = opening_events(
            context.study, context.machine, now, disk_low=low, gpus=found, on=spread
        )
        engine.take(opening)
        signals.hand_to(engine)
        if gpus is not None:
            gpus.tell(engine.take)
        return await engine.finished
    finally:
        for task in tasks:
            task.cancel()
        remember(folder)


async def _sample(engine: Engine, context: EngineContext, gpus: Gpus | None) -> None:
    await asyncio.sleep(_SETTLED)
    await monitors.watch_devices(engine, context, gpus, time.time)


async def _beat(held: owner.Claim, engine: Engine, period: float) -> None:
    """Renew the heartbeat; stop the study if another engine has taken it over."""
    await asyncio.sleep(_SETTLED)
    remember(held.folder)
    while True:
        await asyncio.sleep(period)
        try:
            held.beat()
        except errors.StoreError as error:
            cause = error.__cause__
            if isinstance(cause, OSError) and shortage(cause.errno):
                continue  # no disk space: the next heartbeat may be written
            engine.take([ev.StopAsked(time.time(), finish=False, why=str(error))])
            return
