"""The forecast of a study as the app sees it, and the time that the study has run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuitune.core.events import ENDED
from tuitune.core.study.forecast import Forecast

if TYPE_CHECKING:
    from tuitune.store.rows import TrialRow
    from tuitune.ui.state.snapshot import Snapshot


class FollowedForecast:
    """Takes up what changes in a snapshot; after a new engine, the past from the rows' times."""

    def __init__(self) -> None:
        self._forecast = Forecast()
        self._opened = 0.0

    def follow(self, snapshot: Snapshot) -> None:
        """Take up what has changed since the last snapshot."""
        opened = snapshot.study.opened
        if opened != self._opened and not snapshot.study.finished:
            self._opened = opened
            settled = (row for row in snapshot.rows if _is_settled(row))
            times = ((row.number, row.ended or row.launched or 0.0) for row in settled)
            self._forecast.begin(opened, times)
            return
        for number in snapshot.changed:
            settled_now = _is_settled(snapshot.rows[number])
            self._forecast.note(number, settled=settled_now, now=snapshot.now)

    def rate(self, now: float) -> float | None:
        """Trials a second; None until enough of them have settled."""
        return self._forecast.rate(now)

    def remaining(self, snapshot: Snapshot) -> float | None:
        """Seconds until the last trial ends, or the study's time is up; None where unknown."""
        limit = snapshot.study.settings.time_limit if snapshot.study.settings else None
        time_left = None if limit is None else limit - elapsed(snapshot)
        return self._forecast.remaining(snapshot.now, snapshot.total, time_left)


def _is_settled(row: TrialRow) -> bool:
    return row.state in ENDED or row.parked


def elapsed(snapshot: Snapshot) -> float:
    """Seconds that the study has run, pauses between engines left out."""
    study, engine = snapshot.study, snapshot.engine
    if study.finished or not study.opened:
        return study.elapsed
    until = snapshot.now if engine.state in {"running", "silent", "importing"} else engine.heard
    return study.elapsed + max(0.0, until - study.opened)
