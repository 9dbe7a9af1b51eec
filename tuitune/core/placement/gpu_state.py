"""The state of GPUs that placement reads, derived from readings of NVML and /proc."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence

import msgspec

from tuitune.core.events import Gpu
from tuitune.core.placement.snapshots import DeviceProcess, GpuSample, Snapshot
from tuitune.core.spec import DevicesSpec

_STAY_SECONDS = 60.0  # of another user, after which trials leave where set so
_CLEAN_SECONDS = 10.0  # after another user has left, since many soon start again
_SMOOTH_SECONDS = 30.0  # of the running mean of a utilisation
_BUSY_STEP = 0.25  # steps in which it is passed to placement
MPS = "nvidia-cuda-mps"  # a server, which computes for other processes


class Tenant(msgspec.Struct):
    """A live attempt of this study, with its process."""

    pid: int
    uuids: tuple[str, ...]
    pids: set[int] = set()  # of its processes, seen on a GPU
    peak: int = 0  # bytes, on the GPU where it holds most
    began: float = 0.0  # Unix s


class GpuState:
    """Follows snapshots. `engine` is the pid from which all processes of this study descend."""

    def __init__(self, spec: DevicesSpec, engine: int) -> None:
        self._spec = spec
        self._engine = engine
        self._names: dict[str, GpuSample] = {}  # the last reading of each without trouble
        self._foreign: dict[str, float] = {}  # when another user was last on it
        self._came: dict[str, float] = {}  # since when another user is on it
        self._others_words: dict[str, tuple[frozenset[int], str]] = {}  # pids, description
        self.strangers: dict[str, tuple[str, ...]] = {}  # other processes on it now, in words
        self._others: dict[str, int] = {}  # the most bytes that others have held
        self._busy: dict[str, float] = {}
        self._shown_busy: dict[str, float] = {}
        self._idle: dict[str, int] = {}  # bytes used while it is empty
        self._links: dict[str, dict[str, int]] = {}
        self._ours: set[int] = set()  # pids of ours that are listed
        self._seen = 0.0
        self.blind = False  # processes can't be told apart, as in a container

    def look(
        self,
        devices: Sequence[GpuSample],
        snapshot: Snapshot,
        tenants: Iterable[Tenant],
        now: float,
    ) -> list[Gpu]:
        """The GPUs of `devices`, those of the snapshot that this study may use.

        A device of an earlier call that is missing now is lost.
        """
        self.strangers = {}
        here = {device.uuid: device for device in devices}
        tenants = list(tenants)
        self._remember(devices, snapshot)
        if snapshot.problem:
            why = f"its state is unknown: {snapshot.problem}"
            return [self._gpu(known, why) for known in self._names.values()]
        self._know_ours(devices, tenants)
        if self._ours:  # processes can be told apart after all
            self.blind = False
        elif any(self._is_hidden(device, tenants, now) for device in devices):
            self.blind = True
        passed, self._seen = now - self._seen, now
        gpus = []
        for uuid, known in self._names.items():
            device = here.get(uuid)
            if device is None or device.trouble:
                why = "it is no longer there" if device is None else device.trouble
                lost = device is None or device.lost
                gpus.append(self._gpu(known, why, lost=lost))
            else:
                gpus.append(self._well(device, tenants, now, passed))
        return gpus

    def footprints(
        self, devices: Iterable[GpuSample], tenants: Collection[Tenant]
    ) -> list[tuple[Tenant, int]]:
        """Attempts whose peak of GPU memory has grown, with the new peak in bytes."""
        held: dict[int, int] = {}
        for device in devices:
            here = [tenant for tenant in tenants if device.uuid in tenant.uuids]
            for tenant in here:
                tenant.pids |= {p.pid for p in device.processes or () if tenant.pid in p.ancestors}
                memory = self._held(device, tenant, alone=len(here) == 1)
                held[id(tenant)] = max(held.get(id(tenant), 0), memory)
        grown = [(tenant, held.get(id(tenant), 0)) for tenant in tenants]
        found = [(t, memory) for t, memory in grown if memory > t.peak * 1.02 + (16 << 20)]
        for tenant, memory in found:
            tenant.peak = memory
        return found

    def is_held(self, device: GpuSample, tenant: Tenant, others: Collection[Tenant]) -> bool:
        """Whether the device still has memory of an attempt that has ended."""
        processes = device.processes or ()
        if any(p.pid in tenant.pids or tenant.pid in p.ancestors for p in processes):
            return True
        idle, used = self._idle.get(device.uuid), device.memory_used
        if idle is None or used is None or device.unified or processes:
            return False
        alone = not any(device.uuid in other.uuids for other in others)
        return alone and used > idle + (200 << 20)

    # --- one device ------------------------------------------------------------------------------

    def _well(self, device: GpuSample, tenants: Sequence[Tenant], now: float, passed: float) -> Gpu:
        uuid = device.uuid
        ours = any(uuid in tenant.uuids for tenant in tenants)
        strangers = self._strangers(device, ours=ours)
        self.strangers[uuid] = tuple(map(words, strangers))
        if strangers:
            self._came.setdefault(uuid, now)
            self._foreign[uuid] = now
            memory = sum(p.memory or 0 for p in strangers)
            self._others[uuid] = max(self._others.get(uuid, 0), memory)
        elif now - self._foreign.get(uuid, -math.inf) >= _CLEAN_SECONDS:
            self._came.pop(uuid, None)
        if not strangers and not ours and not device.processes and device.memory_used is not None:
            self._idle[uuid] = min(self._idle.get(uuid, device.memory_used), device.memory_used)
        self._follow(device, passed, others=bool(strangers) or not ours)
        tolerated = self._spec.share or (ours and self._spec.on_foreign == "ignore")
        obstacle = "" if tolerated else self._obstacle(uuid, strangers, now)
        memory = (device.memory_total or 0) - (self._others.get(uuid, 0) if strangers else 0)
        return msgspec.structs.replace(
            self._gpu(device, obstacle),
            foreign=bool(strangers),
            memory=0 if self.blind else max(0, memory),
            packs=device.mode == "default" and not device.parent,
            busy=self._shown_busy.get(uuid, 0.0),
            claimed=bool(strangers) and now - self._came[uuid] >= _STAY_SECONDS,
        )

    def _gpu(self, device: GpuSample, obstacle: str, *, lost: bool = False) -> Gpu:
        return Gpu(
            device.uuid,
            device.index,
            device.name,
            device.memory_total or 0,
            obstacle,
            lost=lost,
            links=self._links.get(device.uuid, {}),
            joins=not device.parent,  # CUDA shows a process one instance at most
            unified=device.unified,
        )

    def _obstacle(self, uuid: str, strangers: Sequence[DeviceProcess], now: float) -> str:
        if strangers:
            pids = frozenset(process.pid for process in strangers)
            known = self._others_words.get(uuid)
            if known is None or known[0] != pids:  # memory alone changes too often
                more = f" and {len(strangers) - 1} more" if len(strangers) > 1 else ""
                known = pids, f"{words(strangers[0])}{more} computes on it"
                self._others_words[uuid] = known
            return known[1]
        if now - self._foreign.get(uuid, -math.inf) < _CLEAN_SECONDS:
            return "another user has only just left it"
        return ""

    def _strangers(self, device: GpuSample, *, ours: bool) -> list[DeviceProcess]:
        """Processes that are not ours; while blind, all on a device without a trial of ours."""
        listed = [p for p in device.processes or () if not p.name.startswith(MPS)]
        if self.blind:
            return [] if ours else listed
        return [p for p in listed if p.pid not in self._ours]

    def _know_ours(self, devices: Iterable[GpuSample], tenants: Iterable[Tenant]) -> None:
        """A process of ours that has ended may be listed for some time; it still counts as ours."""
        listed = {p.pid: p for device in devices for p in device.processes or ()}
        self._ours |= {pid for pid, p in listed.items() if self._engine in p.ancestors}
        self._ours |= {tenant.pid for tenant in tenants}
        self._ours &= listed.keys()

    def _is_hidden(self, device: GpuSample, tenants: Sequence[Tenant], now: float) -> bool:
        """Whether a trial of ours holds memory there, but no process of ours is listed."""
        if not any(device.uuid in t.uuids and now - t.began > 3 for t in tenants):
            return False
        if device.processes is None:
            return True
        known = any(process.pid in self._ours for process in device.processes)
        used, idle = device.memory_used, self._idle.get(device.uuid)
        if known or used is None or idle is None:
            return False
        if device.unified and not device.processes:  # programs of the host use it, too
            return False
        return used > idle + (100 << 20) and all(not p.ancestors for p in device.processes)

    def _held(self, device: GpuSample, tenant: Tenant, *, alone: bool) -> int:
        """Bytes of the attempt on the device; where it is alone, those above the idle device."""
        own = [p for p in device.processes or () if p.pid in tenant.pids]
        if own and all(p.memory is not None for p in own):
            return sum(p.memory or 0 for p in own)
        idle, used = self._idle.get(device.uuid), device.memory_used
        if not alone or idle is None or used is None or not (own or self.blind):
            return 0
        return max(0, used - idle)

    def _follow(self, device: GpuSample, passed: float, *, others: bool) -> None:
        """The utilisation by others, smoothed and rounded, so that it changes seldom."""
        uuid = device.uuid
        now = (device.utilisation or 0) / 100 if others else 0.0
        before = self._busy.get(uuid, now)
        part = 1 - math.exp(-max(0.0, passed) / _SMOOTH_SECONDS)
        self._busy[uuid] = mean = before + (now - before) * part
        if abs(mean - self._shown_busy.get(uuid, 0.0)) > 0.8 * _BUSY_STEP:
            self._shown_busy[uuid] = round(mean / _BUSY_STEP) * _BUSY_STEP

    def _remember(self, devices: Iterable[GpuSample], snapshot: Snapshot) -> None:
        for device in devices:
            if not device.trouble or device.uuid not in self._names:
                self._names[device.uuid] = device
        for link in snapshot.links:
            self._links.setdefault(link.one, {})[link.other] = link.closeness
            self._links.setdefault(link.other, {})[link.one] = link.closeness


def words(process: DeviceProcess) -> str:
    """Another process, as: anna's python (pid 12, 2.1 GB)."""
    memory = "" if process.memory is None else f", {process.memory / 1e9:.1f} GB"
    whose = f"{process.user}'s {process.name}" if process.user else "somebody's process"
    return f"{whose} (pid {process.pid}{memory})"


def obstacle_changes(before: Iterable[Gpu], now: Iterable[Gpu]) -> str:
    """GPUs that can't be used any more, or again; empty where nothing has changed.

    As: GPU 1: anna's python (pid 12, 2.1 GB) computes on it; GPU 3: free again.
    """
    known = {gpu.uuid: gpu.obstacle for gpu in before}
    return "; ".join(
        f"GPU {gpu.index}: {gpu.obstacle or 'free again'}"
        for gpu in now
        if gpu.obstacle != known.get(gpu.uuid, "")
    )
