"""Studies on machines with GPUs, through the front door, and all that GPUs and others do to them.

The machine is a text file: NVIDIA's own binding reads it through the tests' library. A trial takes
memory by writing itself into that file, and gives it back when its process is gone.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from nvml_world import World
from workshop import Workshop, wait_until

from tuitune.devices.host import host_room

HOLD = """
import json, os, time
from pathlib import Path

WORLD = os.environ["NVML_WORLD"]

def gpus():
    uuids = os.environ["CUDA_VISIBLE_DEVICES"].split(",")
    return [int(uuid.rpartition("-")[2]) for uuid in uuids]

def hold(memory=2000, live=1):
    line = "".join(f"process gpu={g} pid={os.getpid()} memory={memory} live={live}\\n" for g in gpus())
    descriptor = os.open(WORLD + ".live", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, line.encode())
    os.close(descriptor)

def note(trial, **more):
    record = {"trial": trial.number, "attempt": trial.attempt, "gpus": gpus(), **more}
    with open("notes.txt", "a") as file:
        file.write(json.dumps(record) + "\\n")

def until(name):
    while not Path(name).exists():
        time.sleep(0.01)
"""


@pytest.fixture
def shop(workshop: Workshop, world: World, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    """A workshop on a machine with GPUs."""
    for name, value in world.environment.items():
        monkeypatch.setenv(name, value)
    for name in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"):
        monkeypatch.delenv(name, raising=False)
    world.token = f"{uuid4().hex[:8]}-"
    return workshop


def study(shop: Workshop, code: str, more: str = "", **options: Any) -> Path:
    return shop.study(HOLD + code, more, **options)


def notes(shop: Workshop) -> list[dict[str, Any]]:
    file = shop.path / "notes.txt"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


SIMPLE = """
def train(trial):
    hold()
    start = time.monotonic()
    time.sleep(0.3)
    note(trial, start=start, end=time.monotonic(), order=os.environ["CUDA_DEVICE_ORDER"])
    trial.report(loss=1.0)
"""


def at_once(found: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Pairs of notes of trials that ran at the same time."""
    for place, one in enumerate(found):
        for other in found[place + 1 :]:
            if one["start"] < other["end"] and other["start"] < one["end"]:
                yield one, other


def test_every_trial_has_a_gpu_of_its_own(shop: Workshop, world: World):
    world.with_gpus(2)
    done = shop.run(study(shop, SIMPLE, trials=4), "--no-ui")
    assert done.returncode == 0, done.stdout + done.stderr
    found = notes(shop)
    assert [len(one["gpus"]) for one in found] == [1] * 4
    assert {one["order"] for one in found} == {"PCI_BUS_ID"}
    assert not [pair for pair in at_once(found) if pair[0]["gpus"] == pair[1]["gpus"]]
    assert list(at_once(found))  # and both were used
    assert shop.left_over() == []


EIGHT = """
def train(trial):
    note(trial)
    until("go")
    trial.report(loss=1.0)
"""


def test_eight_gpus_run_eight_trials_at_once(shop: Workshop, world: World):
    world.with_gpus(8)
    wishes = ("--set", "search.concurrency=20", "--set", "trial.cpus=0")
    process = shop.start(study(shop, EIGHT, trials=9), "--no-ui", *wishes)
    wait_until(lambda: len(notes(shop)) == 8, "eight trials")
    assert sorted(one["gpus"] for one in notes(shop)) == [[i] for i in range(8)]
    (shop.path / "go").touch()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert len(notes(shop)) == 9


def old_driver(world: World, shims: dict[str, Path]) -> None:
    world.library = shims["old"]
    world.with_gpus(2)


def mig(world: World, _shims: dict[str, Path]) -> None:
    world.with_gpus(1, mig=1)
    names = [f"MIG-{world.token}{i}" for i in range(2)]
    world.migs = [{"gpu": 0, "uuid": uuid, "name": "1g", "total": 9000} for uuid in names]
    world.write()


