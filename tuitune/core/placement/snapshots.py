"""Readings of this machine's GPUs, and the samples of all devices that are stored."""

from __future__ import annotations

import msgspec

RETRY = 30.0  # s from a snapshot with a problem to the next try


class DeviceProcess(msgspec.Struct, frozen=True):
    """Somebody's process that computes on a device."""

    pid: int
    user: str  # empty where it can't be seen from here, as from inside a container
    name: str
    memory: int | None
    ancestors: tuple[int, ...] = ()  # from itself up to the first process


class GpuSample(msgspec.Struct, frozen=True):
    """A GPU, or a MIG instance. None is what the device or its driver can't tell."""

    uuid: str  # empty where the device was never well enough to say it
    index: int  # as nvidia-smi counts; a MIG instance has its GPU's
    name: str
    memory_total: int | None = None  # what programs may use, the driver's own left out
    memory_used: int | None = None
    utilisation: int | None = None  # percent of the time in which any kernel ran
    temperature: int | None = None  # degrees Celsius
    power: float | None = None
    power_limit: float | None = None
    mode: str = "default"  # or "exclusive", "prohibited"
    trouble: str = ""  # why it can't be used, in words
    parent: str = ""  # a MIG instance's GPU
    unified: bool = False  # it has the host's memory and none of its own
    processes: tuple[DeviceProcess, ...] | None = ()


class Link(msgspec.Struct, frozen=True):
    """How close two GPUs are: 100 over NVLink, 40 by the same PCIe switch, less further off."""

    one: str
    other: str
    closeness: int


class Snapshot(msgspec.Struct, frozen=True):
    devices: tuple[GpuSample, ...] = ()
    links: tuple[Link, ...] = ()
    driver: str = ""
    problem: str = ""  # why nothing could be seen, with the mend
    absent: bool = False  # there is no GPU or no driver here: that is no mishap
    again: bool = False  # whoever was to look has failed, and another is about to


class Reading(msgspec.Struct, frozen=True, tag=True):
    """The sampler is about to read this device: if nothing follows, the device is to blame."""

    index: int


class Looked(msgspec.Struct, frozen=True, tag=True):
    """The sampler has read all devices."""

    snapshot: Snapshot


SamplerMessage = Reading | Looked


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
