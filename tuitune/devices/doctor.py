"""Problems of this machine that prevent a study, or may prevent one."""

import importlib.util
import os
import resource
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from tuitune.core.placement import gpu_state, visibility
from tuitune.core.placement.snapshots import GpuSample, Snapshot
from tuitune.core.sizes import size
from tuitune.devices import cuda, nvml, quarantine, rocm
from tuitune.devices.locks import LocksError, lock_folder
from tuitune.devices.parking import parking_words, why_not_here
from tuitune.messages.reasons import reason_words
from tuitune.messages.text import gpus

_FEW_FILES = 4096
_LITTLE_SHM = 1 << 30  # bytes: what data loaders of a few trials fill


class Finding(NamedTuple):
    """The result of one check; `text` ends with the remedy, if there is one."""

    how: Literal["ok", "note", "wrong"]
    what: str
    text: str


def findings(
    seen: Snapshot, environment: Mapping[str, str], listed: Iterable[quarantine.Aside] = ()
) -> list[Finding]:
    """The results of all checks of this machine, which may take seconds.

    listed: GPUs that are set aside.
    """
    return [
        driver(seen),
        *(finding for finding in binding() if finding.text != seen.problem),
        *(found for device in seen.devices if not seen.unmeasured for found in one(device)),
        *aside(listed),
        *starts(seen, environment),
        *parking(seen),
        *shell(seen, environment),
        *locks(seen, environment),
        files(resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
        shared_memory(Path("/dev/shm")),  # noqa: S108 - where data loaders keep their batches
        logout(_logind()),
    ]


def driver(seen: Snapshot) -> Finding:
    """Whether GPUs can be seen."""
    if seen.absent and (number := rocm.count()):
        used = "used where the study asks for them, or torch is built for ROCm"
        return Finding("note", "GPUs", f"{number} of AMD, {used}; {rocm.LIMITS}")
    if seen.absent and Path("/dev/dxg").exists():
        remedy = "libnvidia-ml.so.1 is in /usr/lib/wsl/lib: add that to LD_LIBRARY_PATH"
        text = f"none by NVML, as WSL may have them: {remedy}; GPUs of others are not used"
        return Finding("note", "GPUs", text)
    if seen.absent:
        return Finding("note", "GPUs", f"none: {seen.problem}; trials run on the CPUs")
    if seen.problem:
        return Finding("wrong", "GPUs", seen.problem)
    if seen.unmeasured:
        return Finding("note", "GPUs", f"{len(seen.devices)}, {seen.unmeasured}")
    return Finding("ok", "GPUs", f"{len(seen.devices)}, driver {seen.driver or 'unknown'}")


def binding() -> list[Finding]:
    """Problems with NVIDIA's binding: it is one file, a package of its name is not NVIDIA's."""
    found = importlib.util.find_spec("pynvml")
    if found is None:
        return [Finding("wrong", "pynvml", "is missing; run: pip install nvidia-ml-py")]
    if found.submodule_search_locations is not None:
        return [Finding("wrong", "pynvml", nvml.SHADOWED)]
    return []


def one(device: GpuSample) -> list[Finding]:
    """What is unusual about a device."""
    what = f"GPU {device.index}"
    if device.trouble:
        return [Finding("wrong", what, device.trouble)]
    found = []
    if device.mode == "exclusive":
        text = "its compute mode lets one process at a time use it: no two trials share it"
        found.append(Finding("note", what, f"{text}; {nvml.default_mode(device.index)} lets them"))
    processes = device.processes
    if processes is None:
        text = "its driver lists no processes: others on it can't be seen, and trials don't share"
        found.append(Finding("note", what, text))
    hidden = [process.pid for process in processes or () if not process.ancestors]
    if hidden:
        text = f"processes {', '.join(map(str, hidden))} on it can't be seen from here"
        remedy = "in a container start it with --pid=host"
        found.append(Finding("note", what, f"{text}; {remedy}"))
    if device.slowed:
        text = f"its clock is held down: {', '.join(device.slowed)}"
        found.append(Finding("note", what, f"{text}; trials there take longer"))
    if any(process.name.startswith(gpu_state.MPS) for process in processes or ()):
        text = "an MPS server runs on it: trials that share it may run at once, and die together"
        found.append(Finding("note", what, text))
    return found


def aside(listed: Iterable[quarantine.Aside]) -> list[Finding]:
    """GPUs that are set aside, since they have failed trials."""
    return [
        Finding(
            "wrong",
            f"GPU {one.number}",
            f"{reason_words(one.why)}; tuitune set STUDY devices.clear={one.number} uses it again",
        )
        for one in listed
    ]


def starts(seen: Snapshot, environment: Mapping[str, str]) -> list[Finding]:
    """Whether CUDA starts, which NVML does not tell."""
    if not seen.devices:
        return []
    started = cuda.start(environment)
    if wrong := cuda.problem(started, seen.devices):
        return [Finding("wrong", "CUDA", wrong)]
    count = 0 if isinstance(started, str) else len(started.uuids)
    return [Finding("ok", "CUDA", f"starts, and sees {gpus(count)}")]


def parking(seen: Snapshot) -> list[Finding]:
    """Whether trials can be parked, and how much of GPUs' memory the host has room for."""
    if not seen.devices:
        return []
    if why := why_not_here(seen, [device for device in seen.devices if not device.trouble]):
        return [Finding("note", "parking", why)]
    return [Finding("ok", "parking", parking_words())]


def shell(seen: Snapshot, environment: Mapping[str, str]) -> list[Finding]:
    """Which GPUs CUDA_VISIBLE_DEVICES allows."""
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is None or not seen.devices:
        return []
    variable = f"CUDA_VISIBLE_DEVICES={visible}"
    try:
        left = visibility.allowed(seen.devices, environment, ())
    except visibility.NotAllowedError as error:
        return [Finding("wrong", "shell", str(error))]
    if not left:
        remedy = "unset it, or write numbers or UUIDs of nvidia-smi -L"
        return [Finding("note", "shell", f"{variable} allows no GPU; {remedy}")]
    numbers = ", ".join(str(device.index) for device in left)
    return [Finding("note", "shell", f"{variable} allows GPU {numbers}")]


def locks(seen: Snapshot, environment: Mapping[str, str]) -> list[Finding]:
    """Where studies lock the GPUs that they use."""
    if not seen.devices:
        return []
    try:
        folder = lock_folder(environment)
    except LocksError as error:
        return [Finding("wrong", "GPU locks", str(error))]
    return [Finding("ok", "GPU locks", f"in {folder}")]


def files(limit: int) -> Finding:
    """Whether a process may have enough files open; `limit`: how many."""
    if limit == resource.RLIM_INFINITY or limit >= _FEW_FILES:
        return Finding("ok", "open files", "enough")
    return Finding("note", "open files", f"at most {limit}; ulimit -n {_FEW_FILES} gives more")


def shared_memory(folder: Path) -> Finding:
    """Whether data loaders of a few trials find room there."""
    try:
        total = shutil.disk_usage(folder).total
    except OSError:
        return Finding("note", str(folder), "is not there; data loaders may need it")
    if total >= _LITTLE_SHM:
        return Finding("ok", str(folder), size(total))
    remedy = "a container gets more with --shm-size=8g"
    return Finding("note", str(folder), f"{size(total)} for all data loaders; {remedy}")


def logout(logind: Mapping[str, str]) -> Finding:
    """Whether studies survive a logout, by logind's KillUserProcesses and Linger."""
    if os.getuid() == 0 or logind.get("KillUserProcesses") != "yes":
        return Finding("ok", "logout", "studies outlive it")
    if logind.get("Linger") == "yes":
        return Finding("ok", "logout", "studies outlive it, as lingering is enabled")
    return Finding("wrong", "logout", "ends your studies; run: loginctl enable-linger")


def _logind() -> dict[str, str]:
    """KillUserProcesses and this user's Linger; "no" and empty without logind."""
    manager = ["busctl", "get-property", "org.freedesktop.login1", "/org/freedesktop/login1"]
    killing = _output([*manager, "org.freedesktop.login1.Manager", "KillUserProcesses"])
    linger = _output(["loginctl", "show-user", str(os.getuid()), "--property=Linger", "--value"])
    return {"KillUserProcesses": "yes" if "true" in killing else "no", "Linger": linger.strip()}


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout
