"""What `tuitune doctor` finds on a machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from nvml_world import World

from tuitune.core.placement.snapshots import DeviceProcess, GpuSample, Snapshot
from tuitune.devices import cuda, doctor


def how(*findings: doctor.Finding) -> list[str]:
    return [finding.how for finding in findings]


def test_no_gpu_is_a_note_and_a_broken_driver_is_wrong():
    assert how(doctor.driver(Snapshot(problem="no driver", absent=True))) == ["note"]
    assert how(doctor.driver(Snapshot(problem="NVML: mismatch"))) == ["wrong"]
    assert how(doctor.driver(Snapshot((GpuSample("g0", 0, "A100"),)))) == ["ok"]


def test_a_package_that_shadows_nvidias_own_file_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    assert doctor.binding() == []
    (tmp_path / "pynvml").mkdir()
    (tmp_path / "pynvml/__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "pynvml", raising=False)
    (finding,) = doctor.binding()
    assert finding.how == "wrong"
    assert "pip uninstall -y pynvml" in finding.text


@pytest.mark.parametrize(
    ("device", "words"),
    [
        (GpuSample("g", 0, "A", trouble="GPU is lost"), "GPU is lost"),
        (GpuSample("g", 0, "A", mode="exclusive"), "nvidia-smi -i 0 -c 0"),
        (GpuSample("g", 0, "A", processes=None), "lists no processes"),
        (GpuSample("g", 0, "A", processes=(DeviceProcess(9, "", "", 1),)), "--pid=host"),
        (
            GpuSample(
                "g", 0, "A", processes=(DeviceProcess(9, "r", "nvidia-cuda-mps-server", 1, (9,)),)
            ),
            "MPS",
        ),
    ],
)
def test_what_is_odd_about_a_device_is_said_with_the_mend(device: GpuSample, words: str):
    (finding,) = doctor.one(device)
    assert words in finding.text


def test_a_device_that_is_well_gives_nothing_to_say():
    assert doctor.one(GpuSample("g", 0, "A")) == []


def test_where_gpus_are_locked_is_told(tmp_path: Path):
    seen = Snapshot((GpuSample("g", 0, "A"),))
    assert doctor.locks(Snapshot(absent=True), {}) == []
    (finding,) = doctor.locks(seen, {"TUITUNE_LOCKS": str(tmp_path)})
    assert finding == doctor.Finding("ok", "GPU locks", f"in {tmp_path}")
    assert how(*doctor.locks(seen, {"TUITUNE_LOCKS": str(tmp_path / "absent")})) == ["wrong"]


def test_what_the_shell_leaves_to_us_is_told():
    seen = Snapshot((GpuSample("g", 0, "A100"), GpuSample("h", 1, "A100")))
    assert doctor.shell(seen, {}) == []
    (finding,) = doctor.shell(seen, {"CUDA_VISIBLE_DEVICES": "1"})
    assert finding.text == "CUDA_VISIBLE_DEVICES=1 allows GPU 1"
    (finding,) = doctor.shell(seen, {"CUDA_VISIBLE_DEVICES": "7,1"})
    assert finding.text.startswith("CUDA_VISIBLE_DEVICES=7,1: '7' is not one GPU of this machine")
    (finding,) = doctor.shell(seen, {"CUDA_VISIBLE_DEVICES": "-1"})
    assert finding.text.startswith("CUDA_VISIBLE_DEVICES=-1 allows no GPU; unset it")
    assert doctor.shell(Snapshot(problem="none"), {"CUDA_VISIBLE_DEVICES": "1"}) == []


def test_numbers_of_gpus_that_differ_are_ambiguous():
    seen = Snapshot((GpuSample("g", 0, "A100"), GpuSample("h", 1, "T4")))
    (finding,) = doctor.shell(seen, {"CUDA_VISIBLE_DEVICES": "1"})
    assert finding.how == "wrong"
    assert "CUDA_DEVICE_ORDER=PCI_BUS_ID" in finding.text
    both = {"CUDA_VISIBLE_DEVICES": "1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    assert doctor.shell(seen, both)[0].how == "note"


def test_limits_that_are_low_are_noted(tmp_path: Path):
    assert how(doctor.files(1024), doctor.files(65536), doctor.files(-1)) == ["note", "ok", "ok"]
    assert how(doctor.shared_memory(tmp_path / "none")) == ["note"]


def test_a_logout_that_ends_studies_is_wrong_unless_one_lingers(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(doctor.os, "getuid", lambda: 1000)
    kills = {"KillUserProcesses": "yes"}
    assert how(doctor.logout(kills)) == ["wrong"]
    assert how(doctor.logout({**kills, "Linger": "yes"})) == ["ok"]
    assert how(doctor.logout({})) == ["ok"]


UUIDS = [f"GPU-00000000-0000-0000-0000-00000000000{i}" for i in range(2)]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, ""),
        (802, "nvidia-fabricmanager"),
        (803, "LD_LIBRARY_PATH"),
        (999, "CUDA does not start (error 999)"),
    ],
)
def test_cuda_that_does_not_start_is_wrong_though_nvml_is_well(world: World, code: int, words: str):
    world.driver["cuda"] = code
    world.with_gpus(2)
    for gpu, uuid in zip(world.gpus, UUIDS, strict=True):
        gpu["uuid"] = uuid
    world.write()
    seen = Snapshot(tuple(GpuSample(uuid, i, "A100") for i, uuid in enumerate(UUIDS)))
    environment = {**os.environ, **world.environment, "CUDA_VISIBLE_DEVICES": "1"}
    (finding,) = doctor.starts(seen, environment)
    assert finding.how == ("wrong" if code else "ok")
    assert words in finding.text
    if not code:
        assert finding.text == "starts, and sees 2 GPUs"


def test_a_gpu_that_cuda_does_not_see_is_told():
    devices = [GpuSample(uuid, i, "A100") for i, uuid in enumerate(UUIDS)]
    assert "does not see GPU 1" in cuda.problem(cuda.Started(0, UUIDS[:1]), devices)
    instances = [GpuSample(uuid, 0, "1g", parent="GPU-x") for uuid in UUIDS]
    assert cuda.problem(cuda.Started(0, UUIDS[:1]), instances) == ""


def test_a_machine_without_cuda_is_told_why():
    assert "can't be started" in str(cuda.start({**os.environ, "LD_LIBRARY_PATH": ""}))
    assert doctor.starts(Snapshot(problem="none", absent=True), {}) == []


def test_cuda_that_hangs_where_it_alone_counts_is_waited_for_no_longer(
    world: World, shims: dict[str, Path], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(cuda, "_SECONDS", 0.2)
    monkeypatch.setattr(cuda, "is_here", lambda: True)
    world.library = shims["alone"]
    world.driver["stall.init"] = 1
    world.with_gpus(1)
    seen = cuda.counted({**os.environ, **world.environment})
    assert seen.absent
    assert seen.problem.startswith("CUDA has not started for 0.2 s; the driver's libnvidia-ml")
