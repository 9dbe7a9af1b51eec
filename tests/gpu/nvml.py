"""What NVML says of a real GPU, and what its calls cost; `nvml.py used`: MiB used of all GPUs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from tuitune.devices.nvml import Nvml

GIB = 1 << 30
MIB = 1 << 20
HOLDER = """
import time, torch
held = torch.zeros(1 << 28, device="cuda")  # 1 GiB
torch.cuda.synchronize()
print("held", flush=True)
time.sleep(300)
"""
LOADER = """
import time, torch

class Slow(torch.utils.data.Dataset):
    def __len__(self):
        return 64
    def __getitem__(self, index):
        time.sleep(20)
        return torch.zeros(1)

if __name__ == "__main__":
    held = torch.zeros(1 << 28, device="cuda")
    print("held", flush=True)
    for batch in torch.utils.data.DataLoader(Slow(), num_workers=2):
        pass
"""


def tell(how: str, what: str, expected: str, got: object) -> None:
    print(f"{how:4} {what} | expected: {expected} | got: {got}", flush=True)


def check(holds: object, what: str, expected: str, got: object) -> None:
    tell("PASS" if holds else "FAIL", what, expected, got)


def used() -> int:
    """Bytes of all GPUs; 0 for one that does not tell."""
    return sum(device.memory_used or 0 for device in Nvml().read().devices)


def measure_calls(n, handle) -> None:
    """The time of each call that the sampler makes, and of some others."""
    calls: dict[str, Callable[[], object]] = {
        "memory v2": lambda: n.nvmlDeviceGetMemoryInfo(handle, n.nvmlMemory_v2),
        "memory": lambda: n.nvmlDeviceGetMemoryInfo(handle),
        "processes v3": lambda: n.nvmlDeviceGetComputeRunningProcesses_v3(handle),
        "processes v2": lambda: n.nvmlDeviceGetComputeRunningProcesses_v2(handle),
        "MPS processes": lambda: n.nvmlDeviceGetMPSComputeRunningProcesses_v3(handle),
        "graphics processes": lambda: n.nvmlDeviceGetGraphicsRunningProcesses_v3(handle),
        "utilisation": lambda: n.nvmlDeviceGetUtilizationRates(handle),
        "temperature": lambda: n.nvmlDeviceGetTemperature(handle, 0),
        "power": lambda: n.nvmlDeviceGetPowerUsage(handle),
        "power limit": lambda: n.nvmlDeviceGetEnforcedPowerLimit(handle),
        "compute mode": lambda: n.nvmlDeviceGetComputeMode(handle),
        "MIG mode": lambda: n.nvmlDeviceGetMigMode(handle),
        "persistence": lambda: n.nvmlDeviceGetPersistenceMode(handle),
        "throttle reasons": lambda: n.nvmlDeviceGetCurrentClocksEventReasons(handle),
    }
    for name, call in calls.items():
        times: list[float] = []
        got: object = None
        for _ in range(20):
            start = time.perf_counter()
            try:
                got = call()
            except Exception as error:  # noqa: BLE001 - each driver lacks other calls
                got = f"{type(error).__name__}: {error}"
            times.append(time.perf_counter() - start)
        print(
            f"  {name:20} median {1e6 * median(times):6.0f} us, worst {1e6 * max(times):6.0f} us, {got}"
        )
    nvml = Nvml()
    times = []
    for _ in range(20):
        start = time.perf_counter()
        nvml.read()
        times.append(time.perf_counter() - start)
    got = f"{1e3 * median(times):.1f} ms, worst {1e3 * max(times):.1f} ms"
    check(median(times) < 0.05, "a reading of all GPUs", "< 50 ms: there is one each second", got)


def listed(n, handle) -> dict[int, int | None]:
    """Bytes by process id, as NVML lists them."""
    found = n.nvmlDeviceGetComputeRunningProcesses_v3(handle)
    return {process.pid: process.usedGpuMemory for process in found}


def check_holder(n, handle, idle: int) -> None:
    """A process with memory is listed, also while it is stopped, and gone soon after its end."""
    start = time.perf_counter()
    holder = subprocess.Popen([sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    holder.stdout.readline()
    print(f"  torch, a context and 1 GiB take {time.perf_counter() - start:.1f} s")
    time.sleep(0.5)
    seen, more = listed(n, handle), used() - idle
    own = seen.get(holder.pid)
    check(
        own and own > GIB,
        "its process id and memory",
        "listed, over 1 GiB",
        f"{holder.pid}: {seen}",
    )
    tell("NOTE", "memory of a CUDA context", "300-600 MiB", f"{(more - GIB) // MIB} MiB")
    print("  the sample:", Nvml().read().devices[0])
    os.kill(holder.pid, signal.SIGSTOP)
    time.sleep(1)
    check(holder.pid in listed(n, handle), "a stopped process is listed", "yes", listed(n, handle))
    os.kill(holder.pid, signal.SIGKILL)
    start = time.perf_counter()
    took: dict[str, float] = {}
    while time.perf_counter() - start < 30 and len(took) < 3:
        now = time.perf_counter() - start
        if holder.poll() is not None:
            took.setdefault("reaped", now)
        if holder.pid not in listed(n, handle):
            took.setdefault("not listed", now)
        if used() <= idle + 50 * MIB:
            took.setdefault("memory free", now)
    soon = len(took) == 3 and max(took.values()) < 5
    check(soon, "a stopped process killed", "gone within 5 s: a GPU is waited for 30 s", took)
    drift = used() - idle
    check(
        abs(drift) < 200 * MIB,
        "memory of an idle GPU",
        "as before, within 200 MiB",
        f"{drift // MIB} MiB",
    )


def check_loader(n, handle, idle: int) -> None:
    """Who holds the memory of a process that was killed while its loader's workers live."""
    with tempfile.TemporaryDirectory() as folder:
        code = Path(folder, "loader.py")
        code.write_text(LOADER)
        leader = subprocess.Popen(
            [sys.executable, code], stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert leader.stdout is not None
        leader.stdout.readline()
        time.sleep(3)
        print(f"  with workers, leader {leader.pid}: {listed(n, handle)}")
        os.kill(leader.pid, signal.SIGKILL)
        leader.wait()
        time.sleep(2)
        got = f"{(used() - idle) // MIB} MiB more, listed {listed(n, handle)}"
        tell("NOTE", "its workers outlive a killed process", "they may keep its memory", got)
        try:
            os.killpg(leader.pid, signal.SIGKILL)
        except ProcessLookupError:
            return


def main() -> None:
    if sys.argv[1:] == ["used"]:
        print(used() // MIB)
        return
    import pynvml as n  # noqa: PLC0415 - `used` needs no more than tuitune does

    start = time.perf_counter()
    n.nvmlInit()
    middle = time.perf_counter()
    handle = n.nvmlDeviceGetHandleByIndex(0)
    end = time.perf_counter()
    got = f"{middle - start:.3f} s, {end - middle:.3f} s"
    tell("NOTE", "nvmlInit, and the first handle", "under 5 s each", got)
    measure_calls(n, handle)
    idle = used()
    check_holder(n, handle, idle)
    check_loader(n, handle, idle)


if __name__ == "__main__":
    main()
