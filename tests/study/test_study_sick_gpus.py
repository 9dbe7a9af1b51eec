"""GPUs that fail trials, each rule told as a short story of events."""

from __future__ import annotations

import pytest
from test_study_gpus import Story, machine, settled

from tuitune.core import events as ev
from tuitune.core.gpu_reasons import GpuAside
from tuitune.core.study import Study

ECC = {"error": "RuntimeError: CUDA error: uncorrectable ECC error encountered", "fault": "card"}
CLOSED = {"error": "RuntimeError: No CUDA GPUs are available", "fault": "setup"}
ODD = "RuntimeError: CUDA error: unspecified launch failure 7"


def of(kind: type, facts: list[ev.AnyFact]) -> list:
    return [fact for fact in facts if isinstance(fact, kind)]


def aside(story: Story) -> set[str]:
    return {gpu.uuid for gpu in story.study.state.gpus if isinstance(gpu.obstacle, GpuAside)}


def end_well(story: Story, trial: int) -> list[ev.AnyFact]:
    return story.report(trial, 1) + story.exit(trial)


def test_a_broken_card_is_set_aside_at_once_and_its_trial_goes_on_elsewhere():
    story = Story(machine(2))
    assert story.where() == {0: ("g1",), 1: ("g0",)}
    facts = story.exit(0, **ECC)
    assert (settled(facts).state, settled(facts).crashed, story.trial(0).crashes) == (
        "WAITING",
        False,
        0,
    )
    (fact,) = of(ev.SetAside, facts)
    assert (fact.gpus, fact.trials, aside(story)) == (("g1",), (), {"g1"})
    assert story.where() == {1: ("g0",)}
    end_well(story, 1)
    assert story.where() == {0: ("g0",)}


def test_a_card_of_which_the_driver_has_told_an_error_is_the_one():
    story = Story(machine(4), 2)
    gpus = story.trial(0).gpus
    facts = story.exit(0, ODD, xids=((gpus[1], 79),))
    (fact,) = of(ev.SetAside, facts)
    assert fact.gpus == (gpus[1],)
    assert isinstance(fact.why, GpuAside)
    assert fact.why.xid == 79


def test_a_study_halts_once_all_its_cards_are_broken():
    story = Story(machine(2))
    assert of(ev.Halted, story.exit(0, **ECC)) == []
    (halted,) = of(ev.Halted, story.exit(1, **ECC))
    assert halted.failed
    assert story.study.state.finished


def test_where_cuda_does_not_start_another_card_tells_whether_the_card_is_to_blame():
    story = Story(machine(2))
    facts = story.exit(0, **CLOSED)
    assert (settled(facts).state, story.trial(0).crashes, aside(story)) == ("WAITING", 0, set())
    assert story.where() == {1: ("g0",)}  # nothing more starts there meanwhile
    assert of(ev.SetAside, story.report(1, 1))  # it works on another one
    assert aside(story) == {"g1"}


def test_where_cuda_starts_on_no_card_none_is_to_blame():
    story = Story(machine(2))
    story.exit(0, **CLOSED)
    for trial in (1, 0):
        assert settled(story.exit(trial, **CLOSED)).state == "FAILED"
    assert aside(story) == set()
    assert len(story.where()) == 2


def test_of_two_failures_in_a_row_the_second_is_tried_elsewhere_and_the_first_excused():
    story = Story(machine(2))
    assert settled(story.exit(0, ODD)).state == "FAILED"
    assert story.where() == {1: ("g0",), 2: ("g1",)}
    assert settled(story.exit(2, ODD.replace("7", "8"))).state == "WAITING"
    assert story.where() == {1: ("g0",)}
    end_well(story, 1)
    assert story.where() == {2: ("g0",)}
    (fact,) = of(ev.SetAside, story.report(2, 1))
    assert (fact.gpus, fact.trials) == (("g1",), (0,))
    assert (story.trial(0).state, story.trial(0).crashes) == ("WAITING", 0)
    assert story.study.state.streak == 0
    story.exit(2)
    assert story.where() == {0: ("g0",)}
    assert Study(story.spec, story.study.snapshot()).snapshot() == story.study.snapshot()


def test_one_that_fails_elsewhere_too_has_itself_to_blame_and_nobody_is_tried_again():
    story = Story(machine(2), trials=9)
    story.exit(0, ODD)
    story.exit(2, ODD)
    end_well(story, 1)
    assert story.where() == {2: ("g0",)}
    assert settled(story.exit(2, ODD)).state == "FAILED"
    assert sorted(story.where().values()) == [("g0",), ("g1",)]
    for trial in list(story.where()):
        assert settled(story.exit(trial, ODD)).state == "FAILED"
    assert aside(story) == set()


def test_errors_that_differ_or_have_good_ends_between_them_raise_no_suspicion():
    story = Story(machine(2), trials=9)
    story.exit(0, ODD)
    assert settled(story.exit(2, "ValueError: bad x")).state == "FAILED"
    end_well(story, 3)
    assert settled(story.exit(4, "ValueError: bad x")).state == "FAILED"


def test_on_the_only_card_every_failure_is_the_trials_own():
    story = Story(machine(1))
    for trial in range(2):
        assert settled(story.exit(trial, ODD)).state == "FAILED"
    assert of(ev.Halted, story.exit(2, ODD))


@pytest.mark.parametrize("how", ["killed", "lost"])
def test_a_card_is_used_again_when_its_test_comes_to_nothing(how: str):
    story = Story(machine(2), trials=9)
    story.exit(0, ODD)
    story.exit(2, ODD)
    assert story.where() == {1: ("g0",)}
    if how == "killed":
        story.take(ev.KillAsked(story.now, 2))
    else:
        story.change(0, lost=True, obstacle="lost")
    assert "g1" in {uuid for uuids in story.where().values() for uuid in uuids}


def test_a_trial_that_began_before_proves_nothing_about_where_cuda_starts_now():
    story = Story(machine(2), trials=9)
    story.report(1, 1)
    end_well(story, 0)
    assert story.where() == {1: ("g0",), 2: ("g1",)}
    story.now += 10.0
    end_well(story, 2)
    facts = story.exit(3, **CLOSED)
    assert settled(facts).state == "WAITING"
    assert not of(ev.SetAside, [*facts, *story.report(1, 2, after=1.0)])
    end_well(story, 1)
    assert story.where() == {3: ("g0",)}
    assert of(ev.SetAside, story.report(3, 1))


def test_where_cuda_does_not_start_three_failures_in_a_row_halt_a_study_that_has_reported():
    story = Story(machine(1), trials=9)
    end_well(story, 0)
    for trial in (1, 2):
        assert not of(ev.Halted, story.exit(trial, **CLOSED))
    (halted,) = of(ev.Halted, story.exit(3, **CLOSED))
    assert halted.failed
