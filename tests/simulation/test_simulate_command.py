"""`tuitune simulate`: what a recorded study would have done under other pruning."""

from __future__ import annotations

import json
from random import Random

import msgspec
import pytest
from msgspec.structs import replace

from simulator.course import Course
from simulator.play import play
from tuitune.cli.arguments import Refusal
from tuitune.cli.simulate import simulate_study
from tuitune.core.events import Reported
from tuitune.core.placement.host import HostResources
from tuitune.core.search.registry import make_searcher
from tuitune.simulation.recorded import Point, read
from tuitune.simulation.replay import best_tenth, compare, thinned
from tuitune.simulation.rerun import rerun
from tuitune.store.errors import StoreError
from tuitune.store.journal import Journal
from tuitune.store.projection import trial_row
from tuitune.store.reader import Reader
from tuitune.studyfile import StudyFileError, load

FILE = """\
[objective]
metric = "loss"
mode = "min"
value = "{value}"
[trial]
target = "train.py:train"
[space]
x = {{ low = 0.0, high = 1.0 }}
[search]
method = "random"
trials = {trials}
concurrency = 4
[pruning]
method = "{method}"
resource = "epoch"
max = 27
reduction = {reduction}
"""


class Noisy:
    """Losses that fall from step to step, with some noise."""

    def begin(self, order):
        rng = Random(order.trial)
        level = rng.random()
        values = [level + rng.uniform(0.5, 2.0) / step for step in range(1, 28)]
        start = order.resume_step or 0
        return Course(
            [Point(s + 1, v, 1.0) for s, v in enumerate(values) if s >= start], saves=True
        )


@pytest.fixture
def recorded(tmp_path):
    def record(method="none", reduction=3, trials=60, value="last"):
        folder = tmp_path / "study"
        folder.mkdir()
        text = FILE.format(method=method, reduction=reduction, trials=trials, value=value)
        (folder / "study.toml").write_text(text)
        spec = load(folder / "study.toml", check_target=False)
        result = play(
            spec, make_searcher(spec.space, spec.search), Noisy(), HostResources(4.0, 1 << 30)
        )
        journal = Journal.open(folder / "study.db", "loss")
        rows = [trial_row(spec, result.study.state, trial) for trial in result.study.state.trials]
        journal.write(result.facts, rows)
        journal.close()
        return spec, result

    return record


def simulated(capsys, tmp_path, *overrides):
    assert simulate_study("study", tmp_path, overrides, as_json=True) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("method", ["none", "asha", "hyperband", "median"])
def test_the_same_pruning_does_the_same_again(recorded, capsys, tmp_path, method):
    recorded(method)
    said = simulated(capsys, tmp_path)
    assert said["now"] == pytest.approx(said["then"], abs=1e-3)
    assert not said["lost"]
    assert not said["unknown"]


def test_stricter_pruning_is_what_running_it_does(recorded, capsys, tmp_path):
    spec, _ = recorded("none")
    said = simulated(capsys, tmp_path, "pruning.method=asha", "pruning.reduction=4")
    pruning = replace(spec.pruning, method="asha", reduction=4)
    real = play(
        replace(spec, pruning=pruning),
        make_searcher(spec.space, spec.search),
        Noisy(),
        HostResources(4.0, 1 << 30),
    )
    states = {trial.number: trial.state for trial in real.study.state.trials}
    assert said["now"]["stopped"] == sum(state == "PRUNED" for state in states.values())
    assert set(said["lost"]) == {n for n in said["good"] if states[n] == "PRUNED"}
    assert said["now"]["steps"] < said["then"]["steps"] == 60 * 27
    assert len(said["good"]) == 6


def test_trials_that_would_go_on_beyond_their_record_are_unknown(recorded, capsys, tmp_path):
    _, result = recorded("asha")
    pruned = [t.number for t in result.study.state.trials if t.state == "PRUNED"]
    said = simulated(capsys, tmp_path, "pruning.method=none")
    assert said["unknown"] == pruned
    assert said["now"]["steps"] == said["then"]["steps"]


def test_a_higher_maximum_is_not_known(recorded, capsys, tmp_path):
    recorded("none", trials=4)
    said = simulated(capsys, tmp_path, "pruning.max=81")
    assert said["unknown"] == [0, 1, 2, 3]


@pytest.mark.parametrize("value", ["last", "best"])
@pytest.mark.parametrize("most", [27, 9, 10])
def test_leaving_reports_out_changes_nothing(recorded, value, most):
    spec, result = recorded("none", value=value)
    changed = replace(spec, pruning=replace(spec.pruning, method="asha", max=most))
    recording = read(result.facts, "loss")
    fewer = [thinned(record, changed) for record in recording.trials]
    assert sum(len(record.points) for record in fewer) < 60 * 27
    one = compare(spec, changed, replace(recording, trials=fewer))
    other = compare(spec, changed, recording)
    assert (one.now, one.unknown) == (other.now, other.unknown)
    if most == spec.pruning.max:
        assert one == other
        assert best_tenth(spec, fewer) == best_tenth(spec, recording.trials)


def test_leaving_reports_out_changes_no_fact_but_reports(recorded):
    """With a lower maximum, too: a trial sees at its next report that it has had all."""
    spec, result = recorded("none", trials=20)
    recording = read(result.facts, "loss")
    changed = replace(spec, pruning=replace(spec.pruning, method="asha", max=10))
    fewer = replace(recording, trials=[thinned(record, changed) for record in recording.trials])
    facts, others = (
        [
            (type(f), round(f.time, 6))
            for f in rerun(changed, r, 27).facts
            if type(f) is not Reported
        ]
        for r in (recording, fewer)
    )
    assert facts == others


