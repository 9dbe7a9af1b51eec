"""What the keys of the table do to the view, by the same actions that the app runs."""

from __future__ import annotations

import msgspec
import pytest
from pictures import context, row, rows, snapshot

from tuitune.ui.actions import moving, table
from tuitune.ui.panes import trials
from tuitune.ui.panes.pane import Click
from tuitune.ui.render.lines import Size
from tuitune.ui.state.render_context import Selection
from tuitune.ui.table.filtering import ALL
from tuitune.ui.table.order import Order
from tuitune.ui.table.sorting import BY_VALUE, Sort

ACTIONS = {action.id: action for module in (moving, table) for action in module.ACTIONS}


class StubDesk:
    """An app without a screen."""

    def __init__(self, seen, lines=10):
        self.snapshot = seen
        self.selection = Selection()
        self.order = Order()
        self.order.lines = lines
        self.order.follow(seen, self.selection)
        self.said = []
        self.asked = None
        self.open = None
        self.done = []

    def context(self):
        made = context(self.snapshot, order=self.order)
        for name in self.selection.__struct_fields__:
            setattr(made.selection, name, getattr(self.selection, name))
        return made

    def size_of(self, pane):
        return Size(80, self.order.lines + 2)

    def say(self, text, role="text"):
        self.said.append(text)

    def prompt(self, prompt):
        self.asked = prompt

    def menu(self, menu):
        self.open = menu

    def act(self, name, argument=""):
        self.done.append(name)

    def do(self, *names, argument=None):
        """As the app does: only what can be done."""
        for name in names:
            action = ACTIONS[name]
            reason = action.why_not(self.context()) if action.why_not else ""
            if reason:
                self.say(reason)
            elif argument is not None:
                action.argument.run(self, argument)
            else:
                action.run(self)
        return self

    def choose(self, title):
        choice = next(c for c in self.open.choices if c.title.lstrip("+-") == title)
        self.open = None
        choice.run()


def app(letters="c" * 50, lines=10):
    return StubDesk(snapshot(rows(letters)), lines)


def test_lines_pages_and_ends():
    one = app()
    assert one.do("move.down", "move.down", "move.up").selection.cursor == 1
    assert one.do("move.page_down").selection.cursor == 10
    assert one.do("move.half_down").selection.cursor == 15
    assert one.do("move.half_up", "move.page_up").selection.cursor == 1
    assert one.do("move.page_up").selection.cursor == 0
    assert (one.do("move.last").selection.cursor, one.selection.top) == (49, 40)
    assert one.do("move.down").selection.cursor == 49
    assert (one.do("move.first").selection.cursor, one.selection.top) == (0, 0)


def test_nothing_moves_where_nothing_is():
    one = app("")
    one.do("move.down", "move.last", "move.best", "move.failed", "trial.mark", "trial.mark_range")
    assert one.selection.cursor is None
    assert "no trial has reported yet" in one.said
    assert "no trial is shown" in one.said


def test_to_the_best_the_next_failed_and_by_number():
    one = app("wfccfc")
    assert one.do("move.best").selection.cursor == 2
    assert one.do("move.failed").selection.cursor == 4
    assert one.do("move.failed").selection.cursor == 1  # round
    assert one.do("move.trial", argument="#5").selection.cursor == 5
    one.do("move.trial", argument="17")
    one.do("move.trial", argument="x")
    assert one.said == ["there is no #17", "x is not the number of a trial"]


def test_what_is_filtered_out_is_not_gone_to():
    one = app("cfc").do("table.filter", argument="state:done")
    one.do("move.trial", argument="1")
    one.do("move.failed")
    assert one.said == ["#1 is filtered out: /state:done", "the failed trials are filtered out"]


def test_marks_one_by_one_and_all():
    one = app("ccrr")
    assert one.do("trial.mark", "trial.mark").selection.marks == {0, 1}
    assert one.do("move.first", "trial.mark").selection.marks == {1}
    one.do("table.filter", argument="state:run")
    assert one.do("trial.mark_all").selection.marks == {1, 2, 3}
    assert one.do("trial.mark_all").selection.marks == {1}


def test_a_range_grows_and_shrinks_with_the_cursor_until_it_is_closed():
    one = app().do("trial.mark", "move.down", "trial.mark_range", "move.down", "move.down")
    assert one.selection.marks == {0, 2, 3, 4}
    assert one.do("move.up", "move.up", "move.up").selection.marks == {0, 1, 2}
    one.do("trial.mark_range", "move.last")
    assert one.selection.marks == {0, 1, 2}
    assert one.selection.anchor is None


def test_a_range_whose_beginning_is_filtered_out_ends():
    one = app("crrr").do("trial.mark_range")
    one.do("table.filter", argument="state:run")
    one.do("move.down")
    assert one.selection.anchor is None
    assert one.selection.marks == {0}


def test_the_filter_is_seen_while_it_is_typed():
    one = app("crrf").do("table.filter")
    assert "state:run" in one.asked.hint("")
    one.asked.seen("state:r")
    assert one.order.numbers == [1, 2]
    assert one.asked.hint("state:r") == "2 of 4"
    one.asked.seen("state:rx")
    assert one.order.numbers == [1, 2]  # what was understood last still holds
    assert "no state rx" in one.asked.hint("state:rx")
    one.asked.done("state:run")
    assert one.selection.filter.text == "state:run"


def test_escape_brings_the_filter_before_back():
    one = app("crrf").do("table.filter", argument="state:run")
    one.do("table.filter")
    assert one.asked.text == "state:run"
    one.asked.seen("state:fail")
    one.asked.dropped()
    assert one.order.numbers == [1, 2]