def no_numbers(world: World, _shims: dict[str, Path]) -> None:
    world.with_gpus(2, util=2147483632, temp=100000, power=-1, limit=-1, used=-1)


def no_permission(world: World, _shims: dict[str, Path]) -> None:
    world.with_gpus(3)
    world.gpus[2]["handle"] = 4
    world.write()


@pytest.mark.parametrize("make", [old_driver, mig, no_numbers, no_permission])
def test_a_machine_that_is_odd_is_used_all_the_same(
    shop: Workshop,
    world: World,
    shims: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[World, dict[str, Path]], None],
):
    make(world, shims)
    for name, value in world.environment.items():
        monkeypatch.setenv(name, value)
    code = EIGHT.replace('until("go")', "until_two()") + (
        "\ndef until_two():\n"
        "    while len(Path('notes.txt').read_text().splitlines()) < 2:\n"
        "        time.sleep(0.01)\n"
    )
    done = shop.run(study(shop, code, trials=2), "--no-ui")
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(one["gpus"] for one in notes(shop)) == [[0], [1]]


def test_a_command_has_its_gpu_too(shop: Workshop, world: World):
    world.with_gpus(1)
    code = "import os; print('loss=1', os.environ['CUDA_VISIBLE_DEVICES'], file=open('seen', 'w'))"
    shop.write("say.py", code + "; print('loss=1')")
    file = shop.study("", "[trial.metrics]\nloss = 'loss=([0-9.]+)'", trials=1)
    file.write_text(
        file.read_text().replace(
            'target = "study_train.py:train"', 'command = ["python", "say.py"]'
        )
    )
    done = shop.run(file, "--no-ui")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (shop.path / "seen").read_text().split()[1] == world.gpus[0]["uuid"]


def test_gpus_that_are_linked_go_together(shop: Workshop, world: World):
    world.links = [{"a": 0, "b": 2, "nvlink": 1}]
    world.with_gpus(3)
    done = shop.run(study(shop, SIMPLE, "gpus = 2", trials=2), "--no-ui")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [one["gpus"] for one in notes(shop)] == [[0, 2], [0, 2]]


def test_fractions_share_a_gpu_and_fill_it(shop: Workshop, world: World):
    world.with_gpus(1)
    done = shop.run(study(shop, SIMPLE, "gpus = 0.5", trials=4), "--no-ui")
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(at_once(notes(shop)))


