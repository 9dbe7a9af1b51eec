"""What more trials are worth, in words."""

from __future__ import annotations

from tuitune.core.study.outlook import Outlook
from tuitune.messages.text import trial_count

_LITTLE = 0.1  # the chance of an improvement below which a study may as well stop


def outlook_words(found: Outlook, left: int) -> str:
    """As "next hour (12 trials): 0.002 better, 80 %: 0 to 0.006". left: trials until the end."""
    period = "next hour" if found.trials < left else "rest of the study"
    head = f"{period} ({trial_count(found.trials)})"
    if found.chance < _LITTLE:
        return f"{head}: {found.chance:.0%} chance of anything better; it may as well stop"
    span = f"80 %: {_short(found.low)} to {_short(found.high)}"
    return f"{head}: {_short(found.expected)} better, {span}"


def _short(value: float) -> str:
    return f"{value:.2g}"
