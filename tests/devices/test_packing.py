"""How many trials one GPU bears: what is learnt from paces and peaks."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuitune.devices import packing
from tuitune.devices.packing import Bearing, Pace, Packing, Resident

GB = 10**9


def drive(bearing: Bearing, pace: Pace, seconds: float, chance: Random | None = None, n: int = 12):
    """So many reports, each after about so many seconds."""
    time = pace.heard or 1.0
    for step in range(pace.heard_step + 1, pace.heard_step + 1 + n):
        time += seconds * (chance.lognormvariate(0, 0.3) if chance else 1.0)
        packing.heard(bearing, pace, step, time)


def joined(bearing: Bearing, before: float, after: float, few: int = 1, many: int = 2, **noise):
    pace = Pace(company=few)
    drive(bearing, pace, before, **noise)
    packing.turn(pace, many)
    drive(bearing, pace, after, **noise)
    packing.compare(bearing, pace)
    return packing.judge(bearing)


def test_one_more_is_kept_where_all_together_do_more():
    bearing = Bearing()
    finding = joined(bearing, 1.0, 1.3)
    assert finding is not None
    assert (finding.most, finding.open, finding.few) == (2, True, 1)
    assert finding.gain == pytest.approx(2 / 1.3)


def test_where_nobody_is_hindered_more_are_put_together_at_once():
    finding = joined(Bearing(most=4, tallies=[packing.Tally() for _ in range(3)]), 1.0, 1.01, 4, 5)
    assert finding is not None
    assert finding.most == 9


def test_one_more_is_not_kept_where_all_together_do_less():
    finding = joined(Bearing(), 1.0, 2.1)
    assert finding is not None
    assert (finding.most, finding.open) == (1, False)


def test_who_leaves_tells_as_much_as_who_joins():
    bearing = Bearing()
    finding = joined(bearing, 1.3, 1.0, few=2, many=1)
    assert finding is not None
    assert finding.gain == pytest.approx(2 / 1.3)


def test_it_steps_back_where_the_work_falls():
    bearing = Bearing(most=3)
    finding = joined(bearing, 1.0, 2.5, 1, 2)
    assert finding is not None
    assert (finding.most, finding.open) == (1, False)


def test_noise_asks_for_more_comparisons_and_is_not_taken_for_a_finding():
    wrong = 0
    for seed in range(40):
        chance, bearing, finding = Random(seed), Bearing(), None
        while finding is None:
            finding = joined(bearing, 1.0, 1.7, chance=chance)
        wrong += not finding.open
    assert wrong <= 4  # 2 / 1.7 is a gain of 18%, and an interval's noise 30%


def test_pairs_are_of_one_trial_so_that_unlike_ones_do_not_blur_it():
    bearing = Bearing()
    for seconds in (0.5, 5.0, 50.0):
        joined(bearing, seconds, 1.25 * seconds)
    assert packing._gain(bearing, 1)[0] == pytest.approx(2 / 1.25)


def test_windows_that_are_too_short_tell_nothing():
    pace = Pace()
    drive(Bearing(), pace, 0.1, n=3)
    assert not pace.now  # less than two seconds
    drive(Bearing(), pace, 0.1, n=30)
    assert pace.now == pytest.approx(10, rel=0.01)


def test_memory_is_promised_by_the_largest_peak_and_more_while_few_have_ended():
    one = Packing()
    assert packing.reserve(one) is None
    running = packing.reserve(one, [10 * GB])
    packing.remember(one, 10 * GB, 0, ended=True)
    first = packing.reserve(one)
    for _ in range(50):
        packing.remember(one, 10 * GB, 0, ended=True)
    last = packing.reserve(one)
    assert running > first > last > 10 * GB
    packing.remember(one, 2 * GB, 0, ended=True)
    assert packing.reserve(one) > last  # they differ more than was thought


def test_out_of_memory_raises_what_is_promised_and_lowers_how_many():
    known = Packing({"A100": Bearing(most=4)}, ended=9, high=20 * GB, low=20 * GB)
    before = packing.reserve(known)
    packing.crowd(known, "A100", 3)
    assert known.bearings["A100"].most == 2
    assert packing.reserve(known) > 1.25 * before


@given(
    peaks=st.lists(st.integers(GB, 30 * GB), min_size=1, max_size=10),
    more=st.integers(0, 5),
)
def test_what_fits_leaves_room_for_all_peaks_to_come_back(peaks, more):
    known = Packing(ended=more, high=max(peaks), low=min(peaks))
    residents = [Resident(0.0, peak, peak, is_paced=True) for peak in peaks]
    reserved = packing.reserve(known)
    if packing.fits(80 * GB, reserved, known, residents):
        assert sum(peaks) + max(peaks) <= 0.95 * 80 * GB
