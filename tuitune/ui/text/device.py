"""Figures of devices as text, and the roles of those that need a warning."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuitune.messages.text import plain

if TYPE_CHECKING:
    from tuitune.core.placement.snapshots import DeviceSample

_HOT, _NEAR_LIMIT = 85.0, 0.97  # degrees Celsius; share of the power limit, or of the memory
_GIB = 1 << 30
_FULL_DISK = 0.1  # share that is free, below which it is said


def short_name(name: str) -> str:
    words = [word for word in plain(name).split() if word not in {"NVIDIA", "GeForce", "Tesla"}]
    return " ".join(words[:1] if len(" ".join(words)) > 12 else words)


def index(sample: DeviceSample) -> str:
    return "?" if sample.index is None else str(sample.index)


def percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"


def whole(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"


def gib(amount: int | None) -> str:
    if amount is None:
        return "-"
    shown = amount / _GIB
    return f"{shown:.0f}" if shown >= 10 or shown == round(shown) else f"{shown:.1f}"


def share(used: float | None, total: float | None) -> float | None:
    return None if used is None or not total else used / total


def memory_role(sample: DeviceSample) -> str:
    """Full is good, as long as there is some left."""
    used = share(sample.memory_used, sample.memory_total) or 0.0
    return "error" if used >= _NEAR_LIMIT else "info"


def temperature(sample: DeviceSample) -> str:
    return "-" if sample.temperature is None else f"{sample.temperature:.0f}C"


def heat(sample: DeviceSample) -> str:
    return "warning" if sample.temperature is not None and sample.temperature >= _HOT else "muted"


def power(sample: DeviceSample) -> tuple[str, str]:
    if sample.power is None:
        return "-", "muted"
    near = (share(sample.power, sample.power_limit) or 0.0) >= _NEAR_LIMIT
    return f"{sample.power:.0f}W", "warning" if near else "muted"


def strained(sample: DeviceSample) -> str:
    heavy = sample.load is not None and sample.slots and sample.load > 1.5 * sample.slots
    return "warning" if heavy else ""


def disk(sample: DeviceSample) -> str:
    low = sample.disk_free is not None and sample.disk_free < _FULL_DISK
    return f"disk {1 - (sample.disk_free or 0):.0%} full" if low else ""
