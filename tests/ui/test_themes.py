"""Themes: the contrast of each role on its ground, and the choice by the terminal's answer."""

from __future__ import annotations

import asyncio
import os
import pty
import sys
import termios

import pytest
from stills import app, study_picture, text_of
from textual.events import Key

from tuitune.cli import options
from tuitune.ui.render.terminal import Answer, asked
from tuitune.ui.render.themes import CONTRAST, DARK, LIGHT, OUTPUT, PLAIN, STEPS, THEMES, rgb

NAMED = {
    name: number
    for number, name in enumerate(
        [
            "black",
            "red",
            "green",
            "yellow",
            "blue",
            "magenta",
            "cyan",
            "white",
            "bright_black",
            "bright_red",
            "bright_green",
            "bright_yellow",
            "bright_blue",
            "bright_magenta",
            "bright_cyan",
            "bright_white",
        ]
    )
}
# the least ratio of luminances, as of WCAG 2.1: 4.5 for text, 3 for large signs and lines
READ = ("text", "quiet", "muted", "title", "accent", "info", "success", "warning", "error")
SEEN = ("faint", *(f"line-{letter}" for letter in "abcdef"))
METERS = [f"{ramp}-{step}" for ramp in ("load", "memory") for step in range(STEPS)]


def luminance(colour: str) -> float:
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = [
        part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [DARK, LIGHT, CONTRAST], ids=lambda theme: theme.name)
@pytest.mark.parametrize("ground", ["ground", "cursor", "mark"])
def test_each_role_is_read_on_each_ground(theme, ground):
    under = rgb(getattr(theme, ground))
    least = dict.fromkeys(READ, 4.5) | dict.fromkeys(SEEN, 3.0) | dict.fromkeys(METERS, 3.0)
    if ground != "ground":  # under the cursor the curves and the quiet roles may be a little weaker
        least = {role: ratio * 0.72 for role, ratio in least.items() if role in READ}
    poor = {
        role: round(contrast(rgb(theme.colours[role]), under), 2)
        for role, ratio in least.items()
        if contrast(rgb(theme.colours[role]), under) < ratio
    }
    assert not poor


def test_high_contrast_is_higher_than_that_of_the_others():
    for role in READ:
        assert contrast(rgb(CONTRAST.colours[role]), rgb(CONTRAST.ground)) >= 7


@pytest.mark.parametrize("ground", ["#000000", "#ffffff"])
def test_the_sixteen_colours_are_read_on_black_and_on_white(ground):
    coloured = {role: name for role, name in PLAIN.colours.items() if name != "default"}
    poor = {role: name for role, name in coloured.items() if contrast(rgb(NAMED[name]), ground) < 3}
    assert not poor


@pytest.mark.parametrize("ground", ["#000000", "#ffffff"])
def test_the_colours_of_commands_are_read_on_black_and_on_white(ground):
    numbers = {role: OUTPUT.colours[role] for role in READ if OUTPUT.colours[role] != "default"}
    assert "text" not in numbers
    assert not {
        role: number for role, number in numbers.items() if contrast(rgb(number), ground) < 3.7
    }


def test_all_themes_have_the_same_roles():
    assert len({frozenset(theme.colours) for theme in THEMES.values()}) == 1


def test_the_option_offers_every_theme():
    assert [*options.THEME_NAMES] == [*THEMES]


@pytest.fixture
def terminal(monkeypatch):
    """Makes standard input a terminal; returns its other end."""
    outer, inner = pty.openpty()
    monkeypatch.setattr(sys, "stdin", os.fdopen(os.dup(inner)))
    yield outer
    os.close(outer)
    os.close(inner)


DA1 = b"\x1b[?62;4c"


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (b"\x1b]11;rgb:ffff/ffff/ffff\x1b\\\x1b[5;2R" + DA1, Answer(light=True)),
        (b"\x1b]11;rgb:1c/1c/1c\x07\x1b[5;2R" + DA1, Answer(light=False)),
        (b"\x1b]11;rgba:fdf6/e3e3/d5d5/ffff\x07" + DA1, Answer(light=True)),
        (b"\x1b[5;3R" + DA1, Answer(light=False, wide=True)),
        (DA1, Answer(light=False)),
        (b"", Answer(light=False, late=True)),
    ],
)
def test_the_terminal_is_asked_once(terminal, capfd, reply, expected):
    before = termios.tcgetattr(sys.stdin.fileno())
    with asked({}, ground=True, width=True) as answer:
        os.write(terminal, reply)
        assert answer() == expected
    assert termios.tcgetattr(sys.stdin.fileno()) == before
    assert capfd.readouterr().out.count("\x1b]11;?") == 1


@pytest.mark.usefixtures("capfd")
def test_a_terminal_that_does_not_know_the_question_goes_by_the_environment(terminal):
    with asked({"COLORFGBG": "0;15"}, ground=True, width=False) as answer:
        os.write(terminal, DA1)
        assert answer().light


@pytest.mark.usefixtures("terminal")
def test_a_terminal_is_asked_for_nothing_that_is_known(capfd):
    with asked({}, ground=False, width=False) as answer:
        assert answer() == Answer(light=False)
    assert capfd.readouterr().out == ""


def test_an_answer_that_comes_too_late_presses_no_key():
    async def play():
        shown = app(study_picture(), answer_is_late=True)
        async with shown.run_test(size=(100, 30)) as pilot:
            before = text_of(shown)
            answer = "^]11;rgb:ffff/ffff/ffff^\\^[?6c"
            names = {"^": "circumflex_accent", "?": "question_mark", "/": "slash"}
            for sign in answer:
                shown.post_message(Key(names.get(sign, sign), sign))
            await pilot.pause()
            assert text_of(shown) == before
            shown.post_message(Key("j", "j"))
            await pilot.pause()
            assert text_of(shown) != before

    asyncio.run(play())
