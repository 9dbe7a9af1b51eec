"""ASHA, style "stop", against a reference that looks at everything anew each time."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import permutations
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuitune.pruning.asha import enter, fail, judge
from tuitune.pruning.pruner import Rungs, rung_steps, unfilled
from tuitune.spec import PruningSpec

INF, NAN = math.inf, math.nan


def asha(low=1, high=81, reduction=3.0):
    return PruningSpec(method="asha", min=low, max=high, reduction=reduction, style="stop")


class Ours:
    """What a study does with the pruner: judge a report, then enter it."""

    def __init__(self, pruning, mode="min"):
        self.pruning, self.mode = pruning, mode
        self.rungs = Rungs()
        self.diverged = set()

    def report(self, trial, step, value):
        if not math.isfinite(value):
            self.diverged.add(trial)
        bad = trial in self.diverged
        verdict = judge(self.rungs, self.pruning, self.mode, trial, step, value, bad)
        enter(self.rungs, self.pruning, self.mode, trial, step, NAN if bad else value)
        return verdict

    def fail(self, trial):
        fail(self.rungs, self.pruning, trial)


class Reference:
    """The rules in the words of the design: all reports kept, every rung rebuilt for each one."""

    def __init__(self, pruning, mode="min"):
        self.pruning, self.mode = pruning, mode
        self.reports = []  # (trial, step, value), in order of arrival
        self.failed = []  # (trial, how many reports had come by then)

    def rung(self, at):
        """[(trial, value)] of a rung, in order of arrival; a failed trial's value is None."""
        filled = {}
        for trial, step, value in self.reports:
            if step >= at:
                filled.setdefault(trial, value)
        for trial in self.failed:
            ahead = [s for s in rungs_by_hand(self.pruning) if s > self.furthest(trial)]
            if ahead[:1] == [at]:
                filled[trial] = None
        return list(filled.items())

    def furthest(self, trial):
        return max((s for t, s, _ in self.reports if t == trial), default=0)

    def better(self, one, other):
        (trial, value), (other_trial, other_value) = one, other
        good = value is not None and math.isfinite(value)
        other_good = other_value is not None and math.isfinite(other_value)
        if good != other_good:
            return good
        if good and value != other_value:
            return value < other_value if self.mode == "min" else value > other_value
        return trial < other_trial

    def report(self, trial, step, value):
        spoilt = any(t == trial and not math.isfinite(v) for t, _, v in self.reports)
        before = self.furthest(trial)
        self.reports.append((trial, step, NAN if spoilt else value))
        crossed = [s for s in rungs_by_hand(self.pruning) if before < s <= step]
        if not crossed or step >= self.pruning.max:
            return None
        if spoilt or not math.isfinite(value):
            return "stop", None
        for at in crossed:
            rung = self.rung(at)
            me = (trial, value)
            rank = 1 + sum(self.better(other, me) for other in rung if other[0] != trial)
            kept = max(1, math.floor(len(rung) / Fraction(str(self.pruning.reduction))))
            figures = (at, rank, len(rung), self.cut(rung, kept))
            if rank > kept:
                return "stop", figures
        return "go", figures

    def cut(self, rung, kept):
        """The value of the one that has kept - 1 better than it."""
        (last,) = [e for e in rung if sum(self.better(o, e) for o in rung if o != e) == kept - 1]
        return last[1] if last[1] is not None and math.isfinite(last[1]) else None

    def fail(self, trial):
        self.failed.append(trial)


def rungs_by_hand(pruning):
    found, power = set(), 0
    while (step := round(pruning.min * pruning.reduction**power)) < pruning.max:
        found.add(step)
        power += 1
    return sorted(found)


def told(verdict):
    if verdict is None:
        return None
    if verdict.why.startswith("diverged"):
        return verdict.action, None
    return verdict.action, (verdict.rung, verdict.rank, verdict.n, verdict.cut)


SPECIAL = (NAN, INF, -INF, -0.0, 0.0, 1e300, 5e-324)
values = st.integers(0, 30).map(lambda n: SPECIAL[n] if n < len(SPECIAL) else (n % 12) / 4)


