"""Numbers, durations, names and tables as short text without escape codes."""

from collections.abc import Iterable
from typing import Any

from tuitune.core.placement.hours import Allowance, Window


def plain(text: str) -> str:
    """One line without control characters: what trials print must not steer a terminal."""
    if text.isprintable():  # as most are
        return text
    return "".join(c if c.isprintable() else " " for c in text)


def number(value: float | None) -> str:
    """Four significant figures; a dash for None."""
    return "-" if value is None else f"{value:.4g}"


def trial_name(number: int) -> str:
    """A trial as people read it and may type it: #7. Folders, JSON and CSV have the number."""
    return f"#{number}"


def trial_names(numbers: Iterable[int]) -> str:
    """Trials as people read them: #3, #4."""
    return ", ".join(map(trial_name, numbers))


def which(trial: int, *, partial: bool) -> str:
    """The trial that a best value belongs to, as "(#7)" or "(#7, partial)"."""
    return f"({trial_name(trial)}{', partial' if partial else ''})"


def ordinal(count: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th ..."""
    endings = {1: "st", 2: "nd", 3: "rd"}
    tail = "th" if 10 <= count % 100 <= 20 else endings.get(count % 10, "th")
    return f"{count}{tail}"


def duration(seconds: float) -> str:
    """Two units at most: 42s, 3m10s, 2h05m, 1d3h."""
    whole = max(0, round(seconds))
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if whole < 60:
        return f"{whole}s"
    if hours == 0:
        return f"{minutes}m{whole % 60:02d}s"
    if days == 0:
        return f"{hours}h{minutes % 60:02d}m"
    return f"{days}d{hours % 24}h"


def clock(minute: int) -> str:
    """A minute of the day: 08:00."""
    return f"{minute // 60:02d}:{minute % 60:02d}"


def window(given: Window) -> str:
    """As 22:00-08:00: 8 GPUs."""
    return f"{clock(given.start)}-{clock(given.end)}: {gpus(given.gpus)}"


def allowance(given: Allowance) -> str:
    """As "2 GPUs at most until 22:00"; empty where all may be used, always."""
    what = "all GPUs" if given.gpus is None else f"{gpus(given.gpus)} at most"
    if given.until is not None:
        return f"{what} until {clock(given.until)}"
    return "" if given.gpus is None else what


def usage_words(gpu_seconds: float, joules: float | None) -> str:
    """As "12.4 GPU-hours, 3.1 kWh"."""
    hours = f"{number(gpu_seconds / 3600)} GPU-hours"
    if joules is None:
        return hours
    energy = joules / 3600
    words = f"{number(energy / 1000)} kWh" if energy >= 1000 else f"{number(energy)} Wh"
    return f"{hours}, {words}"


def trial_count(count: int) -> str:
    """As 1 trial, 2 trials."""
    return f"{count} trial{'' if count == 1 else 's'}"


def gpus(count: int) -> str:
    """As 1 GPU, 2 GPUs."""
    return f"{count} GPU{'' if count == 1 else 's'}"


def configuration_words(configuration: dict[str, Any]) -> str:
    """A configuration on one line."""
    return plain(" ".join(f"{name}={_short(value)}" for name, value in configuration.items()))


def table(rows: list[list[str]]) -> str:
    """Columns padded to their widest cell, two spaces between them."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(line.rstrip() for line in lines)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
