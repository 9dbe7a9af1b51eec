"""The GPU memory of a process, moved to the host and back by the driver's checkpoint calls.

In a throw-away process, since these calls may hang. They are of libcuda, see "CUDA Checkpointing"
in NVIDIA's reference of the driver API: lock (no call of CUDA gets through any more), checkpoint,
restore, unlock. A restore without enough memory can't be repeated: the process is lost.
"""

import contextlib
import ctypes
import platform
import uuid
from collections.abc import Callable, Collection, Sequence
from enum import IntEnum
from typing import Any, Literal

import msgspec

from tuitune.core.placement.snapshots import GpuSample, Snapshot
from tuitune.core.sizes import size
from tuitune.devices import host
from tuitune.ipc.entry import connect_to_parent

_LEAST_DRIVER, _MOVING_DRIVER = 575, 580  # with all calls; that can restore on another GPU
_MARGIN, _SPARE = 1.05, 256 << 20  # a factor and bytes: of memory to be free for a restore
_LIBRARY = "libcuda.so.1"
_CALL = "cuCheckpointProcess"
_LOCK_MS = 10_000  # that work under way on the GPU may take to its end
_WORDS = {
    1: "invalid value",
    2: "out of memory",
    3: "not initialized",
    304: "a call of the system failed",
    401: "illegal state",
    600: "its work on the GPU has not come to rest",
    800: "not permitted",
    801: "not supported",
}

What = Literal["park", "restore", "undo"]


class ProcessState(IntEnum):
    """CUprocessState, and UNKNOWN."""

    RUNNING, LOCKED, CHECKPOINTED, FAILED, UNKNOWN = 0, 1, 2, 3, 4


class Answer(msgspec.Struct, frozen=True):
    """The state in which a process is left. error: what has gone wrong, in words."""

    state: ProcessState
    error: str = ""
    tried: bool = True  # a restore was tried: if it has failed, the process is lost


class _LockArguments(ctypes.Structure):
    """CUcheckpointLockArgs."""

    _fields_ = (("ms", ctypes.c_uint), ("zero", ctypes.c_uint), ("zeros", ctypes.c_uint64 * 7))


class _Pair(ctypes.Structure):
    """CUcheckpointGpuPair: two UUIDs."""

    _fields_ = (("old", ctypes.c_ubyte * 16), ("new", ctypes.c_ubyte * 16))


class _RestoreArguments(ctypes.Structure):
    """CUcheckpointRestoreArgs of CUDA 13."""

    _fields_ = (
        ("pairs", ctypes.POINTER(_Pair)),
        ("count", ctypes.c_uint),
        ("zeros", ctypes.c_ubyte * (64 - ctypes.sizeof(ctypes.c_void_p) - 4)),
    )


class _DriverError(Exception):
    """A call has failed; str() is what and why."""


class _Driver:
    """The calls for one process. Raises OSError without a driver."""

    def __init__(self, pid: int) -> None:
        self._library = ctypes.CDLL(_LIBRARY)
        self._pid = pid

    def begin(self) -> None:
        """Start CUDA in this process, which these calls need. Raises _DriverError."""
        self._check("start of CUDA", self._library.cuInit(0))

    def state(self) -> ProcessState:
        """The state of the process."""
        found = ctypes.c_int(0)
        code = self._library.cuCheckpointProcessGetState(self._pid, ctypes.byref(found))
        known = code == 0 and found.value in ProcessState.__members__.values()
        return ProcessState(found.value) if known else ProcessState.UNKNOWN

    def call(self, name: str, arguments: ctypes.Structure | None = None) -> None:
        """As `call("Lock")`. Raises _DriverError."""
        function = getattr(self._library, f"{_CALL}{name}")
        given = None if arguments is None else ctypes.byref(arguments)
        self._check(name.lower(), function(self._pid, given))

    @staticmethod
    def _check(name: str, code: int) -> None:
        if code:
            raise _DriverError(f"{name}: {_WORDS.get(code, 'error')} ({code})")


def main() -> None:
    """Run the process: its arguments are what to do, a pid, and those of `restore`."""
    connection, (what, pid, *more) = connect_to_parent()
    kinds: dict[str, Callable[..., Answer]] = {"park": park, "restore": restore, "undo": undo}
    try:
        answer = kinds[what](_Driver(int(pid)), *more)
    except (OSError, AttributeError) as error:
        answer = Answer(ProcessState.UNKNOWN, str(error), tried=False)
    connection.sendall(msgspec.json.encode(answer))


