"""Panes of installed packages: shown when the configuration names them, and failing alone."""

from __future__ import annotations

import asyncio

import pytest
from installed import toy_package, unpack
from stills import Still, study_picture, text_of
from windows import DONE, Windows

from tuitune import plugins
from tuitune.ui.app import TuituneApp
from tuitune.ui.configuration import configured, key_file, load_configuration, read_configuration
from tuitune.ui.panes import curve
from tuitune.ui.panes.registry import PANES
from tuitune.ui.screens.study import StudyScreen
from tuitune.ui.state.options import ConfigurationError, Options

TOY = """
from tuitune.ui.actions.action import Action
from tuitune.ui.panes.pane import Pane, rule
from tuitune.ui.render.lines import line


class Greeting:
    def lines(self, context, size):
        title = rule(context, "greeting", "Greeting", size.width)
        best = context.snapshot.best
        return [title, line(("good morning, ", "muted"), (f"#{best} leads", "accent"))]


def wave(app):
    app.say("the toy waves")


PANE = Pane(
    "greeting",
    "the greeting",
    Greeting,
    actions=(
        Action("greeting.wave", ("Y",), "wave", "Waves.", "Look", wave, pane="greeting"),
    ),
    hints=(("greeting.wave", "wave"),),
)
OTHER = "no pane"
"""
BROKEN = """
from msgspec.structs import replace
from toy_pane import PANE as GOOD
from tuitune.ui.actions.action import Action, Argument


class View:
    def lines(self, context, size):
        raise RuntimeError("out of ink")


def fail(*_):
    raise ValueError("no hands")


ACT = Action(
    "broken.wave", ("Y",), "wave", "Waves.", "Look", fail, argument=Argument("N", fail)
)
NEVER = Action("broken.never", ("X",), "never", "Never.", "Look", fail, why_not=fail)
PANE = replace(
    GOOD, name="broken", make=View, place=fail, actions=(ACT, NEVER), click=fail, wheel=fail,
    again=fail, hints=(),
)
UNMADE = replace(PANE, make=fail)
WRONG = replace(PANE, make=lambda: 3)
STRANGER = replace(PANE, actions=(replace(ACT, id="trial.kill"),))
"""
ENTRY_POINTS = """\
[tuitune.panes]
greeting = toy_pane:PANE
other = toy_pane:OTHER
renamed = toy_pane:PANE
broken = toy_pane_broken:PANE
"""


def install(place, entry_points=ENTRY_POINTS):
    """As an installer leaves a package."""
    unpack(toy_package("toy_pane", entry_points, toy_pane=TOY, toy_pane_broken=BROKEN), place)


@pytest.fixture
def installed(tmp_path, monkeypatch):
    install(tmp_path / "site")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))


def play(settings, scenario, size=(140, 45)):
    """The scenario on the app of a study that stands still, with this configuration."""

    async def run():
        study = StudyScreen(Still(study_picture()), settings, Options(tick=60.0))
        app = TuituneApp(study, Options())
        async with app.run_test(size=size) as pilot:
            await scenario(app, study, pilot)

    asyncio.run(run())


def test_a_pane_that_the_configuration_names_is_shown_in_the_real_app(workshop, tmp_path):
    install(tmp_path / "site")
    workshop.run(workshop.study(DONE), "--no-ui")
    file = workshop.path / "config" / "tuitune" / "keys.toml"
    file.parent.mkdir(parents=True)
    windows = Windows(workshop)
    path = {"PYTHONPATH": str(tmp_path / "site")}
    try:
        without = windows.open("attach", "study", size=(120, 40), variables=path)
        without.until("finished", "4 #")
        assert "Greeting" not in without.shown()
        file.write_text('panes = ["greeting"]\n[keys]\n"greeting.wave" = ["F"]\n')
        window = windows.open("attach", "study", size=(120, 40), variables=path)
        window.until("6 Greeting", "good morning, #", "4 #")
        window.press("6")
        window.until("F wave")
        window.press("F")
        window.until("the toy waves")
        window.press("z")
        window.until("6 Greeting", gone="4 #")
        window.press("q")
        assert "3 complete in " in window.left()
    finally:
        windows.close()


