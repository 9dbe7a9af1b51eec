"""Studies of a script that saves and resumes as most do, and knows nothing of tuitune."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from workshop import Workshop, wait_until

from tuitune.core import events as ev

# Saves before or after it prints an epoch. The file is torn while it is being written.
SCRIPT = """
import argparse, os, time
parser = argparse.ArgumentParser()
parser.add_argument("--x", type=float)
parser.add_argument("--out")
parser.add_argument("--resume")
parser.add_argument("--epochs", type=int)
parser.add_argument("--saves-first", action="store_true")
parser.add_argument("--wait-at", type=int)
args = parser.parse_args()
os.makedirs(args.out, exist_ok=True)
start = int(open(args.resume).read().split()[1]) if args.resume else 0
print("starts after", start)

def save(epoch):
    with open(args.out + "/last.ckpt", "w") as file:
        file.write("epoch ")
        file.flush()
        while epoch == args.wait_at and not os.path.exists("goes-on"):
            time.sleep(0.01)
        time.sleep(0.005)
        file.write(str(epoch))

for epoch in range(start + 1, args.epochs + 1):
    time.sleep(0.05)
    if args.saves_first:
        save(epoch)
    print(f"epoch {epoch} loss {args.x + 1 / epoch}")
    if not args.saves_first:
        save(epoch)
    while epoch == -args.wait_at and not os.path.exists("goes-on"):
        time.sleep(0.01)
"""
STUDY = """
[objective]
metric = "loss"
mode = "min"
[trial]
command = [
    "PYTHON", "script.py", "--x", "{x}", "--epochs", "9", "--out", "{trial.folder}/out",
    ["--resume", "{trial.checkpoint}"], ["--saves-first{first!if}"], "--wait-at", "{wait}",
]
saves = "out/*.ckpt"
cpus = 0.5
[trial.metrics]
epoch = 'epoch (\\\\d+)'
loss = 'loss ([0-9.]+)'
[space]
x = { low = 0.0, high = 1.0 }
first = FIRST
wait = 0
[search]
method = "random"
trials = 9
concurrency = 2
[pruning]
resource = "epoch"
max = 9
"""


def study(workshop: Workshop, first: str = "false") -> Path:
    workshop.write("script.py", SCRIPT)
    text = STUDY.replace("PYTHON", sys.executable).replace("FIRST", first)
    return workshop.write("study.toml", text.replace("\\\\", "\\"))


def call(workshop: Workshop, wait: int) -> list[object]:
    """A run of one trial that waits there."""
    file = workshop.path / "study.toml"
    return [file, "--no-ui", "--set", "search.trials=1", "--set", f"space.wait={wait}"]


def starts(workshop: Workshop, trial: int) -> list[int]:
    """After which epoch each attempt has started."""
    log = (workshop.folder() / f"trials/{trial:04d}/output.log").read_text()
    return [int(epoch) for epoch in re.findall(r"starts after (\d+)", log)]


@pytest.mark.parametrize("first", ["true", "false"])
def test_it_is_promoted_from_what_it_has_saved(workshop: Workshop, first: str):
    file = study(workshop, first)
    done = workshop.run(file, "--no-ui", "--set", "pruning.method=asha")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pruning style: promote" in done.stdout
    assert "goes on from the start" not in done.stdout
    assert "warning" not in done.stdout + done.stderr
    trials = workshop.trials()
    assert {trial["state"] for trial in trials} == {"COMPLETE", "PRUNED"}
    seen = [starts(workshop, trial["trial"]) for trial in trials]
    promoted = [epochs for epochs in seen if len(epochs) > 1]
    assert promoted
    assert all(epochs[0] == 0 < epochs[1] for epochs in promoted)
    best = workshop.show()["best"]["trial"]
    for trial in trials:
        folder = workshop.folder() / f"trials/{trial['trial']:04d}"
        kept = [path.read_text() for path in folder.rglob("*.ckpt")]
        is_best = trial["trial"] == best
        assert kept == (["epoch 9", "epoch 9"] if is_best else [])


def begin(workshop: Workshop, wait: int = 3, text: str = "epoch ") -> subprocess.Popen[str]:
    """A study whose one trial is in the middle of its third save, or, by wait = -3, after it."""
    study(workshop)
    run = workshop.start(*call(workshop, wait))
    file = workshop.folder() / "trials/0000/out/last.ckpt"
    log = workshop.folder() / "trials/0000/output.log"
    wait_until(lambda: log.exists() and "epoch 3" in log.read_text())
    wait_until(lambda: file.read_text() == text)
    return run


def test_an_interrupt_waits_for_the_save_under_way(workshop: Workshop):
    run = begin(workshop)
    run.send_signal(signal.SIGINT)
    (workshop.path / "goes-on").touch()
    run.communicate()
    assert run.returncode == 130
    assert workshop.run(*call(workshop, 3)).returncode == 0
    assert starts(workshop, 0) == [0, 3]


def test_a_paused_one_saves_and_leaves_its_slot(workshop: Workshop):
    run = begin(workshop)
    assert workshop.run("pause", "study", "0").returncode == 0
    (workshop.path / "goes-on").touch()
    wait_until(lambda: workshop.trials()[0]["state"] == "PAUSED")
    assert workshop.run("resume", "study", "0").returncode == 0
    run.communicate()
    assert run.returncode == 0
    assert starts(workshop, 0) == [0, 3]


def test_a_torn_file_of_a_killed_engine_is_put_back(workshop: Workshop):
    run = begin(workshop, -3, "epoch 3")
    folder = workshop.folder() / "trials/0000"
    wait_until(lambda: workshop.facts(ev.Checkpointed), "the journal's word of it")
    (workshop.path / "goes-on").touch()
    run.kill()
    wait_until(lambda: not workshop.left_over())
    (folder / "out/last.ckpt").write_text("epoch ")
    (folder / "out/newer.ckpt").write_text("epoch")
    assert workshop.run(*call(workshop, -3)).returncode == 0
    assert starts(workshop, 0) == [0, 3]
    assert not (folder / "out/newer.ckpt").exists()
