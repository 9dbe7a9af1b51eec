"""The state of GPUs that placement reads, derived from readings of NVML and /proc."""

import math
from collections.abc import Collection, Iterable, Sequence
from typing import Literal

import msgspec

from tuitune.core.events import Gpu
from tuitune.core.gpu_reasons import GpuBarred, GpuFilled, GpuNews, GpuTaken, Obstacle
from tuitune.core.placement.snapshots import DeviceProcess, GpuSample, Snapshot
from tuitune.core.spec import DevicesSpec

_STAY_SECONDS = 60.0  # of another user, after which trials leave where set so
_CLEAN_SECONDS = 10.0  # after another user has left, since many soon start again
_SMOOTH_SECONDS = 30.0  # of the running mean of a utilisation
_BUSY_STEP = 0.25  # steps in which it is passed to placement
_NOISE = 200 << 20  # bytes by which an empty GPU's memory may grow
_UNLISTED = 1 << 30  # bytes in use by no listed process that are taken for another user's
_DRAWN = 256 << 20  # bytes: steps in which the memory of programs that draw is left out
_FALLEN = 0.5  # of what a trial held: once so much is free again, the rest is others'
MPS = "nvidia-cuda-mps"  # a server, which computes for other processes


class Tenant(msgspec.Struct):
    """A live attempt of this study, with its process."""

    pid: int
    uuids: tuple[str, ...]
    pids: set[int] = set()  # of its processes, seen on a GPU
    peak: int = 0  # bytes, on the GPU where it holds most
    began: float = 0.0  # Unix s
    before: dict[str, int] = {}  # bytes in use on each of its GPUs as it began
    filled: dict[str, int] = {}  # the same when it was last seen there


