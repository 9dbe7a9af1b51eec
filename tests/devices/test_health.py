"""Errors and slow clocks of GPUs, by a driver that is a table of answers."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, strategies as st

from tuitune.devices.health import Health

XID, OTHER = 8, 1  # kinds of events


def handle(address: int) -> Any:
    return ctypes.c_void_p(address)


class Driver:
    """Answers calls by their name; `events`: (address, kind, data), told one by one."""

    def __init__(self, events_set: Any = "set", **answers: Any) -> None:
        self.answers = {"nvmlEventSetCreate": events_set, **answers}
        self.events: list[tuple[int, int, int]] = []
        self.calls: list[tuple[Any, ...]] = []

    def ask(self, name: str, *arguments: Any) -> Any:
        self.calls.append((name, *arguments))
        if name != "nvmlEventSetWait_v2":
            return self.answers.get(name)
        if not self.events:
            return None  # a timeout
        address, kind, data = self.events.pop(0)
        return SimpleNamespace(device=handle(address), eventType=kind, eventData=data)

    def called(self, name: str) -> int:
        return sum(call[0] == name for call in self.calls)


def watching(driver: Driver, *addresses: int) -> Health:
    health = Health(driver.ask)
    for address in addresses:
        health.watch(f"GPU-{address}", handle(address))
    return health


def test_each_gpu_is_watched_once_in_one_set() -> None:
    driver = Driver()
    health = watching(driver, 1, 2)
    health.watch("GPU-1", handle(7))  # the same, read again
    assert driver.called("nvmlEventSetCreate") == 1
    registered = [call[2:] for call in driver.calls if call[0] == "nvmlDeviceRegisterEvents"]
    assert registered == [(XID, "set"), (XID, "set")]
    assert health.xids() == {}


def test_the_newest_error_of_each_gpu_is_told_once() -> None:
    driver = Driver()
    health = watching(driver, 1, 2)
    driver.events = [(1, XID, 48), (2, XID, 79), (1, XID, 95)]
    assert health.xids() == {"GPU-1": 95, "GPU-2": 79}
    assert health.xids() == {}


@pytest.mark.parametrize("xid", [8, 13, 31, 32, 43, 44, 45, 63, 68, 69, 109, 137, 154])
def test_errors_that_are_not_the_hardwares_are_passed_over(xid: int) -> None:
    driver = Driver()
    health = watching(driver, 1)
    driver.events = [(1, XID, xid), (1, OTHER, 48), (9, XID, 48)]  # of another kind, of no GPU
    assert health.xids() == {}
    driver.events = [(1, XID, 48), (1, XID, xid)]
    assert health.xids() == {"GPU-1": 48}


@pytest.mark.parametrize(("failed", "found"), [(0, {}), (1, {"GPU-1": 63})])
def test_a_remapped_row_counts_where_remapping_has_failed(failed: int, found) -> None:
    driver = Driver(nvmlDeviceGetRemappedRows=[1, 0, 1, failed])
    health = watching(driver, 1)
    driver.events = [(1, XID, 63)]
    assert health.xids() == found


@given(st.lists(st.tuples(st.integers(1, 3), st.sampled_from([48, 64, 79, 95])), max_size=60))
def test_a_flood_of_errors_ends_a_reading_and_none_is_lost(events) -> None:
    driver = Driver()
    health = watching(driver, 1, 2, 3)
    driver.events = [(address, XID, xid) for address, xid in events]
    found: dict[str, int] = {}
    readings = 0
    while driver.events:
        before = driver.called("nvmlEventSetWait_v2")
        found |= health.xids()
        assert driver.called("nvmlEventSetWait_v2") - before <= 16
        readings += 1
    assert readings <= 60 // 16 + 1
    assert found == {f"GPU-{address}": xid for address, xid in events}


def test_a_driver_without_events_is_not_waited_for() -> None:
    driver = Driver(events_set=None)
    health = watching(driver, 1, 2)
    driver.events = [(1, XID, 48)]
    assert health.xids() == {}
    assert driver.called("nvmlEventSetWait_v2") == 0
    assert driver.called("nvmlDeviceRegisterEvents") == 0


@pytest.mark.parametrize(
    ("bits", "words"),
    [
        (0x0, ()),
        (0x1 | 0x2 | 0x4 | 0x10 | 0x100, ()),  # idle, set by users, within its power, in step
        (0x8, ("hardware slowdown",)),
        (0x20, ("heat",)),
        (0x40, ("heat (hardware)",)),
        (0x80, ("power brake",)),
        (0xFF, ("hardware slowdown", "heat", "heat (hardware)", "power brake")),
    ],
)
def test_what_slows_a_clock_down_has_words(bits: int, words: tuple[str, ...]) -> None:
    new, old = "nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons"
    assert Health(Driver(**{new: bits, old: 0xFF}).ask).slowed(handle(1)) == words
    assert Health(Driver(**{old: bits}).ask).slowed(handle(1)) == words  # an old driver
    assert Health(Driver().ask).slowed(handle(1)) == ()  # one that does not tell
