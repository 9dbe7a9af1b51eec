"""Whether CUDA starts, asked in a process of its own: it may hang, and would keep a GPU."""

import ctypes
import json
import re
import subprocess
import sys
import uuid
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tuitune.core.placement.snapshots import GpuSample
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
_IS_UUID = re.compile(r"GPU-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Started(NamedTuple):
    """The result of cuInit, 0 if CUDA starts, and the GPUs that it sees."""

    code: int
    uuids: Sequence[str]


def main() -> None:
    """Run the process: write the result as JSON."""
    library = ctypes.CDLL(_LIBRARY)
    code, count = library.cuInit(0), ctypes.c_int(0)
    uuids = []
    if code == 0:
        code = library.cuDeviceGetCount(ctypes.byref(count))
    for ordinal in range(count.value):
        device, raw = ctypes.c_int(0), (ctypes.c_ubyte * 16)()
        library.cuDeviceGet(ctypes.byref(device), ordinal)
        library.cuDeviceGetUuid_v2(raw, device)
        uuids.append(f"GPU-{uuid.UUID(bytes=bytes(raw))}")
    sys.stdout.write(json.dumps([code, uuids]))


def start(environment: Mapping[str, str]) -> Started | str:
    """Start CUDA with all GPUs. Returns what is wrong, as text, if it gives no answer."""
    try:
        done = subprocess.run(
            entry.command(sys.executable, "devices.cuda"),
            env={n: v for n, v in environment.items() if n != "CUDA_VISIBLE_DEVICES"},
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"CUDA has not started for {_SECONDS:g} s"
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        return f"CUDA can't be started: {last}"
    return Started(*json.loads(done.stdout))


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
