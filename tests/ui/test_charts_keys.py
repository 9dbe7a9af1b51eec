"""The keys of the charts."""

from __future__ import annotations

import pytest
from pictures import context, rows, snapshot
from searches import curve, search

from tuitune.ui.panes.curve import PANE
from tuitune.ui.state.keymap import clashes
from tuitune.ui.state.render_context import Selection

BY_ID = {action.id: action for action in PANE.actions}


class FakeApp:
    """As much of the app as the charts' actions need."""

    def __init__(self, pic):
        self.snapshot = pic
        self.selection = Selection(cursor=0)
        self.said = []
        self.moves = 0

    def context(self):
        return context(
            self.snapshot, **{name: getattr(self.selection, name) for name in Selection.__slots__}
        )

    def say(self, words, role="text"):
        self.said.append(words)

    def move(self):
        self.moves += 1


def press(app, *ids):
    for name in ids:
        action = BY_ID[name]
        reason = action.why_not(app.context()) if action.why_not else ""
        if reason:
            return reason
        action.run(app)
    assert app.moves
    return ""


@pytest.fixture
def app():
    return FakeApp(search(20))


@pytest.mark.parametrize("chart", ["importance", "parallel", "rungs"])
def test_a_views_key_shows_it_and_again_the_curve(app, chart):
    press(app, f"chart.{chart}")
    assert (app.selection.chart, app.selection.focus) == (chart, "curve")
    press(app, f"chart.{chart}")
    assert app.selection.chart == "curve"


def test_best_is_shown_over_trials_then_over_time_then_not(app):
    seen = []
    for _ in range(3):
        press(app, "chart.best")
        seen.append((app.selection.chart, app.selection.by_time))
    assert [chart for chart, _ in seen] == ["best", "best", "curve"]
    assert [by_time for _, by_time in seen[:2]] == [False, True]


def test_each_parameter_comes_in_turn_and_then_the_curve(app):
    seen = []
    for _ in range(6):
        press(app, "chart.slice")
        seen.append(app.selection.parameter if app.selection.chart == "slice" else "-")
    assert seen == ["lr", "layers", "optimizer", "momentum", "batch", "-"]


def test_metrics_come_in_turn(app):
    assert "no other metric" in press(app, "chart.metric")
    app.snapshot.metrics = ("val_loss", "accuracy")
    press(app, "chart.metric")
    assert app.selection.metric == "accuracy"
    press(app, "chart.metric")
    assert app.selection.metric == "val_loss"


def test_log_and_overlay_are_switches(app):
    press(app, "chart.log", "chart.overlay")
    assert (app.selection.log_y, app.selection.overlay) == (True, False)
    press(app, "chart.log", "chart.overlay")
    assert (app.selection.log_y, app.selection.overlay) == (False, True)


def test_the_read_out_goes_from_report_to_report_and_ends_beyond_them():
    app = FakeApp(snapshot(rows("r"), curves={0: curve([3.0, 2.0, 1.0])}))
    seen = []
    for _ in range(4):
        press(app, "chart.right")
        seen.append(app.selection.inspected)
    assert seen == [1, 2, 3, None]
    press(app, "chart.left", "chart.left")
    assert app.selection.inspected == 2
    app.selection.chart = "best"
    assert "only curves" in press(app, "chart.left")
    assert "no reports" in press(FakeApp(snapshot(rows("w"))), "chart.right")


def test_a_long_curve_is_crossed_in_few_steps():
    app = FakeApp(snapshot(rows("r"), curves={0: curve([1.0] * 900)}))
    pressed = 0
    while press(app, "chart.right") == "" and app.selection.inspected is not None:
        pressed += 1
    assert 50 < pressed < 80


def test_no_key_is_taken_twice():
    assert clashes(PANE.actions, {}) == []
