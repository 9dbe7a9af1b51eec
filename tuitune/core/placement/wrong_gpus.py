"""Trials that compute on other GPUs than they were given, by what the driver lists."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Literal

from tuitune.core.gpu_reasons import WrongGpu
from tuitune.core.placement.gpu_state import Tenant
from tuitune.core.placement.snapshots import GpuSample

Key = tuple[int, int]  # trial and attempt
_Harm = Literal["", "others", "not allowed"]


class WrongGpus:
    """Compares samples with what was given, and tells each finding once."""

    def __init__(self) -> None:
        self._told: set[tuple[Key, str, _Harm]] = set()

    def look(
        self,
        devices: Sequence[GpuSample],
        tenants: Mapping[Key, Tenant],
        allowed: Collection[str],
        taken: Collection[str],
    ) -> Iterator[tuple[Key, WrongGpu]]:
        """What was not told before, of `devices`: all of the machine.

        allowed: UUIDs that the study may use. taken: those on which others compute, where that is
        not wanted.
        """
        numbers = {device.uuid: device.index for device in devices}
        for key, tenant in tenants.items():
            for device in _elsewhere(devices, tenant):
                harm: _Harm = "others" if device.uuid in taken else ""
                harm = harm if device.uuid in allowed else "not allowed"
                if (key, device.uuid, harm) not in self._told:
                    self._told.add((key, device.uuid, harm))
                    given = tuple(numbers[uuid] for uuid in tenant.uuids if uuid in numbers)
                    yield key, WrongGpu(key[0], device.index, given, harm=harm)


def _elsewhere(devices: Sequence[GpuSample], tenant: Tenant) -> list[GpuSample]:
    """The GPUs that list a process of the attempt, and are not among its own.

    Of an instance of MIG all that is known of its GPU may be listed: it counts only where none of
    the attempt's own lists it.
    """
    on = [device for device in devices if _lists(device, tenant)]
    own = [device for device in on if device.uuid in tenant.uuids]
    parents = {device.parent for device in devices if device.uuid in tenant.uuids} - {""}
    others = [d for d in on if d.uuid not in tenant.uuids and d.uuid not in parents]
    return [device for device in others if not (device.parent and own)]


def _lists(device: GpuSample, tenant: Tenant) -> bool:
    return any(tenant.pid in process.ancestors for process in device.processes or ())
