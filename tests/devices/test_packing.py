"""What memory is promised to trials that share a GPU, by the peaks of those before them."""

from __future__ import annotations

from hypothesis import given, strategies as st

from tuitune.core.placement import packing
from tuitune.core.placement.packing import Packing, Resident
from tuitune.core.placement.throughput import Capacity

GB = 10**9


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
    known = Packing({"A100": Capacity(kept=4)}, ended=9, high=20 * GB, low=20 * GB)
    before = packing.reserve(known)
    packing.crowd(known, "A100", 3)
    capacity = known.capacities["A100"]
    assert (capacity.kept, capacity.step, capacity.closed) == (2, 0, 9)  # not to be tried at once
    assert packing.reserve(known) > 1.25 * before


def test_more_is_kept_for_one_that_may_still_grow_while_few_have_ended():
    grown, growing = Resident(0.0, 20 * GB, 20 * GB), Resident(0.0, 20 * GB, 0)
    half = Resident(0.5, 20 * GB, 0)  # as its file asks for
    young, old = Packing(), Packing(ended=3, high=20 * GB, low=20 * GB)
    for known, fit in ((young, [True, False, True]), (old, [True, True, True])):
        reserved = packing.reserve(known, [20 * GB])
        found = [packing.fits(80 * GB, reserved, known, [one]) for one in (grown, growing, half)]
        assert found == fit


@given(
    peaks=st.lists(st.integers(GB, 30 * GB), min_size=1, max_size=10),
    more=st.integers(0, 5),
)
def test_what_fits_leaves_room_for_all_peaks_to_come_back(peaks, more):
    known = Packing(ended=more, high=max(peaks), low=min(peaks))
    residents = [Resident(0.0, peak, peak) for peak in peaks]
    reserved = packing.reserve(known)
    if packing.fits(80 * GB, reserved, known, residents):
        assert sum(peaks) + max(peaks) <= 0.95 * 80 * GB
