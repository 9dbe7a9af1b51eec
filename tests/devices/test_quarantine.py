"""GPUs that are set aside: files beside the locks, for one user and one start of the machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tuitune.core.gpu_reasons import GpuAside
from tuitune.devices.quarantine import Quarantine, listed_here

WHY = GpuAside("CUDA error: uncorrectable ECC error encountered", 48, 100.0, study="s")


def test_all_studies_of_a_user_see_it_until_it_is_cleared(tmp_path: Path):
    ours, others = Quarantine(tmp_path), Quarantine(tmp_path)
    assert others.why("GPU-b") is None
    ours.add(1, "GPU-b", WHY)
    ours.add(0, "GPU-a", WHY)
    assert others.why("GPU-b") == WHY
    assert [one.uuid for one in listed_here({"TUITUNE_LOCKS": str(tmp_path)})] == ["GPU-a", "GPU-b"]
    assert [one.number for one in others.clear("1")] == [1]
    assert ours.why("GPU-b") is None
    assert ours.clear("1") == ours.clear("GPU-b") == ours.clear("") == []
    ours.add(1, "GPU-b", WHY)
    assert [one.uuid for one in ours.clear("all")] == ["GPU-a", "GPU-b"]
    assert list(tmp_path.iterdir()) == []


def test_it_counts_until_the_machine_starts_again(tmp_path: Path):
    Quarantine(tmp_path).add(0, "GPU-a", WHY)
    (file,) = tmp_path.iterdir()
    file.write_text(file.read_text().replace('"boot":"', '"boot":"an earlier one '))
    assert Quarantine(tmp_path).why("GPU-a") is None


def test_a_file_that_is_not_ours_or_means_nothing_is_passed_over(tmp_path: Path):
    quarantine = Quarantine(tmp_path)
    quarantine.add(0, "GPU-a", WHY)
    (file,) = tmp_path.iterdir()
    file.write_text("{")
    assert Quarantine(tmp_path).why("GPU-a") is None
    if os.getuid() == 0:
        quarantine.add(0, "GPU-a", WHY)
        os.chown(file, 12345, 12345)
        assert quarantine.why("GPU-a") is None


def test_a_folder_that_is_gone_has_none_and_takes_none(tmp_path: Path):
    missing = Quarantine(tmp_path / "missing")
    assert missing.listed() == []
    with pytest.raises(OSError, match="No such file"):
        missing.add(0, "GPU-a", WHY)
    assert listed_here({"TUITUNE_LOCKS": str(tmp_path / "missing")}) == []


def test_a_reason_that_another_study_gives_later_is_read_again(tmp_path: Path):
    ours, others = Quarantine(tmp_path), Quarantine(tmp_path)
    ours.add(1, "GPU-b", WHY)
    assert ours.why("GPU-b") == WHY
    later = GpuAside("CUDA error: misaligned address", None, 200.0, 3, "t")
    others.add(1, "GPU-b", later)
    (file,) = tmp_path.iterdir()
    os.utime(file, ns=(1, file.stat().st_mtime_ns + 1))  # clocks of some file systems are coarse
    assert ours.why("GPU-b") == later
    assert [one.why for one in ours.listed()] == [later]
    others.clear("all")
    assert ours.why("GPU-b") is None
    assert ours.listed() == []


def test_gpus_are_named_by_their_numbers_or_the_start_of_a_uuid(tmp_path: Path):
    quarantine = Quarantine(tmp_path)
    for number, uuid in ((0, "GPU-aa"), (1, "GPU-ab"), (10, "MIG-a")):
        quarantine.add(number, uuid, WHY)
    assert [one.number for one in quarantine.listed()] == [0, 1, 10]
    assert quarantine.clear("a") == quarantine.clear("2") == quarantine.clear("-") == []
    assert [one.uuid for one in quarantine.clear("GPU-a")] == ["GPU-aa", "GPU-ab"]
    assert [one.uuid for one in quarantine.clear("10")] == ["MIG-a"]
