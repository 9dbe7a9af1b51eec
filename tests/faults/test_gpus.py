"""Studies on machines with GPUs, through the front door: what each trial gets of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from gpu_studies import SIMPLE, WAITING, at_once, notes, study, until_said
from nvml_world import World
from workshop import Workshop, wait_until

from tuitune.devices.host import host_room
from tuitune.devices.locks import Locks


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


def test_eight_gpus_run_eight_trials_at_once(shop: Workshop, world: World):
    world.with_gpus(8)
    wishes = ("--set", "search.concurrency=20", "--set", "trial.cpus=0")
    process = shop.start(study(shop, WAITING, trials=9), "--no-ui", *wishes)
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
    code = WAITING.replace('until("go")', "until_two()") + (
        "\ndef until_two():\n"
        "    while len(Path('notes.txt').read_text().splitlines()) < 2:\n"
        "        time.sleep(0.01)\n"
    )
    done = shop.run(study(shop, code, trials=2), "--no-ui")
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(one["gpus"] for one in notes(shop)) == [[0], [1]]


NAMED = """
def train(trial):
    with open("notes.txt", "a") as file:
        file.write(os.environ["CUDA_VISIBLE_DEVICES"] + "\\n")
    until_two()
    trial.report(loss=1.0)

def until_two():
    while len(Path("notes.txt").read_text().splitlines()) < 2:
        time.sleep(0.01)
"""


def test_without_nvml_a_trial_has_one_of_the_gpus_that_cuda_counts(
    shop: Workshop, world: World, shims: dict[str, Path], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("LD_LIBRARY_PATH", str(shims["alone"]))
    world.with_gpus(2)
    told = "counted by CUDA, as the driver's libnvidia-ml.so.1 is missing"
    file = study(shop, NAMED, 'gpus = "auto"', trials=2)
    shown = shop.run("check", file).stdout
    assert told in shown
    assert shown.count("would be used") == 2
    assert f"GPUs: 2, {told}" in shop.run("doctor").stdout
    done = shop.run(file, "--no-ui", "--set", "trial.cpus=0")
    assert done.returncode == 0, done.stdout + done.stderr
    assert told in done.stdout
    names = (shop.path / "notes.txt").read_text().split()
    ends = [f"{world.token.replace('-', '')}{gpu}" for gpu in range(2)]
    assert sorted(name[-9:] for name in names) == ends
    assert all(name.startswith("GPU-00000000-0000-0000-0000-") for name in names)


def test_without_nvml_and_where_cuda_does_not_start_there_is_no_gpu(
    shop: Workshop, world: World, shims: dict[str, Path], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("LD_LIBRARY_PATH", str(shims["alone"]))
    world.driver["cuda"] = 100
    world.with_gpus(1)
    file = study(shop, SIMPLE, trials=1)
    shown = shop.run("check", file).stdout
    assert "GPUs: none (CUDA does not start (error 100)" in shown
    assert "libnvidia-ml.so.1 is missing" in shop.run("check", file, "--gpus", "1").stderr


IMPORTING = """
SEEN = os.environ.get("CUDA_VISIBLE_DEVICES")

def train(trial):
    Path("seen").write_text(str(SEEN))
    trial.report(loss=1.0)
"""


@pytest.mark.parametrize(("options", "seen"), [(["--allow", "1,2"], 1), (["--gpus", "0"], None)])
def test_an_import_sees_the_gpus_of_one_trial_that_the_study_may_use(
    shop: Workshop, world: World, options: list[str], seen: int | None
):
    world.processes = [{"gpu": 2, "pid": 1, "memory": 500}]
    world.with_gpus(3)
    done = shop.run(study(shop, IMPORTING, trials=1), "--no-ui", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    expected = "" if seen is None else world.gpus[seen]["uuid"]
    assert (shop.path / "seen").read_text() == expected


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


def test_a_command_that_can_not_save_is_warned_of_pauses(shop: Workshop, world: World):
    world.with_gpus(1)
    shop.write("say.py", "print('loss=1')")
    more = "[trial.metrics]\nloss = 'loss=([0-9.]+)'\n[devices]\non_foreign = 'pause'"
    file = shop.study("", more, trials=1)
    command = 'command = ["python", "say.py"]'
    file.write_text(file.read_text().replace('target = "study_train.py:train"', command))
    warning = 'on_foreign = "pause": a command is ended by SIGTERM when another user comes'
    assert warning in shop.run("check", file).stderr
    done = shop.run(file, "--no-ui")
    assert warning in done.stdout + done.stderr


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
        ("3", 2, "2 GPUs here are ours to use"),
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


def test_containers_that_share_a_folder_of_locks_share_gpus_fairly(
    shop: Workshop, world: World, monkeypatch: pytest.MonkeyPatch
):
    world.with_gpus(1)
    folder = shop.path / "locks"
    monkeypatch.setenv("TUITUNE_LOCKS", str(folder))
    file = study(shop, SIMPLE, trials=1)
    for command in (["check", file], [file, "--no-ui"]):
        done = shop.run(*command)
        assert done.returncode == 2
        assert "can't be kept there" in done.stderr
    folder.mkdir()
    other = Locks("study cifar of anna", folder)  # as in another container
    other.take(f"GPU-{world.token}0")
    process = shop.start(file, "--no-ui")
    until_said(process, "taken by study cifar of anna")
    other.close()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output


def test_a_trial_has_one_instance_of_a_gpu_at_most(
    shop: Workshop, world: World, shims: dict[str, Path]
):
    mig(world, shims)
    done = shop.run("check", study(shop, SIMPLE), "--gpus", "2")
    assert done.returncode == 2
    assert "the GPUs here are 2 MIG instances, of which a trial has one at most" in done.stderr


def test_a_gpu_that_can_not_be_used_does_not_count(shop: Workshop, world: World):
    world.with_gpus(2)
    world.gpus[1]["mode"] = 2
    world.write()
    file = study(shop, SIMPLE)
    assert shop.run("check", file, "--gpus", "1").returncode == 0
    done = shop.run("check", file, "--gpus", "2")
    assert done.returncode == 2
    assert "1 GPU here is ours to use" in done.stderr


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
@pytest.mark.parametrize("container", [{}, {"offset": 1 << 23}, {"hidden": 1}])
def test_auto_packs_what_does_not_hinder_each_other(
    shop: Workshop, world: World, container: dict[str, int]
):
    world.driver |= container
    world.with_gpus(1)
    more = 'gpus = "auto"\n'
    file = study(shop, PACKED, more, trials=7)
    done = shop.run(file, "--no-ui", "--set", "search.concurrency=4", "--set", "trial.cpus=0")
    assert done.returncode == 0, done.stdout + done.stderr
    found = sorted(notes(shop), key=lambda n: n["trial"])
    together = list(at_once(found))
    assert together
    assert not [pair for pair in together if found[0] in pair]  # the first one is measured alone


def test_doctor_tells_what_is_there_and_what_is_wrong(shop: Workshop, world: World):
    world.with_gpus(3)
    world.gpus[1]["error"] = 15
    world.gpus[2]["mode"] = 3
    world.processes = [{"gpu": 0, "pid": 2**22 + 1, "memory": 5}]
    world.write()
    done = shop.run("doctor")
    assert done.returncode == 1
    assert "GPUs: 3, driver 575.57.08" in done.stdout
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
