"""The GPUs that CUDA_VISIBLE_DEVICES and the study file leave to a study."""

from __future__ import annotations

import pytest

from tuitune.core.placement.snapshots import GpuSample
from tuitune.core.placement.visibility import NotAllowedError, allowed

SAME = [GpuSample(f"GPU-{name}", i, "A100") for i, name in enumerate(("aa1", "ab2", "bb3"))]
MIXED = [GpuSample("GPU-aa1", 0, "A100"), GpuSample("GPU-bb3", 1, "T4")]
MIG = [*SAME[:1], GpuSample("MIG-x", 1, "1g", parent="GPU-ab2")]


def indices(devices, environment=None, allow=()):
    return [device.index for device in allowed(devices, environment or {}, allow)]


@pytest.mark.parametrize(
    ("visible", "found"),
    [
        ("0,2", [0, 2]),
        ("2,0", [2, 0]),
        ("", []),
        ("-1", []),
        ("1,7,0", [1]),  # what names nothing hides itself and all after it
        ("0,0,1", [0]),
        ("GPU-bb3,GPU-aa", [2, 0]),
        ("NoDevFiles", []),
    ],
)
def test_the_shells_list_is_read_as_cuda_reads_it(visible, found):
    assert indices(SAME, {"CUDA_VISIBLE_DEVICES": visible}) == found


@pytest.mark.parametrize("visible", ["7,0", "GPU-zz", "cuda:0", "GPU-a,GPU-bb3", "aa1"])
def test_a_list_whose_first_entry_is_no_gpus_is_refused_with_those_that_are_there(visible):
    with pytest.raises(NotAllowedError) as refused:
        indices(SAME, {"CUDA_VISIBLE_DEVICES": visible})
    said = str(refused.value)
    assert f"{visible.split(',')[0]!r} is not one GPU of this machine" in said
    assert "there are: 0 (GPU-aa1), 1 (GPU-ab2), 2 (GPU-bb3); correct it" in said


def test_a_list_that_may_name_a_gpu_in_trouble_is_no_mistake():
    hidden = [SAME[0], GpuSample("", 1, "GPU", trouble="no answer")]
    assert indices(hidden, {"CUDA_VISIBLE_DEVICES": "GPU-ab2"}) == []
    assert indices([], {"CUDA_VISIBLE_DEVICES": "GPU-ab2"}) == []


def test_cuda_counts_the_gpus_that_the_job_may_use():
    job = SAME[1:]  # the first is another job's
    assert indices(job, {"CUDA_VISIBLE_DEVICES": "0"}) == [1]
    assert indices(job, {"CUDA_VISIBLE_DEVICES": "1,0"}) == [2, 1]
    assert indices(job, allow=[2]) == [2]  # the driver's own number
    with pytest.raises(NotAllowedError, match="'2' is not one GPU"):
        indices(job, {"CUDA_VISIBLE_DEVICES": "2"})


def test_numbers_of_different_gpus_need_an_order():
    with pytest.raises(NotAllowedError, match="CUDA_DEVICE_ORDER=PCI_BUS_ID"):
        indices(MIXED, {"CUDA_VISIBLE_DEVICES": "1"})
    both = {"CUDA_VISIBLE_DEVICES": "1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    assert indices(MIXED, both) == [1]
    assert indices(MIXED, {"CUDA_VISIBLE_DEVICES": "GPU-bb"}) == [1]


def test_a_number_is_a_whole_gpu_and_never_an_instance_of_one():
    assert indices(MIG, {"CUDA_VISIBLE_DEVICES": "1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}) == []
    assert indices(MIG, {"CUDA_VISIBLE_DEVICES": "MIG-x"}) == [1]


def test_the_files_list_narrows_it_further():
    assert indices(SAME, allow=[0, "GPU-bb"]) == [0, 2]
    assert indices(SAME, {"CUDA_VISIBLE_DEVICES": "1,2"}, [0, 2]) == [2]


def test_a_gpu_that_is_not_there_is_named_with_those_that_are():
    with pytest.raises(NotAllowedError, match=r"no GPU 7; there are: 0 \(GPU-aa1\)"):
        indices(SAME, allow=[7])


def test_devices_that_can_t_say_who_they_are_are_nobodys():
    assert indices([GpuSample("", 0, "GPU", trouble="no permission")]) == []