@st.composite
def stories(draw):
    """Trials in any interleaving: sparse steps, ties, NaN, failures and reports after a stop."""
    low = draw(st.integers(1, 3))
    pruning = asha(
        low, low + draw(st.integers(1, 40)), draw(st.sampled_from([2.0, 3.0, 4.0, 1.5, 2.5, 1.1]))
    )
    steps = dict.fromkeys(range(draw(st.integers(1, 20))), 0)
    story = []
    moves = st.tuples(st.integers(0, 19), st.sampled_from([1, 1, 1, 2, 3, 7, None]), values)
    for number, move, value in draw(st.lists(moves, min_size=1, max_size=60)):
        trial = sorted(steps)[number % len(steps)]
        if move is None:
            story.append((trial, None, None))
            del steps[trial]
            if not steps:
                break
            continue
        steps[trial] += move
        story.append((trial, steps[trial], value))
    return pruning, draw(st.sampled_from(["min", "max"])), story


@settings(max_examples=300)
@given(stories())
def test_every_verdict_is_the_references(story):
    pruning, mode, events = story
    ours, reference = Ours(pruning, mode), Reference(pruning, mode)
    for trial, step, value in events:
        if step is None:
            ours.fail(trial)
            reference.fail(trial)
            continue
        assert told(ours.report(trial, step, value)) == reference.report(trial, step, value)
    for place, at in enumerate(rung_steps(pruning)):
        assert [t for _, t in sorted(ours.rungs.at(place), key=lambda e: e[1])] == sorted(
            t for t, _ in reference.rung(at)
        )


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("mode", ["min", "max"])
def test_a_whole_study_is_the_references(mode, seed):
    """Sixty curves that get better, eight at a time; what is stopped makes room."""
    random = Random(seed)
    pruning = asha(high=27, reduction=random.choice([2.0, 3.0, 2.5]))
    ours, reference = Ours(pruning, mode), Reference(pruning, mode)
    waiting, running, verdicts = list(range(60)), {}, []
    while waiting or running:
        while waiting and len(running) < 8:
            running[waiting.pop(0)] = 0
        trial = random.choice(list(running))
        if random.random() < 0.02:
            ours.fail(trial)
            reference.fail(trial)
            del running[trial]
            continue
        running[trial] = step = running[trial] + random.choice([1, 1, 1, 4])
        value = NAN if random.random() < 0.01 else round(trial % 7 + random.random() + 9 / step, 1)
        verdict = ours.report(trial, step, value)
        assert told(verdict) == reference.report(trial, step, value)
        verdicts.append(verdict)
        if step >= 27 or (verdict is not None and verdict.action == "stop"):
            del running[trial]
    assert {v.action for v in verdicts if v} == {"go", "stop"}


@given(stories(), st.data())
def test_judging_changes_nothing_and_rungs_survive_being_stored(story, data):
    pruning, mode, events = story
    cut = data.draw(st.integers(0, len(events)))
    whole, resumed = Ours(pruning, mode), Ours(pruning, mode)
    for place, (trial, step, value) in enumerate(events):
        if place == cut:
            packed = msgspec.msgpack.encode(resumed.rungs)
            resumed.rungs = msgspec.msgpack.decode(packed, type=Rungs)
            assert resumed.rungs == whole.rungs
            assert msgspec.msgpack.encode(resumed.rungs) == packed
        if step is None:
            whole.fail(trial)
            resumed.fail(trial)
            continue
        before = msgspec.msgpack.encode(whole.rungs)
        judge(whole.rungs, pruning, mode, trial, step, value, False)
        assert msgspec.msgpack.encode(whole.rungs) == before
        assert whole.report(trial, step, value) == resumed.report(trial, step, value)
    assert whole.rungs == resumed.rungs


@given(st.permutations(range(9)))
def test_what_a_rung_holds_does_not_depend_on_the_order_of_arrival(order):
    ours, sorted_ours = Ours(asha()), Ours(asha())
    for trial in order:
        ours.report(trial, 1, trial / 10)
    for trial in range(9):
        sorted_ours.report(trial, 1, trial / 10)
    assert ours.rungs.at(0) == sorted_ours.rungs.at(0) == [(t / 10, t) for t in range(9)]


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=30))
def test_the_two_directions_mirror_each_other(losses):
    down, up = Ours(asha(), "min"), Ours(asha(), "max")
    for trial, loss in enumerate(losses):
        one, other = down.report(trial, 1, loss), up.report(trial, 1, -loss)
        assert (one.action, one.rank, one.n) == (other.action, other.rank, other.n)
        assert one.cut == -other.cut


def test_the_first_at_a_rung_goes_on():
    verdict = Ours(asha()).report(7, 1, 123.0)
    assert (verdict.action, verdict.rung, verdict.rank, verdict.n) == ("go", 1, 1, 1)
    assert verdict.cut == 123.0
    assert verdict.why == "rung 1: rank 1 of 1, 123 within 123: goes on"


