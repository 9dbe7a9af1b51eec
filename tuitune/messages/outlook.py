"""What more trials are worth, in words."""

from collections.abc import Sequence
from math import inf
from typing import Protocol

from tuitune.core import events, spec
from tuitune.core.study import forecast, ranking
from tuitune.messages.text import trial_count

_LITTLE = 0.1  # the chance of an improvement below which a study may as well stop


class _Row(Protocol):
    """A trial: when it has ended, how, and its value."""

    @property
    def ended(self) -> float | None: ...
    @property
    def state(self) -> events.TrialState: ...
    @property
    def value(self) -> float | None: ...


def study_outlook(rows: Sequence[_Row], study: spec.StudySpec, total: int) -> str:
    """What the next hour of a study of `total` trials is worth; empty where that is not known.

    Of the trials to come as many are taken to end, and not to wait at a rung, as of those so far.
    """
    ends = [
        (
            row.ended,
            ranking.loss(row.value, study.objective)
            if row.state == events.TrialState.COMPLETE
            else inf,
        )
        for row in rows
        if row.ended is not None
    ]
    held = sum(row.state == events.TrialState.PAUSED for row in rows)
    left = total - len(ends) - held
    left = left * len(ends) // max(1, len(ends) + held)
    found = forecast.next_hour(ends, left, learns=study.is_modelled)
    return "" if found is None else outlook_words(found, left)


def outlook_words(found: forecast.Outlook, left: int) -> str:
    """As "next hour (12 trials): 0.002 better, 80 %: 0 to 0.006". left: trials until the end."""
    period = "next hour" if found.trials < left else "rest of the study"
    head = f"{period} ({trial_count(found.trials)})"
    if found.chance < _LITTLE:
        return f"{head}: {found.chance:.0%} chance of anything better; it may as well stop"
    span = f"80 %: {_short(found.low)} to {_short(found.high)}"
    return f"{head}: {_short(found.expected)} better, {span}"


def _short(value: float) -> str:
    return f"{value:.2g}"
