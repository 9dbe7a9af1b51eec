"""NVML's readings of every device, with drivers that lack or distort some of them."""

from collections.abc import Callable, Collection, Iterable, Mapping
from types import ModuleType
from typing import Any, NamedTuple

import msgspec
import psutil

from tuitune.core.placement.snapshots import DeviceProcess, GpuSample, Link, Snapshot
from tuitune.devices.health import Health
from tuitune.devices.processes import Processes

_NO_NUMBER = 1 << 62  # NVML writes all bits set where it has none
_MOST_WATTS = 20_000
_MODES = {2: "prohibited", 3: "exclusive"}
_NVLINK = 100  # the closeness of two GPUs, see Link
_ALONE = "NVML hangs or crashes on it; it is tried again from time to time"
SHADOWED = (
    "another distribution's pynvml hides NVIDIA's own; "
    "run: pip uninstall -y pynvml && pip install --force-reinstall nvidia-ml-py"
)


def _nobody(_index: int) -> None:
    """Nobody is told what is read."""


class NvmlError(Exception):
    """NVML can't be used at all; str() says why, with the remedy."""

    def __init__(self, message: str, *, absent: bool = False) -> None:
        super().__init__(message)
        self.absent = absent


class _TroubleError(Exception):
    """This one device can't be used; str() says why."""

    def __init__(self, message: str, *, lost: bool = False, forbidden: bool = False) -> None:
        super().__init__(message)
        self.lost = lost  # what computes on it can't go on either
        self.forbidden = forbidden  # to this process, as those outside a job of SLURM are


class _Known(NamedTuple):
    uuid: str
    name: str


class Device(NamedTuple):
    """What a reading of one GPU has found: itself, or its MIG instances."""

    samples: tuple[GpuSample, ...]
    handle: Any = None  # None: it is in trouble
    forbidden: bool = False  # this process was never permitted to use it