@pytest.mark.parametrize(
    ("environment", "more", "options"),
    [
        ({"CUDA_VISIBLE_DEVICES": "1"}, "", []),
        ({}, "[devices]\nallow = [1]", []),
        ({}, "", ["--allow", "1"]),
    ],
)
def test_only_what_is_allowed_is_used(
    shop: Workshop,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    more: str,
    options: list[str],
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    world.with_gpus(3)
    done = shop.run(study(shop, SIMPLE, more, trials=2), "--no-ui", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [one["gpus"] for one in notes(shop)] == [[1], [1]]


def test_some_are_left_free(shop: Workshop, world: World):
    world.with_gpus(2)
    done = shop.run(study(shop, SIMPLE, trials=3), "--no-ui", "--leave-free", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [one["gpus"] for one in notes(shop)] == [[1]] * 3


def test_without_gpus_trials_see_none_though_there_are_some(shop: Workshop, world: World):
    world.with_gpus(1)
    code = "def train(trial):\n    trial.report(loss=len(os.environ['CUDA_VISIBLE_DEVICES']))\n"
    done = shop.run(study(shop, "\n" + code, trials=1), "--no-ui", "--gpus", "0")
    assert done.returncode == 0, done.stdout + done.stderr
    assert shop.trials()[0]["value"] == 0


@pytest.mark.parametrize(
    ("gpus", "count", "words"),
    [
        ("3", 2, "2 GPUs of this machine are ours to use"),
        ("1", 0, "the driver knows of no GPU"),
        ("auto", 0, "set gpus = 0"),
    ],
)
def test_asking_for_more_than_there_is_is_an_error_with_the_mend(
    shop: Workshop, world: World, gpus: str, count: int, words: str
):
    world.with_gpus(count)
    file = study(shop, SIMPLE)
    for command in (["run", file, "--no-ui"], ["check", file]):
        done = shop.run(*command, "--gpus", gpus)
        assert done.returncode == 2
        assert words in done.stderr
        assert "Traceback" not in done.stderr
    assert not shop.folder().exists()


def test_a_gpu_that_can_not_be_used_does_not_count(shop: Workshop, world: World):
    world.with_gpus(2)
    world.gpus[1]["mode"] = 2
    world.write()
    file = study(shop, SIMPLE)
    assert shop.run("check", file, "--gpus", "1").returncode == 0
    done = shop.run("check", file, "--gpus", "2")
    assert done.returncode == 2
    assert "1 GPUs of this machine are ours to use" in done.stderr


def test_a_driver_that_is_broken_is_not_passed_over(shop: Workshop, world: World):
    world.driver["init"] = 18
    world.with_gpus(1)
    done = shop.run(study(shop, SIMPLE), "--no-ui")
    assert done.returncode == 2
    assert "restart the machine" in done.stderr
    assert "gpus = 0" in done.stderr


def test_a_gpu_where_somebody_else_computes_is_not_taken(shop: Workshop, world: World):
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])
    try:
        world.processes = [{"gpu": 1, "pid": stranger.pid, "memory": 2100}]
        world.with_gpus(2)
        file = study(shop, SIMPLE, trials=2)
        shown = shop.run("check", file).stdout
        assert f"(pid {stranger.pid}, 2.2 GB) computes on it" in shown
        assert "would be used" in shown
        assert shop.run(file, "--no-ui").returncode == 0
        assert [one["gpus"] for one in notes(shop)] == [[0], [0]]
        again = shop.run(file, "--no-ui", "--new", "--share", "--trials", "4")
        assert again.returncode == 0
        assert [1] in [one["gpus"] for one in notes(shop)]
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.slow
def test_somebody_who_comes_to_our_gpu_keeps_us_from_it_until_she_has_left(
    shop: Workshop, world: World
):
    world.with_gpus(1)
    code = "\ndef train(trial):\n    hold()\n    note(trial)\n    until('go')\n    trial.report(loss=1.0)\n"
    process = shop.start(study(shop, code, trials=2), "--no-ui")
    wait_until(lambda: notes(shop), "the first trial")
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])
    try:
        world.processes = [{"gpu": 0, "pid": stranger.pid, "memory": 2100}]
        world.write()
        until_said(process, f"(pid {stranger.pid}, 2.2 GB) computes on it")
        (shop.path / "go").touch()
        until_said(process, "trial 0  COMPLETE")  # it may finish
    finally:
        stranger.kill()
        stranger.wait()
    assert len(notes(shop)) == 1
    world.processes = []
    world.write()
    until_said(process, "somebody else has only just left it")
    assert len(notes(shop)) == 1
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert "GPU 0: free again" in output
    assert len(notes(shop)) == 2


def until_said(process: subprocess.Popen[str], words: str) -> None:
    assert process.stdout is not None
    seen: list[str] = []

    def said() -> bool:
        seen.append(process.stdout.readline())
        assert seen[-1], "".join(seen)
        return words in seen[-1]

    wait_until(said, words)


SHARING = """
from tuitune.devices.host import host_room

def train(trial):
    hold(int(host_room().memory * 0.3) >> 20)
    start = time.monotonic()
    time.sleep(2.5 if trial.number < 2 else 0.3)  # for what they hold to be seen
    note(trial, start=start, end=time.monotonic())
    trial.report(loss=1.0)
"""


def test_a_gpu_with_the_hosts_memory_has_none_beside_it(shop: Workshop, world: World):
    world.with_gpus(1, **{"no.memory": 3})
    memory = f'gpus = 0.5\nmemory = "{int(host_room().memory * 0.2) // 10**6}MB"'
    file = study(shop, SHARING, memory, trials=5)
    assert "shared with the host" in shop.run("check", file).stdout
    done = shop.run(file, "--no-ui")
    assert done.returncode == 0, done.stdout + done.stderr
    found = sorted(notes(shop), key=lambda n: n["trial"])
    assert len(found) == 5
    assert not list(at_once(found[2:]))  # two would be promised more than the host has


