"""What whole attempts show about sharing a GPU, where each reports little."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given, strategies as st

from tuitune.core.placement import throughput, whole_attempts
from tuitune.core.placement.throughput import Capacity
from tuitune.core.placement.whole_attempts import AttemptMeans, WholeAttempt


def lived(
    means: AttemptMeans, seconds: float, reports: int, start: float = 0.0, company: float = 1.0
):
    """An attempt whose reports come at equal times once it has started."""
    first = start + (seconds - start) / reports
    return whole_attempts.remember(means, WholeAttempt(seconds, first, reports, company))


def test_attempts_are_compared_by_what_they_report_and_a_start_counts_as_reports():
    means = AttemptMeans()
    assert lived(means, 10.0, 10) == pytest.approx(1.0)
    assert lived(means, 20.0, 20) == pytest.approx(1.0)  # pruned ones end earlier
    means = AttemptMeans()
    assert lived(means, 12.0, 2, start=8.0) == pytest.approx(2.0)  # 4 + 2 times 2 s
    assert lived(means, 10.0, 1, start=8.0) == pytest.approx(2.0)


def test_those_that_report_seldom_or_start_for_long_are_compared_whole():
    for reports, start, silent in (
        (1, 0.0, True),
        (3, 0.0, True),
        (30, 0.0, False),
        (30, 5.0, True),
    ):
        means = AttemptMeans()
        assert not whole_attempts.are_silent(means)
        lived(means, 10.0, reports, start)
        assert whole_attempts.are_silent(means) == silent


@given(
    slowed=st.floats(0.0, 1.2),
    few=st.integers(1, 8),
    more=st.integers(1, 8),
    count=st.integers(8, 32),
)
def test_more_stay_only_if_all_do_more_work(slowed: float, few: int, more: int, count: int):
    """Each further trial slows all so that together they do a share of 1 - slowed more."""
    many = few + more
    gain = math.log(many / few) * (1 - slowed)
    least = math.log(1.1) * math.log2(many / few)
    assume(abs(gain - least) > 0.1)
    capacity = Capacity(kept=few, step=more)
    for number in (few, many):
        log = slowed * math.log(number)
        for _ in range(count):
            throughput.note_attempt(capacity, number, math.exp(log))
    finding = throughput.judge(capacity, paces=False, whole=True)
    if finding is not None:
        assert finding.kept == (many if gain > least else few)
        assert (finding.few, finding.many) == (few, many)
    if abs(gain - least) > 0.4:
        assert finding is not None


@given(companies=st.lists(st.floats(1.0, 40.0), max_size=80))
def test_as_many_are_remembered_as_are_compared_and_none_decides_alone(companies: list[float]):
    capacity = Capacity(kept=2, step=2, reached=2)
    for company in companies[:1]:
        throughput.note_attempt(capacity, company, 1.0)
        assert throughput.judge(capacity, paces=False, whole=True) is None
    for company in companies:
        throughput.note_attempt(capacity, company, 1.0)
    assert len(capacity.attempts) <= 64
    assert 2 <= capacity.reached <= 4
