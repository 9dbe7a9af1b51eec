"""Energy that the GPUs take, divided among the attempts on them."""

from collections.abc import Mapping, Sequence

from tuitune.core.placement import gpu_state, snapshots

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
        devices: Sequence[snapshots.GpuSample],
        tenants: Mapping[Key, gpu_state.Tenant],
        others: Mapping[str, int],
        now: float,
    ) -> None:
        """Take in a sample; others: how many processes of others compute on a GPU, by UUID."""
        for device in devices:
            time, meter = self._before.get(device.uuid, (now, None))
            self._before[device.uuid] = now, device.energy
            passed = now - time
            joules = _taken(device, meter, passed)
            if joules is None or passed <= 0:
                continue
            here = {
                key: min(passed, max(0.0, now - tenant.began))
                for key, tenant in tenants.items()
                if device.uuid in tenant.uuids
            }
            whole = max(passed, sum(here.values()) + others.get(device.uuid, 0) * passed)
            for key, seconds in here.items():
                self._joules[key] = self._joules.get(key, 0.0) + joules * seconds / whole

    def take(self, key: Key) -> float | None:
        """What an attempt has taken since this was last asked, in joules; None: unknown."""
        return self._joules.pop(key, None)


def _taken(device: snapshots.GpuSample, meter: float | None, seconds: float) -> float | None:
    """Joules since the meter read so, that long ago; None if it tells neither energy nor power."""
    if device.energy is not None and meter is not None and device.energy >= meter:
        return device.energy - meter
    if device.power is None:
        return None
    return device.power * min(_LONGEST, max(0.0, seconds))
