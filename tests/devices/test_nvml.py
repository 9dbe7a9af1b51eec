"""NVIDIA's own binding on a library that answers as drivers do, the bad ones included."""

from __future__ import annotations

import getpass
import os
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pynvml
import pytest
from nvml_world import GB, World

from tuitune.core.placement.snapshots import Link
from tuitune.devices.nvml import Nvml, NvmlError

Load = Callable[[World], None]
MIB = 1 << 20


def test_every_device_is_told_with_all_that_it_can_tell(world: World, loaded: Load):
    loaded(world.with_gpus(8, util=37, temp=61))
    snapshot = Nvml().read()
    assert snapshot.driver == "575.57.08"
    assert [device.uuid for device in snapshot.devices] == [f"GPU-{i}" for i in range(8)]
    first = snapshot.devices[0]
    assert (first.name, first.index, first.trouble) == ("NVIDIA A100", 0, "")
    assert first.memory_total == (80 * GB - 500) * MIB  # what the driver keeps is nobody's
    assert first.memory_used == 10 * MIB
    assert (first.utilisation, first.temperature, first.power, first.power_limit) == (
        37,
        61,
        60,
        400,
    )
    assert (first.processes, first.unified, first.mode) == ((), False, "default")


def test_processes_have_users_and_ancestors(world: World, loaded: Load):
    world.processes = [
        {"gpu": 0, "pid": os.getpid(), "memory": 300},
        {"gpu": 0, "pid": 2**22 + 5, "memory": -1},  # as from inside a container
        {"gpu": 0, "pid": 1, "memory": 9, "kind": "G"},  # a desktop's
        {"gpu": 1, "pid": os.getpid(), "memory": 100, "kind": "M"},  # through MPS
    ]
    loaded(world.with_gpus(2))
    first, second = Nvml().read().devices
    assert first.processes is not None
    ours, hidden = first.processes
    assert (ours.pid, ours.user, ours.memory) == (os.getpid(), getpass.getuser(), 300 * MIB)
    assert ours.ancestors[:2] == (os.getpid(), os.getppid())
    assert (hidden.user, hidden.name, hidden.memory, hidden.ancestors) == ("", "", None, ())
    assert second.processes is not None
    assert [process.pid for process in second.processes] == [os.getpid()]


def test_a_lost_gpu_drops_out_by_name_and_the_others_stay(world: World, loaded: Load):
    loaded(world.with_gpus(3))
    nvml = Nvml()
    nvml.read()
    world.gpus[1]["error"] = 15
    world.write()
    good, lost, other = nvml.read().devices
    assert (lost.uuid, lost.name) == ("GPU-1", "NVIDIA A100")
    assert "lost" in lost.trouble.lower()
    assert not good.trouble
    assert not other.trouble


def test_a_gpu_that_needs_a_reset_is_in_trouble_and_a_forbidden_one_is_not_there(
    world: World, loaded: Load
):
    world.with_gpus(3)
    world.gpus[0]["handle"] = 4
    world.gpus[1]["no.memory"] = 16
    loaded(world.write())
    nvml = Nvml()
    reset, good = nvml.read().devices  # as in a job of SLURM that has two of three
    assert (reset.index, good.index) == (1, 2)
    assert "requires restart" in reset.trouble
    assert not good.trouble
    world.gpus[2]["handle"] = 4  # it was ours: now it is in trouble
    world.write()
    assert [device.index for device in nvml.read().devices] == [1, 2]
    assert "permission" in nvml.read().devices[1].trouble.lower()


def test_gpus_that_are_all_forbidden_say_so(world: World, loaded: Load):
    loaded(world.with_gpus(2, handle=4))
    devices = Nvml().read().devices
    assert [device.uuid for device in devices] == ["", ""]
    assert all("permission" in device.trouble.lower() for device in devices)


@pytest.mark.skipif(
    not hasattr(pynvml, "nvmlDeviceGetComputeRunningProcesses_v2"),
    reason="this binding lacks the old call: processes are unknown with a driver before 510",
)
def test_an_old_driver_is_read_by_its_own_calls(world: World, loaded: Load, shims: dict[str, Path]):
    world.library = shims["old"]
    loaded(world.with_gpus(1))
    nvml = Nvml()
    idle = nvml.read().devices[0]
    assert idle.memory_used == 0  # at rest all that is used is the driver's own
    world.processes = [{"gpu": 0, "pid": 7, "memory": 200}]
    world.gpus[0]["used"] = 210
    world.write()
    busy = nvml.read().devices[0]
    assert busy.memory_used == 200 * MIB
    assert busy.processes is not None
    assert [process.pid for process in busy.processes] == [7]
    assert busy.temperature == 30


