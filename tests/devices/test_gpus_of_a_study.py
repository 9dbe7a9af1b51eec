"""What stands between the sampler, the executor and the study: with real processes, on words."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from nvml_world import World
from workshop import until

from tuitune.core import events as ev
from tuitune.core.placement.snapshots import Snapshot
from tuitune.core.spec import DevicesSpec
from tuitune.core.study.state import State, Trial
from tuitune.devices.locks import Locks
from tuitune.devices.watchdog import Timeouts
from tuitune.engine.gpus import Gpus

PID = 2**22 + 5  # nobody's
QUICK = Timeouts(stale=0.5, apart=0.1, pause=0.1)
SETTINGS = ev.Settings(9, None, 1.0, None, 0, None, None, None, 1.0, "drain")


def started(time: float) -> ev.Started:
    return ev.Started(time, 0, 0, PID, None, "", "", None)


def exited(time: float) -> ev.Exited:
    return ev.Exited(time, 0, 0, 0, None, "", "", 0, lost=False)


class Scene:
    """The GPUs of a study of one trial, and all that the study hears of them."""

    def __init__(self, locks: Locks, **spec: Any) -> None:
        trial = Trial(0, {}, "random", "", gpus=("GPU-0",))
        self.notes: list[str] = []
        self.facts: list[ev.Event] = []
        state, note = State(trials=[trial]), self.notes.append
        self.gpus = Gpus(
            DevicesSpec(**spec), {}, locks, state, lambda: SETTINGS, time.time, note, 0.2, QUICK
        )
        self.gpus.tell(self.facts.extend)

    until = staticmethod(until)

    def obstacle(self) -> str:
        return self.gpus.now[0].obstacle if self.gpus.now else ""

    def is_ended(self) -> bool:
        return any(isinstance(fact, ev.Exited) for fact in self.facts)

    def published(self) -> list[ev.Gpu]:
        """The first GPU, in each state that the study was told of."""
        return [fact.gpus[0] for fact in self.facts if isinstance(fact, ev.DevicesChanged)]


@pytest.fixture
def scene(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Scene]:
    for name, value in world.environment.items():
        monkeypatch.setenv(name, value)
    world.with_gpus(1)

    def make(**spec: Any) -> Scene:
        made = Scene(Locks("study s of anna", tmp_path), **spec)
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


@pytest.mark.parametrize("call", ["", ".processes", ".p2p"])
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
        if call != ".p2p":
            await made.until(lambda: not made.gpus.now[1].obstacle)  # which is well
        del world.gpus[0][f"stall{call}"]
        world.write()
        await made.until(lambda: not made.obstacle())
        assert not any(gpu.lost for gpu in made.published())
        made.gpus.close()

    asyncio.run(play())
