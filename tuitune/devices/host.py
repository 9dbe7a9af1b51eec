"""The CPUs and the memory that this process may use, by its affinity mask and cgroups."""

import os
from pathlib import Path

from tuitune.core.placement import gpu_state, host
from tuitune.core.spec import DevicesSpec

_CGROUPS = Path("/sys/fs/cgroup")
_LEAST_FREE = 1 << 30  # bytes that parked trials leave to others
_FIRST_NAMESPACE = 0xEFFFFFFC  # the inode of the machine's own pid namespace, in every kernel


def host_room() -> host.HostResources:
    """CPU slots, and memory in bytes, for all trials together."""
    return host.HostResources(cpus=cpu_slots(_CGROUPS), memory=memory_bytes(_CGROUPS))


def make_state(spec: DevicesSpec) -> gpu_state.GpuState:
    """The state of GPUs, as this process and those below it see their processes."""
    contained = Path("/proc/self/ns/pid").stat().st_ino != _FIRST_NAMESPACE
    return gpu_state.GpuState(spec, os.getpid(), user=os.getuid(), contained=contained)


def cpu_slots(cgroups: Path) -> float:
    """Cores of our affinity mask, or less if a cgroup's quota gives less."""
    cores = float(len(os.sched_getaffinity(0)))
    quotas = [quota for folder in _own_cgroups(cgroups) if (quota := _cpu_quota(folder))]
    return min([cores, *quotas])


def memory_bytes(cgroups: Path) -> int:
    """Bytes of this machine, or of the tightest cgroup above us."""
    limits = [limit for folder in _own_cgroups(cgroups) if (limit := _memory_limit(folder))]
    return min([os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), *limits])


def room_for_parked(cgroups: Path = _CGROUPS, meminfo: Path = Path("/proc/meminfo")) -> int:
    """Bytes of the host's memory that parked trials may take now; a part is left for the rest."""
    words = {line.split()[0]: int(line.split()[1]) << 10 for line in _text(meminfo).splitlines()}
    room = [words.get("MemAvailable:", 0) - _left(words.get("MemTotal:", 0))]
    limits = [(folder, _memory_limit(folder)) for folder in _own_cgroups(cgroups)]
    room += [limit - _memory_used(folder) - _left(limit) for folder, limit in limits if limit]
    return min(room)


def _left(whole: int) -> int:
    """Bytes that are left free, so that nothing is killed for lack of them."""
    return max(_LEAST_FREE, whole // 20)


def _memory_used(folder: Path) -> int:
    """Bytes in use by a cgroup, without files that may be dropped."""
    used = _text(folder / "memory.current") or _text(folder / "memory.usage_in_bytes")
    lines = (line.split() for line in _text(folder / "memory.stat").splitlines())
    kept = {words[0]: int(words[1]) for words in lines if len(words) == 2}
    dropped = kept.get("total_inactive_file", kept.get("inactive_file", 0))
    return max(0, int(used.strip() or 0) - dropped)


def _own_cgroups(root: Path) -> list[Path]:
    """Our cgroup's folder and those above it, under version 2 and under version 1's controllers."""
    folders = [root, root / "cpu", root / "memory"]
    for line in _text(Path("/proc/self/cgroup")).splitlines():
        _, controllers, path = line.split(":", 2)
        base = root / controllers if controllers else root
        parts = path.strip("/").split("/")
        folders += [base.joinpath(*parts[: i + 1]) for i in range(len(parts))]
    return folders


def _cpu_quota(folder: Path) -> float | None:
    quota, _, period = _text(folder / "cpu.max").strip().partition(" ")
    if not quota:
        quota = _text(folder / "cpu.cfs_quota_us").strip()
        period = _text(folder / "cpu.cfs_period_us").strip()
    if not quota.isdigit() or not period.isdigit() or int(period) == 0:
        return None
    return int(quota) / int(period)


def _memory_limit(folder: Path) -> int | None:
    for name in ("memory.max", "memory.limit_in_bytes"):
        text = _text(folder / name).strip()
        if text.isdigit():
            return int(text)
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