class Nvml:
    """NVML, initialised: this keeps the driver awake. Any call may hang or crash the process.

    Devices may be read at once on several threads: NVML allows that, and the binding lets other
    threads run meanwhile.
    """

    def __init__(self, skip: Collection[int] = ()) -> None:
        """`skip`: the indices of devices not to touch. Raises NvmlError."""
        self._nvml = nvml = _library()
        # an empty tuple catches nothing: bindings before 12.550.52 raise an NVMLError here
        self._mismatch = getattr(nvml, "NVMLLibraryMismatchError", ())
        self._skip = skip
        self._known: dict[int, _Known] = {}
        self._reserved: dict[str, int] = {}  # by UUID, with old drivers, which count it as used
        self._links: dict[tuple[str, str], int] = {}
        self._described = Processes()
        try:
            nvml.nvmlInit()
        except nvml.NVMLError as error:
            raise self._wrong(error) from error
        self._health = Health(self._try)
        self._driver = self._ask("nvmlSystemGetDriverVersion") or ""

    def read(self, reading: Callable[[int], None] = _nobody) -> Snapshot:
        """Read all devices, one after another; `reading` is called with an index before each.

        Raises NvmlError if the driver no longer answers for any.
        """
        found: dict[int, Device] = {}
        for index in range(self.count()):
            reading(index)
            found[index] = self.device(index)
        self.relate(found, reading)
        return self.snapshot(found)

    def count(self) -> int:
        """The number of devices. Raises NvmlError, also where there is none."""
        nvml = self._nvml
        try:
            count = nvml.nvmlDeviceGetCount()
        except nvml.NVMLError as error:
            raise self._wrong(error) from error
        if count == 0:
            raise NvmlError("the driver knows of no GPU", absent=True)
        return int(count)

    def device(self, index: int) -> Device:
        """Read one device. Raises NvmlError if the driver no longer answers for any."""
        if index in self._skip:
            return self.without(index, _ALONE)
        try:
            handle, samples = self._device(index)
        except _TroubleError as error:
            forbidden = error.forbidden and index not in self._known
            trouble = self._troubled(index, str(error), lost=error.lost)
            return Device((trouble,), forbidden=forbidden)
        self._health.watch(self._known[index].uuid, handle)
        return Device(tuple(samples), handle)

    def without(self, index: int, why: str) -> Device:
        """A device that could not be read."""
        return Device((self._troubled(index, why),))

    def relate(self, found: Mapping[int, Device], reading: Callable[[int], None] = _nobody) -> None:
        """Ask how close these devices are; each pair once, as that takes long."""
        well = [(index, device.handle) for index, device in found.items() if device.handle]
        for place, (index, handle) in enumerate(well):
            for other, another in well[place + 1 :]:
                pair = self._known[index].uuid, self._known[other].uuid
                if pair not in self._links:
                    reading(index)
                    self._links[pair] = self._closeness(handle, another)

    def snapshot(self, found: Mapping[int, Device]) -> Snapshot:
        """All of these devices at one moment, with the driver's errors since the one before.

        Those that this process was never permitted to use are left out, as CUDA does, unless all
        are.
        """
        permitted = [device for device in found.values() if not device.forbidden]
        devices = [one for device in permitted or found.values() for one in device.samples]
        xids = self._health.xids()
        if xids:
            devices = [_with_xid(device, xids) for device in devices]
        here = {self._known[index].uuid for index, device in found.items() if device.handle}
        links = tuple(
            Link(one, other, closeness)
            for (one, other), closeness in self._links.copy().items()
            if closeness > 0 and {one, other} <= here
        )
        return Snapshot(tuple(devices), links, self._driver)

    # --- one device ------------------------------------------------------------------------------

    def _device(self, index: int) -> tuple[Any, list[GpuSample]]:
        """The handle of a GPU, and it or its MIG instances. Raises _TroubleError."""
        handle = self._need("nvmlDeviceGetHandleByIndex", index)
        known = self._known[index] = self._identity(handle, "GPU")
        mig = self._ask("nvmlDeviceGetMigMode", handle)
        if mig is None or not mig[0]:
            return handle, [self._sample(index, known, handle)]
        instances = [
            self._sample(index, self._identity(child, known.name), child, known.uuid)
            for number in range(self._ask("nvmlDeviceGetMaxMigDeviceCount", handle) or 0)
            if (child := self._ask("nvmlDeviceGetMigDeviceHandleByIndex", handle, number))
        ]
        return handle, instances or [self._troubled(index, "MIG is on, and it has no instance")]

    def _identity(self, handle: Any, usual: str) -> _Known:
        uuid = self._need("nvmlDeviceGetUUID", handle)
        return _Known(uuid, self._ask("nvmlDeviceGetName", handle) or usual)

    def _sample(self, index: int, known: _Known, handle: Any, parent: str = "") -> GpuSample:
        processes = self._processes(handle)
        total, used, unified = self._memory(known.uuid, handle, processes)
        rates = self._ask("nvmlDeviceGetUtilizationRates", handle)
        mode = _MODES.get(self._ask("nvmlDeviceGetComputeMode", handle) or 0, "default")
        return GpuSample(
            uuid=known.uuid,
            index=index,
            name=known.name,
            memory_total=total,
            memory_used=used,
            utilisation=None if rates is None else _within(rates.gpu, 0, 100),
            temperature=_within(self._temperature(handle), -60, 200),
            power=_watts(self._ask("nvmlDeviceGetPowerUsage", handle)),
            power_limit=_watts(self._ask("nvmlDeviceGetEnforcedPowerLimit", handle)),
            energy=_joules(self._ask("nvmlDeviceGetTotalEnergyConsumption", handle)),
            mode=mode,
            trouble=_forbidden(index) if mode == "prohibited" else "",
            parent=parent,
            unified=unified,
            processes=processes,
            graphics=self._graphics(handle, processes or ()),
            slowed=self._health.slowed(handle),
        )

    def _troubled(self, index: int, why: str, *, lost: bool = False) -> GpuSample:
        known = self._known.get(index, _Known("", "GPU"))
        return GpuSample(known.uuid, index, known.name, trouble=why, processes=None, lost=lost)

    def _memory(
        self, uuid: str, handle: Any, processes: tuple[DeviceProcess, ...] | None
    ) -> tuple[int | None, int | None, bool]:
        """(total, used, whether it is the host's), both without what the driver reserves.

        Raises _TroubleError if it can't be read: only what the device does not support is the
        host's.
        """
        found = self._ask("nvmlDeviceGetMemoryInfo", handle, self._nvml.nvmlMemory_v2)
        if found is not None:
            reserved = found.reserved if found.reserved < _NO_NUMBER else 0
        else:
            found = self._old_memory(handle)
            if found is not None and processes == ():
                self._reserved.setdefault(uuid, found.used)
            reserved = self._reserved.get(uuid, 0)
            if found is not None:
                found.used = max(0, found.used - reserved)
        if found is None or found.total == 0:
            host = psutil.virtual_memory()
            return host.total, host.total - host.available, True
        if found.total >= _NO_NUMBER:
            return None, None, False
        used = found.used if found.used < _NO_NUMBER else None
        return found.total - reserved, used, False

    def _old_memory(self, handle: Any) -> Any:
        """The first version of the memory's figures; None if the device has no memory of its own.

        Raises _TroubleError.
        """
        nvml = self._nvml
        try:
            return nvml.nvmlDeviceGetMemoryInfo(handle)
        except nvml.NVMLError as error:
            if error.value == nvml.NVML_ERROR_NOT_SUPPORTED:
                return None
            raise self._trouble(error, "its memory can't be read: ") from error

    def _processes(self, handle: Any) -> tuple[DeviceProcess, ...] | None:
        """Processes on a device; None if the driver can't list them, as under WSL."""
        found = self._ask("nvmlDeviceGetComputeRunningProcesses_v3", handle)
        if found is None:
            found = self._ask("nvmlDeviceGetComputeRunningProcesses_v2", handle)
        if found is None:
            return None
        clients = self._ask("nvmlDeviceGetMPSComputeRunningProcesses_v3", handle) or []
        memory: dict[int, int | None] = {}
        for process in (*found, *clients):
            size = process.usedGpuMemory
            # 560.35 lists 0 for processes of a container: that is not a figure
            memory[process.pid] = None if not size or size >= _NO_NUMBER else size
        return tuple(self._described.describe(pid, size) for pid, size in sorted(memory.items()))

    def _graphics(self, handle: Any, computing: Iterable[DeviceProcess]) -> int | None:
        """Bytes used by programs that only draw and don't compute; None: unknown."""
        found = self._ask("nvmlDeviceGetGraphicsRunningProcesses_v3", handle)
        if found is None:
            return None
        others = {process.pid for process in computing}
        sizes: list[int | None] = [
            process.usedGpuMemory for process in found if process.pid not in others
        ]
        known = [size for size in sizes if size is not None and size < _NO_NUMBER]
        return sum(known) if len(known) == len(sizes) else None

    def _temperature(self, handle: Any) -> int | None:
        nvml = self._nvml
        found: int | None = self._ask(
            "nvmlDeviceGetTemperatureV", handle, nvml.NVML_TEMPERATURE_GPU
        )
        if found is None:
            found = self._ask("nvmlDeviceGetTemperature", handle, nvml.NVML_TEMPERATURE_GPU)
        return found

    # --- between devices -------------------------------------------------------------------------

    def _closeness(self, one: Any, other: Any) -> int:
        try:
            return self._told_closeness(one, other)
        except _TroubleError:  # one is lost: the next reading shows that
            return 0

    def _told_closeness(self, one: Any, other: Any) -> int:
        nvml = self._nvml
        nvlink = nvml.NVML_P2P_CAPS_INDEX_NVLINK
        if self._ask("nvmlDeviceGetP2PStatus", one, other, nvlink) == nvml.NVML_P2P_STATUS_OK:
            return _NVLINK
        level = self._ask("nvmlDeviceGetTopologyCommonAncestor", one, other)
        return 0 if level is None else max(0, nvml.NVML_TOPOLOGY_SYSTEM - level)

    # --- calls -----------------------------------------------------------------------------------

    def _ask(self, name: str, *arguments: Any) -> Any:
        """Call NVML; None if binding, driver or device lack it. Raises _TroubleError, NvmlError."""
        nvml = self._nvml
        call = getattr(nvml, name, None)
        if call is None:
            return None
        try:
            return call(*arguments)
        except self._mismatch:  # the driver is older; this is not an NVMLError
            return None
        except nvml.NVMLError as error:
            self._raise_if_fatal(error)
            if self._is_loss(error):
                raise self._trouble(error) from error
            return None

    def _try(self, name: str, *arguments: Any) -> Any:
        """As `_ask`; None as well where a device is lost, which its reading tells. NvmlError."""
        try:
            return self._ask(name, *arguments)
        except _TroubleError:
            return None

    def _need(self, name: str, *arguments: Any) -> Any:
        """As `_ask`, for required values. Raises _TroubleError, NvmlError."""
        nvml = self._nvml
        try:
            return getattr(nvml, name)(*arguments)
        except nvml.NVMLError as error:
            self._raise_if_fatal(error)
            raise self._trouble(error) from error

    def _raise_if_fatal(self, error: Any) -> None:
        """Raise NvmlError if no device can be read any more."""
        nvml = self._nvml
        if error.value in (
            nvml.NVML_ERROR_UNINITIALIZED,
            nvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH,
            nvml.NVML_ERROR_DRIVER_NOT_LOADED,
        ):
            raise self._wrong(error) from error

    def _is_loss(self, error: Any) -> bool:
        nvml = self._nvml
        return error.value in (nvml.NVML_ERROR_GPU_IS_LOST, nvml.NVML_ERROR_RESET_REQUIRED)

    def _trouble(self, error: Any, where: str = "") -> _TroubleError:
        forbidden = error.value == self._nvml.NVML_ERROR_NO_PERMISSION
        return _TroubleError(
            f"{where}{_text(error)}", lost=self._is_loss(error), forbidden=forbidden
        )

    def _wrong(self, error: Any) -> NvmlError:
        nvml = self._nvml
        message = f"NVML: {_text(error)}"
        if error.value in (nvml.NVML_ERROR_LIBRARY_NOT_FOUND, nvml.NVML_ERROR_DRIVER_NOT_LOADED):
            return NvmlError(message, absent=True)
        if error.value == nvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH:
            message += ": the driver was upgraded while it was loaded; restart the machine"
        return NvmlError(message)


