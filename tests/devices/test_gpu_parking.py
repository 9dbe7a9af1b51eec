"""What carries out a park, and the process that asks the driver: with the tests' libcuda."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from nvml_world import World
from workshop import until

from tuitune.core import events as ev
from tuitune.core.placement.gpu_state import GpuState
from tuitune.core.placement.snapshots import GpuSample, Snapshot
from tuitune.core.spec import DevicesSpec
from tuitune.core.study.state import State, Trial
from tuitune.devices import parking
from tuitune.devices.host import room_for_parked
from tuitune.devices.locks import Locks
from tuitune.devices.watchdog import Timeouts
from tuitune.engine.gpus import Gpus

QUICK = Timeouts(period=0.1, stale=5.0, apart=0.1, pause=0.1)
SETTINGS = ev.Settings(9, None, 1.0, None, 0, None, None, None, 1.0, "park", pause="park")
GIB = 1 << 30
UUIDS = [f"GPU-{UUID(int=number)}" for number in range(2)]


class Scene:
    """GPUs, and one trial with a process that holds 2000 MiB of the first."""

    def __init__(self, world: World, locks: Locks, patience: float, memory: int) -> None:
        self.world = world
        code = "import time; time.sleep(300)"
        self.process = subprocess.Popen([sys.executable, "-c", code])
        self.held(memory)
        self.state = State(trials=[Trial(0, {}, "random", "", gpus=(UUIDS[0],))])
        self.facts: list[ev.Event] = []
        view = GpuState(DevicesSpec(), os.getpid())
        note = self.notes = []
        self.gpus = Gpus(
            DevicesSpec(),
            {},
            locks,
            self.state,
            lambda: SETTINGS,
            time.time,
            note.append,
            2.0,
            QUICK,
            view,
            patience,
        )
        self.gpus.tell(self.facts.extend)

    def held(self, memory: int) -> None:
        process = {"gpu": 0, "pid": self.process.pid, "memory": memory, "live": 1}
        self.world.processes = [process]
        self.world.write()

    async def begin(self) -> None:
        """The trial runs, and its memory is known."""
        self.gpus.start(Snapshot())
        await until(lambda: self.gpus.devices)
        self.gpus.pass_on([ev.Started(time.time(), 0, 0, self.process.pid, None, "", "", None)])
        await until(lambda: self.got(ev.Footprint))

    def got(self, kind: type[ev.Fact]) -> Any:
        return next((fact for fact in self.facts if isinstance(fact, kind)), None)

    async def park(self) -> Any:
        self.gpus.act_on([ev.Park(time.time(), 0, 0)], "s")
        await until(lambda: self.got(ev.Parked) or self.got(ev.ParkFailed))
        return self.got(ev.Parked) or self.got(ev.ParkFailed)

    async def unpark(self, uuid: str = UUIDS[0]) -> Any:
        self.facts.clear()
        memory = 2000 << 20
        self.gpus.act_on([ev.Unpark(time.time(), 0, 0, "", 1.0, (uuid,), 1.0, memory)], "s")
        await until(lambda: self.got(ev.Restored) or self.got(ev.ParkFailed))
        return self.got(ev.Restored) or self.got(ev.ParkFailed)

    def here(self) -> list[int]:
        """The GPUs on which its process is listed."""
        listed = ((d.index, d.processes or ()) for d in self.gpus.devices)
        return [index for index, there in listed if self.process.pid in [p.pid for p in there]]

    def close(self) -> None:
        self.gpus.close()
        self.process.kill()
        self.process.wait()


@pytest.fixture
def play(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Plays a scene, which is closed at its end."""
    for name, value in world.environment.items():
        monkeypatch.setenv(name, value)
    world.with_gpus(2)
    for gpu, uuid in zip(world.gpus, UUIDS, strict=True):
        gpu["uuid"] = uuid
    world.write()

    def run(acts: Callable[[Scene], Any], patience: float = 30.0, memory: int = 2000) -> None:
        async def whole() -> None:
            scene = Scene(world, Locks("s", tmp_path), patience, memory)
            try:
                await scene.begin()
                await acts(scene)
            finally:
                scene.close()

        asyncio.run(whole())

    return run


