"""Which trials compute on other GPUs than they were given."""

from __future__ import annotations

from typing import Any

from tuitune.core.gpu_reasons import WrongGpu
from tuitune.core.placement.gpu_state import Tenant
from tuitune.core.placement.snapshots import DeviceProcess, GpuSample
from tuitune.core.placement.wrong_gpus import WrongGpus

ENGINE = 100


def process(pid: int, *ancestors: int) -> DeviceProcess:
    return DeviceProcess(pid, "me", "python", 1 << 30, (pid, *ancestors, ENGINE, 1))


def gpu(index: int, *processes: DeviceProcess, **more: Any) -> GpuSample:
    return GpuSample(f"g{index}", index, "A100", **{"processes": processes, **more})


def found(*devices: GpuSample, allowed: str = "g0 g1 g2", taken: str = "", **given: str):
    """given: the GPUs of trial n, whose process is 200 + n, as t0="g1"."""
    tenants = {
        (int(t[1:]), 0): Tenant(200 + int(t[1:]), tuple(g.split())) for t, g in given.items()
    }
    return list(WrongGpus().look(devices, tenants, allowed.split(), taken.split()))


def test_a_trial_on_its_own_gpus_or_on_none_is_right():
    assert not found(gpu(0, process(200)), gpu(1), t0="g0")
    assert not found(gpu(0, process(200), process(201)), t0="g0", t1="g0")  # packed
    assert not found(gpu(0), gpu(1), t0="g0")
    assert not found(gpu(0, process(9)), gpu(1, process(301, 200)), t0="g1 g2")


def test_a_trial_elsewhere_is_told_with_what_it_was_given():
    there = [gpu(0, process(300, 201), process(200)), gpu(1), gpu(2)]
    assert found(*there, t0="g0", t1="g1 g2") == [((1, 0), WrongGpu(1, 0, (1, 2)))]


def test_it_does_harm_among_others_and_on_a_gpu_that_is_not_to_be_used():
    there = [gpu(0, process(201)), gpu(1)]
    assert found(*there, taken="g0", t1="g1")[0][1].harm == "others"
    assert found(*there, taken="g0", allowed="g1", t1="g1")[0][1].harm == "not allowed"


def test_each_finding_is_told_once_and_again_when_it_does_harm():
    wrong, tenants = WrongGpus(), {(1, 0): Tenant(201, ("g1",))}
    there = [gpu(0, process(201)), gpu(1)]
    assert len(list(wrong.look(there, tenants, ["g0", "g1"], []))) == 1
    assert not list(wrong.look(there, tenants, ["g0", "g1"], []))
    assert len(list(wrong.look(there, tenants, ["g0", "g1"], ["g0"]))) == 1
    assert len(list(wrong.look(there, {(1, 1): tenants[1, 0]}, ["g0", "g1"], []))) == 1


def test_processes_that_are_not_known_say_nothing():
    hidden = DeviceProcess(201, "", "", 1 << 30)
    assert not found(gpu(0, hidden), gpu(1, processes=None), t1="g1")


def test_an_instance_of_mig_is_told_from_its_gpu_and_from_its_neighbours():
    listed = (process(201),)

    def on(*uuids: str) -> list[GpuSample]:
        return [
            GpuSample(u, 0, "1g", parent="" if u == "g0" else "g0", processes=listed if u in uuids else ())
            for u in ("g0", "m1", "m2")
        ]  # fmt: skip

    assert not found(*on("m1", "g0"), allowed="m1 m2", t1="m1")
    assert not found(*on("m1", "m2", "g0"), allowed="m1 m2", t1="m1")  # listed with its GPU's
    assert found(*on("m2"), allowed="m1 m2", t1="m1")[0][0] == (1, 0)
