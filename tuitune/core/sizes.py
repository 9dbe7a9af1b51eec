"""Sizes of memory and disks as text, in the units of nvidia-smi and free: powers of 1024."""

from typing import Final

_GIB: Final = 1 << 30
_UNITS: Final = ("B", "KiB", "MiB", "GiB")


def gib(amount: float) -> str:
    """Bytes as a number of GiB, with one decimal below 10 unless it is whole."""
    return _short(amount / _GIB)


def size(amount: float) -> str:
    """Bytes with a unit, as "5.1 GiB", "40 GiB" or "512 MiB"."""
    power = 0
    while power < len(_UNITS) - 1 and round(amount / 1024**power) >= 1000:
        power += 1
    shown = amount / 1024**power
    return f"{_short(shown) if power else f'{shown:.0f}'} {_UNITS[power]}"


def _short(shown: float) -> str:
    return f"{shown:.0f}" if shown >= 10 or shown == round(shown) else f"{shown:.1f}"