def test_a_third_goes_on_and_says_by_which_figures():
    ours = Ours(asha())
    for trial in range(5):
        ours.report(trial, 1, 0.1 + trial / 100)
    verdict = ours.report(5, 1, 0.105)
    assert (verdict.action, verdict.rank, verdict.n, verdict.cut) == ("go", 2, 6, 0.105)
    verdict = ours.report(6, 1, 0.107)
    assert (verdict.action, verdict.rank, verdict.n, verdict.cut) == ("stop", 3, 7, 0.105)
    assert verdict.why == "rung 1: rank 3 of 7, 0.107 not within 0.105: stopped"


def test_the_cut_is_in_the_objectives_own_direction():
    ours = Ours(asha(), "max")
    ours.report(0, 1, 0.9)
    verdict = ours.report(1, 1, 0.8)
    assert (verdict.action, verdict.cut) == ("stop", 0.9)
    assert "0.8 not within 0.9" in verdict.why


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_among_equals_the_earlier_trial_is_better_whoever_arrives_first(order):
    ours = Ours(asha(reduction=2))
    ranks = {trial: ours.report(trial, 1, 0.5).rank for trial in order}
    seen = []
    for trial in order:
        seen.append(trial)
        assert ranks[trial] == sorted(seen).index(trial) + 1
    assert ours.rungs.at(0) == [(0.5, 0), (0.5, 1), (0.5, 2)]


def test_a_tie_that_ends_a_trial_says_so():
    ours = Ours(asha())
    ours.report(0, 1, 0.5)
    verdict = ours.report(1, 1, 0.5)
    assert verdict.action == "stop"
    assert verdict.why == "rung 1: rank 2 of 2, 0.5 not within 0.5 of earlier trials: stopped"


def test_numbers_that_look_alike_get_more_digits():
    ours = Ours(asha())
    ours.report(0, 1, 0.12345678)
    assert "0.12345679 not within 0.12345678" in ours.report(1, 1, 0.12345679).why


def test_a_report_that_crosses_several_rungs_fills_each_with_its_value():
    ours = Ours(asha())
    verdict = ours.report(0, 11, 0.4)
    assert verdict.rung == 9
    assert [ours.rungs.at(rung) for rung in range(4)] == [[(0.4, 0)]] * 3 + [[]]
    assert unfilled(ours.rungs, ours.pruning, 0) == (27,)


def test_such_a_report_has_to_be_among_the_best_of_every_one_of_them():
    ours = Ours(asha())
    ours.report(0, 1, 0.1)
    verdict = ours.report(1, 9, 0.2)  # first at rungs 3 and 9, second at rung 1
    assert (verdict.action, verdict.rung, verdict.rank, verdict.n) == ("stop", 1, 2, 2)


def test_a_rung_once_filled_is_never_filled_again():
    ours = Ours(asha())
    ours.report(0, 9, 0.4)
    for step in (9, 10, 11, 26):
        assert ours.report(0, step, 99.0) is None
    for step in (1, 3, 9):  # a later attempt, from the beginning
        assert ours.report(0, step, 0.0) is None
    assert [ours.rungs.at(rung) for rung in range(3)] == [[(0.4, 0)]] * 3


def test_between_rungs_nothing_happens():
    ours = Ours(asha(low=2))
    assert ours.report(0, 1, NAN) is None
    assert ours.rungs == Rungs()


@pytest.mark.parametrize("value", [NAN, INF, -INF])
@pytest.mark.parametrize("mode", ["min", "max"])
def test_what_is_not_finite_ends_the_trial_even_the_first(mode, value):
    ours = Ours(asha(), mode)
    verdict = ours.report(0, 1, value)
    assert (verdict.action, verdict.rank, verdict.n, verdict.cut) == ("stop", 1, 1, None)
    assert verdict.why == f"diverged: {value:g}, rung 1"
    assert ours.rungs.at(0) == [(INF, 0)]


def test_a_trial_that_diverged_between_rungs_ends_at_the_next():
    ours = Ours(asha())
    ours.report(0, 1, 0.1)
    assert ours.report(0, 2, NAN) is None
    verdict = ours.report(0, 3, 0.1)
    assert verdict.action == "stop"
    assert verdict.why == "diverged: an earlier report was not finite, rung 3"
    assert ours.rungs.at(1) == [(INF, 0)]


def test_what_diverged_still_counts_among_the_n():
    ours = Ours(asha(reduction=2))
    for trial in range(3):
        ours.report(trial, 1, NAN)
    verdict = ours.report(3, 1, 5.0)
    assert (verdict.action, verdict.rank, verdict.n, verdict.cut) == ("go", 1, 4, None)
    assert verdict.why == "rung 1: rank 1 of 4, within the best: goes on"