def test_nothing_is_looked_for_until_the_configuration_names_a_pane(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr(plugins, "find", lambda *_: pytest.fail("read without need"))
    assert load_configuration().panes == PANES
    key_file().parent.mkdir()
    key_file().write_text('[keys]\n"trial.pause" = ["p"]\n')
    assert load_configuration().panes == PANES


@pytest.mark.usefixtures("installed")
def test_its_keys_stand_in_the_help_and_can_be_changed():
    settings = read_configuration('panes = ["greeting"]\n[keys]\n"pane.greeting" = ["f7"]\n')
    assert settings.keymap.shown("pane.greeting") == "f7"
    assert settings.keymap.shown("greeting.wave") == "Y"

    async def scenario(app, study, pilot):
        assert "f7 Greeting" in text_of(app)
        await pilot.press("f7", "?")
        assert "In this pane (greeting)" in text_of(app)
        assert "the greeting" in text_of(app)

    play(settings, scenario)


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('panes = "greeting"', 'panes is not a list of names; write panes = ["name"]'),
        ('panes = ["greting"]', 'panes: there is no "greting"; there are devices, trials'),
        ('panes = ["log"]', 'panes: "log" is there already'),
        ('panes = ["greeting", "greeting"]', 'panes: "greeting" is there already'),
        ('panes = ["other"]', "panes: \"other\" is not a tuitune.ui.panes.pane.Pane but 'no pane'"),
        ('panes = ["renamed"]', 'panes: "renamed" calls itself "greeting"'),
        ('[keys]\npanes = ["greeting"]', "[keys] panes: must be above [keys]"),
    ],
)
def test_a_mistake_about_panes_is_told(text, words):
    with pytest.raises(ConfigurationError) as told:
        read_configuration(text)
    assert words in str(told.value)


def broken(tmp_path, monkeypatch, name):
    install(tmp_path / "site", f"[tuitune.panes]\nbroken = toy_pane_broken:{name}\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return read_configuration('panes = ["broken"]')


def test_an_action_of_a_pane_must_bear_its_name(tmp_path, monkeypatch):
    with pytest.raises(ConfigurationError, match=r"trial\.kill must begin with broken\."):
        broken(tmp_path, monkeypatch, "STRANGER")


def test_a_pane_that_fails_says_so_in_its_box_and_the_rest_lives(tmp_path, monkeypatch):
    settings = broken(tmp_path, monkeypatch, "PANE")

    async def scenario(app, study, pilot):
        shown = text_of(app)
        assert "6 broken can't be shown" in shown
        assert "RuntimeError: out of ink" in shown
        assert "toy_pane_broken.py, line " in shown
        assert "2 Trials 26" in shown
        assert "4 #" in shown
        await pilot.press("6", "6")
        assert "broken: ValueError: no hands" in text_of(app)
        for keys in ("Y", "X", "j"):
            await pilot.press(keys)
        await pilot.press("colon", *"broken.wave 3", "enter")
        assert "broken.wave: ValueError: no hands" in text_of(app)
        await pilot.press("?", "G")
        assert "ValueError: no hands" in text_of(app)
        await pilot.press("escape", "escape", "j")
        assert study.selection.focus == "trials"
        assert "2 Trials 26" in text_of(app)

    play(settings, scenario)


@pytest.mark.parametrize(
    ("name", "words"), [("UNMADE", "ValueError: no hands"), ("WRONG", "AttributeError: 'int'")]
)
def test_a_pane_that_can_not_be_made_says_so_in_its_box(tmp_path, monkeypatch, name, words):
    settings = broken(tmp_path, monkeypatch, name)

    async def scenario(app, study, pilot):
        assert words in text_of(app)
        assert "2 Trials 26" in text_of(app)

    play(settings, scenario)


def test_the_mouse_over_a_pane_that_fails_ends_nothing(tmp_path, monkeypatch):
    settings = broken(tmp_path, monkeypatch, "PANE")

    async def scenario(app, study, pilot):
        await pilot.click("#broken", offset=(5, 1))
        assert study.selection.focus == "broken"
        assert "broken: ValueError: no hands" in text_of(app)

    play(settings, scenario)


def test_a_built_in_pane_that_fails_takes_no_other_with_it(monkeypatch):
    def fail(*_):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(curve.CurvePane, "lines", fail)

    async def scenario(app, study, pilot):
        assert "3 curve can't be shown" in text_of(app)
        assert "ZeroDivisionError: a bug" in text_of(app)
        assert "2 Trials 26" in text_of(app)

    play(configured(), scenario)