def test_memory_goes_to_the_host_and_comes_back(play: Callable[..., None]):
    async def acts(scene: Scene) -> None:
        parked = await scene.park()
        assert (parked.memory, parked.moves) == (2000 << 20, False)
        assert scene.here() == []
        assert (await scene.unpark()).why == ""
        await until(lambda: scene.here() == [0])
        scene.gpus.pass_on([ev.Exited(time.time(), 0, 0, 0, None, "", "", 0, lost=False)])
        scene.process.kill()
        scene.process.wait()  # its exit is told when its memory is back
        await until(lambda: scene.got(ev.Exited))

    play(acts)


def test_it_comes_back_on_another_gpu_where_the_driver_can(play, world: World):
    world.driver["version"] = "580.95.05"

    async def acts(scene: Scene) -> None:
        assert (await scene.park()).moves
        assert (await scene.unpark(UUIDS[1])).why == ""
        await until(lambda: scene.here() == [1])

    play(acts)


@pytest.mark.parametrize(
    ("driver", "why"),
    [
        ({"lock": 600}, "lock: its work on the GPU has not come to rest (600)"),
        ({"checkpoint": 801}, "checkpoint: not supported (801)"),
        ({"crash.checkpoint": 1}, "the process that asks the driver died or did not answer"),
        ({"state": 1}, "the driver does not know it: it has not used its GPU"),
        ({"cuda": 802}, "start of CUDA: error (802)"),
    ],
)
def test_a_driver_that_refuses_or_dies_leaves_it_where_it_was(
    play, world: World, driver: dict[str, Any], why: str
):
    world.driver |= driver

    async def acts(scene: Scene) -> None:
        failed = await scene.park()
        assert (failed.why, failed.broken) == (why, False)
        await scene.gpus.look_again()
        assert scene.here() == [0]
        assert states(world)[-1:] in ([], [0])  # unlocked

    play(acts)


def states(world: World) -> list[int]:
    """The states of the process, as the driver has left them."""
    file = world.file.with_name(f"{world.file.name}.cuda")
    lines = file.read_text().splitlines() if file.exists() else []
    return [int(line.split("state=")[1].split()[0]) for line in lines]


@pytest.mark.parametrize(
    ("driver", "why"),
    [
        ({"stall.state": 1}, "the process that asks the driver died or did not answer"),
        ({"checkpoint": 801, "unlock": 304}, "checkpoint: not supported (801)"),
    ],
)
def test_a_driver_that_hangs_or_leaves_a_process_locked_is_told_as_final(
    play, world: World, driver: dict[str, Any], why: str
):
    world.driver |= driver
    patience = 0.3 if "stall.state" in driver else 30.0

    async def acts(scene: Scene) -> None:
        failed = await scene.park()
        assert (failed.broken, failed.why) == (True, why)

    play(acts, patience=patience, memory=20)


def test_what_the_host_has_no_room_for_is_not_parked(play, world: World):
    async def acts(scene: Scene) -> None:
        scene.held(90_000_000)
        await until(lambda: len([f for f in scene.facts if isinstance(f, ev.Footprint)]) > 1)
        failed = await scene.park()
        assert failed.why.startswith("it holds 87891 GiB of its GPU, and the host has room for ")
        assert states(world) == []  # the driver was not asked

    play(acts)