def _library() -> ModuleType:
    """NVIDIA's own binding. Raises NvmlError."""
    try:
        import pynvml  # type: ignore[import-untyped]  # noqa: PLC0415 - takes 50 ms
    except ImportError as error:
        message = f"NVIDIA's binding can't be imported ({error}); run: pip install nvidia-ml-py"
        raise NvmlError(message) from error
    if not hasattr(pynvml, "_nvmlGetFunctionPointer"):
        raise NvmlError(SHADOWED)
    return pynvml  # type: ignore[no-any-return]


def default_mode(index: int) -> str:
    """The command that lets all programs use a GPU."""
    return f"sudo nvidia-smi -i {index} -c 0"


def _forbidden(index: int) -> str:
    return f"its compute mode forbids programs; {default_mode(index)} lets them"


def _with_xid(device: GpuSample, xids: Mapping[str, int]) -> GpuSample:
    """The device with its own error, or that of the GPU that it is a part of."""
    xid = xids.get(device.uuid, xids.get(device.parent))
    return device if xid is None else msgspec.structs.replace(device, xid=xid)


def _text(error: Any) -> str:
    return str(error).strip().rstrip(".") or type(error).__name__


def _within(value: int | None, low: int, high: int) -> int | None:
    """The value; None if it is out of range, which some drivers return."""
    return value if value is not None and low <= value <= high else None


def _joules(millijoules: int | None) -> float | None:
    return None if millijoules is None or millijoules >= _NO_NUMBER else millijoules / 1000


def _watts(milliwatts: int | None) -> float | None:
    return None if milliwatts is None or milliwatts > _MOST_WATTS * 1000 else milliwatts / 1000
