"""Every act on trials, against a real engine with real trials."""

from __future__ import annotations

import pytest
from driving import drive, start
from workshop import Workshop


def test_pause_resume_and_what_why_tells(workshop):
    async def scenario(driver):
        await driver.until_running(2)
        await driver.cursor_to(0)
        await driver.press("p")
        await driver.until_said("pausing #0")
        await driver.until_state(0, "PAUSED")
        await driver.press("p")
        await driver.until_said("pause: #0 is paused already")
        await driver.press("r")
        await driver.until_said("resuming #0")
        await driver.until_state(0, "RUNNING", "WAITING")
        await driver.press("4", "z")
        await driver.until_shown("to be paused by hand (app)", "resumed by hand (app)")

    drive(start(workshop), scenario)


def test_a_pause_is_taken_back_by_undo(workshop):
    async def scenario(driver):
        await driver.until_running(2)
        await driver.cursor_to(1)
        await driver.press("p")
        await driver.until_state(1, "PAUSED")
        await driver.until(lambda: driver.study.status_line.undo is not None, "an undo")
        assert "undo pause #1" in driver.screen()
        await driver.press("u")
        await driver.until_said("resumed #1")
        await driver.until_state(1, "RUNNING", "WAITING")
        await driver.press("u")
        await driver.until_said("undo: nothing to undo")

    drive(start(workshop), scenario)


def test_a_kill_waits_and_can_be_undone_from_any_app(workshop):
    folder = start(workshop)

    async def kill(driver):
        await driver.until_running(2)
        await driver.cursor_to(0)
        await driver.press("x")
        await driver.until_said("killing #0")
        await driver.until(lambda: driver.study.snapshot.rows[0].kill_at is not None, "the kill")
        assert "undo kill #0" in driver.screen()

    async def undo(driver):
        await driver.press("u")
        await driver.until_said("not killed: #0")
        await driver.until(lambda: driver.study.snapshot.rows[0].kill_at is None, "its sparing")
        await driver.cursor_to(0)
        await driver.press("4", "z")
        await driver.until_shown("to be killed by hand in 8 s (app)", "is taken back (app)")
        assert driver.study.snapshot.rows[0].state == "RUNNING"

    drive(folder, kill)
    drive(folder, undo)


def test_a_kill_that_is_not_undone_ends_the_trial(workshop):
    async def scenario(driver):
        await driver.until_running(2)
        await driver.cursor_to(1)
        await driver.press("x")
        await driver.until_state(1, "KILLED")
        await driver.press("x")
        await driver.until_said("kill: #1 was killed")
        await retry(driver, 1)

    drive(start(workshop), scenario)


async def retry(driver, number):
    """The trial under the cursor."""
    await driver.press("E")
    await driver.until_said(f"retrying #{number}")
    await driver.until_state(number, "RUNNING", "WAITING")
    await driver.press("4", "z")
    await driver.until_shown("taken up again by hand (app)")


def test_many_are_asked_about_and_the_default_is_no(workshop):
    """More than half of what runs is confirmed by its count alone."""

    async def scenario(driver):
        await driver.until_running(2)
        await driver.cursor_to(0)
        await driver.press("space")
        await driver.cursor_to(1)
        await driver.press("space")
        assert driver.study.selection.marks == {0, 1}
        await driver.press("x")
        await driver.until(driver.asked, "a question")
        assert "type 2 to kill #0, #1" in driver.screen()
        await driver.press("y", "enter")
        assert driver.asked() == ""
        await driver.press("x")
        await driver.until(driver.asked, "a question")
        await driver.press("escape")
        assert driver.asked() == ""
        await driver.pilot.pause(0.3)
        assert {row.kill_at for row in driver.study.snapshot.rows} == {None}
        await driver.press("x")
        await driver.until(driver.asked, "a question")
        await driver.press("2", "enter")
        await driver.until_said("killing #0, #1")
        await driver.press("u")
        await driver.until_said("not killed: #0, #1")

    drive(start(workshop, trials=2), scenario)


def four_at_a_time(scenario):
    async def whole(driver):
        await driver.until_running(2)
        await driver.press(":", *"concurrency 4", "enter")
        await driver.until_said("at most 4 at a time")
        await scenario(driver)

    return whole


def test_half_or_less_of_what_runs_is_confirmed_by_y(workshop):
    async def scenario(driver):
        await driver.until_running(4)
        await driver.cursor_to(0)
        await driver.press("space")
        await driver.cursor_to(1)
        await driver.press("space", "p")
        await driver.until(driver.asked, "a question")
        assert "pause #0, #1?" in driver.screen()
        await driver.press("enter")
        assert driver.asked() == ""
        await driver.press("p", "y")
        await driver.until_said("pausing #0, #1")
        await driver.until_state(0, "PAUSED")
        await driver.until_state(1, "PAUSED")

    drive(start(workshop), four_at_a_time(scenario))


