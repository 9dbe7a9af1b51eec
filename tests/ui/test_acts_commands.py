"""The command line: names, what they take, completion."""

from __future__ import annotations

import pictures
import pytest
from hypothesis import given, strategies as st
from pictures import rows, snapshot

from tuitune.ui.actions.command_line import (
    common_start,
    completed,
    execute,
    hint,
    name_of,
    understood,
)
from tuitune.ui.actions.registry import ACTIONS
from tuitune.ui.state.keymap import Keymap


def context():
    return pictures.context(snapshot(rows("ccr")), keymap=Keymap(ACTIONS))


class FakeApp:
    """Notes what would be done."""

    def __init__(self):
        self.done = []
        self.actions = {action.id: action for action in ACTIONS}
        self.snapshot = context().snapshot

    def context(self):
        return context()

    def act(self, name, argument=""):
        self.done.append((name, argument))

    def say(self, text, role="text"):
        self.done.append(text)


@pytest.mark.parametrize(
    ("line", "done"),
    [
        ("trials 200", ("study.trials", "200")),
        (":trials 200 ", ("study.trials", "200")),
        ("concurrency 4", ("study.concurrency", "4")),
        ("concurrency", ("study.concurrency", "")),
        ("trial.kill", ("trial.kill", "")),
        ("Pause Launching", ("study.pause", "")),
        ("pause", ("trial.pause", "")),
        ("shot", ("app.shot", "")),
        ("shot my picture.svg", ("app.shot", "my picture.svg")),
        ("export json out.json", ("app.export", "json out.json")),
        ("sort lr", ("table.sort", "lr")),
        ("quit", ("app.quit", "")),
        ("restart", ("study.restart", "")),
        ("log", ("pane.log", "")),
    ],
)
def test_a_line_means_an_action(line, done):
    app = FakeApp()
    execute(app, line)
    assert app.done == [done]


def test_every_action_has_a_name_that_means_it():
    for action in ACTIONS:
        found = understood(ACTIONS, name_of(action, ACTIONS))
        assert found is not None
        assert found.action is action
        assert understood(ACTIONS, action.id) == (action, "")


def test_nothing_typed_does_nothing():
    app = FakeApp()
    for line in ("", "  ", ":"):
        execute(app, line)
    assert app.done == []


def test_a_mistake_is_answered_with_what_is_near():
    app = FakeApp()
    execute(app, "concurency 4")
    execute(app, "pause launching 5")
    assert app.done[0].startswith("concurency: no such command; did you mean concurrency")
    assert "takes no argument" in app.done[1]


@given(st.text(max_size=30))
def test_whatever_is_typed_is_answered(line):
    app = FakeApp()
    if line.strip().removeprefix("t").isdigit():
        return
    execute(app, line)
    assert len(app.done) <= 1
    assert isinstance(hint(FakeApp(), line), str)
    assert (
        completed(FakeApp(), line).startswith(line.lstrip()[:1])
        or completed(FakeApp(), line) == line
    )


def test_tab_types_what_all_candidates_share():
    assert completed(FakeApp(), "conc") == "concurrency "
    assert completed(FakeApp(), "restar") == "restart"
    assert completed(FakeApp(), "export j") == "export json"
    assert completed(FakeApp(), "export ") == "export "
    assert completed(FakeApp(), "zzz") == "zzz"


@given(st.lists(st.text(alphabet="abc", max_size=5), min_size=1, max_size=5))
def test_the_common_start_is_the_longest(words):
    start = common_start(words)
    assert all(word.startswith(start) for word in words)
    longer = {word[: len(start) + 1] for word in words}
    assert len(longer) > 1 or start in words


def test_the_hint_names_what_an_action_takes():
    assert hint(FakeApp(), "trials").startswith(":trials N  ")
    assert "csv|json" in hint(FakeApp(), "export csv")
    assert hint(FakeApp(), "17") == "moves to #17"
    assert "concurrency" in hint(FakeApp(), "c")
