"""Acts that leave the study alone: help, summary, palette, command line, copies, files, leaving."""

from __future__ import annotations

import csv
import json
import tomllib

import pytest
from driving import drive, start
from textual.command import CommandList
from textual.events import Key
from workshop import Workshop, wait_until

from tuitune.store import owner
from tuitune.ui.actions.registry import ACTIONS


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A study whose two trials run as long as they are let."""
    made = Workshop(tmp_path_factory.mktemp("running").resolve())
    try:
        yield start(made)
    finally:
        made.close()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    made = Workshop(tmp_path_factory.mktemp("finished").resolve())
    try:
        folder = start(made)
        (made.path / "end").touch()  # an engine that ends sooner may not be seen
        wait_until(lambda: owner.running(folder) is None, "the study's end")
        yield folder
    finally:
        made.close()


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60), (60, 16)])
def test_help_has_every_action_and_can_be_scrolled(finished, size):
    async def scenario(driver):
        await driver.press("?")
        await driver.until_shown("esc back")
        pages = []
        for _ in range(20):
            pages.append(driver.screen())
            await driver.press("pagedown")
        seen = "\n".join(pages)
        for title in ("Move", "Trials", "Study", "App", "Signs"):
            assert title in seen
        for words in ("kill", "stop the study", "pruned"):
            assert words in seen
        assert all(len(line) <= size[0] for line in seen.splitlines())
        await driver.press("escape")
        assert len(driver.app.screen_stack) == 1

    drive(finished, scenario, size=size)


def test_help_says_why_something_cannot_be_done(finished):
    async def scenario(driver):
        await driver.press("f1")
        await driver.until_shown("the study is finished; T or a adds trials")

    drive(finished, scenario, size=(200, 60))


def test_the_summary_of_a_finished_study(finished):
    async def scenario(driver):
        await driver.press("enter")  # as while it runs: the footer says so
        assert driver.study.selection.zoomed == "detail"
        await driver.press("i")
        await driver.until_shown("finished: 4 of 4 trials")
        best = driver.study.snapshot.rows[driver.study.snapshot.best]
        screen = driver.screen()
        assert f"x = {best.config['x']}" in screen
        assert str(driver.study.snapshot.folder) in screen
        await driver.press("y")
        await driver.until_said("copied the best configuration")
        assert tomllib.loads(driver.app.clipboard) == best.config

    drive(finished, scenario)


def test_enter_shows_a_trial_in_detail_while_the_study_runs(running):
    async def scenario(driver):
        await driver.until_running(2)
        await driver.press("enter")
        assert driver.study.selection.zoomed == "detail"
        await driver.press("escape")
        assert (driver.study.selection.zoomed, driver.study.selection.focus) == (None, "trials")

    drive(running, scenario)


def test_digits_and_tab_move_the_focus(running):
    async def scenario(driver):
        for digit, pane in enumerate(("devices", "trials", "curve", "detail", "log"), 1):
            await driver.press(str(digit))
            assert driver.study.selection.focus == pane
        await driver.press("tab")
        assert driver.study.selection.focus == "devices"
        await driver.press("shift+tab")
        assert driver.study.selection.focus == "log"
        await driver.press("z")
        assert driver.study.selection.zoomed == "log"
        await driver.press("3")
        assert driver.study.selection.zoomed == "curve"
        await driver.press("0")
        assert (driver.study.selection.zoomed, driver.study.selection.focus) == (None, "trials")

    drive(running, scenario)


def test_the_copy_menu(running):
    async def scenario(driver):
        await driver.until_running(2)
        await driver.cursor_to(1)
        x = driver.study.snapshot.rows[1].config["x"]
        for key, text in (
            ("i", "1"),
            ("c", f"x = {x}\n"),
            ("a", f"tuitune add {running} x={x}"),
            ("l", f"{running}/trials/0001/output.log"),
        ):
            await driver.press("y")
            assert "copy of #1?" in driver.screen()
            await driver.press(key)
            assert driver.app.clipboard == text
        await driver.press("*", "y", "i")
        assert driver.app.clipboard == "0 1"
        assert "copied id of 2 trials" in driver.said()

    drive(running, scenario)
    assert (running / "trials" / "0001" / "output.log").exists()


def test_the_command_line_completes_and_explains(running):
    async def scenario(driver):
        await driver.until_running(2)
        await driver.press(":", *"conc")
        assert "concurrency" in driver.screen().splitlines()[-1]
        await driver.press("tab")
        assert driver.study.status_line.typed_so_far == "concurrency "
        assert "Set how many trials may run" in driver.screen().splitlines()[-1]
        await driver.press("escape")
        assert driver.study.status_line.prompt is None
        await driver.press(":", *"sort ", "tab")
        assert driver.study.status_line.prompt is not None
        await driver.press("escape", ":", *"kil", "enter")
        await driver.until_said("kil: no such command; did you mean kill")
        await driver.press(":", *"17", "enter")
        await driver.until_said("there is no #17")
        await driver.press(":", "1", "enter")
        assert driver.study.selection.cursor == 1
        await driver.press(":", *"pause launching now", "enter")
        await driver.until_said("takes no argument")

    drive(running, scenario)


@pytest.mark.parametrize("first", [(":",), (":", "1")], ids=["command line", "a digit"])
def test_a_key_right_behind_a_command_line_is_the_screens(running, first):
    async def scenario(driver):
        await driver.until_running(2)
        await driver.press(*first)
        await driver.until(lambda: driver.app.focused, "the focus of the line")
        driver.at_once(*(":", "1")[len(first) :], "enter", "z")
        await driver.until(lambda: driver.study.selection.cursor == 1, "the jump")
        await driver.until(lambda: driver.study.selection.zoomed, "the zoom")
        assert driver.app.focused is None

    drive(running, scenario)


def test_keys_that_come_with_the_command_line_are_its_own(running):
    async def scenario(driver):
        await driver.until_running(2)
        driver.at_once(":", "1", "enter", "z")
        await driver.until(lambda: driver.study.selection.zoomed, "the zoom")
        assert driver.study.selection.cursor == 1
        await driver.press("0")
        assert driver.app.focused is None

    drive(running, scenario)


def test_the_palette_has_the_same_actions(running):
    async def scenario(driver):
        await driver.until_running(2)
        await driver.press("ctrl+p")
        await driver.until(lambda: len(driver.app.screen_stack) == 2, "the palette")
        await driver.press(*"zoom")

        def found():
            listed = driver.app.screen.query_one(CommandList)
            return listed.option_count and "zoom" in str(listed.get_option_at_index(0).prompt)

        await driver.until(found, "what is like zoom")
        await driver.press("enter")
        await driver.until(lambda: driver.study.selection.zoomed == "trials", "the zoom")

    drive(running, scenario)


@pytest.mark.parametrize("name", ["help", "summary", "keys"])
def test_a_screen_of_text_outlives_a_terminal_of_one_cell(running, name):
    async def scenario(driver):
        await driver.press(":", *name, "enter")
        await driver.until_shown("esc back")
        await driver.pilot.resize_terminal(1, 1)
        await driver.pilot.resize_terminal(80, 24)
        await driver.until_shown("esc back")

    drive(running, scenario)


def test_the_keys_screen_names_the_file_and_all_ids(running):
    async def scenario(driver):
        await driver.press(":", *"keys", "enter")
        await driver.until_shown("keys.toml")
        seen = ""
        for _ in range(10):
            seen += driver.screen()
            await driver.press("space")
        assert all(action.id in seen for action in ACTIONS)

    drive(running, scenario)


def test_pictures_and_tables_are_written(finished, elsewhere):
    async def scenario(driver):
        await driver.press(":", *"shot", "enter")
        await driver.until_said("wrote")
        await driver.press(":", *"export csv", "enter")
        await driver.until_said("study.csv")
        await driver.press(":", *"export json all.json", "enter")
        await driver.until_said("all.json")
        await driver.press(":", *"export yaml", "enter")
        await driver.until_said("format yaml isn't supported")
        await driver.press(":", *"shot /nowhere/a.svg", "enter")
        await driver.until_said("can't be written")

    drive(finished, scenario)
    drawn = (elsewhere / "study.svg").read_text()
    assert drawn.startswith("<svg")
    assert "leave" in drawn
    assert "[FILE]" not in drawn  # nothing of the line that asked for it
    with (elsewhere / "study.csv").open() as file:
        assert [row["state"] for row in csv.DictReader(file)] == ["COMPLETE"] * 4
    assert len(json.loads((elsewhere / "all.json").read_text())) == 4


def test_leaving_leaves_the_engine_and_ctrl_c_only_says_so(running):
    async def scenario(driver):
        await driver.press("ctrl+c")
        await driver.until_said("q leaves the app; the study continues")
        await driver.press("q")
        await driver.pilot.pause()

    app = drive(running, scenario)
    assert app.return_code in (None, 0)
    assert owner.running(running) is not None


def test_a_finished_study_says_how_it_can_go_on(finished):
    async def scenario(driver):
        for key in ("p", "x", "+", "Q"):
            await driver.press(key)
            await driver.until_said("the study is finished; T or a adds trials")
        for key in ("e", "T"):
            await driver.press(key, *(["5", "enter"] if key == "T" else []))
            await driver.until_said("no engine can be started from here")

    drive(finished, scenario)


def test_keys_that_come_at_once_with_the_line_are_typed_on_it(running):
    """As in a paste, or over a slow connection."""

    async def scenario(driver):
        await driver.until_running(2)
        for key in (Key("colon", ":"), Key("1", "1"), Key("7", "7"), Key("backspace", "\x08")):
            driver.app.post_message(key)
        driver.app.post_message(Key("enter", "\r"))
        driver.app.post_message(Key("z", "z"))
        await driver.until(lambda: driver.study.selection.zoomed, "the zoom")
        assert driver.study.selection.cursor == 1
        assert driver.study.status_line.prompt is None

    drive(running, scenario)
