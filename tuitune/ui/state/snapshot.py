"""What is known of the study at this moment? Kept up to date by `source`, read by every pane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, Protocol

import msgspec

from tuitune.core.events import ENDED
from tuitune.core.study.forecast import Forecast
from tuitune.store.curves import Curve, new_curve
from tuitune.ui.state.records import Holder

if TYPE_CHECKING:
    from array import array
    from collections import deque
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tuitune.core.events import AnyFact, TrialState
    from tuitune.core.placement.sample import DeviceSample
    from tuitune.core.search.importance import Importance
    from tuitune.core.spec import StudySpec
    from tuitune.store.reader import Report
    from tuitune.store.rows import StudyRow, TrialRow

POINTS: Final = 512  # of a long curve; where it would be twice as many, every second one goes
NONE: Final = new_curve()


class Curves:
    """Curves by trial. Most have the same steps, and what was loaded shares them."""

    def __init__(self) -> None:
        self._curves: dict[int, Curve] = {}
        self._stamps: dict[int, int] = {}  # of the trials whose arrays nobody shares
        self._changes = 0
        self._loaded = 0

    def __len__(self) -> int:
        return len(self._curves)

    def load(self, curves: Mapping[int, Curve]) -> None:
        """Take up what was read in one go, in place of all that is known of its trials."""
        shared: dict[bytes, array[int]] = {}
        for trial, (steps, values) in curves.items():
            steps = shared.setdefault(steps.tobytes(), steps[:])  # noqa: PLW2901 - the same steps
            self._curves[trial] = Curve(steps, values[:])  # a copy has no room to grow
        self._stamps.clear()
        self._changes += 1
        self._loaded = self._changes

    def add(self, report: Report) -> None:
        """A report's step and all after it are what this report says from now on."""
        curve = self._own(report.trial)
        curve.add(report.step, report.value)
        if len(curve.steps) >= 2 * POINTS:
            curve.thin()
        self._changes += 1
        self._stamps[report.trial] = self._changes

    def points(self, trial: int) -> Curve:
        """The trial's curve, without points where it has not reported. Not to be changed."""
        return self._curves.get(trial, NONE)

    def stamp(self, trial: int) -> int:
        """Another number whenever this trial's curve may have changed."""
        return self._stamps.get(trial, self._loaded)

    def _own(self, trial: int) -> Curve:
        curve = self._curves.get(trial)
        if curve is not None and trial in self._stamps:
            return curve
        own = new_curve() if curve is None else Curve(curve.steps[:], curve.values[:])
        self._curves[trial] = own
        return own


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
    return row.state in ENDED or row.at_rung


def elapsed(snapshot: Snapshot) -> float:
    """Seconds that the study has run, pauses between engines left out."""
    study, engine = snapshot.study, snapshot.engine
    if study.finished or not study.opened:
        return study.elapsed
    until = snapshot.now if engine.state in {"running", "silent", "importing"} else engine.heard
    return study.elapsed + max(0.0, until - study.opened)


# importing: the training code; gone: interrupted or crashed, can go on; failed: could not start
EngineState = Literal["importing", "running", "silent", "gone", "failed", "finished"]

HISTORY = 120  # samples of each device that are kept


class Sources(Protocol):
    """Reads that one pane asks for, remembered until there is news of what they are about."""

    def facts_of(self, trial: int) -> Sequence[tuple[int, AnyFact]]:
        """What happened to a trial and was decided about it, oldest first."""

    def newest(self) -> Sequence[tuple[int, AnyFact]]:
        """The newest facts of the whole study that are worth telling, newest first."""

    def curve(self, trial: int, metric: str) -> Curve:
        """Another metric than the objective."""

    def importance(self) -> Importance | None:
        """Of the parameters, the newest that is known; None until it has been computed."""


class Engine(Holder):
    """The process that runs the study, as far as can be seen from here."""

    state: EngineState = "gone"
    heard: float = 0.0  # Unix s of the newest change in the store
    since: float = 0.0  # Unix s from which on it has been in this state
    words: str = ""  # importing: what the import prints; failed: its traceback; gone: how it ended


class Snapshot(Holder):
    """The study as the store has it. `version` moves with every change of anything here."""

    spec: StudySpec
    folder: Path
    file: str  # the study file, as its user names it
    curves: Curves
    study: StudyRow
    sources: Sources  # what is only read when somebody looks at it
    engine: Engine = msgspec.field(default_factory=Engine)
    rows: list[TrialRow] = msgspec.field(default_factory=list)  # by trial number
    changed: set[int] = msgspec.field(default_factory=set)  # trials that this refresh changed
    counts: dict[TrialState, int] = msgspec.field(default_factory=dict)  # by state
    held: int = 0  # of the paused trials, those that are held at a rung
    best: int | None = None
    partial: bool = False  # no trial is complete: the best is the one that got furthest
    metrics: tuple[str, ...] = ()  # all that trials have reported, the objective first
    devices: dict[str, deque[DeviceSample]] = msgspec.field(default_factory=dict)
    pace: FollowedForecast = msgspec.field(default_factory=FollowedForecast)
    host: str = ""  # this machine's name
    now: float = 0.0  # Unix s of this refresh
    version: int = 0

    @property
    def total(self) -> int:
        """How many trials there will be."""
        asked = self.study.settings.trials if self.study.settings else self.spec.search.trials
        return asked + self.study.by_hand

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def engine_gone(self) -> bool:
        """Whether no engine's process is there: nothing runs any more."""
        return self.engine.state in {"gone", "failed", "finished"}

    def row(self, number: int | None) -> TrialRow | None:
        if number is None or not 0 <= number < len(self.rows):
            return None
        return self.rows[number]
