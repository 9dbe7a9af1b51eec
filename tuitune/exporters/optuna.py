"""Optuna: a study in its storage, which optuna-dashboard and Optuna's own functions read."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import optuna
from optuna import distributions as dist
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState as OptunaState

from tuitune.core import events, space
from tuitune.exporters.destination import DestinationError, Source
from tuitune.store import reader, rows

_NUMBER, _REACHED, _STUDY = "tuitune:trial", "tuitune:reached", "tuitune:study"
_STATES = {
    events.TrialState.COMPLETE: OptunaState.COMPLETE,
    events.TrialState.PRUNED: OptunaState.PRUNED,
    events.TrialState.FAILED: OptunaState.FAIL,
    events.TrialState.KILLED: OptunaState.FAIL,
}


def open_optuna(source: Source, where: str) -> Optuna:
    """`where`: a journal file, or the address of a database.

    Raises DestinationError if a study of this name is there, and is another one.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage: BaseStorage
    if "://" in where:
        storage = optuna.storages.get_storage(where)
    else:
        storage = JournalStorage(JournalFileBackend(where))
    return Optuna(source, storage)


class Optuna:
    """A study of Optuna, whose trials are kept while they run.

    Optuna can't change a trial that has ended. One that goes on is a new trial there, with the same
    number as its attribute, and has all its reports from then on.
    """

    def __init__(self, source: Source, storage: BaseStorage) -> None:
        self._storage = storage
        self._spec = source.spec
        maximal = source.spec.objective.mode == "max"
        direction = StudyDirection.MAXIMIZE if maximal else StudyDirection.MINIMIZE
        known = {s.study_name: s for s in storage.get_all_studies()}
        if source.name not in known:
            self._study = storage.create_new_study([direction], source.name)
            storage.set_study_user_attr(self._study, _STUDY, source.tag)
            storage.set_study_system_attr(
                self._study, "study:metric_names", [source.spec.objective.metric]
            )
        else:
            self._study = known[source.name]._study_id  # noqa: SLF001 - the storage's own key
            if storage.get_study_user_attrs(self._study).get(_STUDY) != source.tag:
                raise DestinationError(
                    f"{source.name}: Optuna's storage has another study of this name; name another "
                    f"storage"
                )
        self._distributions = {p.name: _distribution(p) for p in source.spec.space.parameters}
        self._trials: dict[int, int] = {}  # of ours -> the storage's id of its newest one
        self._ended: set[int] = set()  # ours whose newest one has ended there
        for trial in storage.get_all_trials(self._study, deepcopy=False):
            number = trial.user_attrs[_NUMBER]
            self._trials[number] = trial._trial_id  # noqa: SLF001 - as above
            self._ended.discard(number)
            if trial.state.is_finished():
                self._ended.add(number)
        self._rows: dict[int, rows.TrialRow] = {}
        self._values: dict[int, dict[int, float]] = {}  # not written yet: trial -> step -> value

    def reached(self) -> int:
        """Read from an attribute of the study."""
        return int(self._storage.get_study_user_attrs(self._study).get(_REACHED, 0))

    def begin(self, trial: rows.TrialRow) -> None:
        """Keep its row; it is created by the next update or flush."""
        self._rows[trial.number] = trial

    def report(self, reports: Sequence[reader.Report]) -> None:
        """Keep their objectives until the trial is written."""
        metric = self._spec.objective.metric
        for one in reports:
            if metric in one.metrics:
                self._values.setdefault(one.trial, {})[one.step] = one.metrics[metric]

    def update(self, trial: rows.TrialRow) -> None:
        """Write it if it has ended, with those of lower numbers before it."""
        self._rows[trial.number] = trial
        goes_on = trial.number in self._ended and trial.number not in self._values
        if trial.state in _STATES and not goes_on:
            self._create_before(trial.number)
            self._write(trial.number)
            self._ended.add(trial.number)

    def flush(self, reached: int) -> None:
        """Write the trials that run, and store `reached` as an attribute of the study."""
        self._create_before(max(self._rows, default=0) + 1)
        for number in list(self._values):  # of trials that were not updated since: more may follow
            self._write(number, is_running=True)
        self._storage.set_study_user_attr(self._study, _REACHED, reached)

    def close(self) -> None:
        """End the session of the storage."""
        self._storage.remove_session()

    def _create_before(self, number: int) -> None:
        """Create all trials below this one, so that they get the same numbers there."""
        for other in sorted(self._rows.keys() - self._trials.keys()):
            if other < number:
                self._write(other, is_running=True)

    def _write(self, number: int, *, is_running: bool = False) -> None:
        """Write a trial's values and state: whole trials at once, as each call syncs a file."""
        trial, values = self._rows[number], self._values.pop(number, {})
        state, result = (OptunaState.RUNNING, None) if is_running else _outcome(trial)
        if number not in self._trials or number in self._ended:
            self._ended.discard(number)
            template = self._template(trial, state, result, values)
            self._trials[number] = self._storage.create_new_trial(self._study, template)
            return
        known = self._trials[number]
        for step, value in values.items():
            self._storage.set_trial_intermediate_value(known, step, value)
        if state.is_finished():
            for name, words in _attributes(trial).items():
                self._storage.set_trial_user_attr(known, name, words)
            self._storage.set_trial_state_values(known, state, None if result is None else [result])

    def _template(
        self,
        trial: rows.TrialRow,
        state: OptunaState,
        result: float | None,
        values: dict[int, float],
    ) -> FrozenTrial:
        active = {n: d for n, d in self._distributions.items() if d and n in trial.config}
        others = {n: v for n, v in trial.config.items() if n not in active}
        own = {_NUMBER: trial.number, "origin": trial.origin, **_attributes(trial), **others}
        return FrozenTrial(
            number=-1,
            trial_id=-1,
            state=state,
            value=result,
            datetime_start=_moment(trial.started),
            datetime_complete=_moment(trial.ended) if state.is_finished() else None,
            params={name: _value(active[name], trial.config[name]) for name in active},
            distributions=active,
            user_attrs=own,
            system_attrs={},
            intermediate_values=values,
        )