def test_a_failed_trial_is_worst_in_its_next_rung_and_counts_once():
    ours = Ours(asha(reduction=2))
    ours.report(0, 1, 0.1)
    ours.fail(0)
    ours.fail(0)
    assert ours.rungs.at(0) == [(0.1, 0)]
    assert ours.rungs.at(1) == [(INF, 0)]
    assert ours.rungs.reached(0) == 1
    ours.fail(1)  # before its first report
    assert ours.rungs.at(0) == [(0.1, 0), (INF, 1)]
    verdict = ours.report(2, 1, 0.2)
    assert (verdict.action, verdict.rank, verdict.n) == ("stop", 2, 3)
    verdict = ours.report(3, 1, 0.15)
    assert (verdict.action, verdict.rank, verdict.n) == ("go", 2, 4)


def test_a_failure_beyond_the_last_rung_enters_none():
    ours = Ours(asha(high=9))
    ours.report(0, 3, 0.1)
    ours.fail(0)
    assert ours.rungs.entries == [[(0.1, 0)], [(0.1, 0)]]


@pytest.mark.parametrize("value", [0.5, NAN])
def test_the_report_that_reaches_the_maximum_is_not_judged_but_counts(value):
    ours = Ours(asha(high=27))
    ours.report(0, 1, 0.1)
    ours.report(1, 1, 0.05)
    assert ours.report(0, 27, value) is None
    assert len(ours.rungs.at(1)) == len(ours.rungs.at(2)) == 1


def test_whoever_comes_in_ever_worse_order_is_stopped_and_in_ever_better_order_goes_on():
    worse, better = Ours(asha()), Ours(asha())
    assert [worse.report(t, 1, float(t)).action for t in range(60)] == ["go"] + ["stop"] * 59
    assert {better.report(t, 1, -float(t)).action for t in range(60)} == {"go"}


@pytest.mark.parametrize(
    ("low", "high", "reduction", "steps"),
    [
        (1, 27, 3, (1, 3, 9)),
        (1, 28, 3, (1, 3, 9, 27)),
        (1, 81, 3, (1, 3, 9, 27)),
        (1, 1000, 10, (1, 10, 100)),
        (2, 30, 2, (2, 4, 8, 16)),
        (1, 10, 1.5, (1, 2, 3, 5, 8)),
        (1, 6, 1.1, (1, 2, 3, 4, 5)),
        (4, 4, 3, ()),
        (5, 4, 3, ()),
        (3, 4, 3, (3,)),
    ],
)
def test_rungs_are_whole_numbers_below_the_maximum_merged(low, high, reduction, steps):
    assert rung_steps(asha(low, high, reduction)) == steps
    assert unfilled(Rungs(), asha(low, high, reduction), 0) == steps


def test_a_study_without_pruning_has_no_rungs_and_judges_nothing():
    ours = Ours(PruningSpec(max=9))
    assert rung_steps(ours.pruning) == ()
    assert [ours.report(0, step, NAN) for step in range(1, 12)] == [None] * 11
    ours.fail(0)
    assert ours.rungs == Rungs()


@pytest.mark.parametrize(
    "pruning",
    [
        PruningSpec(method="asha"),
        PruningSpec(method="asha", max=9, reduction=1),
        PruningSpec(method="asha", max=9, min=0),
    ],
)
def test_rungs_without_an_end_are_refused(pruning):
    with pytest.raises(ValueError, match=r"\[pruning\]"):
        rung_steps(pruning)


@given(st.integers(1, 400), st.sampled_from(["1.1", "1.5", "2", "2.5", "3", "3.3", "4"]))
def test_how_many_go_on_is_the_exact_quotients_floor(n, reduction):
    pruning = asha(reduction=float(reduction))
    rungs = Rungs(entries=[[(float(t), t) for t in range(1, n)]], filled={})
    kept = max(1, math.floor(n / Fraction(reduction)))
    last = judge(rungs, pruning, "min", n, 1, kept - 0.5, False)
    assert (last.rank, last.n, last.action) == (kept, n, "go")
    if kept < n:
        first_out = judge(rungs, pruning, "min", n, 1, kept + 0.5, False)
        assert (first_out.rank, first_out.action) == (kept + 1, "stop")


def test_two_studies_do_not_share_their_rungs():
    one, other = Ours(asha()), Ours(asha())
    one.report(0, 1, 0.5)
    assert other.rungs == Rungs(entries=[], filled={})
