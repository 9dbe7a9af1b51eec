"""Which GPUs a study may use now: locks between studies, and what others were promised."""

import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence

import msgspec

from tuitune.core.events import Gpu, Settings
from tuitune.core.gpu_reasons import GpuBarred, GpusAllowed, Obstacle
from tuitune.core.placement.gpus import THIRDS
from tuitune.core.placement.hours import Allowance, allowance as allowance_at
from tuitune.devices.locks import Locks

_LEFT_FREE, _SPARE = GpuBarred("left free"), GpuBarred("spare")


class Leases:
    """Locks as many GPUs as the study can use, and may."""

    def __init__(
        self,
        locks: Locks,
        leave_free: int,
        settings: Callable[[], Settings],
        clock: Callable[[], float],
    ) -> None:
        self._locks = locks
        self._leave_free = leave_free
        self._settings = settings
        self._clock = clock

    def renew(
        self,
        gpus: Sequence[Gpu],
        began: Mapping[str, float],
        homes: Collection[str] = (),
        suspects: Collection[str] = (),
    ) -> list[Gpu]:
        """The GPUs, each locked for this study or with an obstacle to its use.

        began: when the oldest trial on a GPU began, by UUID. Where fewer GPUs are allowed than
        trials are on, those stay on which trials began first; the others are given up. homes: GPUs
        that trials which are parked want back. suspects: those that are taken last, as trials have
        failed there.
        """
        for gpu in gpus:
            if gpu.obstacle and gpu.uuid not in began:
                self._locks.drop(gpu.uuid)
        allowed = allowed_now(self._settings(), self._clock())
        most = math.inf if allowed.gpus is None else allowed.gpus
        most -= sum(1 for gpu in gpus if gpu.obstacle and gpu.uuid in began)
        usable = [gpu for gpu in gpus if not gpu.obstacle]
        usable.sort(key=lambda gpu: self._preference(gpu, began, homes, suspects))
        refused = self._lock(usable, most)
        for uuid in refused.keys() - began.keys():
            self._locks.drop(uuid)
        return [self._with(gpu, refused, allowed) for gpu in gpus]

    def has(self, uuid: str) -> bool:
        """Whether this study holds the lock of a GPU."""
        return uuid in self._locks

    def close(self) -> None:
        """Release all locks."""
        self._locks.close()

    def _lock(self, free: Sequence[Gpu], most: float) -> dict[str, Obstacle]:
        """Lock up to `most`. Returns why others are not used, by UUID; "": not allowed now."""
        taken, others, refused = 0, 0, dict[str, Obstacle]()
        for gpu in free:
            if taken >= self._wanted():
                refused[gpu.uuid] = _SPARE
            elif taken >= len(free) - others - self._leave_free:
                refused[gpu.uuid] = _LEFT_FREE
            elif taken >= most:
                refused[gpu.uuid] = ""
            elif holder := self._locks.take(gpu.uuid):
                refused[gpu.uuid] = GpuBarred("locked", holder)
                others += 1
            else:
                taken += 1
        return refused

    def _preference(
        self,
        gpu: Gpu,
        began: Mapping[str, float],
        homes: Collection[str],
        suspects: Collection[str],
    ) -> tuple[float, bool, bool, bool, float, int]:
        """Sorts first where a trial has been for longest, then homes, locked ones, the idlest."""
        uuid = gpu.uuid
        return (
            began.get(uuid, math.inf),
            uuid in suspects,
            uuid not in homes,
            uuid not in self._locks,
            gpu.busy,
            -gpu.index,
        )

    @staticmethod
    def _with(gpu: Gpu, refused: Mapping[str, Obstacle], allowed: Allowance) -> Gpu:
        """The GPU with its obstacle; one that is no longer allowed is claimed: trials leave it."""
        if gpu.uuid not in refused:
            return gpu
        why = refused[gpu.uuid]
        obstacle = why or GpusAllowed(allowed.gpus or 0, allowed.until)
        return msgspec.structs.replace(gpu, obstacle=obstacle, claimed=not why)

    def _wanted(self) -> float:
        """How many GPUs this study can use at most."""
        settings = self._settings()
        if settings.gpus == 0:
            return 0
        if settings.concurrency is None:
            return math.inf
        each = 1.0 if settings.gpus == "auto" else settings.gpus
        return math.ceil(settings.concurrency * each - THIRDS)


def allowed_now(settings: Settings, now: float) -> Allowance:
    """What `max_gpus` and `hours` allow, by the local time of day; now: Unix seconds."""
    time.tzset()  # the time zone of the machine may have changed
    local = time.localtime(now)
    return allowance_at(settings.max_gpus, settings.hours, 60 * local.tm_hour + local.tm_min)
