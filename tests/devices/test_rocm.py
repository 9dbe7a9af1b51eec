"""GPUs of AMD: each trial has its own, of which nothing is measured."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import pytest
from workshop import until

from tuitune.core import events as ev
from tuitune.core.placement.gpus import Loads, choose
from tuitune.core.placement.packing import Resident
from tuitune.core.placement.snapshots import Snapshot
from tuitune.core.placement.visibility import allowed
from tuitune.core.spec import DevicesSpec
from tuitune.core.study.state import State
from tuitune.devices import rocm
from tuitune.devices.locks import Locks
from tuitune.engine.gpus import Gpus

SETTINGS = ev.Settings(9, None, 1.0, None, 0, None, None, None, 1.0, "drain")


def test_what_computes_of_the_kernels_nodes_is_counted(tmp_path: Path):
    for number, simds in enumerate((0, 304, 304)):  # the first one is the CPU
        node = tmp_path / str(number)
        node.mkdir()
        (node / "properties").write_text(f"cpu_cores_count 0\nsimd_count {simds}\nname x\n")
    assert rocm.count(tmp_path, Path("/dev/null")) == 2
    assert rocm.count(tmp_path, tmp_path / "missing") == 0  # or not to be opened by us


@pytest.mark.parametrize(
    ("environment", "uuids"),
    [
        ({}, ["AMD-0", "AMD-1"]),
        ({"HIP_VISIBLE_DEVICES": "1"}, ["AMD-1"]),
        ({"CUDA_VISIBLE_DEVICES": "1,0"}, ["AMD-1", "AMD-0"]),
    ],
)
def test_those_that_the_shell_names_are_used(environment: dict[str, str], uuids: list[str]):
    seen = rocm.snapshot(2, environment)
    assert [device.uuid for device in allowed(seen.devices, environment, ())] == uuids


def test_a_shell_that_hides_all_leaves_none():
    assert rocm.snapshot(2, {"HIP_VISIBLE_DEVICES": ""}).absent


@pytest.mark.parametrize(("hip", "expected"), [("'6.2.41133'", True), ("None", False)])
def test_torch_for_rocm_is_recognised_without_its_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hip: str, expected: bool
):
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch/__init__.py").write_text("raise RuntimeError('imported')")
    (tmp_path / "torch/version.py").write_text(
        f"cuda: Optional[str] = None\nhip: Optional[str] = {hip}\n"
    )
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert rocm.torch_uses_rocm() == expected


def gpus(who: str, folder: Path, seen: Snapshot) -> Gpus:
    made = Gpus(
        DevicesSpec(), {}, Locks(who, folder), State(), lambda: SETTINGS, time.time, print, 0.2
    )
    made.start(seen)
    return made


def test_a_trial_has_one_whatever_share_it_asks_for_and_studies_have_different_ones(
    tmp_path: Path,
):
    async def play() -> None:
        seen = rocm.snapshot(1, {})
        first = gpus("anna", tmp_path, seen)
        second = gpus("ben", tmp_path, seen)
        (gpu,) = first.now
        assert not gpu.obstacle
        one = Resident(0.5, 0, 0)
        assert choose(first.now, Loads({}), 0.5) == ("AMD-0",)
        assert choose(first.now, Loads({"AMD-0": [one]}), 0.5) is None
        assert choose(first.now, Loads({"AMD-0": [one._replace(share=0.0)]}), "auto") is None
        assert second.now[0].obstacle
        first.close()
        await until(lambda: not second.now[0].obstacle)
        second.close()

    asyncio.run(play())
