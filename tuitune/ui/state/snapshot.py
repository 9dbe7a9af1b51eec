"""What is known of the study at this moment? Kept up to date by `source`, read by every pane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

from tuitune.ui.state.forecast import FollowedForecast
from tuitune.ui.state.records import Holder

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Sequence
    from pathlib import Path

    from tuitune.core.events import AnyFact, TrialState
    from tuitune.core.placement.sample import DeviceSample
    from tuitune.core.search.importance import Importance
    from tuitune.core.spec import StudySpec
    from tuitune.store.reader import Curve
    from tuitune.store.rows import StudyRow, TrialRow
    from tuitune.ui.state.curves import Curves

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
