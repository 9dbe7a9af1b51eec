"""A sample of one device's telemetry; nothing is decided by it."""

from __future__ import annotations

import msgspec


class DeviceSample(msgspec.Struct, frozen=True, omit_defaults=True):
    """None is what nobody can tell. Memory is in bytes, shares are from 0 to 1."""

    time: float  # Unix seconds
    device: str  # "host", or a GPU's UUID
    kind: str  # "host" | "gpu" | "mig"
    name: str
    index: int | None = None
    utilisation: float | None = None
    memory_used: int | None = None
    memory_total: int | None = None
    temperature: float | None = None  # degrees Celsius
    power: float | None = None  # W
    power_limit: float | None = None  # W
    trials: tuple[int, ...] = ()
    foreign: tuple[str, ...] = ()  # others' processes, in words
    note: str = ""  # why nothing is placed on it
    load: float | None = None  # of the host: the mean of a minute
    slots: float | None = None  # CPU slots for trials
    slots_used: float | None = None
    trials_cpu: float | None = None  # cores
    engine_cpu: float | None = None  # cores, the process that starts trials included
    disk_free: float | None = None  # share of the study folder's disk
    packed: str = ""  # of a GPU: how its trials share it, and what they gain by that
