"""The typed reasons of a study's decisions: their words, and what the journal makes of them."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest

from simulator.fuzzer import run_seed
from tuitune.core import events as ev, gpu_reasons as g, reasons as r
from tuitune.messages.reasons import reason_words

RUNG = r.RungName(1, 3, "epoch")
WORDS = [
    (r.ToItsEnd("seen before"), "seen before: never judged again"),
    (r.MaximumReached("epoch", 9), "reached epoch 9"),
    (r.MaximumReached(error="OSError: full"), "reached the maximum, then: OSError: full"),
    (r.TargetReached(3), "reached the target"),
    (r.TargetReached(3, "loss", 0.25), "target reached: #3 has loss 0.25"),
    (r.Returned(), "returned"),
    (r.Killed(), "killed by hand"),
    (r.Interrupted("stop", 0, 4, ""), "interrupted; goes on from step 4"),
    (
        r.Interrupted("user", 5, None, "ended"),
        "paused by hand at step 5; goes on from the start: it did not leave in time, and was ended",
    ),
    (
        r.Interrupted("process lost", 5, 4, "save cut off", "killed by the kernel"),
        "killed by the kernel at step 5; goes on from step 4: a checkpoint was being written, and is not whole",
    ),
    (
        r.AtRung("rank 2 of 3", 3, 1),
        "rank 2 of 3; it has no checkpoint of step 3: goes on from step 1",
    ),
    (
        r.CountedAgain("epoch", 54, 81, 27),
        "ended at epoch 54 of 81, but had gone on from epoch 27 and counted from the beginning again, so its progress is unknown: count on from epoch 28, or train all of it again",
    ),
    (r.TimedOut(90.0), "ran past its timeout of 90 s"),
    (r.NoObjective("loss", pattern=False), "ended without a report of loss"),
    (r.TriedAgain(1, 2, r.TimedOut(9.0)), "retry 1 of 2 after: ran past its timeout of 9 s"),
    (r.ByUser("resumed"), "resumed by hand"),
    (r.TimeLimit(), "the study's time limit is reached"),
    (
        r.Failures(3, first=True, error="Boom"),
        "the first 3 trials have failed, all with: Boom",
    ),
    (
        r.Failures(10, first=False, error="Boom"),
        "10 attempts in a row have failed, the last with: Boom",
    ),
    (r.Stopped("now"), "stopped at once, by hand"),
    (
        g.GpusShared(2, 1, 1.5, 2, open=True),
        "2 trials at once do +50% over 1; up to 2 are put together, and more are tried",
    ),
]


@pytest.mark.parametrize(("why", "words"), WORDS)
def test_a_reason_reads_as(why, words):
    assert reason_words(why) == words


def test_the_words_of_an_older_journal_stay_as_they_are():
    old = msgspec.msgpack.encode(["settled", 1.0, 3, "WAITING", "retry 1 of 2 after: Boom", True])
    fact = msgspec.msgpack.decode(old, type=ev.AnyFact)
    assert isinstance(fact, ev.Settled)
    assert reason_words(fact.why) == "retry 1 of 2 after: Boom"


@pytest.mark.parametrize("why", [why for why, _ in WORDS])
def test_the_journal_gives_a_reason_back(why):
    fact = ev.Halted(1.0, why, finish=False, failed=False)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(fact), type=ev.AnyFact) == fact


def test_every_reason_has_a_tag_of_its_own():
    kinds = [kind for kind in get_args(r.Why) if kind is not str]
    assert len({kind.__struct_config__.tag for kind in kinds}) == len(kinds)


def test_no_decision_of_a_study_holds_words():
    """Text comes from outside: an exception, an executor, the user."""
    outside = (ev.Proposed, ev.Exhausted, ev.Added, ev.CodeChanged)
    for seed in range(30):
        for fact in run_seed(seed).journal:
            if type(fact) not in get_args(ev.Decision) or isinstance(fact, outside):
                continue
            why = getattr(fact, "why", r.Killed())
            is_error = isinstance(fact, ev.Settled) and why == fact.error
            is_end = isinstance(fact, ev.Halted | ev.Finished)  # by what broke, or the searcher
            assert not isinstance(why, str) or is_error or is_end, fact
            assert reason_words(why) or is_end
