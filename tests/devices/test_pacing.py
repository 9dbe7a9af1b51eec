"""How many trials one GPU bears: what is learnt from how they slow each other."""

from __future__ import annotations

from random import Random

import pytest

from tuitune.core.placement import throughput
from tuitune.core.placement.throughput import Capacity, Finding, Throughput


class Gpu:
    """Trials on one GPU that report in turn, each after so many seconds."""

    def __init__(self, capacity: Capacity, count: int, chance: Random | None = None) -> None:
        self.capacity, self.chance, self.now = capacity, chance, 1000.0
        self.paces = [Throughput(company=count) for _ in range(count)]
        self.steps = [0] * count

    def report(self, seconds: float, times: int, own: float = 1.0) -> Finding | None:
        """`own`: how much slower each one is than the one before, of itself."""
        for _ in range(times):
            self.now += seconds * (self.chance.lognormvariate(0, 0.3) if self.chance else 1.0)
            for place, pace in enumerate(self.paces):
                self.steps[place] += round(16 / own**place)
                throughput.note_report(self.capacity, pace, self.steps[place], self.now)
        return throughput.judge(self.capacity)

    def join(self) -> None:
        self.paces.append(Throughput())
        self.steps.append(0)
        self._turn()

    def leave(self) -> None:
        self.paces.pop()
        self._turn()

    def _turn(self) -> None:
        starting = sum(1 for pace in self.paces if not pace.reports)
        for pace in self.paces:
            throughput.turn(pace, len(self.paces), len(self.paces), starting, self.now)

    def begin(self) -> None:
        """The newest one has reported: from now on it is known to compute."""
        throughput.note_report(self.capacity, self.paces[-1], 16, self.now)
        self.steps[-1] = 16
        self._turn()


def joined(
    before: float,
    after: float,
    few: int = 1,
    *,
    capacity: Capacity | None = None,
    reports: int = 12,
) -> Finding | None:
    """What is found where one more slows all others from `before` to `after` seconds."""
    gpu = Gpu(capacity or Capacity(few), few)
    gpu.report(before, reports)
    gpu.join()
    gpu.begin()
    return gpu.report(after, reports)


def settle(capacity: Capacity, finding: Finding, ended: int = 4) -> None:
    capacity.reached = finding.many
    throughput.settle(capacity, finding, ended)


def test_one_more_is_kept_where_all_together_do_a_tenth_more():
    finding = joined(1.0, 1.3, reports=60)
    assert finding is not None
    assert (finding.few, finding.many, finding.kept, finding.open) == (1, 2, 2, True)
    assert finding.gain == pytest.approx(2 / 1.3, rel=0.05)


@pytest.mark.parametrize("after", [1.9, 2.1, 3.0])
def test_one_more_is_not_kept_where_all_together_do_less_than_that(after):
    finding = joined(1.0, after, reports=60)
    assert finding is not None
    assert (finding.kept, finding.open) == (1, False)


def test_of_one_more_among_many_a_part_of_a_tenth_is_asked():
    finding = joined(1.0, 1.1, few=8, reports=60)  # 9 / 8 / 1.1: +2.3%, and 1.6% would do
    assert finding is not None
    assert finding.kept == 9
    finding = joined(1.0, 1.12, few=8, reports=60)  # +0.4%
    assert finding is not None
    assert finding.kept == 8


def test_who_leaves_tells_as_much_as_who_joins():
    gpu = Gpu(Capacity(), 2)
    gpu.report(1.3, 30)
    gpu.leave()
    finding = gpu.report(1.0, 30)
    assert finding is not None
    assert finding.kept == 2


def test_trials_that_differ_do_not_blur_it():
    gpu = Gpu(Capacity(3), 3)
    gpu.report(1.0, 30, own=2.0)
    gpu.join()
    gpu.begin()
    finding = gpu.report(1.2, 30, own=2.0)
    assert finding is not None
    assert finding.gain == pytest.approx(4 / 3 / 1.2, rel=0.05)


def test_few_figures_find_nothing():
    assert joined(1.0, 1.5, reports=2) is None


def test_noise_asks_for_more_figures_and_is_seldom_taken_for_a_finding():
    wrong = 0
    for seed in range(60):
        gpu = Gpu(Capacity(), 1, Random(seed))
        gpu.report(1.0, 6)
        gpu.join()
        gpu.begin()
        finding = None
        for _ in range(400):
            finding = gpu.report(1.3, 1)  # 2 / 1.3 is a gain of 54%, and an interval's noise 30%
            if finding is not None:
                break
        wrong += finding is None or finding.kept != 2
    assert wrong <= 6


def test_what_one_who_has_not_begun_to_compute_does_to_others_is_not_counted():
    gpu = Gpu(Capacity(), 1)
    gpu.report(1.0, 6)
    gpu.join()
    alone, newcomer = gpu.paces
    for step in range(7, 30):  # its data loads, and nobody is hindered yet
        gpu.now += 1.0
        throughput.note_report(gpu.capacity, alone, 16 * step, gpu.now)
    assert newcomer.reports == 0
    assert gpu.capacity.xx == 0
    assert throughput.judge(gpu.capacity) is None


