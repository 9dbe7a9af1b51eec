"""Energy that the GPUs take, divided among the attempts on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tuitune.core.placement.gpu_state import Tenant
from tuitune.core.placement.snapshots import GpuSample

Key = tuple[int, int]  # trial and attempt

_LONGEST = 10.0  # s between two samples, over which a power is taken to hold


class EnergyMeter:
    """Adds up what each attempt takes: by a GPU's own meter, or else by its power.

    What a GPU takes in a second is divided among all that compute on it, others included.
    """

    def __init__(self) -> None:
        self._before: dict[str, tuple[float, float | None]] = {}  # time and meter, by UUID
        self._joules: dict[Key, float] = {}

    def look(
        self,
        devices: Sequence[GpuSample],
        tenants: Mapping[Key, Tenant],
        others: Mapping[str, int],
        now: float,
    ) -> None:
        """Take in a sample; others: how many processes of others compute on a GPU, by UUID."""
        for device in devices:
            since = self._before.get(device.uuid, (now, None))[0]
            joules = self._since(device, now)
            self._before[device.uuid] = now, device.energy
            if joules is None or now <= since:
                continue
            here = {
                key: min(now - since, max(0.0, now - tenant.began))
                for key, tenant in tenants.items()
                if device.uuid in tenant.uuids
            }
            passed = now - since
            whole = max(passed, sum(here.values()) + others.get(device.uuid, 0) * passed)
            for key, seconds in here.items():
                self._joules[key] = self._joules.get(key, 0.0) + joules * seconds / whole

    def take(self, key: Key) -> float | None:
        """What an attempt has taken since this was last asked, in joules; None: unknown."""
        return self._joules.pop(key, None)

    def _since(self, device: GpuSample, now: float) -> float | None:
        """Joules since the last sample; None if the GPU tells neither energy nor power."""
        time, meter = self._before.get(device.uuid, (now, None))
        if device.energy is not None and meter is not None and device.energy >= meter:
            return device.energy - meter
        if device.power is None:
            return None
        return device.power * min(_LONGEST, max(0.0, now - time))
