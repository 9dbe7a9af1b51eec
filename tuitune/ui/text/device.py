"""Figures of devices as text, and the roles of those that need a warning."""

from tuitune.core import sizes
from tuitune.core.placement.snapshots import DeviceSample
from tuitune.messages.text import plain
from tuitune.ui.render.glyphs import Glyphs

_HOT, _NEAR_LIMIT = 85.0, 0.97  # degrees Celsius; share of the power limit, or of the memory
_FULL_DISK = 0.1  # free share below which a warning is shown


def short_name(name: str) -> str:
    """The model without its maker; only its first word if longer than 12 characters."""
    words = [word for word in plain(name).split() if word not in {"NVIDIA", "GeForce", "Tesla"}]
    return " ".join(words[:1] if len(" ".join(words)) > 12 else words)


def index(sample: DeviceSample) -> str:
    """The index of a GPU; "?" if unknown."""
    return "?" if sample.index is None else str(sample.index)


def percent(share: float | None) -> str:
    """share: 0 to 1; "-" if unknown."""
    return "-" if share is None else f"{share:.0%}"


def whole(value: float | None) -> str:
    """Up to six significant digits; "-" if unknown."""
    return "-" if value is None else f"{value:g}"


def gib(amount: int | None) -> str:
    """amount: bytes; in GiB, with one decimal below 10; "-" if unknown."""
    return "-" if amount is None else sizes.gib(amount)


def of_gib(used: int | None, total: int | None) -> str:
    """As "59/80 GiB"."""
    return f"{gib(used)}/{gib(total)} GiB"


def share(used: float | None, total: float | None) -> float | None:
    """used / total; None if either is unknown or the total is 0."""
    return None if used is None or not total else used / total


def memory_role(sample: DeviceSample) -> str:
    """The role of the memory in use: an error from 97 %."""
    used = share(sample.memory_used, sample.memory_total) or 0.0
    return "error" if used >= _NEAR_LIMIT else "text"


def temperature(sample: DeviceSample, glyphs: Glyphs) -> str:
    """The temperature in degrees Celsius; "-" if unknown."""
    return "-" if sample.temperature is None else f"{sample.temperature:.0f} {glyphs.celsius}"


def heat(sample: DeviceSample) -> str:
    """The role of the temperature: an error from 85 degrees Celsius."""
    return "error" if sample.temperature is not None and sample.temperature >= _HOT else "muted"


def power(sample: DeviceSample) -> tuple[str, str]:
    """(text in watts, role): a warning from 97 % of the power limit."""
    if sample.power is None:
        return "-", "muted"
    near = (share(sample.power, sample.power_limit) or 0.0) >= _NEAR_LIMIT
    return f"{sample.power:.0f} W", "warning" if near else "muted"


def strained(sample: DeviceSample) -> str:
    """The role of the load: a warning above 1.5 times the CPU slots."""
    heavy = sample.load is not None and sample.slots and sample.load > 1.5 * sample.slots
    return "warning" if heavy else ""


def disk(sample: DeviceSample) -> str:
    """A warning when less than 10 % of the disk is free; else ""."""
    low = sample.disk_free is not None and sample.disk_free < _FULL_DISK
    return f"disk {1 - (sample.disk_free or 0):.0%} full" if low else ""
