"""The choice of GPUs beside all choices that there are, on small machines of any kind."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings, strategies as st

from tuitune.core.events import Gpu
from tuitune.core.placement.gpus import Loads, choose, next_empty
from tuitune.core.placement.host import HOST, HostResources, most_at_once, place, shortage
from tuitune.core.placement.packing import Packing, Resident, fits, promised, remember, reserve
from tuitune.core.placement.throughput import Capacity

GB = 10**9
PACKING = Packing(ended=5, high=4 * GB, low=4 * GB)
SHARES = (1.0, 0.5, 0.25, 1 / 3)


@st.composite
def machines(draw, most=4):
    """GPUs with links, obstacles and other users, and what runs on them."""
    count = draw(st.integers(0, most))
    names = [f"g{number}" for number in range(count)]
    close = {
        pair: draw(st.sampled_from([0, 10, 40, 100])) for pair in itertools.combinations(names, 2)
    }
    gpus = [
        Gpu(
            name,
            number,
            draw(st.sampled_from(["A100", "L4"])),
            draw(st.sampled_from([0, 16 * GB, 80 * GB])),
            obstacle=draw(st.sampled_from(["", "", "", "lost"])),
            packs=draw(st.booleans()) or draw(st.booleans()),
            busy=draw(st.sampled_from([0.0, 0.0, 0.25, 1.0])),
            joins=draw(st.booleans()) or draw(st.booleans()),
            links={
                next(other for other in pair if other != name): near
                for pair, near in close.items()
                if name in pair
            },
        )
        for number, name in enumerate(names)
    ]
    residents = {
        name: draw(
            st.sampled_from(
                [
                    [],
                    [],
                    [Resident(1.0, GB, GB)],
                    [Resident(0.5, GB, GB)],
                    [Resident(0.25, GB, GB)] * 3,
                    [Resident(1 / 3, GB, GB)] * 2,
                    [Resident(0.0, 4 * GB, 4 * GB, is_under_way=True, intervals=9)],
                ]
            )
        )
        for name in names
    }
    return gpus, Loads({name: found for name, found in residents.items() if found}, PACKING)


def idleness(gpu):
    return gpu.busy, -gpu.index


def ties(group):
    return sum(one.links.get(other.uuid, 0) for one, other in itertools.permutations(group, 2))


@settings(max_examples=60)
@given(machines(), st.integers(1, 4))
def test_whole_gpus_are_empty_usable_and_as_many_as_asked(machine, count):
    gpus, loads = machine
    there = [gpu for gpu in gpus if not gpu.obstacle and not loads.on(gpu)]
    there = [gpu for gpu in there if gpu.joins or count == 1]
    found = choose(gpus, loads, count)
    if found is None:
        assert len(there) < count
        return
    assert len(set(found)) == count
    chosen = [gpu for gpu in there if gpu.uuid in found]
    assert [gpu.uuid for gpu in chosen] == list(found)  # in the driver's order
    if count == 1:
        assert chosen == [min(there, key=idleness)]


@settings(max_examples=60)
@given(machines())
def test_of_all_pairs_the_closest_is_taken_and_of_such_one_with_the_idlest(machine):
    gpus, loads = machine
    there = [gpu for gpu in gpus if not gpu.obstacle and not loads.on(gpu) and gpu.joins]
    found = choose(gpus, loads, 2)
    if found is None:
        return
    pairs = list(itertools.combinations(there, 2))
    closest = max(map(ties, pairs))
    best = [pair for pair in pairs if ties(pair) == closest]
    chosen = next(pair for pair in pairs if {gpu.uuid for gpu in pair} == set(found))
    assert chosen in best
    assert min(map(idleness, chosen)) == min(min(map(idleness, pair)) for pair in best)


@settings(max_examples=50)
@given(machines())
def test_all_that_there_are_are_given_to_who_wants_them_all(machine):
    gpus, loads = machine
    there = [gpu for gpu in gpus if not gpu.obstacle and not loads.on(gpu) and gpu.joins]
    if len(there) > 1:
        assert choose(gpus, loads, len(there)) == tuple(gpu.uuid for gpu in there)
    assert choose(gpus, loads, len(gpus) + 1) is None


@settings(max_examples=60)
@given(machines(), st.sampled_from(SHARES[1:]))
def test_a_fraction_takes_an_empty_gpu_else_the_fullest_that_has_it_left(machine, share):
    gpus, loads = machine
    usable = [gpu for gpu in gpus if not gpu.obstacle]
    empty = [gpu for gpu in usable if not loads.on(gpu)]
    found = choose(gpus, loads, share)
    if empty:
        assert found == (min(empty, key=idleness).uuid,)
        return

    def room(gpu):
        own = loads.on(gpu)
        taken = sum(resident.share for resident in own)
        memory = not gpu.memory or fits(gpu.memory, loads.reserved(), PACKING, own)
        fractions = all(0 < resident.share < 1 for resident in own)
        return gpu.packs and fractions and memory and taken + share < 1 + 1e-6

    left = [gpu for gpu in usable if room(gpu)]
    if found is None:
        assert not left
        return
    (chosen,) = (gpu for gpu in left if (gpu.uuid,) == found)
    fullest = max(sum(r.share for r in loads.on(gpu)) for gpu in left)
    assert sum(r.share for r in loads.on(chosen)) == pytest.approx(fullest)


@settings(max_examples=60)
@given(machines(), st.sampled_from([1, 2, 0.5, "auto"]), st.data())
def test_what_is_kept_for_others_is_as_if_it_were_not_there(machine, wanted, data):
    gpus, loads = machine
    aside = {gpu.uuid for gpu in gpus if data.draw(st.booleans())}
    without = [gpu for gpu in gpus if gpu.uuid not in aside]
    assert choose(gpus, loads, wanted, aside=aside) == choose(without, loads, wanted)


@settings(max_examples=60)
@given(machines(), st.sampled_from([1, 2, 0.5, "auto"]), st.randoms(use_true_random=False))
def test_the_order_in_which_gpus_are_listed_makes_no_difference(machine, wanted, random):
    gpus, loads = machine
    found = choose(gpus, loads, wanted)
    shuffled = choose(random.sample(gpus, len(gpus)), loads, wanted)
    if wanted == 2:  # among groups equally close any may be taken
        assert (found is None) == (shuffled is None)
    else:
        assert found == shuffled
    assert next_empty(gpus, loads) == next_empty(random.sample(gpus, len(gpus)), loads)


@settings(max_examples=50)
@given(machines(), st.sampled_from([0.5, "auto"]))
def test_who_is_to_be_alone_gets_an_empty_gpu_or_none(machine, wanted):
    gpus, loads = machine
    found = choose(gpus, loads, wanted, alone=True)
    empty = [gpu for gpu in gpus if not gpu.obstacle and not loads.on(gpu)]
    assert found == ((min(empty, key=idleness).uuid,) if empty else None)


@settings(max_examples=60)
@given(machines(), st.integers(1, 4))
def test_packed_trials_stay_within_what_was_measured_and_the_memory(machine, kept):
    gpus, _ = machine
    packing = Packing({"A100": Capacity(kept)}, ended=5, high=4 * GB, low=4 * GB)
    packed = Resident(0.0, 4 * GB, 4 * GB, is_under_way=True, intervals=9)
    residents: dict[str, list[Resident]] = {}
    for _ in range(40):  # until no more are placed
        loads = Loads(residents, packing)
        found = choose(gpus, loads, "auto")
        if found is None:
            break
        residents.setdefault(found[0], []).append(packed)
    else:
        raise AssertionError(residents)
    for gpu in gpus:
        own = residents.get(gpu.uuid, [])
        assert not own or not gpu.obstacle
        if len(own) > 1:
            assert gpu.packs
            assert sum(r.peak for r in own) <= 0.95 * gpu.memory
        most = kept + 1 if gpu.name == "A100" else 2  # one more is measured
        assert len(own) <= most


@given(
    st.lists(st.tuples(st.integers(1, 40), st.booleans(), st.booleans()), max_size=12),
    st.floats(1.0, 2.0),
)
def test_what_is_kept_for_a_trial_is_never_below_a_peak_that_was_seen(attempts, raised):
    packing = Packing(raised=raised)
    for peak, ended, settled in attempts:
        remember(packing, peak * GB, peak * GB // 2 * settled, ended=ended)
    kept = reserve(packing)
    assert (kept is None) == (not attempts)
    if kept is not None:
        assert kept >= max(peak for peak, *_ in attempts) * GB * raised - 1
        for peak, _, _ in attempts:
            resident = Resident(0.0, peak * GB, peak * GB)
            assert promised(kept, packing, [resident]) >= peak * GB
            assert promised(kept, packing, [resident] * 3) == 3 * promised(
                kept, packing, [resident]
            )


# --- the host -------------------------------------------------------------------------------------


@given(
    st.sampled_from([0.0, 0.5, 1.0, 4.0, 7.9, 16.0]),
    st.integers(0, 64),
    st.sampled_from([0.0, 0.1, 1 / 3, 0.5, 1.0, 3.0]),
    st.integers(0, 9),
    st.none() | st.integers(1, 30),
)
def test_as_many_run_together_as_are_placed_one_after_another(cpus, memory, need, own, cap):
    """Trials that ask for no CPU are as many as there are slots, or as the file says."""
    machine, each = HostResources(cpus, memory * GB), HostResources(need, own * GB)
    slots = (cap or max(1, math.floor(cpus))) if not need else 10_000
    count, held = 0, HostResources(0.0, 0)
    while count < min(slots, cap or slots) and place(machine, held, each) == HOST:
        count += 1
        held = HostResources(count * need, count * each.memory)
    assert most_at_once(machine, each, cap) == count
    if count == 0 and cpus >= 1:
        assert shortage(machine, each)
    if shortage(machine, each):
        assert count == 0