def test_a_filter_that_is_not_understood_is_given_back_to_be_mended():
    one = app("crrf").do("table.filter")
    first = one.asked
    first.done("lr<")
    assert one.asked is not first
    assert one.asked.text == "lr<"
    assert one.selection.filter == ALL
    one.do("table.filter", argument="lr<")
    assert one.said == ["lr: needs a value, as lr<0.0001"]


def test_sorted_by_a_letter_turned_and_by_the_column_beside():
    one = app("crw").do("table.sort")
    assert "val_loss" in [choice.title for choice in one.open.choices]
    assert "note" not in [choice.title for choice in one.open.choices]
    one.choose("lr")
    assert one.selection.sort == Sort("config.lr")
    assert one.do("table.turn").selection.sort == Sort("config.lr", reversed=True)
    assert one.do("table.sort_right").selection.sort == Sort("config.layers")
    assert one.do("table.sort_left").selection.sort == Sort("config.lr")
    one.do("table.sort", argument="val_loss")
    assert one.selection.sort == BY_VALUE
    one.do("table.sort", argument="nonsense")
    assert one.said == ["no column is called nonsense"]


def test_by_the_column_beside_goes_round_and_begins_anew_where_it_is_hidden():
    one = app("c")
    one.selection.hidden = frozenset({"value"})
    assert one.do("table.sort_right").selection.sort == Sort("trial")
    assert one.do("table.sort_left").selection.sort == Sort("tries")


def test_columns_are_chosen_one_after_another():
    one = app("c").do("table.columns")
    assert "trial" not in [choice.title.lstrip("+-") for choice in one.open.choices]
    one.choose("lr")
    one.choose("rung")  # it stays open
    assert one.selection.hidden == {"config.lr", "rung"}
    assert "-lr" in [choice.title for choice in one.open.choices]
    one.choose("lr")
    assert one.selection.hidden == {"rung"}
    one.choose("all")
    assert one.selection.hidden == frozenset()
    one.do("table.columns", argument="best")
    assert one.selection.hidden == {"best"}


def test_sideways_ends_with_the_last_column():
    one = app("c")
    for _ in range(30):
        one.do("table.right")
    furthest = one.selection.first_column
    assert 0 < furthest < 30
    assert one.do("table.left").selection.first_column == furthest - 1
    assert one.do("table.wide").selection.first_column == 0
    assert one.selection.wide


def test_frozen_and_on_again():
    one = app("c").do("table.freeze")
    assert one.selection.frozen
    assert not one.do("table.freeze").selection.frozen


def test_a_click_takes_the_cursor_there_and_two_open_the_trial():
    one = app()
    trials.PANE.click(one, Click(10, 5, False))
    assert (one.selection.cursor, one.done) == (3, [])
    trials.PANE.click(one, Click(10, 5, True))
    assert one.done == ["pane.enter"]
    trials.PANE.click(one, Click(10, 0, False))
    assert one.selection.cursor == 3


def test_a_click_on_a_head_sorts_by_it_and_the_next_turns_it():
    one = app("cc")
    heads = trials.TrialsPane().lines(one.context(), Size(80, 12))[1]
    at = "".join(part for part, _ in heads).index("lay")
    trials.PANE.click(one, Click(at, 1, False))
    assert one.selection.sort == Sort("config.layers")
    trials.PANE.click(one, Click(at, 1, False))
    assert one.selection.sort == Sort("config.layers", reversed=True)


@pytest.mark.parametrize(
    ("turns", "top", "cursor"), [((3,), 3, 3), ((300,), 40, 40), ((20, -3), 17, 20)]
)
def test_the_wheel_moves_the_window_and_drags_the_cursor_along(turns, top, cursor):
    one = app()
    for lines in turns:
        trials.PANE.wheel(one, lines)
    assert (one.selection.top, one.selection.cursor) == (top, cursor)


def test_moving_goes_on_from_where_the_trial_went():
    one = app("c" * 20).do("move.down", "move.down")
    changed = msgspec.structs.replace(one.snapshot.rows[2], value=0.605)  # between 10 and 11
    one.snapshot.rows[2], one.snapshot.changed = changed, {2}
    one.order.follow(one.snapshot, one.selection)
    assert one.do("move.down").selection.cursor == 11


def test_no_two_keys_are_the_same():
    keys = [key for action in ACTIONS.values() for key in action.keys]
    assert len(keys) == len(set(keys))
    assert all(action.help.endswith((".", "12")) for action in ACTIONS.values())


def test_rows_of_any_kind_stand_the_actions():
    one = StubDesk(snapshot([row(0, "w"), row(1, "r", value=None, step=0)]))
    for name, action in ACTIONS.items():
        if name != "table.filter":
            action.run(one)
    assert one.order.numbers


def test_a_trial_that_was_chosen_is_not_swapped_for_a_new_leader():
    """Also where the cursor stood on it already, so that the next act meets the same trial."""
    app = StubDesk(snapshot(rows("rr")))
    app.selection.cursor = app.order.numbers[0]
    app.order.follow(app.snapshot, app.selection)
    chosen, other = app.order.numbers
    moving.jump(app, chosen)
    app.snapshot.rows[other] = msgspec.structs.replace(app.snapshot.rows[other], value=0.0)
    app.snapshot.changed = {other}
    app.order.follow(app.snapshot, app.selection)
    assert app.order.numbers == [other, chosen]
    assert app.selection.cursor == chosen
