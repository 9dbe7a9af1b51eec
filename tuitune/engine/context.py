"""A study that is opened to be run: its state, its model's process and its GPUs."""

import asyncio
import contextlib
import getpass
import os
import time
from collections.abc import Callable

import msgspec

from tuitune.core import events as ev
from tuitune.core.placement import host, snapshots
from tuitune.core.search import proposal, start
from tuitune.core.spec import StudySpec
from tuitune.core.study import Study, attempts, sick_gpus
from tuitune.devices.locks import Locks, lock_folder
from tuitune.engine import node_watch, ports
from tuitune.engine.gpus import Gpus
from tuitune.engine.settings import StudyDocument, has_gpus, settings_of
from tuitune.model_process import Brief, ModelProcess
from tuitune.store.collector import collector_paused
from tuitune.store.journal import Journal
from tuitune.store.owner import Claim
from tuitune.studyfile.chosen_gpus import first_line


class EngineContext(msgspec.Struct, frozen=True):
    """A study that this engine has claimed, and what it runs on."""

    study: Study
    journal: Journal
    held: Claim
    machine: host.HostResources
    document: StudyDocument
    foreign: tuple[proposal.Past, ...]  # trials of earlier studies that it learns from
    seen: snapshots.Snapshot  # of the GPUs, before the study was opened
    timeouts: ports.Timeouts
    on: str | None = None  # the cluster whose nodes run the trials, as `--on` names it
    hold: float = 0.0  # s that a finished study waits for a first request before it is opened


def make_model_client(context: EngineContext, note: Callable[[str], None]) -> ModelProcess | None:
    """The process of the model, not started yet; None if the search method has no model."""
    spec = context.study.spec
    if not spec.is_modelled:
        return None
    rungs = spec.pruner.milestones
    brief = Brief(spec.space, spec.search, spec.objective.mode, rungs, context.foreign)
    return ModelProcess(brief, context.held.folder, note)


async def warm(model_client: ModelProcess | None, trials: int, after: float) -> None:
    """Start the model's process after `after` seconds: when trials run, but before it is needed."""
    if model_client is not None and trials > start.START:
        await asyncio.sleep(after)
        with contextlib.suppress(OSError):  # the first proposal meets and reports the same error
            await model_client.warm()


def make_gpus(context: EngineContext, note: Callable[[str], None]) -> Gpus | None:
    """The monitor of the GPUs, not started yet; None if the study may use none."""
    study = context.study
    if not has_gpus(study.spec, context.seen):
        return None
    who = f"study {study.spec.name} of {getpass.getuser()} (pid {os.getpid()})"

    def settings() -> ev.Settings:
        return study.state.settings or settings_of(study.spec, has_gpus=True)

    return Gpus(
        study.spec.devices,
        os.environ,
        Locks(who, lock_folder(os.environ)),
        study.state,
        settings,
        time.time,
        note,
        context.timeouts.vacating,
        parking=context.timeouts.parking,
        suspects=lambda: sick_gpus.avoided(study.state, None),
        chosen=lambda: first_line(study.spec),
    )


def restore(
    spec: StudySpec, journal: ports.Store, note: Callable[[str], None] = lambda _text: None
) -> Study:
    """The study as it was when its last engine ended. Raises StoreError.

    If its snapshot can't be read, all facts are read instead, and `note` gets a message.
    """
    with collector_paused():
        try:
            snapshot, facts = journal.restore()
            study = Study(spec, snapshot)
        except (msgspec.MsgspecError, TypeError, ValueError, LookupError) as error:
            why = f"the study's snapshot can't be read ({error})"
            note(f"{why}; all of its journal is read instead")
            journal.drop_snapshot()
            study = Study(spec)
            facts = journal.history()
        study.replay(facts)
    return study


def opening_events(  # noqa: PLR0913 - what a study opens with
    study: Study,
    machine: host.HostResources,
    now: float,
    *,
    disk_low: bool = False,
    gpus: tuple[ev.Gpu, ...] = (),
    on: node_watch.NodeWatch | None = None,
) -> list[ev.Event]:
    """Events of this engine's first transaction.

    Trials that failed with the study's set-up are taken up again, the study is opened, and attempts
    that were left running are lost.
    """
    again = [ev.RetryAsked(now, n, setup=True) for n in attempts.failed_with_the_setup(study.state)]
    running = [study.state.trials[n] for n in study.state.running]
    lost = [ev.Exited(now, t.number, t.attempt, None, None, "", "", 0, lost=True) for t in running]
    nodes = () if on is None else on.opened()
    if nodes:
        machine = host.HostResources(sum(n.cpus for n in nodes), sum(n.memory for n in nodes))
    has_gpus = bool(gpus) if on is None else on.has_gpus
    settings = settings_of(study.spec, has_gpus=has_gpus)
    anchor = study.spec.pruning.anchor
    opened = ev.Opened(now, settings, machine.cpus, machine.memory, disk_low, gpus, anchor, nodes)
    return [*again, opened, *lost]  # a study that opens with nothing to do ends at once
