"""Is there room on the disk for what another trial would write?"""

from __future__ import annotations

import asyncio
import shutil
import time
from typing import TYPE_CHECKING

from tuitune import events as ev

if TYPE_CHECKING:
    from pathlib import Path

    from tuitune.engine.loop import Engine

LEAST_FREE = 0.05  # of the whole disk
PERIOD = 5.0  # s


def free_share(folder: Path) -> float:
    """What is free of the disk that this folder is on, from 0 to 1; 1 where nobody can tell."""
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return 1.0
    return usage.free / usage.total if usage.total else 1.0


async def watch(folder: Path, engine: Engine) -> None:
    """Tell the study when the disk has become too full, or has room again."""
    while True:
        await asyncio.sleep(PERIOD)
        free = free_share(folder)
        low = free < LEAST_FREE
        if low != engine.study.state.disk_low:
            engine.take([ev.DiskChanged(time.time(), low, free)])