def test_it_is_told_in_words(recorded, capsys, tmp_path):
    recorded("asha")
    words = ("pruning.reduction=4", "pruning.style=stop")
    assert simulate_study("study", tmp_path, words, as_json=False) == 0
    said = capsys.readouterr().out
    assert "study, pruning.reduction=4, pruning.style=stop:" in said
    assert "epochs" in said
    assert "saved" in said
    assert "of the best tenth (" in said
    assert "beyond the end of their record" in said


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("search.seed=3", "a simulation can change keys of [pruning]"),
        ("pruning.reductoin=4", "reduction"),
        ("pruning.reduction=1", "reduction"),
    ],
)
def test_what_can_not_be_simulated_is_refused(recorded, tmp_path, override, words):
    recorded(trials=2)
    with pytest.raises((Refusal, StudyFileError)) as refused:
        simulate_study("study", tmp_path, [override], as_json=False)
    assert words in str(refused.value)


def test_no_such_study(tmp_path):
    with pytest.raises(StoreError, match=r"^nothing: no such study"):
        simulate_study("nothing", tmp_path, [], as_json=False)


def test_few_trials_that_promote_do_the_same_again(recorded, capsys, tmp_path):
    _, result = recorded("asha", trials=8)
    states = [trial.state for trial in result.study.state.trials]
    assert states.count("COMPLETE") == 1
    said = simulated(capsys, tmp_path)
    assert said["now"] == pytest.approx(said["then"], abs=1e-3)
    assert not said["unknown"]


def test_the_one_that_goes_on_at_the_end_ends_the_study_where_its_record_ends(
    recorded, capsys, tmp_path
):
    """Else all that wait would go on, one after the other, since none is ever complete."""
    spec, result = recorded("asha", trials=2)
    recording = read(result.facts, "loss")
    trials = [replace(r, points=r.points[:1], state="PRUNED") for r in recording.trials]
    comparison = compare(spec, spec, replace(recording, trials=trials))
    assert len(comparison.unknown) == 1
    assert comparison.now.partial
    assert comparison.now.stopped == 1


class Broken:
    """As Noisy, but the first trials fail before they report, after some seconds of work."""

    def __init__(self, fail):
        self.fail = fail

    def begin(self, order):
        if order.trial in self.fail:
            return Course((), "raises", startup=40.5)
        return Noisy().begin(order)


def failing(tmp_path, fail, retries=0):
    (tmp_path / "study.toml").write_text(
        FILE.format(method="asha", reduction=3, trials=30, value="last")
    )
    spec = load(tmp_path / "study.toml", check_target=False)
    spec = replace(spec, trial=replace(spec.trial, retries=retries))
    searcher = make_searcher(spec.space, spec.search)
    return spec, play(spec, searcher, Broken(fail), HostResources(4.0, 1 << 30))


def test_trials_that_failed_before_they_reported_take_their_time_and_halt_nothing(tmp_path):
    spec, result = failing(tmp_path, {0, 1, 2})
    assert result.study.state.complete  # others had reported by the time that they failed
    comparison = compare(spec, spec, read(result.facts, "loss"))
    assert comparison.now == comparison.then
    assert not comparison.unplayed


def test_the_time_of_all_attempts_counts_where_none_reported(tmp_path):
    _, result = failing(tmp_path, {0}, retries=2)
    record = read(result.facts, "loss").trials[0]
    assert record.ending == pytest.approx(3 * 40.5)


def test_many_failures_in_a_row_halt_no_replay(tmp_path):
    """As where a study was halted by them, mended and gone on with."""
    spec, result = failing(tmp_path, set())
    recording = read(result.facts, "loss")
    trials = [
        replace(r, points=[], state="FAILED", ending=1.0) if r.number < 20 else r
        for r in recording.trials
    ]
    comparison = compare(spec, spec, replace(recording, trials=trials))
    assert not comparison.unplayed
    assert comparison.now.value is not None


def test_a_replay_that_ends_before_its_last_trial_began_says_so(
    recorded, capsys, tmp_path, monkeypatch
):
    recorded("asha", trials=20)

    def half(spec, *rest):
        return rerun(replace(spec, search=replace(spec.search, trials=5)), *rest)

    monkeypatch.setattr("tuitune.simulation.replay.rerun", half)
    assert simulate_study("study", tmp_path, [], as_json=False) == 0
    said = capsys.readouterr().out
    assert "before 15 of the 20 trials had begun" in said
    assert simulated(capsys, tmp_path)["unplayed"] == list(range(5, 20))


def test_reports_read_as_columns_make_the_same_recording(tmp_path):
    """Values that SQLite has no place for are in the report itself: NaN, and none at all."""
    spec, result = failing(tmp_path, {3})
    facts = [
        replace_metrics(
            f, {} if f.step % 5 == 0 else {"loss": float("nan")} if f.step == 7 else None
        )
        if isinstance(f, Reported)
        else f
        for f in result.facts
    ]
    journal = Journal.open(tmp_path / "study.db", "loss")
    rows = [trial_row(spec, result.study.state, trial) for trial in result.study.state.trials]
    journal.write(facts, rows)
    journal.close()
    reader = Reader.open(tmp_path / "study.db")
    assert repr(read(reader.history("loss"), "loss")) == repr(read(facts, "loss"))
    reader.close()


def replace_metrics(report, metrics):
    return report if metrics is None else msgspec.structs.replace(report, metrics=metrics)
