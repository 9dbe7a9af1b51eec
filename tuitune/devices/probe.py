"""What GPUs are there, to be told once? For the commands, and before a study begins."""

from __future__ import annotations

import asyncio
import ctypes

from tuitune.core.placement.snapshots import Snapshot
from tuitune.devices.watchdog import Watchdog

LIBRARY = "libnvidia-ml.so.1"
PATIENCE = 25.0  # s: a driver that was asleep takes seconds to wake up


def look(patience: float = PATIENCE) -> Snapshot:
    """What is seen, or what stands in the way of seeing anything. Never hangs."""
    if not has_driver():
        return Snapshot(problem="there is no NVIDIA driver here", absent=True)
    return asyncio.run(_look(patience))


def has_driver() -> bool:
    """Whether a driver's library is there, without a word to it."""
    try:
        ctypes.CDLL(LIBRARY)
    except OSError:
        return False
    return True


async def _look(patience: float) -> Snapshot:
    found: asyncio.Queue[Snapshot] = asyncio.Queue()
    watchdog = Watchdog(found.put_nowait)
    watchdog.start()
    last = Snapshot(problem=f"NVML has not answered for {patience:g} s")
    try:
        async with asyncio.timeout(patience):
            while True:
                last = await found.get()
                if not last.again:
                    break
    except TimeoutError:
        pass
    finally:
        watchdog.close()
    return last
