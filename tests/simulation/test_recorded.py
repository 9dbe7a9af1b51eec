"""What a journal says a study has done, beside a count of it by hand."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings, strategies as st

from tuitune.core import events as ev
from tuitune.core.events import TrialState
from tuitune.core.gpu_reasons import GpuNumbers
from tuitune.simulation.recorded import Point, Spent, read

SETTINGS = ev.Settings(10, None, 1.0, None, 0, None, None, None)


@dataclass
class Told:
    """A made-up journal, and what it comes to."""

    facts: list = field(default_factory=list)
    now: float = 1000.0
    points: dict = field(default_factory=dict)  # trial -> [(step, value, seconds)]
    ending: dict = field(default_factory=dict)
    states: dict = field(default_factory=dict)
    steps: int = 0
    seconds: float = 0.0
    together: int = 0
    saved: bool = False

    def say(self, kind, *values, after=0.0, **more):
        self.now += after
        self.facts.append(kind(self.now, *values, **more))


@st.composite
def journals(draw):
    """Trials one after another or two at once, in several attempts under several engines."""
    told, gaps = Told(), st.integers(0, 50).map(float)
    begun, running = told.now, {}
    told.say(ev.Opened, SETTINGS, 4.0, 10**9)
    for number in range(draw(st.integers(0, 5))):
        told.say(ev.Proposed, number, {"x": number}, "random", "", after=draw(gaps))
        told.points[number], told.ending[number] = [], 0.0
        told.states[number] = TrialState.WAITING
        at = 0
        for attempt in range(1, draw(st.integers(1, 3)) + 1):
            gpus = draw(st.sampled_from([(), ("g0",)]))
            device = GpuNumbers((0,)) if gpus else "cpu:0"
            told.say(ev.Launch, number, attempt, device, 1.0, 0, gpus, after=draw(gaps))
            running |= {number: bool(gpus)}
            told.together = max(told.together, sum(running.values()))
            mark, at = told.now, draw(st.integers(0, at))
            told.say(ev.Started, number, attempt, 7, at or None, "", "", None, after=draw(gaps))
            for _ in range(draw(st.integers(0, 4))):
                step = at + draw(st.integers(0, 3))
                value = draw(st.none() | st.floats(0, 1))
                metrics = {"acc": 1.0} | ({} if value is None else {"loss": value})
                told.say(ev.Reported, number, attempt, step, metrics, after=draw(gaps))
                told.steps += max(0, step - at)
                at = max(at, step)
                kept = [point for point in told.points[number] if point[0] < step]
                told.points[number] = [*kept, (step, value, told.now - mark)]
                mark = told.now
                if draw(st.integers(0, 5)) == 0:
                    told.say(ev.Checkpointed, number, attempt, step)
                    told.saved = True
            lost = draw(st.integers(0, 5)) == 0
            told.say(ev.Exited, number, attempt, 0, None, "", "", None, lost=lost, after=draw(gaps))
            running.pop(number)
            if not lost:
                worked = told.now - mark
                had = bool(told.points[number])
                told.ending[number] = worked if had else told.ending[number] + worked
        state = draw(st.sampled_from(["COMPLETE", "PRUNED", "FAILED"]))
        told.say(ev.Settled, number, state, "")
        told.states[number] = state
        if draw(st.integers(0, 3)) == 0:  # the engine ends, and another one opens the study
            told.seconds += told.now - begun
            told.now += 10_000.0
            begun = told.now
            told.say(ev.Opened, SETTINGS, 8.0, 2 * 10**9)
    told.seconds += told.now - begun
    return told


@settings(max_examples=30)
@given(journals())
def test_a_recording_has_each_trials_points_and_how_long_they_took(told):
    found = read(told.facts, "loss")
    assert [record.number for record in found.trials] == list(told.points)
    for record in found.trials:
        assert record.points == [Point(*point) for point in told.points[record.number]]
        assert record.ending == told.ending[record.number]
        assert record.state == told.states[record.number]
        assert record.config == {"x": record.number}


@settings(max_examples=30)
@given(journals())
def test_a_recording_counts_steps_time_and_trials_on_gpus(told):
    found = read(told.facts, "loss")
    assert found.steps == told.steps
    assert found.seconds == told.seconds  # without what lies between two engines
    assert found.together == told.together
    assert found.saves == told.saved
    last = [fact for fact in told.facts if isinstance(fact, ev.Opened)][-1]
    assert (found.machine.cpus, found.machine.memory) == (last.cpus, last.memory)


@settings(max_examples=30)
@given(journals())
def test_reports_as_columns_are_the_same_recording(told):
    history = [
        (fact.time, fact.trial, fact.step, fact.metrics.get("loss"))
        if isinstance(fact, ev.Reported)
        else fact
        for fact in told.facts
    ]
    assert read(history, "loss") == read(told.facts, "loss")


@settings(max_examples=30)
@given(journals())
def test_what_was_spent_is_counted_the_same_fact_by_fact(told):
    spent = Spent()
    for fact in told.facts:
        spent.add(fact)
    assert spent.steps == read(told.facts, "loss").steps


@settings(max_examples=30)
@given(journals(), st.integers(0, 60))
def test_the_start_of_a_journal_is_the_start_of_its_recording(told, count):
    whole, part = read(told.facts, "loss"), read(told.facts[:count], "loss")
    assert part.steps <= whole.steps
    assert part.seconds <= whole.seconds
    assert [r.config for r in part.trials] == [r.config for r in whole.trials[: len(part.trials)]]


def test_an_empty_journal_is_an_empty_recording():
    found = read([], "loss")
    assert (list(found.trials), found.steps, found.seconds, found.saves) == ([], 0, 0.0, False)
