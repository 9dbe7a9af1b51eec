"""Optuna: a study in its storage, which optuna-dashboard and Optuna's own functions read."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import optuna
from optuna import distributions as dist
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

from tuitune.core.events import TrialState
from tuitune.core.space import (
    Choice,
    Fixed,
    FloatRange,
    IntRange,
    PowerRange,
    Sampled,
    levels,
    value_at,
)
from tuitune.exporters.destination import DestinationError, Source, value_of

if TYPE_CHECKING:
    from tuitune.core.space import Parameter
    from tuitune.store.reader import Report
    from tuitune.store.rows import TrialRow

_NUMBER, _REACHED, _STUDY = "tuitune:trial", "tuitune:reached", "tuitune:study"
_STATES = {
    TrialState.COMPLETE: OptunaState.COMPLETE,
    TrialState.PRUNED: OptunaState.PRUNED,
    TrialState.FAILED: OptunaState.FAIL,
    TrialState.KILLED: OptunaState.FAIL,
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
        self._rows: dict[int, TrialRow] = {}

    def reached(self) -> int:
        return int(self._storage.get_study_user_attrs(self._study).get(_REACHED, 0))

    def begin(self, trial: TrialRow) -> None:
        self._rows[trial.number] = trial
        if trial.number not in self._trials:
            self._running(trial.number)

    def report(self, reports: Sequence[Report]) -> None:
        metric = self._spec.objective.metric
        for one in reports:
            if metric in one.metrics:
                value = one.metrics[metric]
                known = self._running(one.trial)
                self._storage.set_trial_intermediate_value(known, one.step, value)

    def update(self, trial: TrialRow) -> None:
        self._rows[trial.number] = trial
        state = _STATES.get(trial.state)
        if state is None or trial.number in self._ended:
            return
        known = self._running(trial.number)
        attributes = {"why": trial.note, "error": trial.error, "device": trial.device}
        for name, words in attributes.items():
            if words:
                self._storage.set_trial_user_attr(known, name, words)
        value = value_of(trial)
        if state == OptunaState.COMPLETE and (value is None or math.isnan(value)):
            state = OptunaState.FAIL  # Optuna has no complete trial without a value
        values = None if value is None or state == OptunaState.FAIL else [value]
        if state == OptunaState.PRUNED and trial.value is not None:
            values = [trial.value]
        self._storage.set_trial_state_values(known, state, values)
        self._ended.add(trial.number)

    def flush(self, reached: int) -> None:
        self._storage.set_study_user_attr(self._study, _REACHED, reached)

    def close(self) -> None:
        self._storage.remove_session()

    def _running(self, number: int) -> int:
        """The storage's id of a trial that runs there; it is created if there is none."""
        if number not in self._trials or number in self._ended:
            self._ended.discard(number)
            template = self._template(self._rows[number])
            self._trials[number] = self._storage.create_new_trial(self._study, template)
        return self._trials[number]

    def _template(self, trial: TrialRow) -> FrozenTrial:
        active = {n: d for n, d in self._distributions.items() if d and n in trial.config}
        values = {name: _value(active[name], trial.config[name]) for name in active}
        others = {n: v for n, v in trial.config.items() if n not in active}
        began = None if trial.started is None else datetime.fromtimestamp(trial.started)  # noqa: DTZ006
        return FrozenTrial(
            number=-1,
            trial_id=-1,
            state=OptunaState.RUNNING,
            value=None,
            datetime_start=began,
            datetime_complete=None,
            params=values,
            distributions=active,
            user_attrs={_NUMBER: trial.number, "origin": trial.origin, **others},
            system_attrs={},
            intermediate_values={},
        )


def _distribution(parameter: Parameter) -> dist.BaseDistribution | None:
    """Optuna's own kind for it; None for fixed and sampled ones."""
    match parameter:
        case FloatRange(low=low, high=high, log=log, step=step):
            if step is None or log:  # Optuna has no steps on a log scale
                return dist.FloatDistribution(low, high, log=log)
            top = value_at(parameter, (levels(parameter) or 1) - 1)
            return dist.FloatDistribution(low, top, step=step)
        case IntRange(low=low, high=high, log=log, step=stride):
            return dist.IntDistribution(low, high, log=log, step=1 if log else stride)
        case Choice(values=values):
            return dist.CategoricalDistribution([_category(value) for value in values])
        case PowerRange():
            count = levels(parameter) or 1
            return dist.CategoricalDistribution([value_at(parameter, n) for n in range(count)])
        case Fixed() | Sampled():
            return None


def _category(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | dict) else value


def _value(kind: dist.BaseDistribution, value: Any) -> Any:
    return _category(value) if isinstance(kind, dist.CategoricalDistribution) else value
