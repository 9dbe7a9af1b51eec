"""What placement hears of all that was seen."""

from __future__ import annotations

import pytest

from tuitune.core.events import Gpu
from tuitune.core.placement.gpu_state import GpuState, Tenant
from tuitune.core.placement.snapshots import DeviceProcess, GpuSample, Link, Snapshot
from tuitune.core.spec import DevicesSpec
from tuitune.messages.reasons import reason_words

ENGINE, TRIAL = 100, 200
GB = 10**9
MB = 10**6
OURS = DeviceProcess(300, "me", "python", 3 * GB, (300, TRIAL, ENGINE, 1))
HERS = DeviceProcess(7, "anna", "python", 2 * GB, (7, 1))
HIDDEN = DeviceProcess(9999, "", "", 3 * GB)


def device(*processes: DeviceProcess, used: int = 10 * MB, **more) -> GpuSample:
    return GpuSample("g0", 0, "A100", 80 * GB, used, **{"processes": processes, **more})


class Scene:
    def __init__(self, **spec) -> None:
        self.view = GpuState(DevicesSpec(**spec), ENGINE)
        self.now = 1000.0

    def look(self, *devices: GpuSample, tenants=(), after: float = 1.0, problem: str = ""):
        self.now += after
        snapshot = Snapshot(devices, problem=problem)
        return self.view.look(() if problem else devices, snapshot, tenants, self.now)


def told(gpu: Gpu) -> str:
    return reason_words(gpu.obstacle)


def tenant() -> Tenant:
    return Tenant(TRIAL, ("g0",), {TRIAL}, began=1000.0)


def test_a_quiet_gpu_is_ours_to_take():
    (gpu,) = Scene().look(device())
    assert (gpu.uuid, gpu.memory, gpu.obstacle, gpu.packs) == ("g0", 80 * GB, "", True)


def test_somebody_elses_process_stands_in_the_way_until_it_has_been_gone_for_a_while():
    scene = Scene()
    (gpu,) = scene.look(device(HERS))
    assert told(gpu) == "anna's python (pid 7, 1.9 GiB) computes on it"
    assert gpu.foreign
    (gpu,) = scene.look(device(), after=2)
    assert told(gpu) == "another user has only just left it"
    (gpu,) = scene.look(device(), after=12)
    assert gpu.obstacle == ""


def test_it_may_be_shared_and_then_has_less_memory_and_is_busy():
    scene = Scene(share=True)
    for _ in range(120):
        (gpu,) = scene.look(device(HERS, utilisation=60))
    assert (gpu.obstacle, gpu.foreign, gpu.memory, gpu.busy) == ("", True, 78 * GB, 0.5)


def test_a_gpu_that_somebody_unseen_keeps_busy_is_not_the_idlest():
    scene, ours = Scene(), tenant()
    for _ in range(120):  # a desktop's, or of a driver that lists no processes
        (gpu,) = scene.look(device(utilisation=90, processes=None))
    assert gpu.busy == 1.0
    scene = Scene()
    for _ in range(120):
        (gpu,) = scene.look(device(OURS, utilisation=90), tenants=[ours])
    assert gpu.busy == 0.0  # that is our own


@pytest.mark.parametrize(("on_foreign", "stays"), [("drain", False), ("ignore", True)])
def test_who_comes_to_a_gpu_of_ours_makes_us_leave_it_or_not(on_foreign, stays):
    scene = Scene(on_foreign=on_foreign)
    scene.look(device())
    (gpu,) = scene.look(device(OURS, HERS), tenants=[tenant()])
    assert gpu.foreign
    assert (gpu.obstacle == "") == stays


def test_one_who_stays_claims_it_and_one_who_only_looks_in_does_not():
    scene = Scene(on_foreign="pause")
    assert not scene.look(device(OURS, HERS), tenants=[tenant()])[0].claimed
    assert not scene.look(device(OURS), tenants=[tenant()], after=50)[0].claimed
    assert not scene.look(device(OURS, HERS), tenants=[tenant()], after=50)[0].claimed
    assert not scene.look(device(OURS, HERS), tenants=[tenant()], after=59)[0].claimed
    scene.look(device(OURS), tenants=[tenant()], after=1)  # between two runs of hers
    assert scene.look(device(OURS, HERS), tenants=[tenant()], after=5)[0].claimed
    assert not scene.look(device(OURS), tenants=[tenant()])[0].claimed


