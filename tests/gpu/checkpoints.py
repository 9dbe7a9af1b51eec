"""The driver's checkpoint of a process that stands still: its time, its memory, and the same result."""

from __future__ import annotations

import ctypes
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tuitune.devices.nvml import Nvml

MIB = 1 << 20
TRAINING = """
import sys, torch
torch.manual_seed(0)
data = torch.randn(int(float(sys.argv[1]) * (1 << 28)), device="cuda")
network = torch.nn.Linear(512, 512).cuda()
optimizer = torch.optim.Adam(network.parameters())

def step():
    loss = network(data[:512 * 64].view(64, 512)).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()

for _ in range(20):
    step()
print(float(data.double().sum()), flush=True)
sys.stdin.readline()  # it stands still here
for _ in range(20):
    loss = step()
print(float(data.double().sum()), loss.hex(), flush=True)
"""


class LockArguments(ctypes.Structure):
    """CUcheckpointLockArgs: a time-out in ms."""

    _fields_ = (("timeout", ctypes.c_uint), ("zero", ctypes.c_uint), ("zeros", ctypes.c_uint64 * 7))


def used() -> int:
    """MiB of the first GPU."""
    return (Nvml().read().devices[0].memory_used or 0) // MIB


def resident(pid: int) -> int:
    """MiB of host memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) >> 10 for line in status.splitlines() if "VmRSS" in line)


def timed(call: Callable[..., int], *arguments: object) -> tuple[int, float]:
    """(the driver's answer, seconds)."""
    start = time.perf_counter()
    return call(*arguments), round(time.perf_counter() - start, 2)


def pause(cuda: ctypes.CDLL, gigabytes: float) -> None:
    idle = used()
    program = [sys.executable, "-c", TRAINING, str(gigabytes)]
    expected = subprocess.run(
        program, check=True, input="\n", capture_output=True, text=True
    ).stdout
    process = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    begun = process.stdout.readline()
    before = used(), resident(process.pid)
    arguments = ctypes.byref(LockArguments(timeout=5000))
    steps = {"lock": timed(cuda.cuCheckpointProcessLock, process.pid, arguments)}
    steps["checkpoint"] = timed(cuda.cuCheckpointProcessCheckpoint, process.pid, None)
    during = used(), resident(process.pid)
    steps["restore"] = timed(cuda.cuCheckpointProcessRestore, process.pid, None)
    steps["unlock"] = timed(cuda.cuCheckpointProcessUnlock, process.pid, None)
    after = used(), resident(process.pid)
    try:
        rest, _ = process.communicate("\n", timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        rest = "it hangs"
    same = begun + rest == expected
    how = "PASS" if same and not any(code for code, _ in steps.values()) else "FAIL"
    memory = f"MiB (GPU, host) {before}, {during}, {after}, idle {idle}"
    what = f"a pause with {gigabytes} GB"
    print(
        f"{how} {what} | expected: all 0, the same result | got: {steps}, {memory}, {same}",
        flush=True,
    )


def main() -> None:
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        print(f"NOTE a pause | expected: a driver | got: {error}")
        return
    if not hasattr(cuda, "cuCheckpointProcessLock"):
        print("NOTE a pause | expected: driver 570 or newer | got: no such call")
        return
    cuda.cuInit(0)
    for gigabytes in (0.5, 4, 16):
        pause(cuda, gigabytes)


if __name__ == "__main__":
    main()
