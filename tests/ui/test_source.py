"""What is read of a study before its first picture, and after it."""

from __future__ import annotations

import asyncio

import pytest
from clusters import cluster
from stills import Still, study_picture
from stored_study import store

from tuitune.core import events as ev
from tuitune.store.errors import StoreError
from tuitune.store.rows import StudyRow, TrialRow
from tuitune.ui.app import TuituneApp
from tuitune.ui.configuration import configured
from tuitune.ui.screens.study import StudyScreen
from tuitune.ui.state.options import Options
from tuitune.ui.state.source import Source


def trial(number: int, state: str = "COMPLETE", **more) -> TrialRow:
    fields = {"value": 1.0 + number, "step": 3, "started": 5.0, "launched": 5.0, **more}
    return TrialRow(number, state, {"lr": 0.1 * number}, "sobol", "drawn", **fields)


@pytest.fixture
def journal(tmp_path):
    made = store(tmp_path)
    rows = [trial(0), trial(1, "RUNNING"), trial(2, value=0.5), trial(3, "FAILED", error="Boom")]
    made.write([], rows, StudyRow())
    yield made
    made.close()


@pytest.fixture
def source(tmp_path, journal):
    made = Source(tmp_path, "study.toml", 100.0)
    yield made
    made.close()


def test_the_first_look_has_what_trials_are_counted_and_sorted_by(source):
    snapshot = source.snapshot
    assert snapshot.counts == {"COMPLETE": 2, "RUNNING": 1, "FAILED": 1}
    assert snapshot.best == 2
    assert [row.config for row in snapshot.rows] == [{}] * 4


def test_what_is_seen_and_what_runs_is_completed_before_all_the_rest(source):
    source.complete([3])
    rows = source.snapshot.rows
    assert (rows[3].error, rows[1].config["lr"], rows[0].config) == ("Boom", 0.1, {})
    source.fill()
    assert [row.config["lr"] for row in source.snapshot.rows] == [0.0, 0.1, 0.2, 0.1 * 3]
    assert source.snapshot.changed == {0, 1, 2, 3}
    assert sum(source.snapshot.counts.values()) == 4


def test_what_changed_between_the_two_looks_is_counted_once(source, journal):
    journal.write([], [trial(1, value=0.1), trial(4, "RUNNING")], StudyRow())
    source.fill()
    source.refresh(101.0)
    snapshot = source.snapshot
    assert snapshot.counts == {"COMPLETE": 3, "RUNNING": 1, "FAILED": 1}
    assert (snapshot.best, len(snapshot.rows)) == (1, 5)


class Lost(Still):
    """Its database has gone since it was opened."""

    def complete(self, numbers: object) -> None:
        self.fill()

    def refresh(self, now: float) -> None:
        self.fill()

    def fill(self) -> None:
        raise StoreError("study.db: there is no such file any more")


def test_a_store_that_goes_away_is_said_and_what_was_seen_stays():
    async def play():
        options = Options(tick=0.02)
        study = StudyScreen(Lost(study_picture()), configured(), options)
        app = TuituneApp(study, options)
        async with app.run_test(size=(80, 24)) as pilot:
            for _ in range(5):
                await pilot.pause(0.02)
                assert "no such file any more" in study.status_line.flash.text
            assert len(study.order.numbers) == len(study.snapshot.rows) > 0

    asyncio.run(play())


def test_other_metrics_are_read_once_and_then_only_what_is_new(source, journal):
    reads = []
    metrics_of = source._reader.metrics_of
    source._reader.metrics_of = lambda trial, since: reads.append(since) or metrics_of(trial, since)

    def report(step, attempt=1, **metrics):
        fact = ev.Reported(1.0, 1, attempt, step, {"loss": 1.0, **metrics})
        journal.write([fact], [trial(1, "RUNNING")], StudyRow())
        source.refresh(101.0)
        return {
            name: [*source.snapshot.sources.curve(1, name).steps] for name in ("accuracy", "lr")
        }

    assert report(1, lr=0.1) == {"accuracy": [], "lr": [1]}
    assert report(2, accuracy=0.5) == {"accuracy": [2], "lr": [1]}
    assert report(4, lr=0.2) == {"accuracy": [2], "lr": [1, 4]}
    assert report(2, attempt=2, lr=0.3) == {"accuracy": [], "lr": [1, 2]}
    assert len(reads) == 4
    assert reads == sorted(reads)


def test_attempts_end_where_their_processes_do(source, journal):
    def now(*facts):
        journal.write([*facts], [trial(1, "RUNNING")], StudyRow())
        source.refresh(101.0)
        return [(one.trial, one.start, one.end) for one in source.snapshot.sources.attempts()]

    first = ev.Launch(1.0, 1, 0, "cpu", 1.0, 0)
    exited = ev.Exited(3.0, 1, 0, 0, None, "", "", 0, lost=False)
    assert now(first) == [(1, 1.0, None)]
    assert now(exited, ev.Launch(5.0, 1, 1, "cpu", 1.0, 0)) == [(1, 1.0, 3.0), (1, 5.0, None)]


def test_of_many_devices_the_newest_samples_are_kept_and_of_one_node_all(source, journal, tmp_path):
    def sampled(start, end):
        for second in range(start, end):
            journal.sample(cluster(16, time=float(second)))

    sampled(40, 101)
    few = cluster(2, time=99.0)
    made = Source(tmp_path, "study.toml", 100.0)
    devices = made.snapshot.devices
    assert len(devices) == 16 + 8 * (16 - 1)
    assert max(map(len, devices.values())) == 2
    made.snapshot.sources.read_history(few[:9])
    assert len(devices["GPU-gpu-00-7"]) == 61
    assert [sample.time for sample in devices["node gpu-00"]] == [float(n) for n in range(40, 101)]
    sampled(101, 103)
    made.refresh(102.5)
    assert [sample.time for sample in devices["GPU-gpu-00-7"]][-3:] == [100.0, 101.0, 102.0]
    made.snapshot.sources.read_history(few[9:])
    assert len(devices["GPU-gpu-00-7"]) == 2
    assert len(devices["GPU-gpu-01-0"]) == 63
    made.close()


def test_few_devices_have_their_whole_history_at_once(source, journal, tmp_path):
    for second in range(40, 100):
        journal.sample(cluster(2, gpus=2, time=float(second)))
    made = Source(tmp_path, "study.toml", 100.0)
    assert {len(samples) for samples in made.snapshot.devices.values()} == {60}
    made.close()
