"""What do the devices do meanwhile? A sample a second beside the journal; nothing hangs on it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from tuitune.store.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tuitune.devices.placement import Room
    from tuitune.engine.loop import Engine
    from tuitune.store.journal import Journal

PERIOD = 1.0  # s


async def watch(
    engine: Engine, journal: Journal, machine: Room, folder: Path, clock: Callable[[], float]
) -> None:
    """Until it is cancelled. Looks in a thread: a disk that hangs must not stop the engine."""
    from tuitune.devices.host_sampler import HostSampler  # noqa: PLC0415 - not before trials start

    sampler = await asyncio.to_thread(HostSampler, machine, folder)
    while engine.broken is None:
        state = engine.study.state
        running = [state.trials[number] for number in state.running]
        pids = {trial.number: trial.pid for trial in running if trial.pid is not None}
        used = sum(trial.cpus for trial in running)
        sample = await asyncio.to_thread(sampler.sample, clock(), pids, used)
        with contextlib.suppress(StoreError):  # the next fact will tell of it
            journal.sample([sample])
        await asyncio.sleep(PERIOD)
