"""The study as last read by the app: its rows, its curves and its forecast."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, Protocol

import msgspec

from tuitune.core import events
from tuitune.core.placement.snapshots import DeviceSample
from tuitune.core.search.importance import Importance
from tuitune.core.spec import StudySpec
from tuitune.core.study.forecast import Forecast
from tuitune.messages.states import Shown, shown_counts
from tuitune.store.curves import Curve, new_curve
from tuitune.store.reader import Report
from tuitune.store.rows import StudyRow, TrialRow
from tuitune.ui.state.records import Holder

POINTS: Final = 512  # of a long curve: at twice as many, it is thinned
_NONE: Final = new_curve()


class Curves:
    """Curves of the objective by trial. Loaded curves with equal steps share one array."""

    def __init__(self) -> None:
        self._curves: dict[int, Curve] = {}
        self._stamps: dict[int, int] = {}  # by trial, for those with arrays of their own
        self._changes = 0
        self._loaded = 0

    def __len__(self) -> int:
        return len(self._curves)

    def load(self, curves: Mapping[int, Curve]) -> None:
        """Replaces the curves of these trials."""
        shared: dict[bytes, array[int]] = {}
        for trial, (steps, values) in curves.items():
            steps = shared.setdefault(steps.tobytes(), steps[:])  # noqa: PLW2901 - the same steps
            self._curves[trial] = Curve(steps, values[:])  # a copy has no spare capacity
        self._stamps.clear()
        self._changes += 1
        self._loaded = self._changes

    def add(self, report: Report) -> None:
        """Adds a report; it replaces reports at its step and later ones."""
        curve = self._own(report.trial)
        curve.add(report.step, report.value)
        if len(curve.steps) >= 2 * POINTS:
            curve.thin()
        self._changes += 1
        self._stamps[report.trial] = self._changes

    def points(self, trial: int) -> Curve:
        """The curve of a trial, empty without reports. Callers must not change it."""
        return self._curves.get(trial, _NONE)

    def stamp(self, trial: int) -> int:
        """A number that changes whenever the curve of this trial may have changed."""
        return self._stamps.get(trial, self._loaded)

    def _own(self, trial: int) -> Curve:
        curve = self._curves.get(trial)
        if curve is not None and trial in self._stamps:
            return curve
        own = new_curve() if curve is None else Curve(curve.steps[:], curve.values[:])
        self._curves[trial] = own
        return own


class FollowedForecast:
    """The forecast of a study, updated with each snapshot."""

    def __init__(self) -> None:
        self._forecast = Forecast()
        self._opened = 0.0

    def follow(self, snapshot: Snapshot) -> None:
        """Counts the changed trials; for a new engine, starts again from the times in the rows."""
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
        """Trials per second; None until enough of them have settled."""
        return self._forecast.rate(now)

    def remaining(self, snapshot: Snapshot) -> float | None:
        """Seconds until the last trial ends or the time limit is reached; None if unknown."""
        limit = snapshot.study.settings.time_limit if snapshot.study.settings else None
        time_left = None if limit is None else limit - elapsed(snapshot)
        return self._forecast.remaining(snapshot.now, snapshot.total, time_left)


def _is_settled(row: TrialRow) -> bool:
    return row.state in events.ENDED or row.at_rung


def elapsed(snapshot: Snapshot) -> float:
    """Seconds that the study has run, without the time between engines."""
    study, engine = snapshot.study, snapshot.engine
    if study.finished or not study.opened:
        return study.elapsed
    until = engine.last_change if snapshot.engine_gone else snapshot.now
    return study.elapsed + max(0.0, until - study.opened)


# importing: loads the training code; gone: interrupted or crashed; failed: could not start
EngineState = Literal["importing", "running", "silent", "gone", "failed", "finished"]

HISTORY = 120  # samples of each device that are kept


class Attempt(Holder):
    """An attempt of a trial: when and where it ran. Times are Unix s; end: None while it runs."""

    trial: int
    start: float
    devices: tuple[str, ...]  # UUIDs of GPUs, else "cpu"
    end: float | None = None

    def ended_by(self, moment: float) -> bool:
        """Whether it has ended at this moment."""
        return self.end is not None and self.end <= moment


class Sources(Protocol):
    """Reads of panes from the store, on demand. Results are cached until they change."""

    def facts_of(self, trial: int) -> Sequence[tuple[int, events.AnyFact]]:
        """(number, fact) about a trial, oldest first."""

    def newest(self) -> Sequence[tuple[int, events.AnyFact]]:
        """(number, fact) of the newest notable facts of the study, newest first."""

    def curve(self, trial: int, metric: str) -> Curve:
        """The trial's curve of a metric other than the objective."""

    def attempts(self) -> Sequence[Attempt]:
        """All attempts, in the order of their start; new ones are appended to the same list."""

    def read_history(self, devices: Iterable[DeviceSample]) -> None:
        """Reads older samples of these devices into the snapshot, where it has only new ones."""

    def importance(self) -> Importance | None:
        """The newest importance of the parameters; None until it is computed."""


class Engine(Holder):
    """The state of the engine, as seen from the store."""

    state: EngineState = "gone"
    last_change: float = 0.0  # Unix s of the newest change in the store
    since: float = 0.0  # Unix s when this state began
    words: str = ""  # importing: its output; failed: the traceback; gone: how it ended


class Snapshot(Holder):
    """The study as last read from the store. `version` grows with every change."""

    spec: StudySpec
    folder: Path
    file: str  # the study file as a command takes it, with its name if the file has another
    curves: Curves
    study: StudyRow
    sources: Sources  # reads on demand
    engine: Engine = msgspec.field(default_factory=Engine)
    rows: list[TrialRow] = msgspec.field(default_factory=list)  # by trial number
    changed: set[int] = msgspec.field(default_factory=set)  # trials that the last refresh changed
    counts: dict[events.TrialState, int] = msgspec.field(default_factory=dict)  # by state
    ranked: tuple[str, ...] = ()  # parameters by importance; () until it is known and not worthless
    held: int = 0  # how many of the paused trials are held at a rung
    frozen: int = 0  # how many of them are frozen
    parked: int = 0  # and how many are parked
    best: int | None = None
    partial: bool = False  # no trial is complete: `best` is among unfinished ones
    metrics: tuple[str, ...] = ()  # names of all reported metrics, the objective first
    devices: dict[str, deque[DeviceSample]] = msgspec.field(default_factory=dict)
    pace: FollowedForecast = msgspec.field(default_factory=FollowedForecast)
    host: str = ""  # this machine's name
    now: float = 0.0  # Unix s of the last refresh
    version: int = 0

    @property
    def total(self) -> int:
        """The number of trials at the end, including those added by hand."""
        asked = self.study.settings.trials if self.study.settings else self.spec.search.trials
        return asked + self.study.by_hand

    @property
    def name(self) -> str:
        """The name of the study's folder."""
        return self.folder.name

    @property
    def engine_gone(self) -> bool:
        """Whether no engine runs the study."""
        return self.engine.state in {"gone", "failed", "finished"}

    def shown_counts(self) -> dict[Shown, int]:
        """How many trials are in each of the states that are shown."""
        still = self.frozen, self.parked
        return shown_counts(self.counts, self.held, *still, engine_gone=self.engine_gone)

    def row(self, number: int | None) -> TrialRow | None:
        """The row of a trial; None for None or an unknown trial."""
        if number is None or not 0 <= number < len(self.rows):
            return None
        return self.rows[number]