@pytest.mark.parametrize("share", [False, True])
@pytest.mark.parametrize("on_foreign", ["drain", "pause", "ignore"])
def test_a_login_that_we_yield_to_is_not_waited_for_nor_ignored(on_foreign, share):
    scene = Scene(on_foreign=on_foreign, share=share, yield_to=("bob", "anna"))
    (gpu,) = scene.look(device(OURS, HERS), tenants=[tenant()])
    assert gpu.claimed
    assert reason_words(gpu.obstacle) == "anna's python (pid 7, 1.9 GiB) computes on it"
    scene.view.yield_to = ("bob",)
    (gpu,) = scene.look(device(OURS, HERS), tenants=[tenant()])
    assert not gpu.claimed
    assert (gpu.obstacle == "") == (share or on_foreign == "ignore")
    (gpu,) = scene.look(device(OURS, HERS), tenants=[tenant()], after=99)
    assert gpu.claimed == bool(gpu.obstacle)


def test_what_stands_in_the_way_is_told_anew_for_another_one_and_not_for_more_memory():
    scene = Scene()
    (first,) = scene.look(device(HERS))
    grown = DeviceProcess(HERS.pid, HERS.user, HERS.name, 40 * GB, HERS.ancestors)
    (gpu,) = scene.look(device(grown))
    assert gpu.obstacle == first.obstacle
    assert scene.view.strangers == {"g0": (grown,)}
    (gpu,) = scene.look(device(DeviceProcess(8, "bob", "python", GB, (8, 1))))
    assert told(gpu).startswith("bob's")
    scene.look(problem="it hangs")
    assert scene.view.strangers == {}


def test_where_the_memory_is_the_hosts_its_use_by_others_hides_nobody():
    scene, ours = Scene(), tenant()
    scene.look(device(unified=True))
    ours.began = scene.now
    (gpu,) = scene.look(device(used=9 * GB, unified=True), tenants=[ours], after=5)
    assert (gpu.unified, gpu.memory) == (True, 80 * GB)
    (gpu,) = scene.look(device(HIDDEN, used=9 * GB, unified=True), tenants=[ours], after=5)
    assert gpu.memory == 0  # now processes that nobody knows are listed


def test_our_own_are_no_strangers_even_when_they_have_just_died():
    scene = Scene()
    (gpu,) = scene.look(device(OURS), tenants=[tenant()])
    assert not gpu.foreign
    dead = DeviceProcess(OURS.pid, "", "", 3 * GB)
    (gpu,) = scene.look(device(dead))
    assert not gpu.foreign
    scene.look(device())
    (gpu,) = scene.look(device(dead))  # the number is somebody else's now
    assert gpu.foreign


def test_an_mps_server_is_nobody():
    server = DeviceProcess(5, "root", "nvidia-cuda-mps-server", 30 * MB, (5, 1))
    assert not Scene().look(device(server))[0].foreign


def test_a_gpu_in_trouble_or_gone_is_lost_and_the_rest_stays():
    scene = Scene()
    other = GpuSample("g1", 1, "A100", 80 * GB, 0)
    scene.look(device(), other)
    first, second = scene.look(device(trouble="NVML hangs on it"), other)
    assert (first.lost, told(first), told(second)) == (False, "NVML hangs on it", "")
    first, second = scene.look(device(trouble="GPU is lost", lost=True), other)
    assert (first.lost, told(first), told(second)) == (True, "GPU is lost", "")
    first, second = scene.look(device())
    assert (first.lost, second.lost) == (False, True)


def test_while_nothing_is_heard_nothing_starts_and_nothing_is_lost():
    scene = Scene()
    scene.look(device())
    (gpu,) = scene.look(problem="NVML has not answered for 5 s")
    assert told(gpu) == "its state is unknown: NVML has not answered for 5 s"
    assert not gpu.lost


def test_footprints_are_of_whole_trees_and_told_when_they_grow():
    scene, ours = Scene(), tenant()
    other = DeviceProcess(301, "me", "python", GB, (301, 300, TRIAL, ENGINE, 1))
    assert scene.view.footprints([device(OURS)], [ours]) == [(ours, 3 * GB)]
    assert scene.view.footprints([device(OURS)], [ours]) == []
    assert scene.view.footprints([device(OURS, other, HERS)], [ours]) == [(ours, 4 * GB)]
    assert scene.view.footprints([device()], [ours]) == []


