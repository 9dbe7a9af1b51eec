"""Trials whose GPU memory is moved to the host and back, by a driver that is the tests' library."""

from __future__ import annotations

import getpass
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

from gpu_studies import notes, study
from nvml_world import World
from parked_trials import PARKED, is_parked, let, listed, row
from workshop import Workshop, gone, wait_until

SAVES = ", save=lambda folder: (folder / 'saved').touch()"
WISHES = ("--no-ui", "--set", "trial.cpus=0")


def parks(memory: int = 2000, *, saves: bool = False) -> str:
    return PARKED.format(memory=memory, save=SAVES if saves else "")


def file_of(shop: Workshop, code: str | None = None, more: str = "", **options: Any) -> Path:
    keys = '[pruning]\nresource = "step"\n'
    return study(shop, code or parks(), f'pause = "park"\n{more}{keys}', **options)


def end(shop: Workshop, process: subprocess.Popen[str], *numbers: int) -> str:
    let(shop, *numbers)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    return output


def test_a_pause_frees_the_gpu_and_the_process_goes_on_where_it_was(shop: Workshop, world: World):
    world.with_gpus(1)
    process = shop.start(file_of(shop, trials=2), *WISHES)
    first = wait_until(lambda: notes(shop), "the first trial")[0]
    assert "0" in shop.run("pause", "study", "0").stdout
    wait_until(lambda: len(notes(shop)) == 2, "the second one on its GPU")
    assert is_parked(shop)
    assert not listed(world, first["pid"])
    why = shop.run("show", "study", "--why", "0").stdout
    assert "parked: its GPU is free, the host holds 2.0 GiB of it" in why
    shown = shop.run("show", "study").stdout
    assert "paused by hand on GPU 0; holds no slot, and 2.0 GiB of the host's memory" in shown
    shop.run("resume", "study", "0")
    let(shop, 1)
    wait_until(lambda: listed(world, first["pid"]), "its memory to be back")
    end(shop, process, 0)
    own = [one for one in notes(shop) if one["trial"] == 0]
    assert {one["pid"] for one in own} == {first["pid"]}
    assert [one["attempt"] for one in own] == [0, 0]
    assert shop.left_over() == []


def test_trials_are_parked_while_fewer_gpus_are_allowed_and_come_back(shop: Workshop, world: World):
    world.with_gpus(2)
    file = file_of(shop, more='[devices]\non_foreign = "park"\n', trials=2)
    process = shop.start(file, *WISHES)
    wait_until(lambda: len(notes(shop)) == 2, "two trials")
    shop.run("set", "study", "devices.max_gpus=1")
    wait_until(lambda: is_parked(shop, 1), "the newer trial to be parked")
    (pid,) = (one["pid"] for one in notes(shop) if one["trial"] == 1)
    assert not listed(world, pid)
    shown = shop.run("show", "study").stdout
    assert "made way on GPU 0, and goes on when that is free; holds no slot" in shown
    assert "1 running, 1 parked" in shown
    shop.run("set", "study", "devices.max_gpus=2")
    wait_until(lambda: listed(world, pid), "its memory to be back")
    end(shop, process, 0, 1)
    assert [one["pid"] for one in notes(shop) if one["trial"] == 1] == [pid] * 2


def test_a_login_comes_first_and_a_killed_engine_leaves_nothing_behind(
    shop: Workshop, world: World
):
    """Its trial saves before it is parked, and goes on from there."""
    world.with_gpus(1)
    devices = f'[devices]\non_foreign = "park"\nyield_to = ["{getpass.getuser()}"]\n'
    file = file_of(shop, parks(saves=True), devices, trials=1)
    process = shop.start(file, *WISHES)
    first = wait_until(lambda: notes(shop), "the trial")[0]
    with world.somebody_on(0, 3000):
        wait_until(lambda: is_parked(shop), "the trial to be parked")
    engine = shop.engine()
    assert engine is not None
    os.kill(engine, signal.SIGKILL)
    process.wait()
    wait_until(lambda: gone(first["pid"]), "its trial to be gone")
    wait_until(lambda: not shop.left_over(), "all processes to be gone")
    world.processes = []
    world.write()
    again = shop.start(file, *WISHES)
    wait_until(lambda: len(notes(shop)) == 2, "the next attempt")
    assert notes(shop)[1]["start"] > 0
    end(shop, again, 0)


def test_a_parked_trial_is_killed_at_once(shop: Workshop, world: World):
    world.with_gpus(1)
    process = shop.start(file_of(shop, trials=1), *WISHES)
    first = wait_until(lambda: notes(shop), "the trial")[0]
    shop.run("pause", "study", "0")
    wait_until(lambda: is_parked(shop), "the trial to be parked")
    shop.run("kill", "study", "0")
    wait_until(lambda: gone(first["pid"]), "its process to be gone")
    output, _ = process.communicate(timeout=60)
    assert shop.trials()[0]["state"] == "KILLED", output
    assert shop.left_over() == []


def test_a_driver_that_refuses_leaves_the_trial_as_it_was(shop: Workshop, world: World):
    """It runs to its end where others come, and is frozen where a person pauses it."""
    world.driver["checkpoint"] = 801
    world.with_gpus(1)
    process = shop.start(file_of(shop, trials=1), *WISHES)
    first = wait_until(lambda: notes(shop), "the trial")[0]
    shop.run("pause", "study", "0")
    wait_until(lambda: row(shop).is_frozen, "the trial to be frozen")
    assert listed(world, first["pid"])
    told = shop.run("show", "study", "--why", "0").stdout
    assert "can not be parked: checkpoint: not supported (801)" in told
    shop.run("resume", "study", "0")
    output = end(shop, process, 0)
    assert "can not be parked: checkpoint: not supported (801)" in output


def test_a_trial_that_can_not_be_restored_starts_again_with_no_retry_spent(
    shop: Workshop, world: World
):
    world.driver["restore"] = 304
    world.with_gpus(1)
    process = shop.start(file_of(shop, parks(saves=True), trials=1), *WISHES)
    wait_until(lambda: notes(shop), "the trial")
    shop.run("pause", "study", "0")
    wait_until(lambda: is_parked(shop), "the trial to be parked")
    shop.run("resume", "study", "0")
    wait_until(lambda: len(notes(shop)) == 2, "another attempt")
    assert notes(shop)[1]["start"] > 0
    output = end(shop, process, 0)
    why = "its GPU memory could not be restored: restore: a call of the system failed (304)"
    assert f"it is lost: {why}" in output
    assert shop.trials()[0]["state"] == "COMPLETE"


def test_what_can_not_be_parked_here_is_refused_beforehand(shop: Workshop, world: World):
    world.driver["version"] = "550.54.15"
    world.with_gpus(2)
    done = shop.run("check", file_of(shop))
    assert done.returncode == 2
    words = "driver 550.54.15 can't park processes; install 575 or newer"
    assert f'[trial] pause = "park": {words}; or write pause = "save"' in done.stderr
