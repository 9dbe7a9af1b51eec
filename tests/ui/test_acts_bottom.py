"""The two last lines: messages, questions, menus, the undo, and the keys."""

from __future__ import annotations

import pictures
import pytest
from hypothesis import given, strategies as st
from pictures import StubKeymap, snapshot, text

from tuitune.control.requests import UndoKill
from tuitune.ui.panes import bottom
from tuitune.ui.panes.registry import PANES
from tuitune.ui.render.lines import Size, width_of
from tuitune.ui.state.status_line import (
    LONG,
    SHORT,
    Choice,
    Menu,
    Prompt,
    Question,
    StatusLine,
    Undo,
)


@pytest.fixture
def status_line():
    return StatusLine()


def look_at(status_line, **more):
    return pictures.context(snapshot(), status_line=status_line, **more)


HINTS = {pane.name: pane.hints for pane in PANES}


def keys_line(context, size):
    return bottom.keys_line(context, HINTS, size)


def shown(status_line, draw=bottom.flash_lines, width=80, **more):
    lines = draw(look_at(status_line, **more), Size(width, 1))
    assert len(lines) == 1
    assert width_of(lines[0]) <= width
    return text(lines)


def test_news_goes_after_a_while_and_warnings_later(status_line):
    status_line.say("paused #1", "info", 10.0)
    assert shown(status_line) == "paused #1"
    assert not status_line.expire(10.0 + SHORT - 0.1)
    assert status_line.expire(10.0 + SHORT)
    assert shown(status_line) == ""
    status_line.say("no", "warning", 20.0)
    assert not status_line.expire(20.0 + SHORT)
    assert status_line.expire(20.0 + LONG)
    assert not status_line.expire(20.0 + LONG)


def test_y_is_yes_and_every_other_key_is_no(status_line):
    done = []
    for key, character in (
        ("enter", "\r"),
        ("n", "n"),
        ("Y", "Y"),
        ("escape", None),
        ("space", " "),
    ):
        status_line.question = Question("kill #1, #2?", lambda: done.append(1))
        assert status_line.takes(key, character)
        assert status_line.question is None
    assert done == []
    status_line.question = Question("kill #1, #2?", lambda: done.append(1))
    assert "kill #1, #2?  y yes, any other key no" in shown(status_line)
    assert status_line.takes("y", "y")
    assert done == [1]


def test_a_key_that_nothing_waits_for_is_not_taken(status_line):
    assert not status_line.takes("y", "y")


def test_an_act_may_ask_again(status_line):
    second = Question("sure?", lambda: None)

    def yes():
        status_line.question = second

    status_line.question = Question("kill?", yes)
    status_line.takes("y", "y")
    assert status_line.question is second


def test_a_menu_waits_for_one_of_its_keys(status_line):
    done = []
    menu = Menu(
        "copy of #3",
        (
            Choice("i", "id", lambda: done.append("i")),
            Choice("<", "less", lambda: done.append("<")),
        ),
    )
    status_line.menu = menu
    assert shown(status_line) == "copy of #3?"
    assert shown(status_line, keys_line) == "i id  < less  esc none"
    assert status_line.takes("less_than_sign", "<")
    status_line.menu = menu
    assert status_line.takes("escape", None)
    status_line.menu = menu
    assert status_line.takes("z", "z")
    assert done == ["<"]
    assert status_line.menu is None


def test_a_word_that_must_be_typed(status_line):
    done = []
    prompt = status_line.typed(Question("stop the study?", lambda: done.append(1), "stop"))
    for wrong in ("", "y", "sto", "STOP"):
        prompt.done(wrong)
    assert done == []
    prompt.done(" stop ")
    assert done == [1]
    status_line.prompt = prompt
    assert shown(status_line, keys_line) == "stop the study?"


def test_the_undo_counts_down_and_goes(status_line):
    status_line.say("killing #3", "info", 100.0)
    status_line.undo = Undo("kill #3", UndoKill((3,)), "spared", 108.0)
    assert shown(status_line).split("  ")[0] == "killing #3"
    assert shown(status_line).endswith("<trial.undo> undo kill #3 8s")
    assert not status_line.expire(100.4)
    assert status_line.expire(101.2)
    assert shown(status_line).endswith("7s")
    assert status_line.expire(108.0)
    assert "undo" not in shown(status_line)


def test_an_undo_without_an_end_has_no_count(status_line):
    status_line.undo = Undo("pause #3", {}, "resumed")
    assert shown(status_line).endswith("undo pause #3")


def test_a_long_message_leaves_the_undo_its_place(status_line):
    status_line.say("x" * 300, "warning", 100.0)
    status_line.undo = Undo("kill #3", UndoKill((3,)), "spared", 108.0)
    assert shown(status_line, width=60).endswith("~   <trial.undo> undo kill #3 8s")


def test_control_characters_of_trials_are_never_shown(status_line):
    status_line.say("error: \x1b[31mred\x07", "error", 1.0)
    assert "\x1b" not in shown(status_line)
    status_line.question = Question("kill \x1b[2J?", lambda: None)
    assert "\x1b" not in shown(status_line)