LONG = """
def train(trial):
    hold()
    note(trial)
    if trial.number == 0 and trial.attempt == 0:
        until("never")
    trial.report(loss=1.0)
"""


def test_trials_on_a_lost_gpu_go_on_elsewhere(shop: Workshop, world: World):
    world.with_gpus(2)
    process = shop.start(study(shop, LONG, trials=3), "--no-ui")
    first = wait_until(lambda: [n for n in notes(shop) if n["trial"] == 0], "the first trial")[0]
    lost = first["gpus"][0]
    world.gpus[lost]["error"] = 15
    world.write()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert f"GPU {lost}: GPU is lost" in output
    again = [n for n in notes(shop) if n["trial"] == 0]
    assert [n["gpus"] for n in again] == [[lost], [1 - lost]]
    assert [trial["state"] for trial in shop.trials()] == ["COMPLETE"] * 3


@pytest.mark.parametrize("how", ["hang", "crash"])
def test_nvml_may_hang_or_crash_on_one_device_and_the_study_goes_on(
    shop: Workshop, world: World, how: str
):
    world.with_gpus(2)
    process = shop.start(study(shop, LONG, trials=3), "--no-ui")
    first = wait_until(lambda: [n for n in notes(shop) if n["trial"] == 0], "the first trial")[0]
    world.gpus[first["gpus"][0]][how] = 1
    world.write()
    output, _ = process.communicate(timeout=90)
    assert process.returncode == 0, output
    assert "is left alone for 1m00s" in output
    assert [trial["state"] for trial in shop.trials()] == ["COMPLETE"] * 3
    assert shop.left_over() == []


def test_a_driver_that_is_upgraded_under_a_study_is_told_and_nobody_is_hurt(
    shop: Workshop, world: World
):
    world.with_gpus(2)
    process = shop.start(study(shop, EIGHT, trials=2), "--no-ui")
    wait_until(lambda: len(notes(shop)) == 2, "two trials")
    for gpu in world.gpus:
        gpu["no.util"] = 18
    world.write()
    until_said(process, "the driver was upgraded while it was loaded; restart the machine")
    (shop.path / "go").touch()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert [trial["state"] for trial in shop.trials()] == ["COMPLETE"] * 2


CROWDED = """
import torch_like

def train(trial):
    hold(50000)
    note(trial)
    if trial.number == 1 and trial.attempt == 0 and {crowded}:
        until("joined")
        raise torch_like.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
    if trial.number == 0:
        Path("joined").touch()
        time.sleep(1.0)
    trial.report(loss=1.0)
"""
TORCH_LIKE = "class OutOfMemoryError(RuntimeError):\n    pass\n"


def test_out_of_memory_among_neighbours_is_not_the_trials_fault(shop: Workshop, world: World):
    world.with_gpus(1)
    shop.write("torch_like.py", TORCH_LIKE)
    code = CROWDED.format(crowded=True)
    done = shop.run(study(shop, code, "gpus = 0.5", trials=2), "--no-ui")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [trial["state"] for trial in shop.trials()] == ["COMPLETE"] * 2
    assert [n["attempt"] for n in notes(shop) if n["trial"] == 1] == [0, 1]
    assert "it waits for one alone" in shop.run("show", "study", "--why", "1").stdout


def test_out_of_memory_alone_is_the_trials_own(shop: Workshop, world: World):
    world.with_gpus(2)
    shop.write("torch_like.py", TORCH_LIKE)
    code = CROWDED.format(crowded=True)
    done = shop.run(study(shop, code, trials=2), "--no-ui")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [trial["state"] for trial in shop.trials()] == ["COMPLETE", "FAILED"]
    assert "CUDA out of memory" in shop.trials()[1]["note"]


