"""Every act on the whole study, against a real engine."""

from __future__ import annotations

import time
from uuid import uuid4

import pytest
from driving import drive, start
from workshop import wait_until

from tuitune.core.gpu_reasons import GpuAside
from tuitune.devices.quarantine import Quarantine
from tuitune.store import owner


def test_launching_pauses_and_comes_back(workshop):
    async def scenario(driver):
        await driver.until_running(2)
        await driver.press("P")
        await driver.until_said("no new trial is launched")
        await driver.until(lambda: not driver.study.snapshot.study.launching, "the pause")
        await driver.press("P")
        await driver.until_said("pause launching: launching is paused already")
        await driver.press("u")
        await driver.until_said("trials are launched again")
        await driver.until(lambda: driver.study.snapshot.study.launching, "its end")
        await driver.press("P")
        await driver.until(lambda: not driver.study.snapshot.study.launching, "the pause")
        await driver.press("R")
        await driver.until_said("trials are launched again")
        await driver.press("P", "R")  # before the first one's answer
        await driver.until_said("trials are launched again")
        await driver.until(lambda: driver.study.snapshot.study.launching, "launching")
        await driver.press("4", "z", "w")
        await driver.until_shown("is paused by hand (app)", "launching is resumed by hand (app)")

    drive(start(workshop), scenario)


def test_gpus_that_were_set_aside_are_used_again_by_a_key(
    workshop, world, monkeypatch: pytest.MonkeyPatch
):
    for name, value in {**world.environment, "TUITUNE_LOCKS": str(workshop.path)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    world.token = f"{uuid4().hex[:8]}-"
    world.with_gpus(2)
    aside = GpuAside("CUDA error: 214", None, time.time(), study="other")
    Quarantine(workshop.path).add(1, f"GPU-{world.token}1", aside)

    async def scenario(driver):
        await driver.until_running(1)
        assert sum(row.state == "RUNNING" for row in driver.study.snapshot.rows) == 1
        await driver.until_shown("set aside")
        await driver.press("U")
        await driver.until_said("GPU 1: used again")
        await driver.until_running(2)
        await driver.press("U")
        await driver.until_said("no GPU was set aside")

    drive(start(workshop), scenario)


def test_concurrency_goes_up_and_down_by_keys_and_by_number(workshop):
    def cap(driver):
        return driver.study.snapshot.study.settings.concurrency

    async def scenario(driver):
        await driver.until_running(2)
        await driver.press("+", "+")
        await driver.until_said("at most 4 at a time")
        await driver.until(lambda: cap(driver) == 4, "a cap of 4")
        await driver.press("-")
        await driver.until(lambda: cap(driver) == 3, "a cap of 3")
        await driver.until(lambda: driver.study.status_line.undo is not None, "an undo")
        await driver.press("u")
        await driver.until_said("concurrency is 4 again")
        await driver.until(lambda: cap(driver) == 4, "a cap of 4")
        await driver.press(":", *"concurrency 1", "enter")
        await driver.until_said("at most 1 at a time (before: 4)")
        await driver.until(lambda: cap(driver) == 1, "a cap of 1")
        await driver.press("4", "z", "w")
        await driver.until_shown("settings changed: [search] concurrency: was 4, is 1 (app)")
        await driver.press("-")
        await driver.until_said("at least one trial at a time")
        await driver.press(":", *"concurrency many", "enter")
        await driver.until_said("many is not a whole number")

    drive(start(workshop), scenario)


def test_the_number_of_trials_is_typed(workshop):
    async def scenario(driver):
        await driver.until_running(2)
        await driver.press("T")
        await driver.until(lambda: driver.study.status_line.prompt is not None, "the command line")
        assert driver.study.status_line.typed_so_far == "trials "
        await driver.press(*"200", "enter")
        await driver.until_said("200 trials in all (before: 4)")
        await driver.until(lambda: driver.study.snapshot.total == 200, "200 trials")
        assert "/200" in driver.screen()
        await driver.press(":", *"trials 1", "enter")
        assert "trials have started: end the study once they have ended?" in driver.screen()
        await driver.press("n")
        await driver.press(":", *"trials 150", "enter")
        await driver.until_said("150 trials in all (before: 200)")
        await driver.press(":", *"trials all", "enter")
        await driver.until_said("trials: all is not a whole number from 1")

    drive(start(workshop), scenario)


@pytest.mark.parametrize(
    ("key", "ended"), [("s", "PAUSED WAITING"), ("k", "KILLED PAUSED WAITING")]
)
def test_the_study_is_stopped_by_typing_it(workshop, key, ended):
    folder = start(workshop)

    async def scenario(driver):
        await driver.until_running(2)
        await driver.press("Q")
        await driver.until(lambda: driver.study.status_line.menu is not None, "the menu")
        assert "save and leave" in driver.screen()
        await driver.press(key, *"no", "enter")
        assert driver.study.status_line.prompt is None
        await driver.press("Q", key)
        assert "type stop to stop the study" in driver.screen()
        await driver.press(*"stop", "enter")
        await driver.until_said("stopping: its running trials")
        await driver.until(lambda: driver.study.snapshot.engine.state == "gone", "the engine's end")
        await driver.press("4", "z", "w")
        await driver.until_shown("nothing more starts, running trials")
        assert {row.state for row in driver.study.snapshot.rows} <= set(ended.split())
        await driver.press("p")
        await driver.until_said("no engine runs; :restart starts one")

    drive(folder, scenario)


def test_what_runs_may_finish(workshop):
    async def scenario(driver):
        await driver.until_running(2)
        await driver.press("Q", "f", *"stop", "enter")
        await driver.until_said("stopping: its running trials run to their end (2)")
        (workshop.path / "end").touch()
        await driver.until(lambda: driver.study.snapshot.engine.state == "gone", "the engine's end")
        assert [row.state for row in driver.study.snapshot.rows] == ["COMPLETE", "COMPLETE"]

    drive(start(workshop), scenario)


def test_an_engine_is_started_again(workshop):
    folder = start(workshop)
    file = workshop.path / "study.toml"
    stopped = workshop.run("stop", "study")
    assert stopped.returncode == 0
    wait_until(lambda: owner.running(folder) is None, "the engine's end")
    started = []

    def restart():
        started.append(workshop.start(file, "--no-ui"))
        return ""

    async def scenario(driver):
        assert driver.study.snapshot.engine.state == "gone"
        await driver.press(":", *"restart", "enter")
        await driver.until_said("an engine runs the study again")
        await driver.until_running(2)
        await driver.press(":", *"restart", "enter")
        await driver.until_said("restart the engine: an engine runs it")

    drive(folder, scenario, restart=restart)
    assert len(started) == 1


def test_why_an_engine_cannot_be_started_is_said(workshop):
    folder = start(workshop)
    workshop.run("stop", "study")
    wait_until(lambda: owner.running(folder) is None, "the engine's end")

    async def scenario(driver):
        await driver.press(":", *"restart", "enter")
        await driver.until_said("the study file is gone")

    drive(folder, scenario, restart=lambda: "the study file is gone")