@pytest.mark.parametrize("width", [60, 80, 120, 200])
@pytest.mark.parametrize("focus", ["trials", "devices", "curve", "detail", "log"])
def test_the_key_line_fits_and_keeps_help_and_leaving(status_line, width, focus):
    class Short(StubKeymap):
        def shown(self, action):
            return "k"

    context = look_at(status_line, focus=focus, keymap=Short())
    (line,) = keys_line(context, Size(width, 1))
    assert width_of(line) <= width
    assert text([line]).startswith(" k help")
    assert text([line]).endswith("k leave")


def test_a_prompt_is_told_below_while_it_is_typed(status_line):
    status_line.prompt = Prompt(":", "", lambda _: None, hint=lambda line: f"[{line}]")
    status_line.typed_so_far = "tri"
    assert shown(status_line, keys_line) == "[tri]"
    assert shown(status_line) == ":"


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_menu_of_many_choices_begins_behind_its_title(status_line, width):
    words = ["trial", "state", "rung", "step", "val_accuracy", "best", "optimizer", "lr"]
    words += ["momentum", "weight_decay", "batch_size", "channels", "layers", "dropout", "time"]
    keys_of = "abcdefghijklmnopq"
    status_line.menu = Menu(
        "sort by",
        tuple(Choice(key, word, lambda: None) for key, word in zip(keys_of, words, strict=False)),
    )
    above, below = (
        shown(status_line, width=width),
        shown(status_line, keys_line, width=width),
    )
    assert above.startswith("sort by?  a tr")
    assert below.endswith("esc none")
    for key, word in zip(keys_of, words, strict=False):
        assert f" {key} {word[:2]}" in f" {above} {below}"


def test_what_steers_is_not_offered_where_it_can_not_be_done(status_line):
    def offered(**more):
        pict = snapshot(engine=more.pop("engine", "running"))
        return text(keys_line(pictures.context(pict, **more), Size(200, 1)))

    assert "pause" in offered()
    for without in ({"readonly": True}, {"engine": "finished"}, {"engine": "gone"}):
        assert "pause" not in offered(**without)
        assert "filter" in offered(**without)


def test_where_no_engine_could_take_it_back_no_undo_is_offered(status_line):
    status_line.undo = Undo("pause #3", {}, "resumed #3")
    assert "undo pause #3" in shown(status_line)
    gone = pictures.context(snapshot(engine="gone"), status_line=status_line)
    assert "undo" not in text(bottom.flash_lines(gone, Size(80, 1)))


def keys_at(line):
    """The key of each column."""
    return [bottom.key_at(line, column) for column in range(width_of(line) + 3)]


labels = st.lists(
    st.tuples(st.sampled_from(["x", "esc", "?", "F1", ":", "界"]), st.text("ab c界", min_size=1)),
    max_size=8,
)


@given(labels, st.integers(0, 90))
def test_a_click_on_a_label_is_its_key_and_one_between_labels_is_none(named, width):
    line = bottom.fitting(named, width, last=(("q", "leave"),))
    assert width_of(line) <= width
    column = 0
    found = keys_at(line)
    for part, role in line:
        cells = width_of(((part, role),))
        here = set(found[column : column + cells])
        if "accent" in role.split() and " " not in part:
            assert here <= {part}
        elif not part.strip():
            assert here <= {""}
        column += cells
    assert set(found[column:]) <= {""}


@pytest.mark.parametrize("title", ["columns", "sort by", "stop study-3", "copy of #1, #2"])
def test_a_click_on_the_title_of_a_menu_is_no_key_and_leaves_it_open(status_line, title):
    choices = tuple(Choice(key, f"choice {key}", lambda: None) for key in "abc")
    status_line.menu = Menu(title, choices)
    above = bottom.message_line(status_line, 80)
    assert set(keys_at(above)) == {""}
    below = bottom.asking_line(status_line, 80)
    assert set(keys_at(below)) == {"", "a", "b", "c", "esc"}


def test_the_question_mark_is_a_key():
    assert bottom.key_at(bottom.fitting([("?", "help")], 40), 1) == "?"


def test_what_is_asked_by_a_prompt_or_a_question_is_told_in_its_colour(status_line):
    status_line.question = Question("delete it?", lambda: None)
    assert bottom.asking_line(status_line, 80) == (("enter", "bold"), (" means no", "muted"))
    status_line.prompt = Prompt(":", "", lambda _: None)
    assert bottom.asking_line(status_line, 80) == (("enter accepts, esc cancels", "warning"),)
    status_line.question = None
    assert bottom.asking_line(status_line, 80) == (("enter accepts, esc cancels", "muted"),)
    status_line.prompt = None
    assert bottom.asking_line(status_line, 80) == ()


def test_a_prompt_that_opens_replaces_the_keys_at_once(status_line):
    pane, size = bottom.KeysPane({}), Size(80, 1)
    keys = text(pane.lines(look_at(status_line), size))
    status_line.prompt = Prompt(":", "", lambda _: None, hint=lambda typed: f"typed {typed}")
    status_line.typed_so_far = "pau"
    assert text(pane.lines(look_at(status_line), size)) == "typed pau"
    status_line.prompt = None
    status_line.menu = Menu("columns", (Choice("a", "choice a", lambda: None),))
    assert text(pane.lines(look_at(status_line), size)) == "a choice a  esc none"
    status_line.menu = None
    assert text(pane.lines(look_at(status_line), size)) == keys
