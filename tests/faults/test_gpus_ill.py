"""What GPUs, their driver and other people do to a study, and what it makes of that."""

from __future__ import annotations

import time

import pytest
from gpu_studies import SIMPLE, WAITING, notes, study, until_said
from nvml_world import World
from workshop import Workshop, wait_until

from tuitune.devices.host import host_room


def test_a_driver_that_is_broken_is_not_passed_over(shop: Workshop, world: World):
    world.driver["init"] = 18
    world.with_gpus(1)
    done = shop.run(study(shop, SIMPLE), "--no-ui")
    assert done.returncode == 2
    assert "restart the machine" in done.stderr
    assert "gpus = 0" in done.stderr


@pytest.mark.parametrize("key", ["handle", "error", "no.memory"])
def test_gpus_of_which_none_can_be_read_are_no_reason_to_run_on_none(
    shop: Workshop, world: World, key: str
):
    world.with_gpus(2, **{key: 4})
    file = study(shop, SIMPLE)
    done = shop.run(file, "--no-ui") if key == "handle" else shop.run("check", file)
    assert done.returncode == 2
    assert "GPU 0 can't be used: " in done.stderr
    assert "Insufficient Permissions" in done.stderr
    assert "set gpus = 0" in done.stderr
    assert shop.run("check", file, "--gpus", "0").returncode == 0


def test_few_cpus_for_many_gpus_are_told_by_check_and_at_the_start(shop: Workshop, world: World):
    world.with_gpus(8)
    file = study(shop, SIMPLE, trials=1)
    idle = "for 1 trial at once, the GPUs for 8: cpus = "
    all_slots = f"trial.cpus={host_room().cpus:g}"
    assert idle in shop.run("check", file, "--set", all_slots).stdout
    assert idle in shop.run(file, "--no-ui", "--set", all_slots).stdout
    assert idle not in shop.run("check", file, "--set", "trial.cpus=0.01").stdout


def test_a_gpu_where_somebody_else_computes_is_not_taken(shop: Workshop, world: World):
    world.with_gpus(2)
    with world.somebody_on(1, 2100) as pid:
        file = study(shop, SIMPLE, trials=2)
        shown = shop.run("check", file).stdout
        own = f"(pid {pid}, 2.1 GiB) computes on it; --share uses it all the same"
        assert own in shown
        assert "would be used" in shown
        assert shop.run(file, "--no-ui").returncode == 0
        assert [one["gpus"] for one in notes(shop)] == [[0], [0]]
        again = shop.run(file, "--no-ui", "--new", "--share", "--trials", "4")
        assert again.returncode == 0
        assert [1] in [one["gpus"] for one in notes(shop)]


@pytest.mark.slow
def test_somebody_who_comes_to_our_gpu_keeps_us_from_it_until_she_has_left(
    shop: Workshop, world: World
):
    world.with_gpus(1)
    code = "\ndef train(trial):\n    hold()\n    note(trial)\n    until('go')\n    trial.report(loss=1.0)\n"
    process = shop.start(study(shop, code, trials=2), "--no-ui")
    wait_until(lambda: notes(shop), "the first trial")
    with world.somebody_on(0, 2100) as pid:
        until_said(process, f"(pid {pid}, 2.1 GiB) computes on it")
        (shop.path / "go").touch()
        until_said(process, "#0  complete")  # it may finish
    assert len(notes(shop)) == 1
    world.processes = []
    world.write()
    until_said(process, "another user has only just left it")
    assert len(notes(shop)) == 1
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert "GPU 0: free again" in output
    assert len(notes(shop)) == 2


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


@pytest.mark.parametrize(
    ("how", "words"),
    [("hang", "NVML does not answer for it"), ("crash", "is left alone for 1m00s")],
)
def test_nvml_may_hang_or_crash_on_one_device_and_the_study_goes_on(
    shop: Workshop, world: World, how: str, words: str
):
    world.with_gpus(2)
    code = LONG.replace('"never"', '"go"')
    process = shop.start(study(shop, code, trials=3), "--no-ui")
    first = wait_until(lambda: [n for n in notes(shop) if n["trial"] == 0], "the first trial")[0]
    wait_until(world.is_read_again, "the study's own readings")
    world.gpus[first["gpus"][0]][how] = 1
    world.write()
    until_said(process, words)
    (shop.path / "go").touch()  # what computes there may go on
    output, _ = process.communicate(timeout=90)
    assert process.returncode == 0, output
    assert {n["attempt"] for n in notes(shop)} == {0}
    assert [trial["state"] for trial in shop.trials()] == ["COMPLETE"] * 3
    assert shop.left_over() == []


def test_a_driver_that_is_upgraded_under_a_study_is_told_and_nobody_is_hurt(
    shop: Workshop, world: World
):
    world.with_gpus(2)
    process = shop.start(study(shop, WAITING, trials=2), "--no-ui")
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


SICK = """
def train(trial):
    note(trial)
    if gpus() == [1] and {sick}:
        raise RuntimeError("CUDA error: uncorrectable ECC error encountered")
    hold()
    trial.report(loss=1.0)
"""


def test_a_gpu_that_fails_trials_is_set_aside_for_all_studies_until_it_is_cleared(
    shop: Workshop, world: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TUITUNE_LOCKS", str(shop.path))
    world.with_gpus(2, throttle=0x40)
    sick = "Path('notes.txt').read_text().count('[1]') > 1"  # in mid-study
    done = shop.run(study(shop, SICK.format(sick=sick), trials=4), "--no-ui")
    assert done.returncode == 0, done.stdout + done.stderr
    error = "RuntimeError: CUDA error: uncorrectable ECC error encountered"
    words = f"set aside, as it failed in study: {error}"
    assert done.stdout.count(f"GPU 1: {words}") == 1
    assert [trial["state"] for trial in shop.trials()] == ["COMPLETE"] * 4
    again = [n for n in notes(shop) if n["attempt"] == 1]
    assert [n["gpus"] for n in again] == [[0]]
    assert (
        f"its GPU is at fault, or may be: {error}"
        in shop.run("show", "study", "--why", again[0]["trial"]).stdout
    )
    other = study(shop, SICK.format(sick=True), trials=2, name="other")
    assert f": {words}" in shop.run("check", other).stdout
    assert shop.run(other, "--no-ui").returncode == 0
    assert [n["gpus"] for n in notes(shop)][-2:] == [[0], [0]]
    told = shop.run("doctor")
    assert told.returncode == 1
    assert f"wrong  GPU 1: {words}; tuitune set STUDY devices.clear=1 uses it again" in told.stdout
    assert "its clock is held down: heat (hardware)" in told.stdout
    assert shop.run("set", "study", "devices.clear=1").stdout == "study: GPU 1: used again\n"
    assert "no GPU 1 was set aside" in shop.run("set", "study", "devices.clear=1").stdout
    assert words not in shop.run("doctor").stdout


def test_a_study_with_no_gpu_but_those_that_are_set_aside_says_so(
    shop: Workshop, world: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TUITUNE_LOCKS", str(shop.path))
    world.with_gpus(1)
    file = study(shop, SICK.replace("[1]", "[0]").format(sick=True), trials=4)
    done = shop.run(file, "--no-ui")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "nothing more starts" in done.stdout
    refused = shop.run(file, "--no-ui")
    assert refused.returncode == 2
    assert "tuitune set study devices.clear=0 uses it again" in refused.stderr
