"""Keys that come in one piece, as over a slow line, do what they do one by one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from driving import pressed
from stills import app, study_picture
from textual.pilot import Pilot
from textual.widgets import Input

from tuitune.ui.screens.study import StudyScreen

FORM = ("a", "ctrl+u", *"0.5")
HELP = (":", *"keys", "enter")


async def settled(pilot: Pilot[None]) -> None:
    """Everything that has been pressed is done, and what it has opened has the focus."""
    for _ in range(6):
        await pilot.pause()
        await asyncio.sleep(0.01)


def seen(study: StudyScreen) -> dict[str, Any]:
    """What the user has chosen, what is open, and what is typed in it."""
    chosen, line = study.selection, study.status_line
    return {
        **{name: getattr(chosen, name) for name in chosen.__struct_fields__ if name != "filter"},
        "filter": chosen.filter.text,
        "screens": [type(screen).__name__ for screen in study.app.screen_stack],
        "prompt": line.typed_so_far if line.prompt else None,
        "question": line.question.text if line.question else None,
        "menu": bool(line.menu),
        "form": [one.value for one in study.app.screen.query(Input)],
        "focused": type(study.app.focused).__name__,
    }


async def after(
    keys: tuple[str, ...], *, together: bool, before: tuple[str, ...] = ()
) -> dict[str, Any]:
    shown = app(study_picture())
    async with shown.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        for key in before:
            shown.post_message(pressed(key))
            await settled(pilot)
        for key in keys:
            shown.post_message(pressed(key))
            if not together:
                await settled(pilot)
        await settled(pilot)
        await settled(pilot)
        first = shown.screen_stack[0]
        assert isinstance(first, StudyScreen)
        return seen(first)


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param((*FORM,), id="a form"),
        pytest.param((*FORM, *"xy"), id="letters in a form are no commands"),
        pytest.param((*FORM, "escape", "z"), id="a form that is closed"),
        pytest.param(("a", "down", "up", "escape", "j"), id="a form's lines"),
        pytest.param((*HELP, "j", "j"), id="scrolled help"),
        pytest.param((*HELP, "escape", "z", "3"), id="help that is closed"),
        pytest.param(("?", "escape", "/", *"run", "enter"), id="a filter behind help"),
        pytest.param(("?", "q", "?", "escape", "i"), id="one screen behind the other"),
        pytest.param(("i", "escape", ":", "3", "enter", "space"), id="a command behind a summary"),
        pytest.param(("/", *"x>0", "enter", "j", "escape"), id="a filter"),
        pytest.param(("ctrl+p", *"zoom"), id="words for the palette"),
        pytest.param(("ctrl+p", *"zoom", "pageup", "pagedown"), id="pages of the palette"),
        pytest.param(("s", "escape", "V", "j", "j", "V"), id="a menu and a range"),
        pytest.param(("x", "n", ":", *"zoom", "enter", "B"), id="a question"),
    ],
)
def test_keys_that_come_together_do_what_they_do_one_by_one(keys):
    async def both() -> tuple[dict[str, Any], dict[str, Any]]:
        return await after(keys, together=False), await after(keys, together=True)

    one_by_one, at_once = asyncio.run(both())
    assert at_once == one_by_one


@pytest.mark.parametrize(
    ("opening", "keys"),
    [
        pytest.param("a", ("ctrl+u", *"0.5"), id="a line is emptied"),
        pytest.param("a", ("9", "backspace", "7"), id="a digit is mended"),
        pytest.param("a", ("home", "8", "end", "9"), id="both ends of a line"),
        pytest.param("/", (*"abc", "backspace", "l"), id="a letter of a filter is mended"),
        pytest.param("/", (*"abc", "ctrl+u", "l"), id="a filter is emptied"),
        pytest.param(
            ":", (*"zom", "left", "o", "ctrl+e", "!"), id="a letter is put into a command"
        ),
        pytest.param(":", (*"zoom it", "ctrl+w", "x"), id="a word is taken back"),
    ],
)
def test_letters_behind_a_key_that_edits_a_line_are_typed_after_it(opening, keys):
    async def both() -> tuple[dict[str, Any], dict[str, Any]]:
        return (
            await after(keys, together=False, before=(opening,)),
            await after(keys, together=True, before=(opening,)),
        )

    one_by_one, at_once = asyncio.run(both())
    assert at_once == one_by_one
    assert len(at_once["screens"]) > 1 or at_once["prompt"]


def test_a_line_that_has_not_got_the_focus_yet_can_be_edited():
    assert asyncio.run(after(("/", *"abc", "ctrl+u", "l"), together=True))["prompt"] == "l"
