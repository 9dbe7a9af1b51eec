"""Words of states: each has all of them, and the finer ones are told apart."""

from __future__ import annotations

import pytest

from tuitune.core.events import TrialState
from tuitune.messages.states import WORDS, Shown, shown, shown_counts


def test_each_state_has_its_words() -> None:
    assert set(WORDS) == set(Shown)
    assert all(words.short and len(words.short) <= 5 for words in WORDS.values())
    assert {shown(state) for state in TrialState} <= set(WORDS)


@pytest.mark.parametrize(
    ("state", "more", "expected"),
    [
        ("PAUSED", {}, "paused"),
        ("PAUSED", {"at_rung": True}, "held"),
        ("PAUSED", {"activity": "frozen"}, "frozen"),
        ("PAUSED", {"activity": "parked"}, "parked"),
        ("RUNNING", {"activity": "starting"}, "starting"),
        ("RUNNING", {"is_stopping": True}, "stopping"),
        ("RUNNING", {"activity": "ending"}, "running"),
        ("WAITING", {"is_stopping": True}, "stopping"),
        ("RUNNING", {"is_stopping": True, "engine_gone": True}, "lost"),
        ("WAITING", {"is_stopping": True, "engine_gone": True}, "waiting"),
    ],
)
def test_what_a_trial_waits_for_and_is_about_to_be(state, more, expected) -> None:
    assert shown(TrialState(state), **more) == expected


def test_held_trials_are_counted_apart_from_paused_ones() -> None:
    counts = {TrialState.PAUSED: 5, TrialState.COMPLETE: 2, TrialState.FAILED: 0}
    assert shown_counts(counts, 4) == {"held": 4, "paused": 1, "complete": 2}
    assert shown_counts(counts, 5) == {"held": 5, "complete": 2}


def test_frozen_and_lost_trials_are_counted_under_their_own_names() -> None:
    counts = {TrialState.PAUSED: 3, TrialState.RUNNING: 2}
    assert shown_counts(counts, 1, 1) == {"running": 2, "held": 1, "paused": 1, "frozen": 1}
    gone = shown_counts(counts, 1, 1, engine_gone=True)
    assert gone == {"held": 1, "paused": 2, "lost": 2}
    assert shown_counts({TrialState.PAUSED: 3}, 0, 0, 2) == {"paused": 1, "parked": 2}
