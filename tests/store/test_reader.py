"""What a reader sees: rows since a change, curves, the newest fact."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from tuitune.core import events as ev
from tuitune.store.curves import Curve
from tuitune.store.journal import Journal
from tuitune.store.reader import Reader
from tuitune.store.rows import StudyRow, StudyState, TrialRow


def report(trial: int, attempt: int, step: int, loss: float) -> ev.Reported:
    return ev.Reported(0.0, trial, attempt, step, {"loss": loss})


def points(curve: Curve) -> list[tuple[int, float]]:
    return list(zip(*curve, strict=True))


def test_an_empty_study(reader: Reader) -> None:
    assert reader.trials() == []
    assert reader.curves() == {}
    assert reader.curve(0) == []
    assert reader.facts() == []
    assert reader.study() == StudyRow()
    assert reader.study().state(running=False) == "interrupted"


def test_a_row_comes_back_as_it_was_put(journal: Journal, reader: Reader) -> None:
    config = {"lr": 1e-3, "layers": 3, "name": "é", "on": False, "betas": [0.9, 0.999]}
    row = TrialRow(
        7,
        "FAILED",
        config,
        "sobol",
        "point 7",
        0.5,
        12,
        2,
        1.5,
        9.5,
        "ValueError: x",
        "cpu:0",
        "n",
        best=0.25,
        bracket=1,
        rung=2,
        checkpoint=9,
        at_rung=True,
        pid=123,
        activity="running",
        kill_at=99.0,
        due=99.5,
        launched=2.5,
    )
    journal.write([ev.Ask(0.0, 7)], [row])
    (seen,) = reader.trials()
    assert seen == TrialRow(
        **{name: getattr(row, name) for name in row.__struct_fields__[:-2]}, born=1, changed=1
    )
    assert {name: type(value) for name, value in seen.config.items()} == {
        name: type(value) for name, value in config.items()
    }


def test_rows_are_those_that_changed_since(journal: Journal, reader: Reader) -> None:
    journal.write([ev.Ask(0.0, 0)], [TrialRow(n, "WAITING", {"x": n}) for n in (2, 0, 1)])
    everything = reader.trials()
    assert [row.number for row in everything] == [0, 1, 2]
    newest = max(row.changed for row in everything)
    assert reader.trials(since=newest) == []
    journal.write([ev.Ask(0.0, 0)], [TrialRow(n, "RUNNING", {"x": n}) for n in (2, 0)])
    assert [(row.number, row.state) for row in reader.trials(since=newest)] == [
        (0, "RUNNING"),
        (2, "RUNNING"),
    ]
    assert [row.state for row in reader.trials()] == ["RUNNING", "WAITING", "RUNNING"]


def test_a_later_attempt_takes_the_place_of_what_it_trains_again(
    journal: Journal, reader: Reader
) -> None:
    journal.write([report(0, 1, step, float(step)) for step in (1, 2, 3, 5)], [])
    journal.write([report(1, 1, 4, 40.0)], [])
    journal.write([report(0, 2, 3, 30.0)], [])
    curves = {trial: points(curve) for trial, curve in reader.curves().items()}
    assert curves == {0: [(1, 1.0), (2, 2.0), (3, 30.0)], 1: [(4, 40.0)]}
    journal.write([report(0, 2, 4, 40.0), report(0, 3, 1, 10.0)], [])
    assert points(reader.curves()[0]) == [(1, 10.0)]
    assert reader.curve(0)[:5] == [(1, 1, 1.0), (1, 2, 2.0), (1, 3, 3.0), (1, 5, 5.0), (2, 3, 30.0)]
    assert reader.curve(1) == [(1, 4, 40.0)]


@pytest.mark.parametrize(
    ("study", "state"),
    [
        (StudyRow(), "interrupted"),
        (StudyRow(finished=True), "interrupted"),
        (StudyRow(finished=True, complete=True), "finished"),
    ],
)
def test_how_a_study_stands(
    journal: Journal, reader: Reader, study: StudyRow, state: StudyState
) -> None:
    journal.write([ev.Ask(1.0, 0)], [], study)
    assert reader.study() == study
    assert reader.study().state(running=False) == state
    assert reader.study().state(running=True) == "running"


def test_facts_since_a_number(journal: Journal, reader: Reader) -> None:
    journal.write([ev.Ask(float(n), n) for n in range(1, 6)], [])
    assert reader.facts(since=3) == [(4, ev.Ask(4.0, 4)), (5, ev.Ask(5.0, 5))]
    assert reader.facts(since=5) == []


def test_curves_of_interleaved_trials(journal: Journal, reader: Reader) -> None:
    dice = random.Random(0)
    pending = [(trial, step) for trial in range(50) for step in range(1, 21)]
    pending.sort(key=lambda point: (point[1], dice.random()))
    journal.write([report(trial, 1, step, trial / step) for trial, step in pending], [])
    curves = {trial: points(curve) for trial, curve in reader.curves().items()}
    assert curves == {t: [(step, t / step) for step in range(1, 21)] for t in range(50)}
    assert all(
        [(step, value) for _, step, value in reader.curve(trial)] == whole
        for trial, whole in curves.items()
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    attempts=st.lists(
        st.lists(st.integers(1, 30), min_size=1, unique=True).map(sorted), min_size=1, max_size=4
    )
)
def test_curves_rise_and_end_with_the_newest_report(
    journal: Journal, reader: Reader, attempts: list[list[int]]
) -> None:
    trial = journal.seq  # each example's is another one
    for attempt, steps in enumerate(attempts, 1):
        journal.write([report(trial, attempt, step, float(attempt)) for step in steps], [])
    curve = points(reader.curves()[trial])
    steps = [step for step, _ in curve]
    assert steps == sorted(set(steps))
    newest = attempts[-1]
    assert curve[-len(newest) :] == [(step, float(len(attempts))) for step in newest]
    assert all(step < newest[0] for step in steps[: -len(newest)])


def test_long_curves_are_thinned_and_keep_their_ends(journal: Journal, reader: Reader) -> None:
    journal.write([report(0, 1, step, step / 2) for step in range(1, 1001)], [])
    journal.write([report(1, 1, step, 1.0) for step in (3, 5)], [])
    curves = reader.curves(points=16)
    steps, values = curves[0]
    assert 16 <= len(steps) < 32
    assert (steps[0], steps[-1]) == (1, 1000)
    assert list(values) == [step / 2 for step in steps]
    assert points(curves[1]) == [(3, 1.0), (5, 1.0)]


def test_curves_up_to_a_fact_and_the_reports_after_it_are_all(
    journal: Journal, reader: Reader
) -> None:
    journal.write([report(0, 1, step, 1.0) for step in (1, 2)], [])
    first = reader.changes()
    journal.write([report(0, 1, step, 1.0) for step in (3, 4)], [])
    assert list(reader.curves(until=first.seq)[0].steps) == [1, 2]
    assert [one.step for one in reader.changes(first.seq).reports] == [3, 4]


def test_any_metric_of_a_trial_and_the_names_of_all(journal: Journal, reader: Reader) -> None:
    nothing = float("nan")
    for step, metrics in ((1, {"loss": 1.0, "accuracy": 0.5}), (2, {"loss": 0.5, "lr": nothing})):
        journal.write([ev.Reported(0.0, 4, 1, step, metrics)], [])
    journal.write([report(5, 1, 1, 7.0)], [])
    assert reader.curve(4, "accuracy") == [(1, 1, 0.5), (1, 2, None)]
    assert reader.curve(4, "lr") == [(1, 1, None), (1, 2, None)]
    assert sorted(reader.metrics()) == ["accuracy", "loss", "lr"]


def test_the_metrics_of_a_trial_since_a_report(journal: Journal, reader: Reader) -> None:
    for step in (1, 2, 3):
        journal.write([ev.Reported(0.0, 4, 1, step, {"loss": 1.0, "lr": step / 10})], [])
        journal.write([report(5, 1, step, 7.0)], [])
    found = reader.metrics_of(4)
    assert [(step, metrics["lr"]) for _, step, metrics in found] == [(1, 0.1), (2, 0.2), (3, 0.3)]
    assert reader.metrics_of(4, found[1][0]) == found[2:]


def test_when_and_where_trials_ran(journal: Journal, reader: Reader) -> None:
    facts: list[ev.AnyFact] = [
        ev.Launch(1.0, 0, 0, "cpu", 1.0, 0),
        ev.Launch(2.0, 1, 0, "cpu", 1.0, 0, ("GPU-a", "GPU-b")),
        ev.Exited(3.0, 0, 0, 0, None, "", "", 0, lost=False),
    ]
    journal.write(facts, [])
    found = reader.attempts()
    assert [one[1:] for one in found] == [
        (1.0, 0, ("cpu",)),
        (2.0, 1, ("GPU-a", "GPU-b")),
        (3.0, 0, None),
    ]
    assert reader.attempts(found[1][0]) == found[2:]


def test_all_that_befell_one_trial_acts_on_several_included(
    journal: Journal, reader: Reader
) -> None:
    facts: list[ev.AnyFact] = [
        ev.Proposed(1.0, 3, {"x": 1}, "sobol", "why"),
        ev.Proposed(2.0, 4, {"x": 1}, "sobol", "why"),
        report(3, 1, 1, 1.0),
        ev.PauseAsked(3.0, (2, 3), "app"),
        ev.PauseAsked(3.5, (), "app"),
        ev.ResumeAsked(4.0, (4,)),
        ev.UndoKillAsked(5.0, (3,)),
        ev.KillAsked(6.0, 3, 8.0, "app"),
    ]
    journal.write(facts, [])
    assert reader.facts_of(3) == [(n, facts[n - 1]) for n in (1, 4, 7, 8)]
    assert reader.facts_of(9) == []


def test_the_newest_of_the_study_page_by_page(journal: Journal, reader: Reader) -> None:
    journal.write([ev.Settled(float(n), n, "COMPLETE", "returned") for n in range(1, 6)], [])
    journal.write([ev.Ask(6.0, 6), report(1, 1, 1, 1.0)], [])
    page = reader.newest(2)
    assert [seq for seq, _ in page] == [5, 4]
    assert [seq for seq, _ in reader.newest(9, before=page[-1][0])] == [3, 2, 1]


def test_what_lies_beyond_a_trial_is_not_looked_at(journal: Journal, reader: Reader) -> None:
    """All of a trial lies between its first fact and, once it has ended, its last change."""
    path_of = {}
    for number in range(3):
        path_of[number] = [
            ev.Proposed(1.0, number, {"x": 1}, "sobol", "why"),
            report(number, 0, 1, float(number)),
            ev.Settled(2.0, number, "COMPLETE", "returned"),
        ]
        journal.write(path_of[number][:1], [TrialRow(number, "WAITING", {})])
        journal.write(path_of[number][1:], [TrialRow(number, "COMPLETE", {}, ended=2.0)])
    rows = {row.number: row for row in reader.trials()}
    assert [(rows[n].born, rows[n].changed) for n in range(3)] == [(1, 3), (4, 6), (7, 9)]
    for number, facts in path_of.items():
        assert [fact for _, fact in reader.facts_of(number)] == [facts[0], facts[2]]
        assert reader.curve(number) == [(0, 1, float(number))]
