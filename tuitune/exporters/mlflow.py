"""MLflow: an experiment for the study, and in it a run for each trial."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from mlflow.entities import Metric, Param, RunTag
from mlflow.tracking import MlflowClient

from tuitune.core.events import TrialState
from tuitune.exporters.destination import DestinationError, Source, batches, has_ended
from tuitune.messages.as_json import as_json
from tuitune.store import reader, rows

_STUDY, _REACHED = "tuitune.study", "tuitune.reached"
_TRIAL, _STATE, _WHY = "tuitune.trial", "tuitune.state", "tuitune.why"
_STATUS = {
    TrialState.COMPLETE: "FINISHED",
    TrialState.PRUNED: "FINISHED",
    TrialState.FAILED: "FAILED",
    TrialState.KILLED: "KILLED",
}
_MOST_METRICS, _MOST_PARAMS = 800, 100  # of one call, which takes 1000 items in all
_LONGEST = 5000  # characters of a tag or parameter
_PAGE = 1000  # runs of one search


def open_mlflow(source: Source, where: str) -> MLflow:
    """`where`: the address of a tracking server or store.

    Raises DestinationError if an experiment of this name is there, and is of another study.
    """
    logging.getLogger("mlflow").setLevel(logging.WARNING)  # it tells how it makes a database
    return MLflow(source, MlflowClient(tracking_uri=where))


@dataclass(slots=True)
class _Unwritten:
    """What a run has not got yet."""

    params: list[Param] = field(default_factory=list)
    metrics: list[Metric] = field(default_factory=list)
    tags: list[RunTag] = field(default_factory=list)


class MLflow:
    """An experiment. Its tags, and those of its runs, say what has been written already.

    A call is a transaction of the store, or a request to a server. So a run gets what it lacks in
    one call: when its trial changes its state, when there is much, and at each flush.
    """

    def __init__(self, source: Source, client: MlflowClient) -> None:
        self._client = client
        self._runs: dict[int, str] = {}  # trial -> the id of its run
        self._left: defaultdict[int, _Unwritten] = defaultdict(_Unwritten)  # by trial
        found = client.get_experiment_by_name(source.name)
        if found is None:
            self._experiment = client.create_experiment(source.name, tags={_STUDY: source.tag})
            self._reached = 0
            return
        if found.tags.get(_STUDY) != source.tag or found.lifecycle_stage != "active":
            raise DestinationError(
                f"{source.name}: MLflow has another experiment of this name, or a deleted one; "
                f"rename it there, or name another store"
            )
        self._experiment = found.experiment_id
        self._reached = int(found.tags.get(_REACHED, 0))
        self._find_runs()

    def reached(self) -> int:
        """Read from a tag of the experiment."""
        return self._reached

    def begin(self, trial: rows.TrialRow) -> None:
        """Create its run with its parameters, unless there is one."""
        if trial.number in self._runs:
            return
        run = self._client.create_run(
            self._experiment,
            start_time=_milliseconds(trial.started),
            run_name=f"#{trial.number}",
            tags={_TRIAL: str(trial.number), "tuitune.origin": trial.origin},
        )
        self._runs[trial.number] = run.info.run_id
        params = [Param(name, _text(value)) for name, value in trial.config.items()]
        self._left[trial.number].params = params

    def report(self, reports: Sequence[reader.Report]) -> None:
        """Log their metrics."""
        for one in reports:
            metrics = self._left[one.trial].metrics
            at = round(one.time * 1000)
            metrics += (Metric(name, value, at, one.step) for name, value in one.metrics.items())
            if len(metrics) >= _MOST_METRICS:
                self._write(one.trial)

    def update(self, trial: rows.TrialRow) -> None:
        """Tag its run with its state, and end it or, if the trial goes on, reopen it."""
        said = {_STATE: str(trial.state), _WHY: trial.error or trial.note}
        tags = [RunTag(name, _text(value)) for name, value in said.items() if value]
        self._left[trial.number].tags = tags
        self._write(trial.number)
        run = self._runs[trial.number]
        if has_ended(trial):
            status, at = _STATUS[trial.state], _milliseconds(trial.ended)
            self._client.set_terminated(run, status, at)
        else:
            self._client.update_run(run, status="RUNNING")

    def flush(self, reached: int) -> None:
        """Write what is left, then store `reached` as a tag of the experiment."""
        for trial in list(self._left):
            self._write(trial)
        self._client.set_experiment_tag(self._experiment, _REACHED, str(reached))

    def close(self) -> None:
        """What was not flushed is given again to whoever opens it next."""

    def _write(self, trial: int) -> None:
        left = self._left.pop(trial)
        run, tags = self._runs[trial], left.tags
        parts = batches(left.params, _MOST_PARAMS), batches(left.metrics, _MOST_METRICS)
        for params, metrics in zip_longest(*parts, fillvalue=()):
            self._client.log_batch(run, metrics, params, tags)
            tags = []
        if tags:
            self._client.log_batch(run, tags=tags)

    def _find_runs(self) -> None:
        token = None
        while True:
            found = self._client.search_runs(
                [self._experiment], max_results=_PAGE, page_token=token
            )
            for run in found:
                if _TRIAL in run.data.tags:
                    self._runs[int(run.data.tags[_TRIAL])] = run.info.run_id
            token = found.token
            if not token:
                return


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)


def _text(value: object) -> str:
    text = value if isinstance(value, str) else as_json(value)
    return text[:_LONGEST]
