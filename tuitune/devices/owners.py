"""Whose is a process that NVML lists?"""

from __future__ import annotations

import psutil

from tuitune.core.placement.snapshots import DeviceProcess


def describe(pid: int, memory: int | None) -> DeviceProcess:
    """Nothing is known of one that is gone, or that lives outside our container."""
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            user, name = process.username(), process.name()
        ancestors = (pid, *(parent.pid for parent in process.parents()))
    except psutil.Error:
        return DeviceProcess(pid, "", "", memory)
    return DeviceProcess(pid, user, name, memory, ancestors)
