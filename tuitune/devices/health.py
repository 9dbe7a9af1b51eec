"""Errors that a GPU's driver reports (Xids), and what slows its clock down, by NVML."""

import ctypes
from collections.abc import Callable
from typing import Any

# Those of the hardware: what https://docs.nvidia.com/deploy/xid-errors answers with a reset of the
# GPU or its replacement. A program causes most of the others by itself (13, 31, 43, 45, ...).
_OF_HARDWARE = frozenset({46, 48, 62, 64, 74, 79, 92, 94, 95, 110, 119, 120, 140})
_ROW_REMAPPED = 63  # the memory mends itself, unless it has no rows left for that
_SLOWED = {  # nvmlClocksEventReasons
    0x08: "hardware slowdown",
    0x20: "heat",
    0x40: "heat (hardware)",
    0x80: "power brake",
}
_XID = 8  # nvmlEventTypeXidCriticalError
_MOST = 16  # events of one reading


class Health:
    """`ask` calls NVML by a function's name; it returns None where that fails."""

    def __init__(self, ask: Callable[..., Any]) -> None:
        self._ask = ask
        self._events = ask("nvmlEventSetCreate")
        self._watched: dict[int | None, str] = {}  # UUIDs, by the addresses of handles

    def watch(self, uuid: str, handle: Any) -> None:
        """Collect the errors of a GPU from now on."""
        if uuid in self._watched.values():
            return
        self._watched[_address(handle)] = uuid
        if self._events is not None:
            self._ask("nvmlDeviceRegisterEvents", handle, _XID, self._events)

    def xids(self) -> dict[str, int]:
        """The newest error of each GPU's hardware since the last call."""
        found: dict[str, int] = {}
        for _ in range(_MOST if self._events is not None else 0):
            event = self._ask("nvmlEventSetWait_v2", self._events, 0)
            if event is None:  # a timeout: there are no more
                break
            uuid = self._watched.get(_address(event.device))  # a lost GPU does not tell it again
            if event.eventType == _XID and uuid and self._is_of_hardware(event):
                found[uuid] = int(event.eventData)
        return found

    def _is_of_hardware(self, event: Any) -> bool:
        if event.eventData != _ROW_REMAPPED:
            return event.eventData in _OF_HARDWARE
        rows = self._ask("nvmlDeviceGetRemappedRows", event.device)
        return rows is not None and bool(rows[3])  # remapping has failed

    def slowed(self, handle: Any) -> tuple[str, ...]:
        """Why its clock is lower than it could be: heat, power; not by what users have set."""
        reasons = self._ask("nvmlDeviceGetCurrentClocksEventReasons", handle)
        if reasons is None:
            reasons = self._ask("nvmlDeviceGetCurrentClocksThrottleReasons", handle)
        return tuple(words for bit, words in _SLOWED.items() if (reasons or 0) & bit)


def _address(handle: Any) -> int | None:
    return ctypes.cast(handle, ctypes.c_void_p).value
