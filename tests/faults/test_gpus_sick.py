"""GPUs on which CUDA does not start, and GPUs that are used again, under a running engine."""

from __future__ import annotations

from pathlib import Path

import pytest
from gpu_studies import notes, study, until_said
from nvml_world import World
from workshop import Workshop, wait_until

STARTING = """
import ctypes

WORDS = {
    802: "system not yet initialized",
    803: "system has unsupported display driver / cuda driver combination",
}

def train(trial):
    note(trial)
    code = ctypes.CDLL("libcuda.so.1").cuInit(0)
    if code:
        raise RuntimeError(f"Unexpected error from cudaGetDeviceCount(). Error {code}: {WORDS[code]}")
    hold()
    if trial.number < 2:
        trial.report(loss=2.0)
        until(f"go-{trial.number}")
    trial.report(loss=1.0)
"""


@pytest.mark.parametrize("code", [802, 803])
def test_where_cuda_does_not_start_at_first_the_study_halts_and_no_card_is_to_blame(
    shop: Workshop, world: World, monkeypatch: pytest.MonkeyPatch, code: int
):
    monkeypatch.setenv("TUITUNE_LOCKS", str(shop.path))
    world.driver["cuda"] = code
    world.with_gpus(2)
    file = study(shop, STARTING, trials=4)
    done = shop.run(file, "--no-ui")
    assert done.returncode == 1, done.stdout
    assert "the first 3 trials have failed, all with: RuntimeError: Unexpected error" in done.stdout
    assert f"Error {code}: system " in done.stdout
    assert "set aside" not in done.stdout
    world.driver["cuda"] = 0
    world.write()
    for number in (0, 1):
        (shop.path / f"go-{number}").touch()
    again = shop.run(file, "--no-ui")
    assert again.returncode == 0, again.stdout
    assert [trial["state"] for trial in shop.trials()] == ["COMPLETE"] * 4


@pytest.mark.parametrize("code", [802, 803])
def test_where_cuda_does_not_start_any_more_what_runs_goes_on_and_the_study_halts(
    code: int, shop: Workshop, world: World, monkeypatch: pytest.MonkeyPatch
):
    """The trials of the set-up are tried again once it is mended."""
    monkeypatch.setenv("TUITUNE_LOCKS", str(shop.path))
    world.with_gpus(2)
    file = study(shop, STARTING, trials=8)
    process = shop.start(file, "--no-ui")
    wait_until(lambda: len(notes(shop)) == 2, "two trials")
    wait_until(lambda: all(trial["step"] for trial in shop.trials()[:2]), "their reports")
    world.driver["cuda"] = code
    world.write()
    (shop.path / "go-0").touch()
    wait_until(lambda: len(notes(shop)) == 3, "a trial after it")
    (shop.path / "go-1").touch()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1, output
    assert "3 attempts in a row have failed, the last with: RuntimeError: Unexpected" in output
    assert "set aside" not in output
    assert [trial["state"] for trial in shop.trials()[:2]] == ["COMPLETE"] * 2
    assert len(shop.trials()) < 8
    world.driver["cuda"] = 0
    world.write()
    again = shop.run(file, "--no-ui")
    assert again.returncode == 0, again.stdout
    assert [trial["state"] for trial in shop.trials()] == ["COMPLETE"] * 8


SICK = """
def train(trial):
    note(trial)
    if gpus() == [1] and Path("sick").exists():
        raise RuntimeError({error!r})
    hold()
    until("go")
    trial.report(loss=1.0)
"""
ECC = "CUDA error: uncorrectable ECC error encountered"


def test_a_gpu_is_used_again_by_a_running_study(
    shop: Workshop, world: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TUITUNE_LOCKS", str(shop.path))
    world.with_gpus(2)
    sick = shop.path / "sick"
    sick.touch()
    process = shop.start(study(shop, SICK.format(error=ECC), trials=3), "--no-ui")
    until_said(process, "GPU 1: set aside, as it failed in study: RuntimeError: CUDA error")
    assert notes(shop)[-1]["gpus"] in ([0], [1])
    begun = len(notes(shop))
    sick.unlink()
    assert "study: GPU 1: used again" in shop.run("set", "study", "devices.clear=1").stdout
    wait_until(lambda: [n for n in notes(shop)[begun:] if n["gpus"] == [1]], "a trial on it")
    (shop.path / "go").touch()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert "GPU 1: free again" in output
    assert not list(Path(shop.path).glob("tuitune-*.aside"))


def test_with_one_trial_at_a_time_a_suspect_is_tried_on_another_gpu(
    shop: Workshop, world: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TUITUNE_LOCKS", str(shop.path))
    world.with_gpus(2)
    (shop.path / "sick").touch()
    (shop.path / "go").touch()
    file = study(shop, SICK.format(error="No CUDA GPUs are available"), trials=3)
    done = shop.run(file, "--no-ui", "--set", "search.concurrency=1")
    assert done.returncode == 0, done.stdout
    assert [trial["state"] for trial in shop.trials()] == ["COMPLETE"] * 3
    assert [one["gpus"] for one in notes(shop)] == [[1], [0], [0], [0]]
    assert "GPU 1: set aside, as it failed" in done.stdout
