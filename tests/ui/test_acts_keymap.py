"""Keys and the actions they lead to."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from textual.keys import Keys

from tuitune.ui.actions.action import Action
from tuitune.ui.actions.registry import ACTIONS
from tuitune.ui.panes.registry import PANES
from tuitune.ui.screens.help import TITLE
from tuitune.ui.state.keymap import Keymap, clashes, named


def action(id_, *keys, pane=None):
    return Action(id_, keys, id_, "Does it.", "App", lambda _: None, pane=pane)


def test_a_printable_key_is_found_by_its_character_and_another_by_its_name():
    keymap = Keymap([action("a.help", "?"), action("a.down", "ctrl+d"), action("a.mark", "space")])
    assert keymap.find("question_mark", "?", "trials") == "a.help"
    assert keymap.find("ctrl+d", "\x04", "trials") == "a.down"
    assert keymap.find("space", " ", "trials") == "a.mark"
    assert keymap.find("x", "x", "trials") is None


def test_capitals_are_keys_of_their_own():
    keymap = Keymap([action("a.pause", "p"), action("a.launching", "P")])
    assert keymap.find("p", "p", "trials") == "a.pause"
    assert keymap.find("P", "P", "trials") == "a.launching"


def test_the_focused_pane_comes_first():
    keymap = Keymap([action("a.next", "n"), action("log.next", "n", pane="log")])
    assert keymap.find("n", "n", "trials") == "a.next"
    assert keymap.find("n", "n", "log") == "log.next"


def test_a_user_may_give_other_keys_or_none():
    keymap = Keymap(
        [action("a.one", "1"), action("a.two", "2")], {"a.one": ["f5", "X"], "a.two": []}
    )
    assert keymap.find("f5", None, "trials") == "a.one"
    assert keymap.find("1", "1", "trials") is None
    assert keymap.shown("a.one") == "f5"
    assert keymap.shown("a.two") == ":two"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("question_mark", "?"),
        ("?", "?"),
        (" ", "space"),
        ("Escape", "escape"),
        ("F5", "f5"),
        ("ctrl+k", "ctrl+k"),
    ],
)
def test_keys_may_be_written_by_name(text, name):
    assert named(text) == name


@pytest.mark.parametrize("key", [key.value for key in Keys if "<" not in key.value])
def test_the_names_of_keys_that_print_nothing_stay(key):
    name = named(key)
    assert name == key or len(name) == 1


def test_two_actions_with_one_key_clash_unless_one_is_a_panes_own():
    pair = [action("a.one", "n"), action("a.two", "n")]
    assert clashes(pair, {}) == ["'n' is a key of both a.one and a.two"]
    assert clashes([pair[0], replace(pair[1], pane="log")], {}) == []
    assert clashes(pair, {"a.two": ["m"]}) == []


def test_the_table_has_no_clash_and_needs_no_chord():
    assert clashes(ACTIONS, {}) == []
    assert len({one.id for one in ACTIONS}) == len(ACTIONS)
    chords = {one.id for one in ACTIONS if one.keys and all("+" in key[1:] for key in one.keys)}
    half_pages = {one for one in chords if one.endswith(("half_down", "half_up"))}
    # these have a command line, digits, or need no key
    assert chords - half_pages <= {
        *("app.palette", "app.redraw", "app.theme", "app.suspend", "app.studies"),
        *("pane.previous", "app.interrupt"),
    }


def test_every_action_is_told_in_words():
    for one in ACTIONS:
        assert 0 < len(one.title) <= TITLE, one.id
        assert one.help.endswith(".") or ":" in one.help, one.id
        assert one.pane is None or one.pane in {pane.name for pane in PANES}, one.id


def test_what_changes_the_study_is_marked():
    dangerous = {one.id for one in ACTIONS if one.dangerous}
    assert {"trial.kill", "trial.pause", "study.stop", "study.trials", "trial.add"} <= dangerous
    assert not dangerous & {"app.quit", "trial.copy", "app.export", "app.shot", "trial.mark"}