def test_a_container_that_hides_processes_makes_it_judge_by_the_devices_memory():
    scene, ours = Scene(), tenant()
    scene.look(device())  # nobody there: this is how it is at rest
    ours.began = scene.now
    (gpu,) = scene.look(device(HIDDEN, used=3 * GB), tenants=[ours], after=5)
    assert not gpu.foreign  # it is ours
    assert gpu.memory == 80 * GB  # and more may be packed there, by what each adds
    grown = scene.view.footprints([device(HIDDEN, used=3 * GB)], [ours])
    assert grown == [(ours, 3 * GB - 10 * MB)]
    (gpu,) = scene.look(device(HIDDEN, used=3 * GB), after=5)
    assert gpu.foreign  # we have nothing there


@pytest.mark.parametrize("listed", [True, False])
def test_where_processes_are_hidden_the_memory_that_a_trial_adds_is_its_own(listed):
    scene, first, second = Scene(), tenant(), Tenant(201, ("g0",), {201}, began=1010.0)
    others = (HIDDEN, DeviceProcess(9998, "", "", 4 * GB)) if listed else ()
    scene.look(device())
    scene.look(device(*others[:1], used=3 * GB), tenants=[first], after=9)
    scene.view.footprints([device(*others[:1], used=3 * GB)], [first])
    (gpu,) = scene.look(device(*others, used=7 * GB), tenants=[first, second], after=9)
    assert gpu.memory == 80 * GB
    found = scene.view.footprints([device(*others, used=7 * GB)], [first, second])
    assert [(one, round(size / GB)) for one, size in found] == [(second, 4)]


def test_where_nothing_tells_what_trials_add_none_is_packed():
    for device_ in (device(used=3 * GB, processes=None), device(HIDDEN, used=None)):
        scene = Scene()
        scene.look(device())
        scene.look(device(HIDDEN, used=3 * GB), tenants=[tenant()], after=5)
        assert scene.look(device_, tenants=[tenant()])[0].memory == 0


def test_in_a_container_a_neighbour_that_grows_is_not_taken_for_the_trial():
    scene = Scene(share=True)
    scene.look(device())
    scene.look(device(HERS, used=2 * GB))
    hidden = Tenant(TRIAL, ("g0",), {TRIAL}, began=scene.now)
    scene.view.blind = True
    grown = DeviceProcess(HERS.pid, "anna", "python", 40 * GB, HERS.ancestors)
    (gpu,) = scene.look(device(grown, used=40 * GB), tenants=[hidden], after=5)
    assert gpu.memory == 40 * GB
    assert scene.view.footprints([device(grown, used=40 * GB)], [hidden]) == []
    found = scene.view.footprints([device(grown, HIDDEN, used=43 * GB)], [hidden])
    assert found == [(hidden, 3 * GB - 10 * MB)]


def test_one_who_has_just_died_is_not_taken_for_a_container_for_good():
    scene, ours = Scene(), tenant()
    scene.look(device())
    ours.began = scene.now
    dead = DeviceProcess(HERS.pid, "", "", 2 * GB)  # and ours has not begun to compute
    scene.look(device(dead, used=2 * GB), tenants=[ours], after=5)
    assert scene.view.blind
    (gpu,) = scene.look(device(OURS, used=3 * GB), tenants=[ours])
    assert not scene.view.blind
    assert gpu.memory == 80 * GB


def test_memory_is_held_until_its_processes_and_bytes_are_gone():
    scene, ours = Scene(), tenant()
    scene.look(device())
    scene.view.footprints([device(OURS)], [ours])
    dead = DeviceProcess(OURS.pid, "", "", 3 * GB)
    assert scene.view.is_held(device(dead, used=3 * GB), ours, [])
    assert scene.view.is_held(device(used=3 * GB), ours, [])  # and nobody is listed
    assert not scene.view.is_held(device(used=20 * MB), ours, [])


def test_exclusive_devices_and_instances_are_not_packed():
    assert not Scene().look(device(mode="exclusive"))[0].packs
    (instance,) = Scene().look(device(parent="GPU-x"))
    assert (instance.packs, instance.joins) == (False, False)


def test_links_go_both_ways():
    view = GpuState(DevicesSpec(), ENGINE)
    devices = (device(), GpuSample("g1", 1, "A100", 80 * GB, 0))
    first, second = view.look(devices, Snapshot(devices, (Link("g0", "g1", 100),)), (), 1.0)
    assert (first.links, second.links) == ({"g1": 100}, {"g0": 100})
