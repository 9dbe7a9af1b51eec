"""Which GPUs a trial gets: pure, on machines made of words."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, strategies as st

from tuitune.core.events import Gpu
from tuitune.core.placement.gpus import Loads, choose, next_empty
from tuitune.core.placement.packing import Packing, Resident
from tuitune.core.placement.throughput import Capacity
from tuitune.core.placement.whole_attempts import AttemptMeans

GB = 10**9
WHOLE = Resident(1.0, 0, 0)
PACKED = Resident(0.0, 4 * GB, 4 * GB, is_under_way=True, intervals=2)


def machine(count: int, **more) -> list[Gpu]:
    return [Gpu(f"g{i}", i, "A100", 80 * GB, **more) for i in range(count)]


def loads(packing: Packing | None = None, **residents) -> Loads:
    return Loads(residents, packing or Packing(ended=5, high=4 * GB, low=4 * GB))


def known(kept: int, step: int = 0) -> Packing:
    return Packing({"A100": Capacity(kept, step)}, ended=5, high=4 * GB, low=4 * GB)


def test_the_idlest_is_taken_and_the_last_of_equals():
    gpus = machine(3)
    assert choose(gpus, loads(), 1) == ("g2",)
    gpus[2] = msgspec.structs.replace(gpus[2], busy=0.5)
    assert choose(gpus, loads(), 1) == ("g1",)
    assert choose(gpus, loads(g1=[WHOLE], g0=[WHOLE]), 1) == ("g2",)


def test_what_stands_in_the_way_is_respected():
    gpus = machine(2)
    gpus[1] = msgspec.structs.replace(gpus[1], obstacle="lost")
    for request in (1, 0.5, "auto"):
        assert choose(gpus, loads(), request) == ("g0",)
        assert choose(gpus, loads(), request, aside=("g0",)) is None
    assert choose(gpus, loads(), 2) is None


def test_several_are_the_closest_to_each_other():
    gpus = machine(4)
    gpus[0] = msgspec.structs.replace(gpus[0], links={"g2": 100, "g1": 10})
    gpus[2] = msgspec.structs.replace(gpus[2], links={"g0": 100})
    gpus[1] = msgspec.structs.replace(gpus[1], links={"g0": 10})
    assert choose(gpus, loads(), 2) == ("g0", "g2")
    assert choose(gpus, loads(g2=[WHOLE]), 2) == ("g0", "g1")
    assert choose(gpus, loads(), 4) == ("g0", "g1", "g2", "g3")
    assert choose(gpus, loads(), 5) is None


def test_fractions_fill_a_gpu_before_they_break_another_but_take_an_empty_one_first():
    half = Resident(0.5, 0, 0)
    gpus = machine(2)
    assert choose(gpus, loads(g1=[half]), 0.5) == ("g0",)
    assert choose(gpus, loads(g0=[half], g1=[half, half]), 0.5) == ("g0",)
    assert choose(gpus, loads(g0=[half, half], g1=[half, half]), 0.5) is None
    third = Resident(1 / 3, 0, 0)
    assert choose(machine(1), loads(g0=[third, third]), 1 / 3) == ("g0",)


def test_fractions_know_of_memory_too():
    large = Resident(0.25, 30 * GB, 30 * GB)
    packing = Packing(ended=5, high=30 * GB, low=30 * GB)
    assert choose(machine(1), loads(packing, g0=[large]), 0.25) == ("g0",)
    assert choose(machine(1), loads(packing, g0=[large, large]), 0.25) is None


def test_kinds_of_requests_do_not_mix_on_one_gpu():
    half = Resident(0.5, 0, 0)
    for resident, request in ((half, "auto"), (PACKED, 0.5), (WHOLE, 0.5), (WHOLE, "auto")):
        assert choose(machine(1), loads(known(9), g0=[resident]), request) is None


STARTS = PACKED._replace(is_under_way=False, intervals=0)


@pytest.mark.parametrize(
    ("packing", "residents", "admitted"),
    [
        (known(1, 1), [PACKED], True),  # one more, to be measured
        (known(1), [PACKED], False),
        (known(1, 1), [PACKED._replace(intervals=1)], False),  # not enough to compare with yet
        (known(1, 1), [PACKED, PACKED], False),  # it is being measured
        (known(3), [PACKED, STARTS], True),  # was found to be good
        (known(3), [PACKED, PACKED, PACKED], False),
        (known(2, 2), [PACKED, PACKED._replace(intervals=1)], True),
        (known(2, 2), [PACKED, PACKED, PACKED], True),  # the second newcomer of two
        (known(2, 2), [PACKED, PACKED, STARTS], False),  # the first one is on its way
        (known(2, 2), [PACKED, PACKED, PACKED, PACKED], False),
        (Packing(), [PACKED._replace(peak=30 * GB, rest=0)], False),  # it may still grow
        (Packing(), [PACKED], True),
        (Packing(), [PACKED._replace(peak=0)], False),  # nobody knows what it holds
        (known(9), [PACKED._replace(peak=76 * GB, rest=76 * GB)], False),  # no room
    ],
)
def test_packing_admits_by_what_was_measured(packing, residents, admitted):
    found = choose(machine(1), loads(packing, g0=residents), "auto")
    assert found == (("g0",) if admitted else None)


def test_the_first_neighbour_is_tried_on_one_gpu_of_a_model_and_further_ones_on_all():
    two, three = [PACKED] * 2, [PACKED] * 3
    assert choose(machine(2), loads(known(1, 1), g0=[PACKED], g1=two), "auto") is None
    assert choose(machine(2), loads(known(2, 1), g0=two, g1=three), "auto") == ("g0",)


def test_one_more_that_was_a_clear_loss_is_tried_again_on_one_gpu():
    two, three, packing = [PACKED] * 2, [PACKED] * 3, known(2, 1)
    packing.capacities["A100"].steep = True
    assert choose(machine(2), loads(packing, g0=two, g1=two), "auto") is not None
    assert choose(machine(2), loads(packing, g0=two, g1=three), "auto") is None


def test_gpus_that_can_not_be_shared_are_not():
    half = Resident(0.5, 0, 0)
    assert choose(machine(1, packs=False), loads(known(9), g0=[PACKED]), "auto") is None
    assert choose(machine(1, packs=False), loads(g0=[half]), 0.5) is None


def test_instances_of_a_gpu_are_had_one_at_a_time():
    assert choose(machine(2, joins=False), loads(), 2) is None
    assert choose(machine(2, joins=False), loads(), 1) == ("g1",)


@pytest.mark.parametrize("wanted", [0.5, "auto"])
def test_an_instance_has_one_trial_however_little_it_asks_for(wanted):
    instances = machine(2, joins=False, packs=False)
    share = 0.0 if wanted == "auto" else wanted
    one = Resident(share, 4 * GB, 4 * GB, is_under_way=True, intervals=9)
    assert choose(instances, loads(known(9)), wanted) == ("g1",)
    assert choose(instances, loads(known(9), g1=[one]), wanted) == ("g0",)
    assert choose(instances, loads(known(9), g0=[one], g1=[one]), wanted) is None


def test_the_one_who_must_be_alone_waits_for_the_emptiest():
    assert choose(machine(2), loads(g0=[PACKED], g1=[PACKED]), "auto", alone=True) is None
    assert next_empty(machine(2), loads(g0=[PACKED], g1=[PACKED, PACKED])) == "g0"


@given(
    wishes=st.lists(st.sampled_from([1, 2, 0.5, 1 / 3, "auto"]), max_size=12),
    count=st.integers(1, 4),
    most=st.integers(1, 4),
)
def test_nothing_is_ever_promised_twice(wishes, count, most):
    gpus, residents = machine(count), {f"g{i}": [] for i in range(count)}
    for request in wishes:
        found = choose(gpus, Loads(residents, known(most)), request)
        share = 0.0 if request == "auto" else min(1.0, request)
        for uuid in found or ():
            residents[uuid].append(Resident(share, 4 * GB, 4 * GB))
    for here in residents.values():
        assert sum(r.share for r in here) <= 1 + 1e-6
        assert len({r.share == 0 for r in here}) <= 1
        assert sum(r.share == 0 for r in here) <= most
        assert sum(r.peak for r in here) <= 80 * GB


def test_memory_that_is_the_hosts_is_shared_with_what_trials_have_of_the_host():
    one, pool = machine(1, unified=True), {"g0": [PACKED]}
    packing = known(9)
    assert choose(one, Loads(pool, packing, 80 * GB, 0, [PACKED]), "auto") == ("g0",)
    assert choose(one, Loads(pool, packing, 80 * GB, 72 * GB, [PACKED]), "auto") is None
    assert (
        choose(one, Loads(pool, packing, 8 * GB, 0, [PACKED]), "auto") is None
    )  # a cgroup's limit
    half = [Resident(0.5, 4 * GB, 4 * GB)]
    assert choose(one, Loads({"g0": half}, packing, 80 * GB, 72 * GB, half), 0.5) is None
    own = machine(1)
    assert choose(own, Loads(pool, packing, 80 * GB, 72 * GB), "auto") == ("g0",)


def test_an_empty_gpu_is_taken_unless_another_one_has_its_memory():
    two, full = machine(2, unified=True), [Resident(1.0, 75 * GB, 75 * GB)]
    assert choose(two, Loads({"g0": full}, known(9), 80 * GB, 0, full), 1) is None
    assert choose(two, Loads({"g0": [PACKED]}, known(9), 80 * GB, 0, [PACKED]), 1) == ("g1",)
    # one who is alone on the machine has to be tried, whatever is expected of it
    assert choose(two, Loads({}, known(9), 2 * GB, 3 * GB), 1) == ("g1",)


@given(
    kept=st.integers(1, 8),
    step=st.integers(0, 8),
    peak=st.integers(0, 20),
    reports=st.sampled_from([1, 12]),
    ended=st.integers(0, 4),
)
def test_short_trials_join_at_once_up_to_what_is_tried_and_never_beyond_the_memory(
    kept, step, peak, reports, ended
):
    step = min(step, kept)  # as it always is
    capacity = Capacity(kept, step, attempts=[(float(kept), 0.0)])
    means = AttemptMeans(seconds=0.6, reports=reports)
    packing = Packing({"A100": capacity}, ended, 4 * GB, 4 * GB, means=means)
    here: list[Resident] = []
    while choose(machine(1), loads(packing, g0=here), "auto") and len(here) < 40:
        here.append(Resident(0.0, peak * GB, 0, is_under_way=True, intervals=2))
    assert len(here) <= kept + step
    assert sum(r.peak for r in here[:-1]) + 4 * GB <= 0.95 * 80 * GB or len(here) == 1
    if ended and peak <= 4:
        assert len(here) == min(kept + step, _room(ended))


def _room(ended: int) -> int:
    """How many fit: until three have ended, twice the peak is kept for those that may grow."""
    each = 4 * (1.02 + 0.1 / ended**0.5)
    growing = each if ended >= 3 else 2 * each
    return 1 + int((0.95 * 80 - each) / growing)