def park(driver: _Driver) -> Answer:
    """Move the memory of a process to the host; where that fails it goes on as before."""
    try:
        driver.begin()
    except _DriverError as error:
        return Answer(ProcessState.RUNNING, str(error))
    if driver.state() is ProcessState.UNKNOWN:
        return Answer(ProcessState.RUNNING, "the driver does not know it: it has not used its GPU")
    try:
        driver.call("Lock", _LockArguments(ms=_LOCK_MS))
        driver.call("Checkpoint")
    except _DriverError as error:
        return msgspec.structs.replace(undo(driver), error=str(error))
    return Answer(ProcessState.CHECKPOINTED)


def undo(driver: _Driver) -> Answer:
    """Let a process go on that is locked; the state in which it is then."""
    with contextlib.suppress(_DriverError):  # its state is unknown then
        driver.begin()
    if driver.state() is ProcessState.LOCKED:
        try:
            driver.call("Unlock")
        except _DriverError as error:
            return Answer(driver.state(), str(error))
    return Answer(driver.state())


def restore(driver: _Driver, memory: str, home: str, to: str) -> Answer:
    """Move `memory` bytes back, to the GPU `to`, if so much is free there."""
    short = _short_of(int(memory), to)
    if short:
        return Answer(ProcessState.CHECKPOINTED, short, tried=False)
    try:
        driver.begin()
    except _DriverError as error:
        return Answer(ProcessState.CHECKPOINTED, str(error), tried=False)
    try:
        driver.call("Restore", None if home == to else _moved(home, to))
        driver.call("Unlock")
    except _DriverError as error:
        return Answer(driver.state(), str(error))
    return Answer(ProcessState.RUNNING)


def _moved(home: str, to: str) -> _RestoreArguments:
    pair = _Pair(_uuid(home), _uuid(to))
    return _RestoreArguments(ctypes.pointer(pair), 1)


def _uuid(text: str) -> Any:
    return (ctypes.c_ubyte * 16)(*uuid.UUID(text.removeprefix("GPU-")).bytes)


def _short_of(memory: int, to: str) -> str:
    """Why there is too little memory on a GPU, or it is not known; empty if there is enough."""
    import pynvml  # type: ignore[import-untyped]  # noqa: PLC0415 - a process that parks needs none

    try:
        pynvml.nvmlInit()
        free = pynvml.nvmlDeviceGetMemoryInfo(pynvml.nvmlDeviceGetHandleByUUID(to)).free
    except pynvml.NVMLError as error:
        return f"it is not known how much of the GPU's memory is free: {error}"
    needed = needed_for(memory)
    if free >= needed:
        return ""
    return f"{size(free)} of the GPU's memory are free, and it needs {size(needed)}"


def needed_for(memory: int) -> int:
    """Bytes that have to be free on a GPU before so many are restored."""
    return int(memory * _MARGIN) + _SPARE


# --- whether it can be done here -----------------------------------------------------------------


def why_not_here(seen: Snapshot, devices: Collection[GpuSample]) -> str:
    """Why nothing can be parked on these GPUs, with the remedy; empty if it can."""
    if platform.machine() != "x86_64":
        return f"the driver parks processes on x86-64 only, not on {platform.machine()}"
    if seen.unmeasured:
        return "only where NVIDIA's driver measures GPUs can processes be parked"
    if any(device.parent for device in devices):
        return "processes on MIG instances can't be parked; use whole GPUs"
    version = _driver_version(seen)
    if version is not None and version < _LEAST_DRIVER:
        return f"driver {seen.driver} can't park processes; install {_LEAST_DRIVER} or newer"
    if not _has_calls():
        return f"this libcuda has no checkpoint calls; install driver {_LEAST_DRIVER} or newer"
    return ""


def parking_words() -> str:
    """How much can be parked on this machine now."""
    room = max(0, host.room_for_parked())
    return f"the host has room for {size(room)} of GPU memory; experimental"


def _driver_version(seen: Snapshot) -> int | None:
    """The first number of the driver's version; None if it is not known."""
    first = seen.driver.partition(".")[0]
    return int(first) if first.isdigit() else None


def can_move(seen: Snapshot) -> bool:
    """Whether a process may be restored on another GPU than before."""
    return (_driver_version(seen) or 0) >= _MOVING_DRIVER


def _has_calls(names: Sequence[str] = ("Lock", "Checkpoint", "Restore", "Unlock")) -> bool:
    """Whether the library has them; none of them is called."""
    try:
        library = ctypes.CDLL(_LIBRARY)
    except OSError:
        return False
    return all(hasattr(library, f"{_CALL}{name}") for name in names)
