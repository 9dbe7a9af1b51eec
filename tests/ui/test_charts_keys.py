"""What the keys of the charts do to the view."""

from __future__ import annotations

import pytest
from pictures import look, picture, rows
from searches import curve, search

from tuitune.ui.actions.charting import ACTIONS
from tuitune.ui.actions.keymap import clashes
from tuitune.ui.state.view import View

BY_ID = {action.id: action for action in ACTIONS}


class Desk:
    """As much of the app as the charts' actions need."""

    def __init__(self, pic):
        self.picture = pic
        self.view = View(cursor=0)
        self.said = []
        self.moves = 0

    def look(self):
        return look(self.picture, **{name: getattr(self.view, name) for name in View.__slots__})

    def say(self, words, role="text"):
        self.said.append(words)

    def move(self):
        self.moves += 1


def press(desk, *ids):
    for name in ids:
        action = BY_ID[name]
        reason = action.why_not(desk.look()) if action.why_not else ""
        if reason:
            return reason
        action.run(desk)
    assert desk.moves
    return ""


@pytest.fixture
def desk():
    return Desk(search(20))


@pytest.mark.parametrize("chart", ["importance", "parallel", "rungs"])
def test_a_views_key_shows_it_and_again_the_curve(desk, chart):
    press(desk, f"chart.{chart}")
    assert (desk.view.chart, desk.view.focus) == (chart, "curve")
    press(desk, f"chart.{chart}")
    assert desk.view.chart == "curve"


def test_best_is_shown_over_trials_then_over_time_then_not(desk):
    seen = []
    for _ in range(3):
        press(desk, "chart.best")
        seen.append((desk.view.chart, desk.view.by_time))
    assert [chart for chart, _ in seen] == ["best", "best", "curve"]
    assert [by_time for _, by_time in seen[:2]] == [False, True]


def test_each_parameter_comes_in_turn_and_then_the_curve(desk):
    seen = []
    for _ in range(6):
        press(desk, "chart.slice")
        seen.append(desk.view.parameter if desk.view.chart == "slice" else "-")
    assert seen == ["lr", "layers", "optimizer", "momentum", "batch", "-"]


def test_metrics_come_in_turn(desk):
    assert "no other metric" in press(desk, "chart.metric")
    desk.picture.metrics = ("val_loss", "accuracy")
    press(desk, "chart.metric")
    assert desk.view.metric == "accuracy"
    press(desk, "chart.metric")
    assert desk.view.metric == "val_loss"


def test_log_and_overlay_are_switches(desk):
    press(desk, "chart.log", "chart.overlay")
    assert (desk.view.log_y, desk.view.overlay) == (True, False)
    press(desk, "chart.log", "chart.overlay")
    assert (desk.view.log_y, desk.view.overlay) == (False, True)


def test_the_read_out_goes_from_report_to_report_and_ends_beyond_them():
    desk = Desk(picture(rows("r"), curves={0: curve([3.0, 2.0, 1.0])}))
    seen = []
    for _ in range(4):
        press(desk, "chart.right")
        seen.append(desk.view.inspected)
    assert seen == [1, 2, 3, None]
    press(desk, "chart.left", "chart.left")
    assert desk.view.inspected == 2
    desk.view.chart = "best"
    assert "only curves" in press(desk, "chart.left")
    assert "no reports" in press(Desk(picture(rows("w"))), "chart.right")


def test_a_long_curve_is_crossed_in_few_steps():
    desk = Desk(picture(rows("r"), curves={0: curve([1.0] * 900)}))
    pressed = 0
    while press(desk, "chart.right") == "" and desk.view.inspected is not None:
        pressed += 1
    assert 50 < pressed < 80


def test_no_key_is_taken_twice():
    assert clashes(ACTIONS, {}) == []
