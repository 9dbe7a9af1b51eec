"""Load of this machine and of the trials on it: a sample a second, which costs a millisecond."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import psutil

from tuitune.core.placement import host, snapshots

_PROC = Path("/proc")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")  # a second of CPU, in proc_pid_stat(5)


class HostSampler:
    """Samples the host; loads are averages since the last sample, None in the first."""

    def __init__(self, machine: host.HostResources, folder: Path) -> None:
        self._machine = machine
        self._folder = folder
        self._name = _model()
        self._before: _Look | None = None

    def sample(
        self, now: float, trials: Mapping[int, int], slots_used: float
    ) -> snapshots.DeviceSample:
        """`trials`: process ids of running trials; `now`: Unix seconds."""
        memory = psutil.virtual_memory()
        look, before = _look(now, trials), self._before
        self._before = look
        return snapshots.DeviceSample(
            time=now,
            device=host.HOST,
            kind="host",
            name=self._name,
            utilisation=None if before is None else look.busy_since(before),
            memory_used=memory.total - memory.available,
            memory_total=memory.total,
            trials=tuple(sorted(trials)),
            load=os.getloadavg()[0],
            slots=self._machine.cpus,
            slots_used=slots_used,
            trials_cpu=None if before is None else look.since(before, look.of_trials),
            engine_cpu=None if before is None else look.since(before, look.ours),
            disk_free=_disk_free(self._folder),
            usage=tuple(look.usage(before, trial) for trial in sorted(look.trees)),
        )


class _Look(NamedTuple):
    """The machine and our processes at one moment."""

    time: float
    ticks: dict[int, int]  # of CPU so far, by process
    trees: dict[int, list[int]]  # the processes of each trial
    ours: set[int]  # the engine and what it has started, without trials
    busy: float  # s of all cores, since the machine's start
    all: float

    def busy_since(self, before: _Look) -> float | None:
        """The busy share, 0 to 1; psutil.cpu_percent would remember a last call for each thread."""
        spent = self.all - before.all
        return min(1.0, max(0.0, (self.busy - before.busy) / spent)) if spent > 0 else None

    @property
    def of_trials(self) -> set[int]:
        """The processes of all trials."""
        return {pid for tree in self.trees.values() for pid in tree}

    def since(self, before: _Look, pids: Collection[int]) -> float:
        """Cores that these processes kept busy on average, without those that have ended."""
        known = (pid for pid in pids if pid in self.ticks)
        spent = sum(max(0, self.ticks[pid] - before.ticks.get(pid, 0)) for pid in known)
        return float(spent) / _TICKS / max(self.time - before.time, 1e-3)

    def usage(self, before: _Look | None, trial: int) -> snapshots.TrialUsage:
        """What a trial uses; its cores only once it was seen before."""
        tree = self.trees[trial]
        cpu = None if before is None or trial not in before.trees else self.since(before, tree)
        return snapshots.TrialUsage(trial, len(tree), sum(map(_resident, tree)), cpu)


def _look(now: float, trials: Mapping[int, int]) -> _Look:
    own = os.getpid()
    ours = {own, *_children(own)} - set(trials.values())
    trees = {trial: [*_tree(leader)] for trial, leader in trials.items()}
    every = ours.union(*trees.values())
    times = psutil.cpu_times()
    counted = sum(times) - times.guest - times.guest_nice  # which are in user and nice already
    busy = counted - times.idle - times.iowait
    return _Look(now, _ticks(every), trees, ours, busy, counted)


def _resident(pid: int) -> int:
    """Bytes of a process in memory; 0 if it is gone."""
    try:
        return int((_PROC / f"{pid}/statm").read_text(encoding="utf-8").split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def _tree(leader: int) -> Iterator[int]:
    yield leader
    for child in _children(leader):
        yield from _tree(child)


def _children(pid: int) -> list[int]:
    """Those that its first thread has started: others are rare, and expensive to find."""
    try:
        return [
            int(child)
            for child in (_PROC / f"{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
        ]
    except OSError:
        return []


def _ticks(pids: set[int]) -> dict[int, int]:
    found = {}
    for pid in pids:
        try:
            fields = (
                (_PROC / f"{pid}/stat")
                .read_text(encoding="utf-8", errors="replace")
                .rpartition(")")[2]
                .split()
            )
        except OSError:
            continue
        found[pid] = int(fields[11]) + int(fields[12])
    return found


def _disk_free(folder: Path) -> float | None:
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return None
    return usage.free / usage.total if usage.total else None


def _model() -> str:
    try:
        lines = (_PROC / "cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "CPU"
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "CPU")
