"""How is a study taken up where it was left?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tuitune.core import events as ev
from tuitune.core.study import Study
from tuitune.engine.settings import settings_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuitune.core.placement.host import HostResources
    from tuitune.core.spec import StudySpec
    from tuitune.engine.ports import Store


def restore(
    spec: StudySpec, journal: Store, say: Callable[[str], None] = lambda _text: None
) -> Study:
    """The study as it was when its last engine ended. Raises StoreError.

    A snapshot only saves time: where it can't be read, all facts are, and `say` is told.
    """
    try:
        snapshot, facts = journal.restore()
        study = Study(spec, snapshot)
    except (msgspec.MsgspecError, TypeError, ValueError, LookupError) as error:
        say(f"the study's snapshot can't be read ({error}); all of its journal is read instead")
        journal.drop_snapshot()
        study = Study(spec)
        facts = journal.history()
    study.replay(facts)
    return study


def opening_events(
    study: Study,
    machine: HostResources,
    now: float,
    *,
    disk_low: bool = False,
    gpus: tuple[ev.Gpu, ...] = (),
) -> list[ev.Event]:
    """The study is ours; what a dead engine had running is lost."""
    running = [study.state.trials[n] for n in study.state.running]
    lost = [ev.Exited(now, t.number, t.attempt, None, None, "", "", 0, lost=True) for t in running]
    settings = settings_of(study.spec, has_gpus=bool(gpus))
    anchor = study.spec.pruning.anchor
    opened = ev.Opened(now, settings, machine.cpus, machine.memory, disk_low, gpus, anchor)
    return [opened, *lost]