def test_one_that_stood_still_for_an_hour_changes_little():
    gpu = Gpu(Capacity(), 1)
    gpu.report(1.0, 40)
    gpu.join()
    gpu.begin()
    gpu.report(3600.0, 1)
    finding = gpu.report(1.2, 60)
    assert finding is not None
    assert finding.kept == 2


def test_where_nobody_is_hindered_twice_as_many_are_tried_and_half_of_that_where_that_was_too_many():
    capacity = Capacity(2)
    settle(capacity, Finding(2, 3, 1.49, 3, open=True))
    assert (capacity.kept, capacity.step) == (3, 3)
    settle(capacity, Finding(3, 6, 1.0, 3, open=True))
    assert (capacity.kept, capacity.step) == (3, 1)
    settle(capacity, Finding(3, 4, 1.3, 4, open=True))
    assert (capacity.kept, capacity.step) == (4, 1)  # six are too many, and five may do
    settle(capacity, Finding(4, 5, 1.0, 4, open=False))
    assert (capacity.kept, capacity.step) == (4, 0)


def test_what_was_kept_is_left_where_it_hinders_after_all():
    capacity = Capacity(3, 0, gains={2: 1.8, 3: 2.2})
    gpu = Gpu(capacity, 3)
    gpu.report(2.0, 30)
    gpu.leave()
    finding = gpu.report(1.0, 30)
    assert finding is not None
    assert (finding.few, finding.many, finding.kept, finding.open) == (2, 3, 2, False)
    settle(capacity, finding)
    assert capacity.kept == 2
    assert capacity.gains == {2: 1.8}


def test_it_is_tried_again_when_many_more_have_ended_and_seldom_where_that_cost_much():
    for kept, gain, soon, late in ((3, 1.0, 19, 20), (1, 1.0, 39, 40), (3, 0.7, 39, 40)):
        capacity = Capacity(kept)
        settle(capacity, Finding(kept, kept + 1, gain, kept, open=False), ended=10)
        throughput.retry(capacity, soon)
        assert capacity.step == 0
        throughput.retry(capacity, late)
        assert (capacity.step, capacity.ceiling, capacity.closed) == (1, 0, late)


def test_two_are_given_up_only_when_it_is_plain():
    few, many = ((joined(1.0, 2.3, few, reports=4)) for few in (1, 8))
    assert few is None  # of so few reports
    assert many is not None
    assert many.kept == 8


def test_what_so_many_do_over_one_is_told_where_it_was_measured():
    capacity = Capacity(4, gains={2: 1.8, 4: 2.6})
    found = [throughput.over_one(capacity, count) for count in range(1, 6)]
    assert found[:2] == [1.0, 1.8]
    assert found[2] is not None
    assert 1.8 < found[2] < 2.6
    assert found[3:] == [2.6, None]


def test_a_gain_over_one_is_made_of_all_steps_on_the_way():
    capacity = Capacity(2, 1, gains={2: 1.8})
    settle(capacity, Finding(2, 3, 1.3, 3, open=True))
    assert throughput.over_one(capacity, 3) == pytest.approx(1.8 * 1.3)


def test_a_short_trials_reports_are_figures_of_their_own():
    gpu = Gpu(Capacity(), 1)
    for step in range(1, 13):
        gpu.now += 0.05
        throughput.note_report(gpu.capacity, gpu.paces[0], step, gpu.now, usual=0.6)
    assert throughput.intervals(gpu.capacity, gpu.paces[0]) == 11


def test_reports_in_quick_succession_are_one_figure():
    gpu = Gpu(Capacity(), 1)
    gpu.report(0.01, 100)
    assert throughput.intervals(gpu.capacity, gpu.paces[0]) == 0
    gpu.report(0.01, 10)
    assert throughput.intervals(gpu.capacity, gpu.paces[0]) == 1


def test_when_somebody_has_left_the_others_are_looked_at_anew():
    gpu = Gpu(Capacity(2), 3)
    gpu.report(1.0, 4)
    gpu.leave()
    assert [pace.calm for pace in gpu.paces] == [0, 0]
    gpu.report(1.0, 1)
    assert [pace.calm for pace in gpu.paces] == [1, 1]


def test_how_fast_fewer_are_than_what_is_compared_tells_nothing_of_it():
    gpu = Gpu(Capacity(3, 0), 1)
    gpu.report(1.0, 9)
    assert throughput.intervals(gpu.capacity, gpu.paces[0]) == 0


def test_how_fast_more_are_than_what_is_compared_tells_nothing_of_it():
    gpu = Gpu(Capacity(4, 1, ceiling=6), 6)  # two of the six have yet to leave
    assert gpu.report(3.0, 9) is None
    gpu.leave()
    gpu.report(1.0, 9)
    gpu.leave()
    finding = gpu.report(1.0, 9)
    assert finding is not None
    assert finding.kept == 5


def test_half_way_to_what_was_reached_is_tried_and_not_to_what_was_aimed_at():
    gpu = Gpu(Capacity(4, 4), 4)
    gpu.report(1.0, 30)
    for _ in range(2):
        gpu.join()
        gpu.begin()
    finding = gpu.report(3.0, 30)
    assert finding == Finding(4, 6, finding.gain, 4, open=True)
    throughput.settle(gpu.capacity, finding, 4)
    assert (gpu.capacity.ceiling, gpu.capacity.step) == (6, 1)
