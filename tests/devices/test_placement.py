"""Where a trial is placed, by its CPUs and its memory."""

from __future__ import annotations

from hypothesis import given, strategies as st

from tuitune.core.placement.host import HOST, HostResources, most_at_once, place, shortage

GB = 10**9


def test_a_trial_goes_where_there_is_room():
    assert place(HostResources(2, 8 * GB), HostResources(1, 0), HostResources(1, 0)) == HOST
    assert place(HostResources(2, 8 * GB), HostResources(1.5, 0), HostResources(1, 0)) is None


def test_memory_is_reserved_beside_cpus():
    machine = HostResources(8, 8 * GB)
    assert place(machine, HostResources(1, 4 * GB), HostResources(1, 4 * GB)) == HOST
    assert place(machine, HostResources(1, 5 * GB), HostResources(1, 4 * GB)) is None


def test_thirds_of_a_cpu_fill_it():
    third = HostResources(1 / 3, 0)
    assert place(HostResources(1, 0), HostResources(1 / 3 + 1 / 3, 0), third) == HOST
    assert most_at_once(HostResources(1, 0), third, None) == 3


def test_trials_without_cpus_go_one_a_slot_unless_told_otherwise():
    assert most_at_once(HostResources(4, 0), HostResources(0, 0), None) == 4
    assert most_at_once(HostResources(4, 0), HostResources(0, 0), 9) == 9


def test_concurrency_is_only_a_cap():
    assert most_at_once(HostResources(4, 0), HostResources(1, 0), 9) == 4
    assert most_at_once(HostResources(4, 0), HostResources(1, 0), 2) == 2


def test_a_trial_that_never_fits_is_told_with_the_mend():
    assert "at most 2" in shortage(HostResources(2, GB), HostResources(3, 0))
    assert "ask for less" in shortage(HostResources(2, GB), HostResources(1, 2 * GB))
    assert shortage(HostResources(2, GB), HostResources(2, GB)) == ""


@given(
    cpus=st.integers(1, 64),
    need=st.sampled_from([0.1, 0.2, 0.25, 1 / 3, 0.5, 1, 2, 3]),
    memory=st.integers(0, 4),
    concurrency=st.none() | st.integers(1, 100),
)
def test_a_machine_is_never_promised_twice(cpus, need, memory, concurrency):
    machine, request = HostResources(cpus, 16 * GB), HostResources(need, memory * GB)
    held, running = HostResources(0, 0), 0
    cap = most_at_once(machine, request, concurrency)
    while running < cap and place(machine, held, request):
        running += 1
        held = HostResources(running * request.cpus, running * request.memory)
    assert held.cpus <= cpus + 1e-6
    assert held.memory <= machine.memory
    assert running == cap  # the cap and the room agree