def test_mig_instances_are_devices_and_their_gpu_is_none(world: World, loaded: Load):
    world.with_gpus(2, mig=0)
    world.gpus[0]["mig"] = 1
    world.migs = [
        {"gpu": 0, "uuid": f"MIG-{i}", "name": "1g.10gb", "total": 10 * GB} for i in range(2)
    ]
    world.processes = [{"gpu": 0, "mig": 1, "pid": 7, "memory": 5}]
    loaded(world.write())
    one, two, whole = Nvml().read().devices
    assert [d.uuid for d in (one, two, whole)] == ["MIG-0", "MIG-1", "GPU-1"]
    assert (one.parent, one.utilisation, one.memory_total) == ("GPU-0", None, 10 * GB * MIB)
    assert [len(d.processes or ()) for d in (one, two)] == [0, 1]


def test_mig_without_instances_says_so(world: World, loaded: Load):
    loaded(world.with_gpus(1, mig=1))
    assert "no instance" in Nvml().read().devices[0].trouble


@pytest.mark.parametrize(
    ("code", "lost"), [(2, False), (4, False), (8, False), (15, True), (16, True), (999, False)]
)
def test_memory_that_can_not_be_read_is_not_taken_for_the_hosts(
    world: World, loaded: Load, code: int, lost: bool
):
    loaded(world.with_gpus(2))
    nvml = Nvml()
    nvml.read()
    world.gpus[1]["no.memory"] = code
    world.write()
    well, ill = nvml.read().devices
    assert not well.trouble
    assert (ill.uuid, ill.unified, ill.lost, bool(ill.trouble)) == ("GPU-1", False, lost, True)


def test_the_second_versions_memory_may_be_missing(world: World, loaded: Load):
    loaded(world.with_gpus(1, **{"no.memory_v2": 999}))
    device = Nvml().read().devices[0]
    assert (device.trouble, device.unified, device.memory_total) == (
        "",
        False,
        (80 * GB - 510) * MIB,
    )


def test_programs_that_only_draw_are_told_apart(world: World, loaded: Load):
    world.processes = [
        {"gpu": 0, "pid": 1, "memory": 400, "kind": "G"},
        {"gpu": 0, "pid": 3, "memory": 900, "kind": "G"},
        {"gpu": 0, "pid": 3, "memory": 900, "kind": "C"},  # which computes as well
    ]
    loaded(world.with_gpus(1))
    device = Nvml().read().devices[0]
    assert device.graphics == 400 * MIB
    assert [process.pid for process in device.processes or ()] == [3]
    world.processes += [{"gpu": 0, "pid": 2, "memory": -1, "kind": "G"}]
    world.write()
    assert Nvml().read().devices[0].graphics is None


def test_an_old_binding_is_enough(world: World, loaded: Load, monkeypatch: pytest.MonkeyPatch):
    """Those before 12.570.86 lack the newer call for the temperature."""
    for name in ("nvmlDeviceGetTemperatureV", "nvmlDeviceGetGraphicsRunningProcesses_v3"):
        monkeypatch.delattr(pynvml, name, raising=False)
    loaded(world.with_gpus(1))
    device = Nvml().read().devices[0]
    assert (device.temperature, device.trouble) == (30, "")


