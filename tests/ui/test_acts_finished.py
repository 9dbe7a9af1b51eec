"""A finished study that is acted on in the app: an engine starts for it."""

from __future__ import annotations

import pytest
from driving import drive
from workshop import wait_until

from tuitune.cli.app import _stored
from tuitune.store import owner

QUICK = "def train(trial):\n    trial.report(loss=trial.config['x'])\n"


@pytest.fixture
def ended(workshop, monkeypatch):
    """The folder of a finished study of two trials, and what starts an engine on it."""
    done = workshop.run(workshop.study(QUICK, trials=2), "--no-ui")
    assert done.returncode == 0, done.stdout + done.stderr
    monkeypatch.chdir(workshop.path)
    for name, value in workshop.environment.items():
        monkeypatch.setenv(name, value)
    folder = workshop.folder()
    yield folder, _stored(folder).restart
    wait_until(lambda: owner.running(folder) is None, "the engine's end")


def test_a_trial_is_repeated_and_one_is_added(ended):
    folder, restart = ended

    async def scenario(driver):
        await driver.cursor_to(1)
        await driver.press("e")
        await driver.until_said("added #2 with the same configuration")
        await driver.until_state(2, "COMPLETE")
        rows = driver.study.snapshot.rows
        assert rows[2].config == rows[1].config
        await driver.until(lambda: driver.study.snapshot.engine.state == "finished", "the end")
        await driver.press("a")
        await driver.until(lambda: driver.app.screen is not driver.study, "the form")
        await driver.press("enter")
        await driver.until_said("#3 will be")
        await driver.until_state(3, "COMPLETE")
        await driver.until(lambda: driver.study.snapshot.engine.state == "finished", "the end")
        assert driver.study.snapshot.total == 4

    drive(folder, scenario, restart=restart)


def test_the_number_of_trials_is_raised(ended):
    folder, restart = ended

    async def scenario(driver):
        await driver.until_shown("T more trials", "a add")
        keys = driver.screen().splitlines()[-1]
        await driver.pilot.click(offset=(keys.index("more trials"), 39))
        await driver.until(lambda: driver.study.status_line.prompt is not None, "the line")
        await driver.press("2", "enter")
        await driver.until_said("it has had all of its 2; write a larger number")
        await driver.press("T", "4", "enter")
        await driver.until_said("4 trials in all (before: 2)")
        await driver.until(lambda: len(driver.study.snapshot.rows) == 4, "four trials")
        await driver.until(lambda: driver.study.snapshot.engine.state == "finished", "the end")

    drive(folder, scenario, restart=restart)


def test_what_an_engine_refuses_is_said(ended):
    folder, restart = ended
    (folder.parent.parent / "study_train.py").write_text("def other(trial): ...\n")

    async def scenario(driver):
        await driver.press("e")
        await driver.until_said("has no function train")

    drive(folder, scenario, restart=restart)
