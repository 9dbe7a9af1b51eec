"""Readings of this machine's GPUs, and the samples of all devices that are stored."""

import msgspec

from tuitune.core.gpu_reasons import TrialsOnGpu

RETRY = 30.0  # s from a snapshot with a problem to the next try


class DeviceProcess(msgspec.Struct, frozen=True):
    """A process of any user that computes on a device. memory: bytes."""

    pid: int
    user: str  # empty where it is not visible, as in a container
    name: str
    memory: int | None
    ancestors: tuple[int, ...] = ()  # from itself up to the first process
    uid: int | None = None


class GpuSample(msgspec.Struct, frozen=True):
    """A GPU or a MIG instance. None: the device or its driver doesn't provide it."""

    uuid: str  # empty where the device never provided it
    index: int  # as nvidia-smi counts; a MIG instance has its GPU's
    name: str
    memory_total: int | None = None  # what programs may use, the driver's own left out
    memory_used: int | None = None
    utilisation: int | None = None  # percent of the time in which a kernel ran
    temperature: int | None = None  # degrees Celsius
    power: float | None = None
    power_limit: float | None = None
    energy: float | None = None  # J, by the GPU's own meter since the driver was loaded
    mode: str = "default"  # or "exclusive", "prohibited"
    trouble: str = ""  # why nothing can start on it, in words
    parent: str = ""  # a MIG instance's GPU
    unified: bool = False  # it uses the host's memory
    processes: tuple[DeviceProcess, ...] | None = ()
    lost: bool = False  # the trouble ends what computes on it, too
    graphics: int | None = 0  # bytes of programs that draw and do not compute
    xid: int | None = None  # the driver's error on it since the reading before
    slowed: tuple[str, ...] = ()  # what lowers its clock, as heat


class Link(msgspec.Struct, frozen=True):
    """How close two GPUs are: 100 over NVLink, 40 by the same PCIe switch, less further off."""

    one: str
    other: str
    closeness: int


class Snapshot(msgspec.Struct, frozen=True):
    """All GPUs at one moment. Sizes are in bytes, power is in watts."""

    devices: tuple[GpuSample, ...] = ()
    links: tuple[Link, ...] = ()
    driver: str = ""
    problem: str = ""  # why there is no reading, and how to solve it
    absent: bool = False  # there is no GPU or no driver, which is not an error
    again: bool = False  # the sampler has failed, and a new one is started
    unmeasured: str = ""  # why these GPUs are only counted: nothing else is ever known of them


class Reading(msgspec.Struct, frozen=True, tag=True):
    """The sampler is about to read this device alone: if nothing follows, that one is at fault."""

    index: int


class Looked(msgspec.Struct, frozen=True, tag=True):
    """The sampler has read all devices."""

    snapshot: Snapshot


SamplerMessage = Reading | Looked


class TrialUsage(msgspec.Struct, frozen=True, array_like=True):
    """What a trial and all that it has started use of a device. None: unknown."""

    trial: int
    processes: int
    memory: int | None = None  # bytes: of the host resident, shared pages once a process
    cpu: float | None = None  # cores


class DeviceSample(msgspec.Struct, frozen=True, omit_defaults=True):
    """Telemetry of one device, which decides nothing. None: unknown.

    Sizes are in bytes, shares are from 0 to 1.
    """

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
    slowed: tuple[str, ...] = ()  # of a GPU: what lowers its clock
    packed: TrialsOnGpu | str = ""  # of a GPU: how its trials share it; text: of an older version
    usage: tuple[TrialUsage, ...] = ()  # by trial
    node: str = ""  # that it is, or is of; empty: the engine's own machine


class NodeReadings(msgspec.Struct, frozen=True, tag=True):
    """What an agent has read of its node."""

    host: DeviceSample
    devices: list[GpuSample] = []
    strangers: dict[str, list[DeviceProcess]] = {}  # by GPU
