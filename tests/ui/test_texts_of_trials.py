"""What is said of one trial: what it does, its rung, value, place and times, word by word."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, strategies as st
from pictures import NOW, context, row, snapshot, spec, study

from tuitune.core import events as ev
from tuitune.core.spec import PruningSpec
from tuitune.ui.state.snapshot import Snapshot
from tuitune.ui.text import trial as texts

RANK = ev.Verdict(NOW, 0, 0, 3, "wait", False, 1, 2, 7, 0.5, "rung 1")


def picture(*, rungs: tuple[tuple[int, ...], ...] = ((1, 3, 9),), **more: Any) -> Snapshot:
    return snapshot([row(0, "r")], study=study(rungs=rungs), **more)


def without_maximum() -> Snapshot:
    return picture(rungs=(), spec=spec(pruning=PruningSpec()))


# --- its rung ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("letter", "changes", "facts", "words"),
    [
        ("r", {"rung": None}, [], "no rung yet, next check at epoch 1"),
        ("r", {"rung": None}, [RANK], "no rung yet, next check at epoch 1"),
        ("r", {"rung": 0}, [], "rung 0 (epoch 1), next check at epoch 3"),
        ("r", {"rung": 1}, [RANK], "rung 1 (epoch 3), 2nd of 7 there, next check at epoch 9"),
        ("r", {"rung": 2}, [RANK], "rung 2 (epoch 9), 2nd of 7 there, next check at epoch 27"),
        ("r", {"rung": 3}, [], "rung 3, next check at epoch 27"),
        ("w", {"rung": 1}, [], "rung 1 (epoch 3), next check at epoch 9"),
        ("p", {"rung": 1}, [], "rung 1 (epoch 3), next check at epoch 9"),
        ("x", {"rung": 1}, [RANK], "rung 1 (epoch 3), 2nd of 7 there"),
        ("c", {"rung": 2}, [], "rung 2 (epoch 9)"),
    ],
)
def test_its_rung_its_rank_there_and_where_it_is_judged_next(
    letter: str, changes: dict[str, Any], facts: list[Any], words: str
) -> None:
    found = [*enumerate(facts)]
    assert texts.standing(picture(), row(0, letter, **changes), found) == words


def test_the_newest_rank_is_the_one_that_counts() -> None:
    later = ev.Promoted(NOW, 0, 1, 5, 9, 0.5, "rung 1")
    unranked = ev.Verdict(NOW, 0, 0, 9, "go", False, 1, 0, 0, 0.5, "x")
    one = row(0, "r", rung=1)
    assert "5th of 9 there" in texts.standing(picture(), one, [(1, RANK), (2, later)])
    assert "2nd of 7 there" in texts.standing(picture(), one, [(1, later), (2, RANK)])
    assert "2nd of 7 there" in texts.standing(picture(), one, [(1, RANK), (2, unranked)])


def test_brackets_are_named_where_there_are_several() -> None:
    made = picture(rungs=((1, 3), (5, 10)))
    assert texts.standing(made, row(0, "r", rung=0, bracket=1), []) == (
        "bracket 1, rung 0 (epoch 5), next check at epoch 10"
    )
    assert texts.standing(made, row(0, "r", rung=0, bracket=2), []) == ""
    assert texts.standing(without_maximum(), row(0, "r", rung=0), []) == ""


# --- its value ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"step": 4, "value": 0.5, "best": 0.5}, "0.5 at epoch 4/27"),
        ({"step": 4, "value": 0.5, "best": 0.25}, "0.5 at epoch 4/27, best 0.25"),
        ({"step": 4, "value": 0.5, "best": None}, "0.5 at epoch 4/27"),
        ({"step": 4, "value": None, "best": 0.25}, "- at epoch 4/27, best 0.25"),
        ({"step": 0, "value": None}, ""),
        ({"step": None, "value": None}, ""),
        ({"step": None, "value": 0.5, "best": 0.5}, "0.5 at epoch 0/27"),
        ({"step": 3, "value": 123456.0, "best": 1e-9}, "1.235e+05 at epoch 3/27, best 1e-09"),
    ],
)
def test_its_value_has_the_step_the_maximum_and_a_better_one(changes, words: str) -> None:
    assert texts.value(picture(), row(0, "r", **changes)) == words


def test_without_a_maximum_the_step_stands_alone() -> None:
    made = without_maximum()
    assert texts.value(made, row(0, "r", step=4, value=0.5, best=0.5)) == "0.5 at report 4"
    assert texts.resource(made) == "report"


# --- its place ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "engine", "words"),
    [
        ({"device": "", "pid": None, "attempt": 0}, "running", ""),
        ({"device": "cpu", "pid": 7, "attempt": 1}, "running", "cpu, pid 7, 1 attempt"),
        ({"device": "GPU 0+1", "pid": 7, "attempt": 2}, "running", "GPU 0+1, pid 7, 2 attempts"),
        ({"device": "cpu", "pid": 7, "attempt": 1}, "gone", "cpu, 1 attempt"),
        ({"device": "", "node": "gpu-07", "pid": None, "attempt": 1}, "running", "gpu-07, 1 attempt"),
        ({"device": "gpu-07, GPU 3", "node": "gpu-07", "pid": None, "attempt": 0}, "running", "gpu-07, GPU 3"),
        ({"device": "", "pid": None, "attempt": 0, "checkpoint": 0}, "running", "checkpoint at epoch 0"),
        (
            {"device": "", "pid": None, "attempt": 0, "checkpoint": 9, "saved_on": "gpu\x1b7"},
            "running",
            "checkpoint at epoch 9 on gpu 7 alone",
        ),
    ],
)  # fmt: skip
def test_where_it_is_and_what_it_has_saved(changes, engine: str, words: str) -> None:
    assert texts.place(picture(engine=engine), row(0, "r", **changes)) == words


# --- its times ---------------------------------------------------------------------------------


def test_its_times_say_when_it_began_how_long_it_took_and_when_it_ended() -> None:
    made, begun = picture(), time.strftime("%H:%M:%S", time.localtime(NOW - 300))
    assert texts.times(made, row(0, "w")) == ""
    one = row(0, "c", started=NOW - 300, ended=NOW - 60)
    assert texts.times(made, one) == f"started {begun}, took 4m00s, ended 1m ago"
    running = row(0, "r", started=NOW - 300)
    assert texts.times(made, running) == f"started {begun}, 5m ago"
    assert texts.times(picture(engine="gone"), running) == f"started {begun}"
    assert texts.times(made, row(0, "p", started=NOW - 300)) == f"started {begun}"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "0s ago"),
        (59.4, "59s ago"),
        (60.0, "1m ago"),
        (119.0, "1m ago"),
        (3599.0, "59m ago"),
        (3600.0, "1h00m ago"),
        (90000.0, "1d1h ago"),
        (-5.0, "0s ago"),  # the clock was set back
    ],
)
def test_how_long_ago_it_was(seconds: float, words: str) -> None:
    assert texts.ago(seconds) == words


@given(st.floats(0.0, 1e7), st.floats(0.0, 1e7))
def test_what_was_later_is_not_said_to_be_longer_ago(one: float, other: float) -> None:
    if texts.ago(one) == texts.ago(other):
        return
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}

    def read(words: str) -> float:
        total, number = 0.0, ""
        for sign in words.removesuffix(" ago"):
            if sign.isdigit():
                number += sign
            else:
                total, number = total + int(number) * units[sign], ""
        return total

    assert (read(texts.ago(one)) < read(texts.ago(other))) is (one < other)


def test_another_day_is_named_with_its_date() -> None:
    today = time.mktime((2026, 3, 5, 0, 10, 0, 0, 0, -1))
    assert texts.clock(today + 60, today + 120) == "00:11:00"
    assert texts.clock(today - 1200, today) == "04 Mar 23:50"
    assert texts.clock(today, today + 86400) == "05 Mar 00:10"
    year_ago = time.mktime((2025, 3, 5, 0, 10, 0, 0, 0, -1))
    assert texts.clock(year_ago, today) == "05 Mar 00:10"


# --- what it does ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("letter", "changes", "words"),
    [
        ("w", {"note": ""}, "is waiting"),
        ("w", {"note": "retry 1 of 2 after: x"}, "retry 1 of 2 after: x"),
        ("r", {}, "is running"),
        ("r", {"note": "of an earlier attempt"}, "is running"),
        ("r", {"kill_at": NOW + 6, "activity": "starting"}, "will be killed in 6s; <trial.undo> undoes that"),
        ("r", {"activity": "starting", "launched": None}, "is starting, 0s"),
        ("r", {"activity": "starting", "launched": NOW - 90}, "is starting, 1m30s"),
        ("r", {"activity": "ending", "ending": ev.StopReason.KILLED}, "is stopping: killed by hand"),
        (
            "r",
            {"activity": "ending", "ending": ev.StopReason.TIMEOUT, "due": NOW + 5},
            "is stopping: past its timeout; ended by force in 5s",
        ),
        (
            "r",
            {"activity": "ending", "ending": ev.StopReason.TIMEOUT, "due": NOW - 5},
            "is stopping: past its timeout; ended by force in 0s",
        ),
        ("p", {"activity": "frozen"}, "is frozen: it can't save, so it keeps its slot and its memory"),
        ("p", {"activity": "parked", "note": "made way\n"}, "is parked: made way "),
        ("p", {"at_rung": True, "rung": 1}, "is held at rung 1 (epoch 3) until it is promoted"),
        ("p", {"note": "paused by hand"}, "paused by hand"),
        ("x", {"note": "rung 1: rank 9 of 9"}, "rung 1: rank 9 of 9"),
        ("x", {"note": ""}, "was pruned"),
        ("f", {"note": ""}, "failed"),
        ("k", {"note": ""}, "was killed"),
        ("c", {"note": ""}, "is complete"),
    ],
)  # fmt: skip
def test_what_it_does_or_why_it_does_nothing(letter: str, changes, words: str) -> None:
    assert texts.doing(context(picture()), row(0, letter, **changes)) == words


def test_who_only_looks_on_is_not_told_of_a_key() -> None:
    at = context(picture(), readonly=True)
    assert texts.doing(at, row(0, "r", kill_at=NOW + 6)) == "will be killed in 6s"


@pytest.mark.parametrize(
    ("checkpoint", "where"), [(None, "the start"), (0, "the start"), (9, "epoch 9")]
)
def test_a_trial_that_its_engine_left_behind_says_from_where_it_goes_on(checkpoint, where) -> None:
    lost = row(0, "r", checkpoint=checkpoint, kill_at=NOW + 6)
    for engine in ("gone", "failed"):
        words = texts.doing(context(picture(engine=engine)), lost)
        assert words == f"its engine ended; the next one continues it from {where}"


def test_what_was_printed_last_is_that_of_the_newest_attempt() -> None:
    def ended(attempt: int, tail: str) -> ev.Exited:
        return ev.Exited(NOW, 0, attempt, 1, None, "", tail, 0, lost=False)

    assert texts.last_words([]) == ""
    assert texts.last_words([(1, ended(0, "one")), (2, RANK)]) == "one"
    assert texts.last_words([(1, ended(0, "one")), (2, ended(1, "two"))]) == "two"
    assert texts.last_words([(1, ended(0, "one")), (2, ended(1, ""))]) == ""
