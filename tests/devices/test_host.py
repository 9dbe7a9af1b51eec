"""The CPUs and the memory that affinity and cgroups leave."""

from __future__ import annotations

import os
import subprocess
import sys

from tuitune.devices.host import cpu_slots, host_room, memory_bytes


def test_affinity_counts_and_not_the_machine():
    code = "from tuitune.devices.host import host_room; print(host_room().cpus)"
    core = str(min(os.sched_getaffinity(0)))
    command = ["taskset", "-c", core, sys.executable, "-c", code]
    assert float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) == 1


def test_a_version_2_quota_is_a_fraction_of_a_core(tmp_path):
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    (tmp_path / "memory.max").write_text("1000000\n")
    assert cpu_slots(tmp_path) == 0.5
    assert memory_bytes(tmp_path) == 1_000_000


def test_a_version_1_quota_counts_too(tmp_path):
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("25000\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert cpu_slots(tmp_path) == 0.25


def test_no_quota_leaves_the_cores(tmp_path):
    (tmp_path / "cpu.max").write_text("max 100000\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert cpu_slots(tmp_path) == len(os.sched_getaffinity(0))
    assert memory_bytes(tmp_path) == host_room().memory or memory_bytes(tmp_path) > 0