STUCK = """
def train(trial):
    if trial.number == 0:
        hold(live=0)  # as of a process that its driver can't let go of
    note(trial)
    trial.report(loss=1.0)
"""


def test_a_gpu_is_free_again_only_when_its_memory_is_back(shop: Workshop, world: World):
    world.with_gpus(1)
    process = shop.start(study(shop, STUCK, trials=2), "--no-ui")
    wait_until(lambda: notes(shop), "the first trial")
    log = shop.folder() / "study.db"
    wait_until(log.exists)
    reported = lambda: shop.trials()[0]["step"] == 1  # noqa: E731
    wait_until(reported, "its report")
    end = time.monotonic() + 1.5
    while time.monotonic() < end:  # nothing may happen meanwhile
        assert len(notes(shop)) == 1
        time.sleep(0.1)
    world.file.with_name("world.txt.live").unlink()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert len(notes(shop)) == 2


def test_two_studies_never_take_the_same_gpu(shop: Workshop, world: World):
    world.with_gpus(1)
    code = "\ndef train(trial):\n    hold()\n    note(trial)\n    until('go')\n    trial.report(loss=1.0)\n"
    first = shop.start(study(shop, code, trials=1), "--no-ui")
    wait_until(lambda: notes(shop), "the first study's trial")
    second = shop.start(study(shop, code, trials=1, name="other"), "--no-ui")
    until_said(second, "GPU 0: ")
    assert len(notes(shop)) == 1
    (shop.path / "go").touch()
    assert first.wait(60) == 0
    output, _ = second.communicate(timeout=60)
    assert second.returncode == 0, output
    assert len(notes(shop)) == 2


PACKED = """
def train(trial):
    hold(3000)
    start = time.monotonic()
    for step in range(2 if trial.number < 3 else 40):  # too few to be measured
        time.sleep(0.25)
        trial.report(loss=1.0)
    note(trial, start=start, end=time.monotonic())
"""


@pytest.mark.slow
def test_auto_packs_what_does_not_hinder_each_other(shop: Workshop, world: World):
    world.with_gpus(1)
    more = 'gpus = "auto"\n'
    file = study(shop, PACKED, more, trials=7)
    done = shop.run(file, "--no-ui", "--set", "search.concurrency=4", "--set", "trial.cpus=0")
    assert done.returncode == 0, done.stdout + done.stderr
    found = sorted(notes(shop), key=lambda n: n["trial"])
    assert not list(at_once(found[:3]))  # the first ones are measured alone
    assert list(at_once(found))


def test_doctor_tells_what_is_there_and_what_is_wrong(shop: Workshop, world: World):
    world.with_gpus(3)
    world.gpus[1]["error"] = 15
    world.gpus[2]["mode"] = 3
    world.processes = [{"gpu": 0, "pid": 2**22 + 1, "memory": 5}]
    world.write()
    done = shop.run("doctor")
    assert done.returncode == 1
    assert "GPUs: 3, driver 570.86.15" in done.stdout
    assert "wrong  GPU 1: GPU is lost" in done.stdout
    assert "nvidia-smi -i 2 -c 0" in done.stdout
    assert "--pid=host" in done.stdout
    shown = shop.run("check", study(shop, SIMPLE)).stdout
    assert "GPU (UUID unknown), memory unknown: GPU is lost" in shown
    assert "no two trials share it; sudo nvidia-smi -i 2 -c 0 lets them" in shown


def test_another_distributions_pynvml_is_found_by_all_commands(
    shop: Workshop, world: World, monkeypatch: pytest.MonkeyPatch
):
    world.with_gpus(1)
    shop.write("shadow/pynvml/__init__.py", "def nvmlInit():\n    pass\n")
    monkeypatch.setenv("PYTHONPATH", str(shop.path / "shadow"))
    file = study(shop, SIMPLE)
    for command in (["doctor"], ["check", file], [file, "--no-ui"]):
        done = shop.run(*command)
        assert done.returncode == (1 if command == ["doctor"] else 2), done.stdout + done.stderr
        assert "pip uninstall -y pynvml" in done.stdout + done.stderr
