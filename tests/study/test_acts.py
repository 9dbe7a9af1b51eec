"""What a user may do to a trial, and that it has an effect wherever it may be done."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from simulator.fuzzer import run_seed
from tuitune.core import events as ev
from tuitune.core.events import ENDED, StopReason, TrialState
from tuitune.core.study import Study
from tuitune.core.study.acts import FOR_GOOD, Act, Standing, WhyNot, standing, why_not
from tuitune.core.study.lifecycle import stage
from tuitune.messages.states import Shown, refusal
from tuitune.store.projection import trial_row

if TYPE_CHECKING:
    from collections.abc import Iterator

R = TrialState.RUNNING
NOT_ENDED = sorted(set(TrialState) - ENDED)


@pytest.mark.parametrize(
    ("act", "trial", "why"),
    [
        (Act.PAUSE, Standing(R), None),
        (Act.PAUSE, Standing(TrialState.WAITING), None),
        (Act.PAUSE, Standing(TrialState.PAUSED), None),  # at its rung
        (Act.PAUSE, Standing(R, paused_by_user=True), WhyNot.PAUSED),
        (Act.PAUSE, Standing(R, StopReason.DRAIN), None),  # it is not to be launched again
        (Act.PAUSE, Standing(R, StopReason.AT_RUNG), None),  # nor to be promoted
        (Act.PAUSE, Standing(R, StopReason.TARGET), WhyNot.LEAVING),
        (Act.PAUSE, Standing(R, StopReason.PRUNED), WhyNot.LEAVING),
        (Act.PAUSE, Standing(R, at_maximum=True), WhyNot.LEAVING),
        (Act.PAUSE, Standing(TrialState.FAILED), WhyNot.ENDED),
        (Act.RESUME, Standing(R, StopReason.PAUSED, paused_by_user=True), None),
        (Act.RESUME, Standing(TrialState.PAUSED, paused_by_user=True), None),
        (Act.RESUME, Standing(TrialState.PAUSED), WhyNot.NOT_PAUSED),
        (Act.RESUME, Standing(TrialState.KILLED), WhyNot.ENDED),
        (Act.KILL, Standing(R), None),
        (Act.KILL, Standing(R, to_be_killed=True), None),  # sooner
        (Act.KILL, Standing(R, StopReason.KILLED), WhyNot.BEING_KILLED),
        (Act.KILL_LATER, Standing(R), None),
        (Act.KILL_LATER, Standing(R, to_be_killed=True), WhyNot.TO_BE_KILLED),
        (Act.KILL_LATER, Standing(R, StopReason.KILLED), WhyNot.BEING_KILLED),
        (Act.KILL_LATER, Standing(TrialState.COMPLETE), WhyNot.ENDED),
        (Act.UNDO_KILL, Standing(R, to_be_killed=True), None),
        (Act.UNDO_KILL, Standing(R), WhyNot.NOT_TO_BE_KILLED),
        (Act.UNDO_KILL, Standing(R, StopReason.KILLED), WhyNot.BEING_KILLED),
        (Act.UNDO_KILL, Standing(TrialState.KILLED), WhyNot.ENDED),
        (Act.RETRY, Standing(R), WhyNot.NOT_ENDED),
        (Act.RETRY, Standing(TrialState.COMPLETE), WhyNot.COMPLETE),
        (Act.RETRY, Standing(TrialState.FAILED), None),
        (Act.RETRY, Standing(TrialState.KILLED, was_launched=False), None),
        (Act.RETRY, Standing(TrialState.FAILED, was_launched=False), WhyNot.NEVER_SAMPLED),
    ],
)
def test_what_may_be_done(act, trial, why):
    assert why_not(act, trial) is why


@pytest.mark.parametrize("state", Shown)
@pytest.mark.parametrize("why", WhyNot)
def test_every_reason_has_words(why, state):
    words = refusal(why, 7, state)
    assert words
    assert "{" not in words
    assert words == words.strip()


def event_of(act: Act, now: float, trial: int) -> ev.Event:
    match act:
        case Act.PAUSE:
            return ev.PauseAsked(now, (trial,))
        case Act.RESUME:
            return ev.ResumeAsked(now, (trial,))
        case Act.KILL:
            return ev.KillAsked(now, trial)
        case Act.KILL_LATER:
            return ev.KillAsked(now, trial, 8.0)
        case Act.UNDO_KILL:
            return ev.UndoKillAsked(now, (trial,))
        case Act.RETRY:
            return ev.RetryAsked(now, trial)


def moments() -> Iterator[Study]:
    """Studies as they stand somewhere in their course."""
    for seed in range(30):
        report = run_seed(seed)
        rng = random.Random(seed)
        study = Study(report.spec)
        for fact in report.journal:
            study.evolve(fact)
            if rng.random() < 0.02 and not study.state.finished:
                yield study


def test_what_may_be_done_has_an_effect_and_its_row_says_the_same():
    done = dict.fromkeys(Act, 0)
    for study in moments():
        for trial in study.state.trials:
            own = standing(study.state, trial)
            assert trial_row(study.spec, study.state, trial).standing == own
            for act in Act:
                if why_not(act, own) is not None:
                    continue
                copy = Study(study.spec, study.snapshot())
                copy.react(event_of(act, study.state.now, trial.number))
                after = copy.state.trials[trial.number]
                before = (own, stage(trial), trial.attempt)
                assert (standing(copy.state, after), stage(after), after.attempt) != before, act
                done[act] += 1
    assert all(done.values())


def test_a_pause_that_may_be_asked_keeps_a_trial_from_going_on():
    """Whatever ends its attempt first: it is not launched again until it is resumed."""
    for reason in StopReason:
        assert (why_not(Act.PAUSE, Standing(R, reason)) is None) == (reason not in FOR_GOOD)