def test_a_call_that_the_driver_lacks_is_no_error_with_a_binding_before_12_550_52(
    world: World, loaded: Load, shims: dict[str, Path], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delattr(pynvml, "NVMLLibraryMismatchError", raising=False)
    world.library = shims["old"]
    loaded(world.with_gpus(1))
    assert Nvml().read().devices[0].trouble == ""


def test_a_sign_of_life_is_given_before_each_part_of_a_reading(world: World, loaded: Load):
    loaded(world.with_gpus(8))
    nvml, seen = Nvml(), list[int]()
    nvml.read(seen.append)
    assert len(seen) == 8 + 8 * 7 // 2  # the links of each pair take as long as a device
    nvml.read(seen.append)
    assert len(seen) == 8 + 8 * 7 // 2 + 8  # they are known now


def test_errors_that_the_driver_reports_are_told_once_but_for_those_of_programs(
    world: World, loaded: Load
):
    loaded(world.with_gpus(2))
    nvml = Nvml()

    def xids() -> list[int | None]:
        world.write()
        return [device.xid for device in nvml.read().devices]

    assert xids() == [None, None]
    world.gpus[1]["xid"] = 79
    assert xids() == [None, 79]
    assert xids() == [None, None]
    world.gpus[1]["xid"] = 13  # an exception of a program's kernel
    assert xids() == [None, None]


def test_the_error_of_a_gpu_that_is_lost_by_it_is_told_with_its_loss(world: World, loaded: Load):
    loaded(world.with_gpus(2))
    nvml = Nvml()
    nvml.read()
    world.gpus[1] |= {"xid": 79, "error": 15}
    world.write()
    well, lost = nvml.read().devices
    assert (well.xid, lost.xid, lost.lost) == (None, 79, True)
    world.driver["events"] = 15  # as the driver answers from now on
    world.write()
    assert [device.lost for device in nvml.read().devices] == [False, True]


def test_a_device_that_reports_no_errors_is_read_all_the_same(world: World, loaded: Load):
    loaded(world.with_gpus(1, **{"no.events": 3, "no.throttle": 3}))
    device = Nvml().read().devices[0]
    assert (device.trouble, device.xid, device.slowed) == ("", None, ())


@pytest.mark.parametrize("driver", ["new", "old"])
def test_what_slows_a_clock_down_is_told(
    world: World, loaded: Load, shims: dict[str, Path], driver: str
):
    world.library = shims[driver]
    loaded(world.with_gpus(2))
    world.gpus[0]["throttle"] = 0x1 + 0x4  # idle, and within its power
    world.gpus[1]["throttle"] = 0x8 + 0x20
    world.write()
    assert [d.slowed for d in Nvml().read().devices] == [(), ("hardware slowdown", "heat")]


def test_a_gpu_that_is_lost_while_its_links_are_asked_for_is_read_again(world: World, loaded: Load):
    loaded(world.with_gpus(2, **{"no.p2p": 15}))
    assert [device.trouble for device in Nvml().read().devices] == ["", ""]


def test_numbers_that_make_no_sense_are_left_out(world: World, loaded: Load):
    loaded(world.with_gpus(1, util=2147483632, temp=100000, power=-1, limit=-1, used=-1))
    device = Nvml().read().devices[0]
    assert device.utilisation is device.temperature is device.power is device.memory_used is None
    assert not device.trouble


def test_a_device_without_memory_of_its_own_has_the_hosts(world: World, loaded: Load):
    loaded(world.with_gpus(1, **{"no.memory": 3, "no.util": 3, "no.processes": 3}))
    device = Nvml().read().devices[0]
    assert device.unified
    assert device.memory_total is not None
    assert device.memory_total > 1 << 28
    assert device.processes is None


def test_compute_modes_are_told(world: World, loaded: Load):
    world.with_gpus(2)
    world.gpus[0]["mode"], world.gpus[1]["mode"] = 2, 3
    loaded(world.write())
    forbidden, exclusive = Nvml().read().devices
    assert "compute mode" in forbidden.trouble
    assert exclusive.mode == "exclusive"


def test_links_are_told_by_their_closeness(world: World, loaded: Load):
    world.links = [{"a": 0, "b": 1, "nvlink": 1}, {"a": 2, "b": 3, "level": 10}]
    loaded(world.with_gpus(4))
    assert Nvml().read().links == (Link("GPU-0", "GPU-1", 100), Link("GPU-2", "GPU-3", 40))


@pytest.mark.parametrize(
    ("code", "words", "absent"),
    [(9, "Driver", True), (18, "restart the machine", False), (999, "NVML", False)],
)
def test_a_driver_that_does_not_start_says_why(
    world: World, loaded: Load, code: int, words: str, absent: bool
):
    world.driver["init"] = code
    loaded(world.with_gpus(1))
    with pytest.raises(NvmlError, match=words) as raised:
        Nvml()
    assert raised.value.absent == absent


def test_a_driver_that_is_upgraded_under_us_ends_it_with_the_mend(world: World, loaded: Load):
    loaded(world.with_gpus(2))
    nvml = Nvml()
    nvml.read()
    for gpu in world.gpus:
        gpu["no.util"] = 18
    world.write()
    with pytest.raises(NvmlError, match="restart the machine"):
        nvml.read()


def test_no_gpu_is_no_mishap(world: World, loaded: Load):
    loaded(world)
    with pytest.raises(NvmlError, match="no GPU") as raised:
        Nvml().read()
    assert raised.value.absent


def test_a_pynvml_that_stands_before_nvidias_own_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pynvml", types.ModuleType("pynvml"))
    with pytest.raises(NvmlError, match="pip uninstall -y pynvml"):
        Nvml()
