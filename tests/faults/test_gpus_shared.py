"""Studies on a machine that others use too: fewer GPUs, hours, logins that come first."""

from __future__ import annotations

import getpass
import subprocess
import time
from typing import Any

from gpu_studies import notes, study
from nvml_world import World
from workshop import Workshop, wait_until

from tuitune.store.reader import Reader

SAVING = """
def train(trial):
    hold(500)
    start = int(trial.resume_path.name) if trial.resume_path else 0
    note(trial, start=start)
    while not Path("go").exists():
        start += 1
        trial.report(step=start, loss=1.0, save=lambda folder: (folder / "saved").touch())
        time.sleep(0.02)
    trial.report(step=start + 1, loss=1.0)
"""
MORE = '[pruning]\nresource = "step"\n[devices]\non_foreign = "pause"\n'


WISHES = ("--no-ui", "--set", "trial.cpus=0", "--set", "search.concurrency=3")


def states(shop: Workshop) -> list[str]:
    return sorted(trial["state"] for trial in shop.trials())


def go_on(shop: Workshop, process: subprocess.Popen[str]) -> None:
    (shop.path / "go").touch()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output


def resumed(shop: Workshop) -> list[dict[str, Any]]:
    return [one for one in notes(shop) if one["start"]]


def test_fewer_gpus_are_given_up_with_checkpoints_and_taken_again(shop: Workshop, world: World):
    world.with_gpus(3)
    process = shop.start(study(shop, SAVING, MORE, trials=3), *WISHES)
    wait_until(lambda: len(notes(shop)) == 3, "three trials")
    done = shop.run("set", "study", "devices.max_gpus=1")
    assert "[devices] max_gpus: was not set, is 1" in done.stdout, done.stderr
    wait_until(lambda: states(shop) == ["RUNNING", "WAITING", "WAITING"], "two to leave")
    waiting = [trial for trial in shop.trials() if trial["state"] == "WAITING"]
    assert all(trial["note"].startswith("left its GPU") for trial in waiting)
    now = time.localtime().tm_hour
    shop.run("set", "study", f'devices.hours={{ "{now}-{(now + 2) % 24 or 24}" = 0 }}')
    assert "nothing starts: [devices] max_gpus and hours: 0 GPUs at most until" in (
        shop.run("show", "study").stdout
    )
    shop.run("set", "study", 'devices.hours={ "00-24" = 3 }')  # whatever the time
    wait_until(lambda: len(resumed(shop)) >= 2, "both to go on")
    go_on(shop, process)


def test_a_login_that_we_yield_to_gets_its_gpu_at_once(shop: Workshop, world: World):
    world.with_gpus(2)
    file = study(shop, SAVING, f'{MORE}yield_to = ["{getpass.getuser()}"]', trials=1)
    process = shop.start(file, *WISHES)
    wait_until(lambda: notes(shop), "the trial")
    (gpu,) = notes(shop)[0]["gpus"]
    with world.somebody_on(gpu, 3000):
        wait_until(lambda: resumed(shop), "the trial elsewhere")
    assert resumed(shop)[0]["gpus"] == [1 - gpu]
    go_on(shop, process)


def test_check_tells_what_holds_now_and_what_may_surprise(shop: Workshop, world: World):
    world.with_gpus(2)
    wishes = '[devices]\nhours = { "00-24" = 1 }\nyield_to = ["nobody-here"]'
    done = shop.run("check", study(shop, SAVING, wishes))
    assert "GPUs: 1 a trial, 1 GPU at most" in done.stdout
    assert 'this machine has no login "nobody-here"' in done.stderr
    assert "run to their end when fewer GPUs are allowed" in done.stderr
    done = shop.run("check", study(shop, SAVING, "gpus = 2\n[devices]\nmax_gpus = 1"))
    assert done.returncode == 2
    assert "[devices] max_gpus and hours allow 1 at most, and a trial has 2" in done.stderr


TAKING = """
def train(trial):
    hold(500)
    note(trial)
    until("measured")
    trial.report(loss=1.0)
"""


def test_gpu_hours_and_energy_of_each_trial_and_the_study_are_shown(shop: Workshop, world: World):
    world.with_gpus(1, energy=1_000_000)
    process = shop.start(study(shop, TAKING, trials=1), "--no-ui")
    wait_until(lambda: notes(shop), "the trial")
    wait_until(lambda: is_seen(shop), "a sample of its GPU")
    world.gpus[0]["energy"] = 8_200_000  # mJ: two Wh more
    world.write()
    (shop.path / "measured").touch()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    (trial,) = shop.trials()
    assert trial["energy_wh"] == 2.0
    assert trial["gpu_hours"] > 0
    shown = shop.run("show", "study").stdout
    assert " GPU-hours, 2 Wh" in shown
    assert "GPU-h" in shown
    table = shop.run("export", "study", "--to", "csv").stdout.splitlines()
    assert table[0].endswith("waiting_for,gpu_hours,energy_wh,node")
    assert table[1].endswith(",2.0,")


def is_seen(shop: Workshop) -> bool:
    """Whether a sample has the memory of a trial."""
    reader = Reader.open(shop.folder() / "study.db")
    try:
        samples = [sample for sample in reader.samples() if sample.kind == "gpu"]
        return any((sample.memory_used or 0) > 500 << 20 for sample in samples)
    finally:
        reader.close()