def _outcome(trial: rows.TrialRow) -> tuple[OptunaState, float | None]:
    """The trial's state and value as Optuna has them."""
    state = _STATES.get(trial.state, OptunaState.RUNNING)
    if state == OptunaState.COMPLETE and (trial.value is None or math.isnan(trial.value)):
        return OptunaState.FAIL, None  # Optuna has no complete trial without a value
    has_value = state in (OptunaState.COMPLETE, OptunaState.PRUNED)
    return state, trial.value if has_value else None


def _attributes(trial: rows.TrialRow) -> dict[str, str]:
    known = {"why": trial.note, "error": trial.error, "device": trial.device}
    return {name: words for name, words in known.items() if words}


def _moment(seconds: float | None) -> datetime | None:
    """A naive time of this machine's zone, as Optuna keeps it."""
    return None if seconds is None else datetime.fromtimestamp(seconds)  # noqa: DTZ006


def _distribution(parameter: space.Parameter) -> dist.BaseDistribution | None:
    """Optuna's own kind for it; None for fixed and sampled ones."""
    match parameter:
        case space.FloatRange(low=low, high=high, log=log, step=step):
            if step is None or log:  # Optuna has no steps on a log scale
                return dist.FloatDistribution(low, high, log=log)
            top = space.value_at(parameter, (space.levels(parameter) or 1) - 1)
            return dist.FloatDistribution(low, top, step=step)
        case space.IntRange(low=low, high=high, log=log, step=stride):
            return dist.IntDistribution(low, high, log=log, step=1 if log else stride)
        case space.Choice(values=values):
            return dist.CategoricalDistribution([_category(value) for value in values])
        case space.PowerRange():
            count = space.levels(parameter) or 1
            return dist.CategoricalDistribution(
                [space.value_at(parameter, n) for n in range(count)]
            )
        case space.Fixed() | space.Sampled():
            return None


def _category(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | dict) else value


def _value(kind: dist.BaseDistribution, value: Any) -> Any:
    return _category(value) if isinstance(kind, dist.CategoricalDistribution) else value