def test_targets_stay_those_of_the_key_press(workshop):
    """What has changed while the question stood is left out, and that is said."""

    async def scenario(driver):
        await driver.until_running(4)
        await driver.cursor_to(0)
        await driver.press("space")
        await driver.cursor_to(1)
        await driver.press("space", "p")
        await driver.until(driver.asked, "a question")
        (workshop.path / "end-1").touch()
        await driver.until_state(1, "COMPLETE")
        await driver.press("y")
        await driver.until_state(0, "PAUSED")
        await driver.until_said("#1 is complete in the meantime")

    drive(start(workshop), four_at_a_time(scenario))


def test_a_key_that_cannot_act_says_why(workshop):
    async def scenario(driver):
        await driver.until_running(2)
        (workshop.path / "end-0").touch()
        await driver.until_state(0, "COMPLETE")
        await driver.until_state(2, "RUNNING")
        await driver.cursor_to(0)
        for key, words in (
            ("p", "pause: #0 is complete"),
            ("r", "resume: #0 is complete"),
            ("x", "kill: #0 is complete"),
            ("E", "retry: #0 is complete: `tuitune add STUDY --like 0`"),
            ("R", "resume launching: launching is not paused"),
        ):
            await driver.press(key)
            await driver.until_said(words)
        await driver.press("e")
        await driver.until_said("added #3")
        (workshop.path / "end-1").touch()
        config = driver.study.snapshot.rows[0].config

        def added():
            return [row for row in driver.study.snapshot.rows[1:] if row.config == config]

        await driver.until(added, "a trial like it")

    drive(start(workshop), scenario)


@pytest.mark.parametrize("key", ["p", "r", "x", "u", "e", "E", "a", "P", "R", "+", "-", "T", "Q"])
def test_looking_on_changes_nothing(readonly_study, key):
    async def scenario(driver):
        await driver.until_running(2)
        await driver.press(key)
        await driver.until_said("changes nothing (--readonly)")
        assert driver.study.status_line.question is None
        assert len(driver.app.screen_stack) == 1

    drive(readonly_study, scenario, readonly=True)


@pytest.fixture(scope="module")
def readonly_study(tmp_path_factory):
    made = Workshop(tmp_path_factory.mktemp("readonly").resolve())
    try:
        yield start(made)
    finally:
        made.close()


def test_what_the_filter_shows_is_acted_on_by_marking_all(workshop):
    async def scenario(driver):
        await driver.until_running(2)
        await driver.press("/", *"trial:1", "enter")
        await driver.press("*")
        assert driver.study.selection.marks == {1}
        await driver.press("p")
        await driver.until_said("pausing #1")
        await driver.until_state(1, "PAUSED")
        assert driver.study.snapshot.rows[0].state == "RUNNING"

    drive(start(workshop), scenario)


def test_a_failed_trial_is_retried(workshop):
    async def scenario(driver):
        await driver.until_running(2)
        (workshop.path / "fail-0").touch()
        await driver.until_state(0, "FAILED")
        (workshop.path / "fail-0").unlink()
        await driver.press("n")
        await driver.until(lambda: driver.study.selection.cursor == 0, "the failed trial")
        await retry(driver, 0)

    drive(start(workshop), scenario)


def test_a_trial_is_added_by_hand(workshop):
    async def scenario(driver):
        await driver.until_running(2)
        await driver.cursor_to(0)
        x = driver.study.snapshot.rows[0].config["x"]
        await driver.press("a")
        await driver.until_shown("A new trial, filled with #0", str(x))
        await driver.press("ctrl+u", "7")
        await driver.until(lambda: "is not within 0.0 to 1.0" in driver.screen(), "the mistake")
        await driver.press("enter")
        assert len(driver.app.screen_stack) == 2
        await driver.press("ctrl+u", *"0.25", "enter")
        await driver.until_said("will be x=0.25")
        assert driver.said().startswith("#2 ")
        (workshop.path / "end-0").touch()
        await driver.until_state(2, "RUNNING")
        assert driver.study.snapshot.rows[2].config == {"x": 0.25}
        assert driver.study.snapshot.study.by_hand == 1
        await driver.press("4", "z", "w")
        await driver.until_shown("a trial is added by hand: x=0.25 (app)")

    drive(start(workshop), scenario)