class GpuState:
    """Follows snapshots. `engine` is the pid from which all processes of this study descend.

    user: its number, as others' processes have theirs. contained: NVML may list processes by
    numbers of another pid namespace, or not at all, as in a container. Until one of this study's is
    found by its own number, processes that come to a GPU of a trial are taken for the trial's.
    """

    def __init__(
        self, spec: DevicesSpec, engine: int, *, user: int | None = None, contained: bool = False
    ) -> None:
        self._spec = spec
        self._engine = engine
        self._user = user
        self._contained = contained
        self._names: dict[str, GpuSample] = {}  # the last reading of each without trouble
        self._foreign: dict[str, float] = {}  # when another user was last on it
        self._came: dict[str, float] = {}  # since when another user is on it
        self._others_why: dict[str, tuple[frozenset[int], Obstacle]] = {}  # pids, description
        self.strangers: dict[str, tuple[DeviceProcess, ...]] = {}  # other processes on it now
        self._others: dict[str, int] = {}  # the most bytes that others have held
        self._drawn: dict[str, int] = {}  # the most bytes of programs that draw
        self._busy: dict[str, float] = {}
        self._shown_busy: dict[str, float] = {}
        self._idle: dict[str, int] = {}  # bytes used while it is empty
        self._listed: dict[str, set[int]] = {}  # pids on it while no trial was there
        self._links: dict[str, dict[str, int]] = {}
        self._ours: set[int] = set()  # pids of ours that are listed
        self._seen = 0.0
        self.blind = contained  # processes can't be told apart, as in a container
        self.yield_to: Collection[str] = spec.yield_to  # logins that are not waited for

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
            why = GpuBarred("unknown", snapshot.problem)
            return [self._gpu(known, why) for known in self._names.values()]
        self._know_ours(devices, tenants)
        self._learn_numbers(devices, tenants, now)
        passed, self._seen = now - self._seen, now
        gpus = []
        for uuid, known in self._names.items():
            device = here.get(uuid)
            if device is None or device.trouble:
                gpus.append(self._ill(known, device))
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
                tenant.pids |= self._pids_of(device, tenant, here)
                if (used := in_use(device)) is not None:
                    tenant.filled[device.uuid] = used
                memory = self._held(device, tenant, here)
                held[id(tenant)] = max(held.get(id(tenant), 0), memory)
        grown = [(tenant, held.get(id(tenant), 0)) for tenant in tenants]
        found = [(t, memory) for t, memory in grown if memory > t.peak * 1.02 + (16 << 20)]
        for tenant, memory in found:
            tenant.peak = memory
        return found

    def is_held(self, device: GpuSample, tenant: Tenant, others: Collection[Tenant]) -> bool:
        """Whether the device still has memory of an attempt that has ended."""
        uuid, processes = device.uuid, device.processes or ()
        if any(p.pid in tenant.pids or tenant.pid in p.ancestors for p in processes):
            return True
        idle, filled = self._idle.get(uuid), in_use(device)
        if idle is None or filled is None or device.unified or processes:
            return False
        if any(uuid in other.uuids for other in others):
            return False
        most = max(idle, tenant.before.get(uuid, 0))
        last = tenant.filled.get(uuid, filled)
        own = min(tenant.peak, last - most)
        fallen = tenant.peak > 0 and last - filled >= _FALLEN * own
        return filled > most + _NOISE and not fallen

    # --- one device ------------------------------------------------------------------------------

    def _well(self, device: GpuSample, tenants: Sequence[Tenant], now: float, passed: float) -> Gpu:
        uuid = device.uuid
        ours = any(uuid in tenant.uuids for tenant in tenants)
        strangers = self._strangers(device, ours=ours)
        unlisted = 0 if ours or strangers else _unlisted(device)
        foreign = bool(strangers or unlisted)
        self.strangers[uuid] = tuple(strangers)
        if foreign:
            self._came.setdefault(uuid, now)
            self._foreign[uuid] = now
            memory = sum(p.memory or 0 for p in strangers) + unlisted
            self._others[uuid] = max(self._others.get(uuid, 0), memory)
        elif now - self._foreign.get(uuid, -math.inf) >= _CLEAN_SECONDS:
            self._came.pop(uuid, None)
        if not ours:
            self._note_empty(device, strangers)
        self._follow(device, passed, others=foreign or not ours)
        awaited = any(process.user in self.yield_to for process in strangers)
        tolerated = not awaited and (
            self._spec.share or (ours and self._spec.on_foreign == "ignore")
        )
        stays = foreign and now - self._came[uuid] >= _STAY_SECONDS
        obstacle = "" if tolerated else self._obstacle(uuid, strangers, unlisted, now)
        earlier = self._earlier(device) if ours and self.blind else 0
        self._others[uuid] = max(self._others.get(uuid, 0), earlier)
        memory = (device.memory_total or 0) - self._drawn_on(device)
        memory -= self._others[uuid] if foreign or earlier else 0
        return msgspec.structs.replace(
            self._gpu(device, obstacle),
            foreign=foreign,
            memory=0 if self.blind and not self._is_measured(device) else max(0, memory),
            packs=device.mode == "default" and not device.parent,
            busy=self._shown_busy.get(uuid, 0.0),
            claimed=(stays and not tolerated) or awaited,
        )

    def _ill(self, known: GpuSample, device: GpuSample | None) -> Gpu:
        """A device with a trouble, or one that is missing."""
        if device is None:
            return self._gpu(known, GpuBarred("gone"), lost=True)
        return self._gpu(known, GpuBarred("trouble", device.trouble), lost=device.lost)

    def _gpu(self, device: GpuSample, obstacle: Obstacle, *, lost: bool = False) -> Gpu:
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

    def _obstacle(
        self, uuid: str, strangers: Sequence[DeviceProcess], unlisted: int, now: float
    ) -> Obstacle:
        """Others on it, as they were when they came: their memory changes too often."""
        if strangers or unlisted:
            pids = frozenset(process.pid for process in strangers)
            known = self._others_why.get(uuid)
            if known is None or known[0] != pids:
                known = pids, self._taken(strangers) if strangers else GpuFilled(unlisted)
                self._others_why[uuid] = known
            return known[1]
        if now - self._foreign.get(uuid, -math.inf) < _CLEAN_SECONDS:
            return GpuBarred("just left")
        self._others_why.pop(uuid, None)
        return ""

    def _taken(self, strangers: Sequence[DeviceProcess]) -> GpuTaken:
        first, more = strangers[0], len(strangers) - 1
        own = self._user is not None and all(process.uid == self._user for process in strangers)
        return GpuTaken(first.pid, first.user, first.name, first.memory, more, own)

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

    def _learn_numbers(
        self, devices: Sequence[GpuSample], tenants: Sequence[Tenant], now: float
    ) -> None:
        """Find out whether NVML lists processes by the numbers that they have here.

        In a container a number of another namespace may be that of any process here: only one of a
        trial's own, on a GPU of the trial, is a proof.
        """
        if self._contained:
            known = any(
                tenant.pid in process.ancestors
                for tenant in tenants
                for device in devices
                if device.uuid in tenant.uuids
                for process in device.processes or ()
            )
            if known:
                self._contained = self.blind = False
                for tenant in tenants:
                    tenant.pids = {tenant.pid}
        elif self._ours:  # processes can be told apart after all
            self.blind = False
        elif any(self._is_hidden(device, tenants, now) for device in devices):
            self.blind = True

    def _is_hidden(self, device: GpuSample, tenants: Sequence[Tenant], now: float) -> bool:
        """Whether a trial of ours holds memory there, but no process of ours is listed."""
        if not any(device.uuid in t.uuids and now - t.began > 3 for t in tenants):
            return False
        if device.processes is None:
            return True
        known = any(process.pid in self._ours for process in device.processes)
        filled, idle = in_use(device), self._idle.get(device.uuid)
        if known or filled is None or idle is None:
            return False
        if device.unified and not device.processes:  # programs of the host use it, too
            return False
        return filled > idle + (100 << 20) and all(not p.ancestors for p in device.processes)

    # --- memory ----------------------------------------------------------------------------------

    def _note_empty(self, device: GpuSample, strangers: Sequence[DeviceProcess]) -> None:
        """Remember a device on which no trial is: its memory, and who is listed."""
        uuid, filled = device.uuid, in_use(device)
        self._listed[uuid] = {process.pid for process in device.processes or ()}
        if not strangers and not device.processes and filled is not None:
            self._idle[uuid] = min(self._idle.get(uuid, filled), filled)

    def _pids_of(self, device: GpuSample, tenant: Tenant, here: Sequence[Tenant]) -> set[int]:
        """The attempt's processes on it; in a container, those that came while it was alone."""
        listed = device.processes or ()
        if self._contained and len(here) == 1:
            return {p.pid for p in listed} - self._listed.get(device.uuid, set())
        return {p.pid for p in listed if tenant.pid in p.ancestors}

    def _held(self, device: GpuSample, tenant: Tenant, here: Sequence[Tenant]) -> int:
        """Bytes of the attempt on the device.

        Where they are not listed: what is in use beyond the empty device, others' processes that
        were there before, and the peaks of the attempts beside it, for the newest alone.
        """
        own = [p for p in device.processes or () if p.pid in tenant.pids]
        if own and all(p.memory is not None for p in own):
            return sum(p.memory or 0 for p in own)
        idle, filled = self._idle.get(device.uuid), in_use(device)
        if idle is None or filled is None or not (own or self.blind):
            return 0
        if tenant is not max(here, key=lambda one: one.began):
            return 0
        peaks = sum(one.peak for one in here if one is not tenant)
        return max(0, filled - idle - self._earlier(device) - peaks)

    def _earlier(self, device: GpuSample) -> int:
        """Bytes of processes that were there before a trial of ours, as far as they are listed."""
        known = self._listed.get(device.uuid, set())
        return sum(p.memory or 0 for p in device.processes or () if p.pid in known)

    def _is_measured(self, device: GpuSample) -> bool:
        """Whether the memory in use tells what trials hold, though processes can't be told apart.

        Under WSL it does not: it is that of a desktop, too, and no processes are listed.
        """
        is_own = device.processes is not None and not device.unified
        return is_own and in_use(device) is not None and device.uuid in self._idle

    def _drawn_on(self, device: GpuSample) -> int:
        """The most bytes of programs that draw, in steps, so that it changes seldom."""
        if not device.graphics:
            return self._drawn.get(device.uuid, 0)
        steps = -(-device.graphics // _DRAWN)
        self._drawn[device.uuid] = most = max(self._drawn.get(device.uuid, 0), steps * _DRAWN)
        return most

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


def in_use(device: GpuSample) -> int | None:
    """Bytes in use, without those of programs that only draw."""
    if device.memory_used is None:
        return None
    return max(0, device.memory_used - (device.graphics or 0))


def _unlisted(device: GpuSample) -> int:
    """Bytes in use by nobody who is listed; 0 where they may be the driver's own."""
    filled = in_use(device)
    if filled is None or device.unified or device.graphics is None or device.processes is None:
        return 0
    if any(process.memory is None for process in device.processes):
        return 0
    left = filled - sum(process.memory or 0 for process in device.processes)
    return left if left > _UNLISTED else 0


def obstacle_changes(before: Iterable[Gpu], now: Iterable[Gpu]) -> GpuNews | Literal[""]:
    """GPUs that can't be used any more, or again; empty where nothing has changed."""
    known = {gpu.uuid: gpu.obstacle for gpu in before}
    changes = tuple(
        (gpu.index, gpu.obstacle) for gpu in now if gpu.obstacle != known.get(gpu.uuid, "")
    )
    return GpuNews(changes) if changes else ""
