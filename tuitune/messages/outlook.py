"""What more trials are worth, in words."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import Protocol

from tuitune.core.events import TrialState
from tuitune.core.spec import Objective
from tuitune.core.study.outlook import Outlook, next_hour
from tuitune.core.study.ranking import loss
from tuitune.messages.text import trial_count

_LITTLE = 0.1  # the chance of an improvement below which a study may as well stop


class _Row(Protocol):
    """A trial: when it has ended, how, and its value."""

    @property
    def ended(self) -> float | None: ...
    @property
    def state(self) -> TrialState: ...
    @property
    def value(self) -> float | None: ...


def study_outlook(rows: Iterable[_Row], objective: Objective, total: int) -> str:
    """What the next hour of a study of `total` trials is worth; empty where that is not known."""
    ends = [
        (row.ended, loss(row.value, objective) if row.state == TrialState.COMPLETE else inf)
        for row in rows
        if row.ended is not None
    ]
    left = total - len(ends)
    found = next_hour(ends, left)
    return "" if found is None else outlook_words(found, left)


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
