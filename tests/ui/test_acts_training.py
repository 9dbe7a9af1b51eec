"""A trial that is trained on from the app, as a study of its own."""

from __future__ import annotations

from driving import drive
from workshop import Workshop, wait_until

from tuitune.cli.app import _stored
from tuitune.store import owner

CODE = """
def train(trial):
    first = 1
    if trial.resume_path:
        first += int((trial.resume_path / "epoch").read_text())
    for epoch in range(first, trial.max_resource + 1):
        trial.report(epoch=epoch, loss=trial.config["x"] / epoch,
                     save=lambda folder: (folder / "epoch").write_text(str(epoch)))
"""
MORE = """
keep_checkpoints = "all"
[pruning]
method = "none"
resource = "epoch"
max = 3
"""


def test_a_trial_is_trained_on_as_a_study_of_its_own(workshop: Workshop, monkeypatch):
    done = workshop.run(workshop.study(CODE, MORE, trials=2), "--no-ui")
    assert done.returncode == 0, done.stdout + done.stderr
    monkeypatch.chdir(workshop.path)
    for name, value in workshop.environment.items():
        monkeypatch.setenv(name, value)
    own = workshop.folder("study-1-to-6")

    async def scenario(driver):
        await driver.cursor_to(1)
        await driver.press("t", "3", "enter")
        await driver.until_said("#1 has a checkpoint of epoch 3; give more than that")
        assert not own.exists()
        await driver.press("t", "x", "enter")
        await driver.until_said("train: x is not a whole number from 1")
        await driver.press("t", "6", "enter")
        await driver.until_said("#1 is trained on as study-1-to-6")
        await driver.until(lambda: owner.running(own) is None, "its end")
        await driver.press(":", *"train 6", "enter")
        await driver.until_said("study-1-to-6 has ended; it trained #1 on up to 6")

    drive(workshop.folder(), scenario, train=_stored(workshop.folder()).train)
    wait_until(lambda: owner.running(own) is None, "the engine's end")
    (trial,) = workshop.trials("study-1-to-6")
    assert (trial["state"], trial["step"], trial["origin"]) == ("COMPLETE", 6, "from #1 of study")
    assert trial["config"] == workshop.trials()[1]["config"]


def test_whoever_only_looks_trains_nothing(workshop: Workshop):
    assert workshop.run(workshop.study(CODE, MORE, trials=1), "--no-ui").returncode == 0

    async def scenario(driver):
        await driver.press(":", *"train 6", "enter")
        await driver.until_said("read")

    drive(workshop.folder(), scenario, readonly=True, train=_stored(workshop.folder()).train)
    assert [folder.name for folder in (workshop.path / "runs").iterdir() if folder.is_dir()] == [
        "study"
    ]
