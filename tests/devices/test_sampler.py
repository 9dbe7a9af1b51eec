"""The sampler's process and who watches over it: real processes, a library that hangs and dies."""

from __future__ import annotations

import asyncio
import getpass
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable

import msgspec
import pytest
from nvml_world import World
from workshop import gone, wait_until

from tuitune.core.placement.snapshots import Snapshot
from tuitune.devices.watchdog import Timeouts, Watchdog, has_nvml

STALE = 1.5  # s; a loaded machine must not be taken for a driver that hangs


@pytest.fixture
def here(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    for name, value in world.environment.items():
        monkeypatch.setenv(name, value)
    return world


def watched(
    scenario: Callable[[Watchdog, Callable[..., Awaitable[Snapshot]]], Awaitable[None]],
    **more: float,
) -> None:
    """Run a scenario with a watchdog, and a way to wait for a snapshot of some kind."""

    async def play() -> None:
        seen: asyncio.Queue[Snapshot] = asyncio.Queue()
        timeouts = Timeouts(**{"period": 0.2, "stale": STALE, **more})
        watchdog = Watchdog(seen.put_nowait, timeouts=timeouts)

        async def until(condition: Callable[[Snapshot], object]) -> Snapshot:
            async with asyncio.timeout(60):
                while True:
                    snapshot = await seen.get()
                    if condition(snapshot):
                        return snapshot

        watchdog.start()
        try:
            await scenario(watchdog, until)
        finally:
            watchdog.close()

    asyncio.run(play())


def well(snapshot: Snapshot) -> bool:
    return not snapshot.problem


def troubles(snapshot: Snapshot) -> list[bool]:
    return [bool(device.trouble) for device in snapshot.devices]


def test_it_looks_again_and_at_once_when_asked(here: World):
    here.with_gpus(2)

    async def scenario(watchdog, until):
        await until(well)
        here.gpus[1]["util"] = 77
        here.write()
        watchdog.ask()
        await until(lambda s: well(s) and s.devices[1].utilisation == 77)

    watched(scenario)


@pytest.mark.parametrize("stalled", [(1,), (0, 2)])
def test_a_device_that_nvml_hangs_on_is_in_trouble_until_it_answers_and_no_other_waits(
    here: World, stalled: tuple[int, ...]
):
    here.with_gpus(3)

    async def scenario(watchdog, until):
        await until(well)
        for index in stalled:
            here.gpus[index]["stall"] = 1
        here.gpus[2 if 1 in stalled else 1]["util"] = 77
        here.write()
        ill = await until(lambda s: s.problem or any(troubles(s)))
        assert not ill.problem
        assert troubles(ill) == [index in stalled for index in range(3)]
        assert 77 in [device.utilisation for device in ill.devices]  # the others are read
        assert [device.uuid for device in ill.devices] == ["GPU-0", "GPU-1", "GPU-2"]
        await until(lambda s: not s.problem)  # and read again
        for index in stalled:
            del here.gpus[index]["stall"]
        here.write()
        back = await until(lambda s: s.problem or not any(troubles(s)))
        assert not back.problem

    watched(scenario)


@pytest.mark.parametrize("hung", [1, 7])
def test_the_first_sample_has_those_that_answer_and_the_others_join_when_they_do(
    here: World, hung: int
):
    here.with_gpus(8)
    for gpu in here.gpus[:hung]:
        gpu["stall"] = 1
    here.write()

    async def scenario(watchdog, until):
        first = await until(lambda _: True)
        assert troubles(first) == [True] * hung + [False] * (8 - hung)
        for gpu in here.gpus:
            gpu.pop("stall", None)
        here.write()
        assert all(device.uuid for device in (await until(lambda s: not any(troubles(s)))).devices)

    watched(scenario)


def test_a_device_that_crashes_nvml_is_found_and_left_alone_until_it_is_well(here: World):
    here.with_gpus(3)

    async def scenario(watchdog, until):
        await until(well)
        here.gpus[1]["crash"] = 1
        here.write()
        await until(lambda s: "while GPU 1 was read; it is left alone" in s.problem)
        after = await until(well)
        assert troubles(after) == [False, True, False]
        assert after.devices[1].uuid == "GPU-1"  # it is still known which one that was
        await until(lambda s: watchdog._apart[1] > 0.2)  # tried once more, in vain
        del here.gpus[1]["crash"]
        here.write()
        back = await until(lambda s: well(s) and not any(troubles(s)))
        assert [device.uuid for device in back.devices] == ["GPU-0", "GPU-1", "GPU-2"]

    watched(scenario, apart=0.1, pause=0.1, first=2 * STALE)


def test_a_device_that_stays_ill_is_tried_less_and_less_often(here: World):
    here.with_gpus(2, crash=1)
    del here.gpus[0]["crash"]
    here.write()

    async def scenario(watchdog, until):
        await until(lambda s: well(s) and watchdog._apart.get(1, 0.0) >= 0.8)
        assert watchdog._skip <= {1}  # none but this one
        assert not watchdog._closed

    watched(scenario, apart=0.1, first=2 * STALE)


@pytest.mark.parametrize(
    ("how", "value", "words"),
    [("hang", 1, "has not answered"), ("init", 18, "restart the machine")],
)
def test_a_driver_that_does_not_start_is_told_of_and_tried_again(
    here: World, how: str, value: int, words: str
):
    here.driver[how] = value
    here.with_gpus(1)

    async def scenario(watchdog, until):
        await until(lambda s: words in s.problem)
        del here.driver[how]
        here.write()
        watchdog.ask()  # where the driver fails it looks by itself every half minute alone
        await until(well)

    watched(scenario, first=2 * STALE)


def test_it_ends_with_whoever_started_it(here: World):
    here.with_gpus(1)
    code = (
        "import asyncio, os\n"
        "from tuitune.devices.watchdog import Watchdog\n"
        "async def main():\n"
        "    seen = asyncio.Queue()\n"
        "    dog = Watchdog(seen.put_nowait); dog.start(); await seen.get()\n"
        "    print(dog._child.pid, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    pid = int(done.stdout)
    wait_until(lambda: gone(pid), "the sampler's end")


def look() -> tuple[Snapshot, str]:
    """A process of its own: the loader reads LD_LIBRARY_PATH once."""
    code = (
        "import functools, sys, msgspec; from tuitune.devices import watchdog; "
        "watchdog._PATIENCE = 0.2; say = functools.partial(print, file=sys.stderr); "
        "print(msgspec.json.encode(watchdog.look(say)).decode())"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return msgspec.convert(json.loads(done.stdout), Snapshot), done.stderr


def test_one_look_tells_all_though_nvml_hangs_on_one_device(here: World):
    here.with_gpus(3)
    assert troubles(look()[0]) == [False, False, False]
    here.gpus[2]["crash"] = 1
    here.write()
    assert troubles(look()[0]) == [False, False, True]


def test_a_driver_that_takes_long_is_told_of_while_it_is_waited_for(here: World):
    here.driver["wake"] = 1500
    here.with_gpus(1)
    snapshot, said = look()
    assert troubles(snapshot) == [False]
    assert "NVML has not answered for 0.4 s; GPUs that were asleep take long" in said


def test_a_driver_is_found_by_its_library(here: World):
    assert has_nvml(str(here.library / "libnvidia-ml.so.1"))
    assert not has_nvml("libnvidia-none.so.1")


def test_gpus_that_were_asleep_are_waited_for(here: World):
    """Each may take longer to wake than one that is awake may take to answer."""
    here.driver["wake"] = 400
    here.with_gpus(2, wake=600)

    async def scenario(watchdog, until):
        first = await until(lambda _: True)
        assert (first.problem, troubles(first)) == ("", [False, False])

    watched(scenario, stale=0.3)


def test_a_slow_look_up_of_a_users_name_holds_nothing_up(
    here: World, monkeypatch: pytest.MonkeyPatch
):
    here.users["stall"] = 1
    here.processes = [{"gpu": 0, "pid": os.getpid(), "memory": 300}]
    here.with_gpus(1)
    monkeypatch.setenv("LD_PRELOAD", str(here.library / "libnvidia-ml.so.1"))

    def user(snapshot: Snapshot) -> str:
        return snapshot.devices[0].processes[0].user

    async def scenario(watchdog, until):
        first = await until(lambda _: True)
        assert user(first) == str(os.getuid())
        here.users.clear()
        here.write()
        await until(lambda s: user(s) == getpass.getuser())

    watched(scenario)


def test_a_driver_that_was_upgraded_is_loaded_anew(here: World):
    """A process keeps the library that it has loaded: only another one can read the new driver."""
    here.driver["build"] = 1
    here.with_gpus(1)

    async def scenario(watchdog, until):
        await until(well)
        here.driver["build"] = 2
        here.write()
        await until(lambda s: "upgraded" in s.problem)
        watchdog.ask()
        told = await until(lambda s: well(s) or "died" in s.problem)
        assert well(told)

    watched(scenario)