def started(command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_trial_of_several_processes_on_its_gpu_is_not_parked(play, world: World):
    async def acts(scene: Scene) -> None:
        code = "import subprocess, sys; print(subprocess.Popen(sys.argv[1:]).pid, flush=True)"
        sleeping = [sys.executable, "-c", "import time; time.sleep(300)"]
        command = [sys.executable, "-c", f"{code}; import time; time.sleep(300)", *sleeping]
        scene.process.kill()
        scene.process.wait()
        scene.process = started(command)
        child = int(scene.process.stdout.readline())
        scene.held(2000)
        world.processes.append({"gpu": 0, "pid": child, "memory": 10, "live": 1})
        world.write()
        scene.gpus.pass_on([ev.Started(time.time(), 0, 0, scene.process.pid, None, "", "", None)])
        await until(lambda: len([f for f in scene.facts if isinstance(f, ev.Footprint)]) > 1)
        failed = await scene.park()
        os.kill(child, 9)
        words = f"its process {child} computes there too, and only one can be parked"
        assert failed.why == words

    play(acts)


def test_a_restore_that_lacks_memory_is_never_tried(play, world: World):
    """By the sampler's reading, and by one of the process that would try it."""

    async def acts(scene: Scene) -> None:
        await scene.park()
        world.gpus[0]["total"] = 2600  # 2100 of it for programs
        world.write()
        await scene.gpus.look_again()
        tried = await scene.unpark()
        assert tried.why == "2.0 GiB of its GPU are free, and it needs 2.3 GiB"
        words = (str(2000 << 20), UUIDS[0], UUIDS[0])
        answer = ask("restore", scene.process.pid, *words)
        assert answer["tried"] is False
        assert "of the GPU's memory are free" in answer["error"]
        assert states(world)[-1] == 2  # as it was
        world.gpus[0]["total"] = 80 * 1024
        world.write()
        await scene.gpus.look_again()
        assert (await scene.unpark()).why == ""

    play(acts)


def ask(what: str, pid: int, *words: str) -> dict[str, Any]:
    """The answer of the process that asks the driver, in this environment."""
    code = (
        "import sys; from tuitune.devices import parking; import msgspec\n"
        f"answer = parking.{what}(parking._Driver({pid}), *sys.argv[1:])\n"
        "print(msgspec.json.encode(answer).decode())"
    )
    command = [sys.executable, "-c", code, *words]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_restore_that_fails_is_told_as_final(play, world: World):
    world.driver["restore"] = 304

    async def acts(scene: Scene) -> None:
        await scene.park()
        failed = await scene.unpark()
        why = "its GPU memory could not be restored: restore: a call of the system failed (304)"
        assert (failed.broken, failed.why) == (True, why)

    play(acts)


def test_one_whose_process_ends_while_it_is_parked_is_told_at_once(play):
    async def acts(scene: Scene) -> None:
        await scene.park()
        scene.process.kill()
        scene.process.wait()
        scene.gpus.pass_on([ev.Exited(time.time(), 0, 0, None, 9, "killed", "", 0, lost=False)])
        assert scene.got(ev.Exited)
        assert (await scene.unpark()).broken

    play(acts)


@pytest.fixture
def cgroups(tmp_path: Path) -> Path:
    (tmp_path / "meminfo").write_text("MemTotal: 104857600 kB\nMemAvailable: 52428800 kB\n")
    return tmp_path


def test_room_in_the_hosts_memory_is_what_is_available_less_a_part(cgroups: Path):
    assert room_for_parked(cgroups, cgroups / "meminfo") == 50 * GIB - 5 * GIB
    (cgroups / "memory.max").write_text(f"{40 * GIB}\n")
    (cgroups / "memory.current").write_text(f"{30 * GIB}\n")
    (cgroups / "memory.stat").write_text(f"anon 1\ninactive_file {10 * GIB}\n")
    assert room_for_parked(cgroups, cgroups / "meminfo") == 20 * GIB - 2 * GIB


@pytest.mark.parametrize(
    ("machine", "driver", "more", "why"),
    [
        ("x86_64", "575.57.08", {}, ""),
        ("aarch64", "575.57.08", {}, "on x86-64 only, not on aarch64"),
        ("x86_64", "570.86.15", {}, "driver 570.86.15 can't park processes; install 575 or newer"),
        ("x86_64", "575.57.08", {"parent": "GPU-1"}, "processes on MIG instances"),
        ("x86_64", "", {"uuid": "AMD-0"}, "only where NVIDIA's driver"),
    ],
)
def test_where_nothing_can_be_parked_the_reason_is_known_beforehand(
    shims: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    machine: str,
    driver: str,
    more: dict[str, Any],
    why: str,
):
    monkeypatch.setattr("platform.machine", lambda: machine)
    for shim, found in (("new", why), ("old", why or "this libcuda has no checkpoint calls")):
        monkeypatch.setattr(parking, "_LIBRARY", str(shims[shim] / "libcuda.so.1"))
        device = GpuSample(**{"uuid": "GPU-0", "index": 0, "name": "A100", **more})
        counted = "so" if device.uuid == "AMD-0" else ""
        seen = Snapshot((device,), driver=driver, unmeasured=counted)
        words = parking.why_not_here(seen, seen.devices)
        assert (found in words) if found else words == ""
