"""Is there room on the disk for what another trial would write?"""

from __future__ import annotations

import asyncio
import math
import shutil
import time
from typing import TYPE_CHECKING, NamedTuple

from tuitune.core import events as ev

if TYPE_CHECKING:
    from pathlib import Path

    from tuitune.engine.engine import Engine

LEAST_SHARE = 0.05  # of the whole disk that stays free, or
LEAST_FREE = 5_000_000_000  # bytes, whichever is less
PERIOD = 5.0  # s


class FreeSpace(NamedTuple):
    """What is free of a disk."""

    free: int  # bytes
    share: float  # of the whole

    def is_low(self, least: int | None) -> bool:
        """`least`: the bytes that the study file wants free; None where it doesn't say."""
        if least is None:
            return self.share < LEAST_SHARE and self.free < LEAST_FREE
        return self.free < least


def room(folder: Path) -> FreeSpace | None:
    """On the disk that this folder is on; None where nobody can tell."""
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return None
    return FreeSpace(usage.free, usage.free / usage.total if usage.total else math.inf)


def is_low(folder: Path, least: int | None) -> bool:
    found = room(folder)
    return found is not None and found.is_low(least)


async def watch(folder: Path, engine: Engine) -> None:
    """Tell the study when the disk has become too full, or has room again."""
    while True:
        await asyncio.sleep(PERIOD)
        settings, found = engine.study.state.settings, room(folder)
        if settings is None or found is None:
            continue
        low = found.is_low(settings.disk_free)
        if low != engine.study.state.disk_low:
            engine.take([ev.DiskChanged(time.time(), low, found.share, found.free)])
