"""NVML's readings of every device, with drivers that lack or distort some of them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from types import ModuleType
from typing import Any, NamedTuple

import psutil

from tuitune.core.placement.snapshots import DeviceProcess, GpuSample, Link, Snapshot

_NO_NUMBER = 1 << 62  # NVML writes all bits set where it has none
_MOST_WATTS = 20_000
_MODES = {2: "prohibited", 3: "exclusive"}
_NVLINK = 100  # the closeness of two GPUs, see Link
_ALONE = "NVML hangs or crashes on it; it is tried again from time to time"
SHADOWED = (
    "another distribution's pynvml hides NVIDIA's own; "
    "run: pip uninstall -y pynvml && pip install --force-reinstall nvidia-ml-py"
)


class NvmlError(Exception):
    """NVML can't be used at all; str() says why, with the remedy."""

    def __init__(self, message: str, *, absent: bool = False) -> None:
        super().__init__(message)
        self.absent = absent


class _LostError(Exception):
    """This one device can't be used; str() says why."""


class _Known(NamedTuple):
    uuid: str
    name: str


class Nvml:
    """NVML, initialised: this keeps the driver awake. `read` may hang or crash the process."""

    def __init__(self, skip: Collection[int] = ()) -> None:
        """`skip`: the indices of devices not to touch. Raises NvmlError."""
        self._nvml = _library()
        self._skip = skip
        self._known: dict[int, _Known] = {}
        self._reserved: dict[str, int] = {}  # of old drivers, which count it as used
        self._links: dict[frozenset[str], int] = {}
        try:
            self._nvml.nvmlInit()
        except self._nvml.NVMLError as error:
            raise self._wrong(error) from error
        self._driver = self._ask(self._nvml.nvmlSystemGetDriverVersion) or ""

    def read(self, reading: Callable[[int], None] = lambda _index: None) -> Snapshot:
        """Read every device; `reading` is called with each index before it is touched.

        Raises NvmlError if the driver no longer answers for any.
        """
        nvml = self._nvml
        try:
            count = nvml.nvmlDeviceGetCount()
        except nvml.NVMLError as error:
            raise self._wrong(error) from error
        if count == 0:
            raise NvmlError("the driver knows of no GPU", absent=True)
        devices: list[GpuSample] = []
        well: list[tuple[str, Any]] = []
        for index in range(count):
            if index in self._skip:
                devices.append(self._troubled(index, _ALONE))
                continue
            reading(index)
            try:
                handle, found = self._device(index)
            except _LostError as error:
                devices.append(self._troubled(index, str(error)))
                continue
            devices += found
            well.append((self._known[index].uuid, handle))
        return Snapshot(tuple(devices), self._linked(well), self._driver)

    # --- one device ------------------------------------------------------------------------------

    def _device(self, index: int) -> tuple[Any, list[GpuSample]]:
        """The handle of a GPU, and it or its MIG instances. Raises _LostError."""
        nvml = self._nvml
        handle = self._need(nvml.nvmlDeviceGetHandleByIndex, index)
        known = self._known[index] = self._identity(handle, "GPU")
        mig = self._ask(nvml.nvmlDeviceGetMigMode, handle)
        if mig is None or not mig[0]:
            return handle, [self._sample(index, known, handle)]
        instances = [
            self._sample(index, self._identity(child, known.name), child, known.uuid)
            for number in range(self._ask(nvml.nvmlDeviceGetMaxMigDeviceCount, handle) or 0)
            if (child := self._ask(nvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, number))
        ]
        return handle, instances or [self._troubled(index, "MIG is on, and it has no instance")]

    def _identity(self, handle: Any, usual: str) -> _Known:
        nvml = self._nvml
        uuid = self._need(nvml.nvmlDeviceGetUUID, handle)
        return _Known(uuid, self._ask(nvml.nvmlDeviceGetName, handle) or usual)

    def _sample(self, index: int, known: _Known, handle: Any, parent: str = "") -> GpuSample:
        nvml = self._nvml
        processes = self._processes(handle)
        total, used, unified = self._memory(known.uuid, handle, processes)
        rates = self._ask(nvml.nvmlDeviceGetUtilizationRates, handle)
        mode = _MODES.get(self._ask(nvml.nvmlDeviceGetComputeMode, handle) or 0, "default")
        return GpuSample(
            uuid=known.uuid,
            index=index,
            name=known.name,
            memory_total=total,
            memory_used=used,
            utilisation=None if rates is None else _within(rates.gpu, 0, 100),
            temperature=_within(self._temperature(handle), -60, 200),
            power=_watts(self._ask(nvml.nvmlDeviceGetPowerUsage, handle)),
            power_limit=_watts(self._ask(nvml.nvmlDeviceGetEnforcedPowerLimit, handle)),
            mode=mode,
            trouble=_forbidden(index) if mode == "prohibited" else "",
            parent=parent,
            unified=unified,
            processes=processes,
        )

    def _troubled(self, index: int, why: str) -> GpuSample:
        known = self._known.get(index, _Known("", "GPU"))
        return GpuSample(known.uuid, index, known.name, trouble=why, processes=None)

    def _memory(
        self, uuid: str, handle: Any, processes: tuple[DeviceProcess, ...] | None
    ) -> tuple[int | None, int | None, bool]:
        """(total, used, whether it is the host's), both without what the driver reserves."""
        nvml = self._nvml
        found = self._ask(nvml.nvmlDeviceGetMemoryInfo, handle, nvml.nvmlMemory_v2)
        if found is not None:
            reserved = found.reserved if found.reserved < _NO_NUMBER else 0
        else:
            found = self._ask(nvml.nvmlDeviceGetMemoryInfo, handle)
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

    def _processes(self, handle: Any) -> tuple[DeviceProcess, ...] | None:
        """Processes on a device; None if the driver can't list them, as under WSL."""
        nvml = self._nvml
        found = self._ask(nvml.nvmlDeviceGetComputeRunningProcesses_v3, handle)
        if found is None:
            found = self._ask(nvml.nvmlDeviceGetComputeRunningProcesses_v2, handle)
        if found is None:
            return None
        clients = self._ask(nvml.nvmlDeviceGetMPSComputeRunningProcesses_v3, handle) or []
        memory: dict[int, int | None] = {}
        for process in (*found, *clients):
            size = process.usedGpuMemory
            memory[process.pid] = None if size is None or size >= _NO_NUMBER else size
        return tuple(_describe(pid, size) for pid, size in sorted(memory.items()))

    def _temperature(self, handle: Any) -> int | None:
        nvml = self._nvml
        found: int | None = self._ask(
            nvml.nvmlDeviceGetTemperatureV, handle, nvml.NVML_TEMPERATURE_GPU
        )
        if found is None:
            found = self._ask(nvml.nvmlDeviceGetTemperature, handle, nvml.NVML_TEMPERATURE_GPU)
        return found

    # --- between devices -------------------------------------------------------------------------

    def _linked(self, devices: list[tuple[str, Any]]) -> tuple[Link, ...]:
        """Links don't change: each is asked for once."""
        links = []
        for place, (one, handle) in enumerate(devices):
            for other, another in devices[place + 1 :]:
                pair = frozenset((one, other))
                if pair not in self._links:
                    self._links[pair] = self._closeness(handle, another)
                if self._links[pair] > 0:
                    links.append(Link(one, other, self._links[pair]))
        return tuple(links)

    def _closeness(self, one: Any, other: Any) -> int:
        nvml = self._nvml
        nvlink = nvml.NVML_P2P_CAPS_INDEX_NVLINK
        if self._ask(nvml.nvmlDeviceGetP2PStatus, one, other, nvlink) == nvml.NVML_P2P_STATUS_OK:
            return _NVLINK
        level = self._ask(nvml.nvmlDeviceGetTopologyCommonAncestor, one, other)
        return 0 if level is None else max(0, nvml.NVML_TOPOLOGY_SYSTEM - level)

    # --- calls -----------------------------------------------------------------------------------

    def _ask(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """Call NVML; None if this device or driver lacks it. Raises _LostError, NvmlError."""
        nvml = self._nvml
        try:
            return call(*arguments)
        except nvml.NVMLLibraryMismatchError:  # the driver is older; this is no NVMLError
            return None
        except nvml.NVMLError as error:
            if error.value in (nvml.NVML_ERROR_GPU_IS_LOST, nvml.NVML_ERROR_RESET_REQUIRED):
                raise _LostError(_text(error)) from error
            if error.value in (
                nvml.NVML_ERROR_UNINITIALIZED,
                nvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH,
                nvml.NVML_ERROR_DRIVER_NOT_LOADED,
            ):
                raise self._wrong(error) from error
            return None

    def _need(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """As `_ask`, for required values. Raises _LostError."""
        nvml = self._nvml
        try:
            return call(*arguments)
        except nvml.NVMLError as error:
            raise _LostError(_text(error)) from error

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


def _text(error: Any) -> str:
    return str(error).strip().rstrip(".") or type(error).__name__


def _within(value: int | None, low: int, high: int) -> int | None:
    """The value; None if it is out of range, as drivers return some."""
    return value if value is not None and low <= value <= high else None


def _watts(milliwatts: int | None) -> float | None:
    return None if milliwatts is None or milliwatts > _MOST_WATTS * 1000 else milliwatts / 1000


def _describe(pid: int, memory: int | None) -> DeviceProcess:
    """A process; without user, name and ancestors if it is gone or outside our container."""
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            user, name = process.username(), process.name()
        ancestors = (pid, *(parent.pid for parent in process.parents()))
    except psutil.Error:
        return DeviceProcess(pid, "", "", memory)
    return DeviceProcess(pid, user, name, memory, ancestors)
