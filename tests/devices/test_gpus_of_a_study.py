"""What stands between the sampler, the executor and the study: with real processes, on words."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from nvml_world import GB, World
from workshop import until

from tuitune.core import events as ev
from tuitune.core.gpu_reasons import GpuAside
from tuitune.core.placement.gpu_state import GpuState
from tuitune.core.placement.snapshots import Snapshot
from tuitune.core.spec import DevicesSpec
from tuitune.core.study.state import State, Trial
from tuitune.devices.locks import Locks
from tuitune.devices.watchdog import Timeouts
from tuitune.engine.gpus import Gpus
from tuitune.messages.reasons import reason_words

PID = 2**22 + 5  # nobody's
QUICK = Timeouts(period=0.1, stale=1.0, apart=0.1, pause=0.1)
SETTINGS = ev.Settings(9, None, 1.0, None, 0, None, None, None, 1.0, "drain")


def started(time: float, pid: int = PID) -> ev.Started:
    return ev.Started(time, 0, 0, pid, None, "", "", None)


def exited(time: float) -> ev.Exited:
    return ev.Exited(time, 0, 0, 0, None, "", "", 0, lost=False)


class Scene:
    """The GPUs of a study of one trial, and all that the study hears of them."""

    def __init__(self, locks: Locks, *, contained: bool = False, **spec: Any) -> None:
        devices = DevicesSpec(**spec)
        view = GpuState(devices, os.getpid(), contained=contained)
        trial = Trial(0, {}, "random", "", gpus=("GPU-0",))
        self.notes: list[str] = []
        self.facts: list[ev.Event] = []
        state, note = State(trials=[trial]), self.notes.append
        self.gpus = Gpus(
            devices, {}, locks, state, lambda: SETTINGS, time.time, note, 0.4, QUICK, view
        )
        self.gpus.tell(self.facts.extend)

    until = staticmethod(until)

    def obstacle(self) -> str:
        return reason_words(self.gpus.now[0].obstacle) if self.gpus.now else ""

    def is_ended(self) -> bool:
        return any(isinstance(fact, ev.Exited) for fact in self.facts)

    async def look_again(self) -> None:
        """Wait for two more readings: the second one has begun since."""
        for _ in range(2):
            before = self.gpus.devices
            await self.until(lambda before=before: self.gpus.devices is not before)

    def told(self) -> list[str]:
        """What has stood in the way of trials, but for readings that took too long here."""
        words = [reason_words(gpu.obstacle) or gpu.foreign for gpu in self.published()]
        return [str(one) for one in words if one and "has not answered" not in str(one)]

    def published(self) -> list[ev.Gpu]:
        """The first GPU, in each state that the study was told of."""
        return [fact.node.gpus[0] for fact in self.facts if isinstance(fact, ev.NodeChanged)]


@pytest.fixture
def scene(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Scene]:
    for name, value in world.environment.items():
        monkeypatch.setenv(name, value)
    world.with_gpus(1)

    def make(**more: Any) -> Scene:
        made = Scene(Locks("study s of anna", tmp_path), **more)
        made.gpus.start(Snapshot())
        return made

    return make


def test_a_gpu_whose_memory_stays_is_shown_as_held_and_free_again_when_it_is_back(
    world: World, scene: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch
):
    async def play() -> None:
        made = scene()
        await made.until(lambda: made.gpus.now)
        world.processes = [{"gpu": 0, "pid": PID, "memory": 2000}]
        world.write()
        made.gpus.pass_on([started(time.time())])
        made.gpus.pass_on([exited(time.time())])
        assert not made.is_ended()
        await made.until(made.is_ended)
        held = "#0 has ended, and its memory is still held there"
        order = [fact for fact in made.facts if not isinstance(fact, ev.Footprint)]
        assert isinstance(order[-1], ev.Exited)  # no trial is to start there meanwhile
        assert made.obstacle() == held
        world.processes = []
        world.write()
        await made.until(lambda: not made.obstacle())
        made.gpus.close()

    asyncio.run(play())


@pytest.mark.parametrize("how", ["the executor closes", "the driver fails"])
def test_an_end_is_held_back_for_no_memory_that_nobody_will_tell_of(
    world: World, scene: Callable[..., Scene], how: str
):
    async def play() -> None:
        made = scene()
        await made.until(lambda: made.gpus.now)
        world.processes = [{"gpu": 0, "pid": PID, "memory": 2000}]
        if how == "the executor closes":
            world.gpus[0]["hang"] = 1  # nothing is heard for long
        world.write()
        made.gpus.pass_on([started(time.time()), exited(time.time())])
        await asyncio.sleep(0)  # it has begun to wait
        if how == "the executor closes":
            made.gpus.let_pass()
        else:
            world.gpus[0]["no.util"] = 18
            world.write()
        await made.until(made.is_ended)
        assert bool(made.notes) == (how == "the driver fails")
        made.gpus.close()

    asyncio.run(play())


def test_the_lock_stays_while_something_of_ours_may_be_there(
    world: World, scene: Callable[..., Scene], tmp_path: Path
):
    async def play() -> None:
        made = scene()
        await made.until(lambda: made.gpus.now)
        stranger = {"gpu": 0, "pid": 1, "memory": 100}
        ours = {"gpu": 0, "pid": PID, "memory": 2000}
        world.processes = [stranger, ours]
        world.write()
        made.gpus.pass_on([started(time.time()), exited(time.time())])
        await made.until(lambda: "computes on it" in made.obstacle())
        assert Locks("ben", tmp_path).take("GPU-0") == "study s of anna"
        world.processes = [stranger]
        world.write()
        await made.until(made.is_ended)
        others = Locks("ben", tmp_path)
        await made.until(lambda: not others.take("GPU-0"))
        others.close()
        made.gpus.close()

    asyncio.run(play())


@pytest.mark.parametrize("call", ["", ".processes"])
def test_a_stall_of_nvml_keeps_new_trials_away_and_ends_none(
    world: World, scene: Callable[..., Scene], call: str
):
    world.with_gpus(2)

    async def play() -> None:
        made = scene()
        await made.until(lambda: len(made.gpus.now) == 2)
        made.gpus.pass_on([started(time.time())])
        world.gpus[0][f"stall{call}"] = 1
        world.write()
        await made.until(made.obstacle)
        await made.until(lambda: not made.gpus.now[1].obstacle)  # which is well
        del world.gpus[0][f"stall{call}"]
        world.write()
        await made.until(lambda: not made.obstacle())
        assert not any(gpu.lost for gpu in made.published())
        made.gpus.close()

    asyncio.run(play())


class Program:
    """A process that the world lists on the first GPU, with 3000 MiB there while it lives."""

    def __init__(self, world: World, **more: Any) -> None:
        command = [sys.executable, "-c", "import time; time.sleep(100)"]
        self._process = subprocess.Popen(command)
        self.pid = self._process.pid
        self._world, self._more = world, more

    def hold(self) -> None:
        line = {"gpu": 0, "pid": self.pid, "memory": 3000, "live": 1, **self._more}
        self._world.processes.append(line)
        self._world.write()

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


def test_an_error_of_the_driver_is_told_with_the_end_of_the_trial_that_met_it(
    world: World, scene: Callable[..., Scene]
):
    async def play() -> None:
        made = scene()
        await made.until(lambda: made.gpus.now)
        made.gpus.pass_on([started(time.time())])
        world.gpus[0]["xid"] = 79
        world.write()
        made.gpus.pass_on([exited(time.time())])
        await made.until(made.is_ended)
        (end,) = [fact for fact in made.facts if isinstance(fact, ev.Exited)]
        assert end.xids == (("GPU-0", 79),)
        why = GpuAside("CUDA error", 79, time.time())
        made.gpus.act_on([ev.SetAside(time.time(), ("GPU-0",), why, ())], "cifar")
        assert made.obstacle() == "set aside, as it failed in cifar (Xid 79): CUDA error"
        await made.look_again()
        assert isinstance(made.gpus.now[0].obstacle, GpuAside)
        assert made.gpus.clear("0") == [0]
        assert not made.gpus.now[0].obstacle
        made.gpus.close()

    asyncio.run(play())


def hidden(world: World, _trial: Program) -> None:
    world.driver["hidden"] = 1


def numbered_otherwise(world: World, _trial: Program) -> None:
    world.driver["offset"] = 1 << 23


def numbered_as_another(world: World, trial: Program) -> None:
    world.driver["offset"] = 1 - trial.pid  # the first process, which there is here as well


def without_figures(_world: World, _trial: Program) -> None:
    """The driver 560.35 lists those of a container with no memory."""


CONTAINERS = [hidden, numbered_otherwise, numbered_as_another, without_figures]


@pytest.mark.parametrize("container", CONTAINERS)
def test_in_a_container_a_trial_is_no_stranger_and_leaves_its_gpu_free(
    world: World, scene: Callable[..., Scene], container: Callable[[World, Program], None]
):
    trial = Program(world, listed=0) if container is without_figures else Program(world)
    container(world, trial)
    world.write()

    async def play() -> None:
        made = scene(contained=True)
        await made.until(lambda: made.gpus.now)
        made.gpus.pass_on([started(time.time(), trial.pid)])
        trial.hold()
        await made.until(lambda: any(isinstance(fact, ev.Footprint) for fact in made.facts))
        held = [fact.memory >> 20 for fact in made.facts if isinstance(fact, ev.Footprint)]
        assert held == [3000]
        assert made.gpus.now[0].memory  # others may be packed beside it
        trial.end()
        made.gpus.pass_on([exited(time.time())])
        await made.until(made.is_ended)
        await made.look_again()
        assert made.told() == []
        made.gpus.close()

    try:
        asyncio.run(play())
    finally:
        trial.end()


def test_in_a_container_memory_of_others_is_seen_though_they_are_not(
    world: World, scene: Callable[..., Scene]
):
    trial = Program(world)
    world.driver["hidden"] = 1
    world.with_gpus(2)
    world.gpus[1]["used"] = 20_000
    world.write()

    async def play() -> None:
        made = scene(contained=True)
        await made.until(lambda: len(made.gpus.now) == 2)
        taken = "20 GiB of it are in use by processes that can't be seen from here"
        await made.until(lambda: reason_words(made.gpus.now[1].obstacle) == taken)
        made.gpus.pass_on([started(time.time(), trial.pid)])
        trial.hold()
        await made.until(lambda: any(isinstance(fact, ev.Footprint) for fact in made.facts))
        world.gpus[0]["used"] += 2000  # somebody has come beside our trial
        world.write()
        await made.look_again()
        trial.end()
        made.gpus.pass_on([exited(time.time())])
        await made.until(made.is_ended)
        await made.until(lambda: made.obstacle().startswith("2.0 GiB of it are in use"))
        assert not any("is still held" in reason_words(gpu.obstacle) for gpu in made.published())
        made.gpus.close()

    try:
        asyncio.run(play())
    finally:
        trial.end()


@pytest.mark.parametrize("figures", ["listed", "unlisted"])
def test_a_desktop_may_draw_more_while_a_trial_runs(
    world: World, scene: Callable[..., Scene], figures: str
):
    trial = Program(world)

    def draw(memory: int) -> None:
        told = memory if figures == "listed" else -1
        world.processes = [p for p in world.processes if p.get("kind") != "G"]
        world.processes.append({"gpu": 0, "pid": 1, "memory": told, "kind": "G"})
        world.gpus[0]["used"] = 10 + memory
        world.write()

    draw(500)

    async def play() -> None:
        made = scene()
        await made.until(lambda: made.gpus.now)
        made.gpus.pass_on([started(time.time(), trial.pid)])
        trial.hold()
        await made.until(lambda: any(isinstance(fact, ev.Footprint) for fact in made.facts))
        draw(1900)
        await made.look_again()
        trial.end()
        made.gpus.pass_on([exited(time.time())])
        await made.until(made.is_ended)
        await made.look_again()
        assert made.told() == []
        if figures == "listed":  # what is drawn is nobody's to compute with
            assert made.gpus.now[0].memory == (80 * GB - 500 - 2048) << 20
        made.gpus.close()

    try:
        asyncio.run(play())
    finally:
        trial.end()


def test_of_eight_gpus_with_strangers_some_are_left_free(world: World, scene: Callable[..., Scene]):
    world.processes = [{"gpu": gpu, "pid": 1, "memory": 500} for gpu in (0, 1, 2)]
    world.with_gpus(8)

    async def play() -> None:
        made = scene(leave_free=2)

        def usable() -> list[int]:
            return [gpu.index for gpu in made.gpus.now if not gpu.obstacle]

        await made.until(lambda: len(made.gpus.now) == 8)
        before = usable()
        assert len(before) == 3
        came = {"gpu": before[0], "pid": 1, "memory": 500}
        world.processes.append(came)
        world.write()
        await made.until(lambda: len(usable()) == 2)
        assert set(usable()) < set(before)  # what others need comes first
        made.gpus.close()

    asyncio.run(play())
