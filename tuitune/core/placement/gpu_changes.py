"""Changes of a study's GPUs that a user is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tuitune.core.events import Gpu


def news(before: Iterable[Gpu], now: Iterable[Gpu]) -> str:
    """What has come in the way of using one, or does so no longer; empty where that is as it was.

    As: GPU 1: anna's python (pid 12, 2.1 GB) computes on it; GPU 3: free again.
    """
    known = {gpu.uuid: gpu.obstacle for gpu in before}
    return "; ".join(
        f"GPU {gpu.index}: {gpu.obstacle or 'free again'}"
        for gpu in now
        if gpu.obstacle != known.get(gpu.uuid, "")
    )
