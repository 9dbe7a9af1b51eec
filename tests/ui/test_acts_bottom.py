"""The two last lines: messages, questions, menus, the undo, and the keys."""

from __future__ import annotations

import pictures
import pytest
from pictures import StubKeymap, picture, text

from tuitune.ui.actions.action import Choice, Menu, Prompt, Question
from tuitune.ui.panes import flash, keys
from tuitune.ui.render.lines import Size, width_of
from tuitune.ui.state.bottom import LONG, SHORT, Bottom, Undo


@pytest.fixture
def bottom():
    return Bottom()


def look_at(bottom, **more):
    return pictures.look(picture(), bottom=bottom, **more)


def shown(bottom, pane=flash, width=80, **more):
    lines = pane.lines(look_at(bottom, **more), Size(width, 1))
    assert len(lines) == 1
    assert width_of(lines[0]) <= width
    return text(lines)


def test_news_goes_after_a_while_and_warnings_later(bottom):
    bottom.say("paused t0001", "info", 10.0)
    assert shown(bottom) == "paused t0001"
    assert not bottom.expire(10.0 + SHORT - 0.1)
    assert bottom.expire(10.0 + SHORT)
    assert shown(bottom) == ""
    bottom.say("no", "warning", 20.0)
    assert not bottom.expire(20.0 + SHORT)
    assert bottom.expire(20.0 + LONG)
    assert not bottom.expire(20.0 + LONG)


def test_y_is_yes_and_every_other_key_is_no(bottom):
    done = []
    for key, character in (
        ("enter", "\r"),
        ("n", "n"),
        ("Y", "Y"),
        ("escape", None),
        ("space", " "),
    ):
        bottom.question = Question("kill t0001, t0002?", lambda: done.append(1))
        assert bottom.takes(key, character)
        assert bottom.question is None
    assert done == []
    bottom.question = Question("kill t0001, t0002?", lambda: done.append(1))
    assert "kill t0001, t0002?  y yes, any other key no" in shown(bottom)
    assert bottom.takes("y", "y")
    assert done == [1]


def test_a_key_that_nothing_waits_for_is_not_taken(bottom):
    assert not bottom.takes("y", "y")


def test_an_act_may_ask_again(bottom):
    second = Question("sure?", lambda: None)

    def yes():
        bottom.question = second

    bottom.question = Question("kill?", yes)
    bottom.takes("y", "y")
    assert bottom.question is second


def test_a_menu_waits_for_one_of_its_keys(bottom):
    done = []
    menu = Menu(
        "copy of t0003",
        (
            Choice("i", "id", lambda: done.append("i")),
            Choice("<", "less", lambda: done.append("<")),
        ),
    )
    bottom.menu = menu
    assert shown(bottom) == "copy of t0003?"
    assert shown(bottom, keys) == "i id  < less  esc none"
    assert bottom.takes("less_than_sign", "<")
    bottom.menu = menu
    assert bottom.takes("escape", None)
    bottom.menu = menu
    assert bottom.takes("z", "z")
    assert done == ["<"]
    assert bottom.menu is None


def test_a_word_that_must_be_typed(bottom):
    done = []
    prompt = bottom.typed(Question("stop the study?", lambda: done.append(1), "stop"))
    for wrong in ("", "y", "sto", "STOP"):
        prompt.done(wrong)
    assert done == []
    prompt.done(" stop ")
    assert done == [1]
    bottom.prompt = prompt
    assert shown(bottom, keys) == "stop the study?"


def test_the_undo_counts_down_and_goes(bottom):
    bottom.say("killing t0003", "info", 100.0)
    bottom.undo = Undo("kill t0003", {}, "spared", 108.0)
    assert shown(bottom).split("  ")[0] == "killing t0003"
    assert shown(bottom).endswith("<trial.undo> undo kill t0003 8s")
    assert not bottom.expire(100.4)
    assert bottom.expire(101.2)
    assert shown(bottom).endswith("7s")
    assert bottom.expire(108.0)
    assert "undo" not in shown(bottom)


def test_an_undo_without_an_end_has_no_count(bottom):
    bottom.undo = Undo("pause t0003", {}, "resumed")
    assert shown(bottom).endswith("undo pause t0003")


def test_a_long_message_leaves_the_undo_its_place(bottom):
    bottom.say("x" * 300, "warning", 100.0)
    bottom.undo = Undo("kill t0003", {}, "spared", 108.0)
    assert shown(bottom, width=60).endswith("~   <trial.undo> undo kill t0003 8s")


def test_control_characters_of_trials_are_never_shown(bottom):
    bottom.say("error: \x1b[31mred\x07", "error", 1.0)
    assert "\x1b" not in shown(bottom)
    bottom.question = Question("kill \x1b[2J?", lambda: None)
    assert "\x1b" not in shown(bottom)


@pytest.mark.parametrize("width", [60, 80, 120, 200])
@pytest.mark.parametrize("focus", ["trials", "devices", "curve", "detail", "why", "log"])
def test_the_key_line_fits_and_keeps_help_and_leaving(bottom, width, focus):
    class Short(StubKeymap):
        def shown(self, action):
            return "k"

    look = look_at(bottom, focus=focus, keymap=Short())
    (line,) = keys.lines(look, Size(width, 1))
    assert width_of(line) <= width
    assert text([line]).startswith("k help")
    assert text([line]).endswith("k leave")


def test_a_prompt_is_told_below_while_it_is_typed(bottom):
    bottom.prompt = Prompt(":", "", lambda _: None, hint=lambda line: f"[{line}]")
    bottom.typed_so_far = "tri"
    assert shown(bottom, keys) == "[tri]"
    assert shown(bottom) == ":"


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_menu_of_many_choices_begins_behind_its_title(bottom, width):
    words = ["trial", "state", "rung", "step", "val_accuracy", "best", "optimizer", "lr"]
    words += ["momentum", "weight_decay", "batch_size", "channels", "layers", "dropout", "time"]
    keys_of = "abcdefghijklmnopq"
    bottom.menu = Menu(
        "sort by",
        tuple(Choice(key, word, lambda: None) for key, word in zip(keys_of, words, strict=False)),
    )
    above, below = shown(bottom, width=width), shown(bottom, keys, width=width)
    assert above.startswith("sort by?  a tr")
    assert below.endswith("esc none")
    for key, word in zip(keys_of, words, strict=False):
        assert f" {key} {word[:2]}" in f" {above} {below}"


def test_what_steers_is_not_offered_where_it_can_not_be_done(bottom):
    def offered(**more):
        pict = picture(engine=more.pop("engine", "running"))
        return text(keys.lines(pictures.look(pict, **more), Size(200, 1)))

    assert "pause" in offered()
    for without in ({"readonly": True}, {"engine": "finished"}, {"engine": "gone"}):
        assert "pause" not in offered(**without)
        assert "filter" in offered(**without)


def test_where_no_engine_could_take_it_back_no_undo_is_offered(bottom):
    bottom.undo = Undo("pause t0003", {}, "resumed t0003")
    assert "undo pause t0003" in shown(bottom)
    gone = pictures.look(picture(engine="gone"), bottom=bottom)
    assert "undo" not in text(flash.lines(gone, Size(80, 1)))
