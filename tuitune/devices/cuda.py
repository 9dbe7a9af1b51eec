"""Whether CUDA starts, and the GPUs that it sees, where NVML is missing all that is known of them.

It is asked in a process of its own: it may hang, and would keep a GPU.
"""

import ctypes
import json
import re
import subprocess
import sys
import uuid
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tuitune.core.placement.snapshots import GpuSample, Snapshot
from tuitune.ipc import entry

_LIBRARY = "libcuda.so.1"
_SECONDS = 60.0
_REMEDIES = {
    46: "another process has it for itself, or it is broken",
    100: "no GPU is detected; a container needs --gpus all",
    802: "the system is not ready; on machines with NVSwitch run: "
    "sudo systemctl start nvidia-fabricmanager",
    803: "the driver and libcuda are of different versions; restart the machine, and take "
    "folders with a libcuda of their own out of LD_LIBRARY_PATH",
    804: "this libcuda is for data-centre cards only; take it out of LD_LIBRARY_PATH",
}
_NO_NVML = (
    "the driver's libnvidia-ml.so.1 is missing (a container has it with "
    "NVIDIA_DRIVER_CAPABILITIES=compute,utility, WSL in /usr/lib/wsl/lib)"
)
LIMITS = (
    f"counted by CUDA, as {_NO_NVML}: each trial has its own, whole; nothing of them is measured, "
    f"and what others do there is not seen"
)
_IS_UUID = re.compile(r"GPU-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Started(NamedTuple):
    """The result of cuInit, 0 if CUDA starts, and the GPUs that it sees."""

    code: int
    uuids: Sequence[str]
    names: Sequence[str] = ()


def main() -> None:
    """Run the process: write the result as JSON."""
    library = ctypes.CDLL(_LIBRARY)
    code, count = library.cuInit(0), ctypes.c_int(0)
    uuids, names = [], []
    if code == 0:
        code = library.cuDeviceGetCount(ctypes.byref(count))
    for ordinal in range(count.value):
        device, raw = ctypes.c_int(0), (ctypes.c_ubyte * 16)()
        library.cuDeviceGet(ctypes.byref(device), ordinal)
        library.cuDeviceGetUuid_v2(raw, device)
        name = ctypes.create_string_buffer(100)
        library.cuDeviceGetName(name, len(name), device)
        names.append(name.value.decode(errors="replace"))
        kind = "MIG" if " MIG " in names[-1] else "GPU"
        uuids.append(f"{kind}-{uuid.UUID(bytes=bytes(raw))}")
    sys.stdout.write(json.dumps([code, uuids, names]))


def start(environment: Mapping[str, str]) -> Started | str:
    """Start CUDA with all GPUs. Returns what is wrong, as text, if it gives no answer."""
    all_of_them = {n: v for n, v in environment.items() if n != "CUDA_VISIBLE_DEVICES"}
    process = subprocess.Popen(
        entry.command(sys.executable, "devices.cuda"),
        env={**all_of_them, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"},  # as nvidia-smi counts
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        output, errors = process.communicate(timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()  # one that is inside the driver may take long to die: it is not waited for
        return f"CUDA has not started for {_SECONDS:g} s"
    if process.returncode:
        last = (errors.strip().splitlines() or [f"exit status {process.returncode}"])[-1]
        return f"CUDA can't be started: {last}"
    return Started(*json.loads(output))


def is_here() -> bool:
    """Whether CUDA's library is there; nothing of it is called."""
    try:
        ctypes.CDLL(_LIBRARY)
    except OSError:
        return False
    return True


def counted(environment: Mapping[str, str]) -> Snapshot:
    """The GPUs that CUDA counts, for where NVML is missing; takes a minute at most."""
    if not is_here():
        return Snapshot(problem="there is no NVIDIA driver here", absent=True)
    started = start(environment)
    if isinstance(started, str) or not started.uuids:
        wrong = problem(started, ()) or "CUDA sees no GPU"
        return Snapshot(problem=f"{wrong}; {_NO_NVML}", absent=True)
    devices = tuple(
        GpuSample(uuid, index, name or "GPU", mode="exclusive", processes=None)
        for index, (uuid, name) in enumerate(zip(started.uuids, started.names, strict=True))
    )
    return Snapshot(devices, unmeasured=LIMITS)


def problem(started: Started | str, devices: Sequence[GpuSample]) -> str:
    """What is wrong with CUDA here, with the remedy; empty if all is well.

    devices: as NVML sees them.
    """
    if isinstance(started, str):
        return started
    if started.code:
        remedy = _REMEDIES.get(started.code, "nvidia-smi and the kernel's log may say more")
        return f"CUDA does not start (error {started.code}): {remedy}"
    if any(device.parent for device in devices):
        return ""  # of instances it shows one at a time
    known = [device for device in devices if not device.trouble and _IS_UUID.match(device.uuid)]
    missing = [device.index for device in known if device.uuid not in started.uuids]
    if missing:
        return f"CUDA does not see GPU {', '.join(map(str, missing))}, which nvidia-smi lists"
    return ""
