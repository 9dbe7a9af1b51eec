"""The best configuration to paste, and a trial that is trained on."""

from __future__ import annotations

import json
import shlex
import shutil
import tomllib
from pathlib import Path

import pytest
from workshop import Workshop

CODE = """
from pathlib import Path

def train(trial):
    first = 1
    if trial.resume_path:
        first += int((trial.resume_path / "epoch").read_text())
    for epoch in range(first, trial.max_resource + 1):
        loss = trial.config["opt"]["x"] + trial.config["noise"] + 1 / epoch
        trial.report(epoch=epoch, loss=loss, save=lambda folder: (folder / "epoch").write_text(str(epoch)))

def sample(random, configuration):
    return random.random() / 100
"""
STUDY = """
[objective]
metric = "loss"
mode = "min"
[space]
constraints = ["opt.x < 0.9"]
noise = { sample = "code/train.py:sample" }
[space.opt]
x = { low = 0.0, high = 1.0 }
name = ["a b", "c"]
momentum = { low = 0.1, high = 0.2, when = { opt.name = "c" } }
[search]
trials = 4
method = "random"
concurrency = 2
[trial]
target = "code/train.py:train"
timeout = "1m"
cpus = 0.5
cwd = ".."
[pruning]
method = "asha"
resource = "epoch"
max = 9
[limits]
target = -5.0
"""


@pytest.fixture
def digits(workshop: Workshop) -> Workshop:
    workshop.write("code/train.py", CODE)
    workshop.write("studies/digits.toml", STUDY)
    done = workshop.run("studies/digits.toml", "--no-ui")
    assert done.returncode == 0, done.stderr
    return workshop


def test_the_best_configuration_in_every_form(digits: Workshop):
    best = digits.show("digits")["best"]
    nested = json.loads(
        (digits.folder("digits") / f"trials/{best['trial']:04d}/config.json").read_text()
    )
    kept = f"runs/digits/trials/{best['trial']:04d}/checkpoints/00000009"
    toml = digits.run("best", "digits").stdout
    assert tomllib.loads(toml) == nested
    assert toml.startswith(f"# digits #{best['trial']} (complete): loss ")
    assert f"\n# checkpoint: {kept}\n" in toml
    as_json = digits.run("best", "digits", "--as", "json")
    assert json.loads(as_json.stdout) == nested
    assert f"checkpoint: {kept}" in as_json.stderr
    namespace = eval(digits.run("best", "digits", "--as", "python").stdout)
    assert namespace == nested
    flags = shlex.split(digits.run("best", "digits", "--as", "flags").stdout)
    assert flags[flags.index("--opt.x") + 1] == str(nested["opt"]["x"])
    assert f'"x": {nested["opt"]["x"]}' in digits.run("best", "digits", "--as", "yaml").stdout
    assert digits.run("best", "digits", "--checkpoint").stdout == f"{kept}\n"

    other = next(n for n in range(4) if n != best["trial"])
    lacking = digits.run("best", "digits", other, "--checkpoint")
    assert (lacking.returncode, lacking.stdout) == (1, "")
    assert f"none of #{other} is kept; see keep_checkpoints" in lacking.stderr
    assert digits.run("best", "digits", 9).stderr == "digits: no trial #9: it has #0 to #3\n"


def test_a_trial_is_trained_on_from_its_checkpoint_in_a_study_of_its_own(digits: Workshop):
    before = digits.show("digits")
    number = before["best"]["trial"]
    done = digits.run("train", "digits", "--to", 20, "--no-ui")
    assert done.returncode == 0, done.stderr
    name = f"digits-{number}-to-20"
    assert f"digits: #{number} is trained on as {name}, from epoch 9" in done.stderr
    (trial,) = digits.trials(name)
    assert (trial["state"], trial["step"], trial["config"]) == (
        "COMPLETE",
        20,
        before["best"]["config"],
    )
    assert (trial["origin"], trial["why"]) == (f"from #{number} of digits", "trained on")
    exported = digits.run("export", name, "--what", "reports").stdout.splitlines()
    assert [line.split(",")[2] for line in exported[1:]] == [str(n) for n in range(10, 21)]
    checkpoint = digits.run("best", name, "--checkpoint").stdout.strip()
    assert (digits.path / checkpoint / "epoch").read_text() == "20"
    assert digits.show("digits") == before  # the search is as it was, with its checkpoint
    assert Path(digits.path, digits.run("best", "digits", "--checkpoint").stdout.strip()).is_dir()

    again = digits.run("train", "digits", number, "--to", 20, "--no-ui")
    assert (again.returncode, "finished" in again.stdout) == (0, True)
    further = digits.run("train", name, "--to", 25, "--no-ui")
    assert further.returncode == 0, further.stderr
    assert digits.trials(f"{name}-0-to-25")[0]["step"] == 25


def test_a_trial_without_a_checkpoint_starts_from_the_beginning(digits: Workshop):
    number = next(t["trial"] for t in digits.trials("digits") if t["state"] == "PRUNED")
    done = digits.run("train", "digits", f"#{number}", "--to", 12, "--no-ui")
    assert done.returncode == 0, done.stderr
    assert f"#{number} has no checkpoint" in done.stderr
    (trial,) = digits.trials(f"digits-{number}-to-12")
    assert (trial["state"], trial["step"]) == ("COMPLETE", 12)


def test_training_on_has_to_go_beyond_the_checkpoint(digits: Workshop):
    best = digits.show("digits")["best"]["trial"]
    refused = digits.run("train", "digits", "--to", 9, "--no-ui")
    assert refused.returncode == 2
    assert refused.stderr == f"digits: #{best} has a checkpoint of epoch 9; give more than that\n"
    assert list(digits.path.glob("runs/digits-*")) == []


def test_a_checkpoint_that_was_removed_is_missed_in_words(digits: Workshop):
    best = digits.show("digits")["best"]["trial"]
    shutil.rmtree(digits.folder("digits") / f"trials/{best:04d}/checkpoints")
    done = digits.run("train", "digits", "--to", 12, "--no-ui")
    assert done.returncode == 0, done.stderr
    said = f"#{best} has no checkpoint, as the one it had was removed; it starts from the beginning"
    assert f"digits: {said}\n" in done.stderr
    assert digits.trials(f"digits-{best}-to-12")[0]["step"] == 12
