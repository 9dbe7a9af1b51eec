"""The keys of the charts."""

from __future__ import annotations

import pytest
from pictures import OPENED, context, rows, snapshot, text
from searches import curve, search

from tuitune.ui.panes.curve import PANE, CurvePane
from tuitune.ui.panes.pane import Click
from tuitune.ui.render.lines import Size
from tuitune.ui.state.keymap import clashes
from tuitune.ui.state.render_context import Selection

SIZE = Size(80, 21)
BY_ID = {action.id: action for action in PANE.actions}


class FakeApp:
    """As much of the app as the charts' actions need."""

    def __init__(self, pic):
        self.snapshot = pic
        self.selection = Selection(cursor=0)
        self.said = []
        self.moves = 0

    def size_of(self, pane):
        return SIZE

    def menu(self, menu):
        self.opened = menu

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


@pytest.mark.parametrize("chart", ["grid", "importance", "parallel", "timeline", "rungs"])
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


def curves_of(steps):
    """A study of one trial with a second metric, which its store has too."""
    shown = snapshot(rows("r"), curves={0: curve([1.0 / (n + 1) for n in range(steps)])})
    shown.metrics = ("val_loss", "accuracy")
    shown.sources._curves[0, "accuracy"] = curve([n / steps for n in range(steps)])
    return FakeApp(shown)


def test_two_parameters_come_in_turn_by_importance_and_then_the_curve(app):
    app.snapshot.ranked = ("batch", "lr")
    seen = []
    for _ in range(11):
        press(app, "chart.contour")
        words = text(CurvePane().lines(app.context(), SIZE)).splitlines()[0]
        seen.append(words.split("(")[0].strip(" ─3"))
    assert seen[:2] == ["Contour of lr over batch", "Contour of layers over batch"]
    assert app.selection.chart == "curve"
    press(app, "chart.rank")
    assert app.selection.pair == 0


@pytest.mark.parametrize("chart", ["curve", "grid"])
def test_zoom_keeps_the_read_out_in_sight_and_pans_to_the_ends(chart):
    app = curves_of(64)
    app.selection.chart, app.selection.inspected = chart, 9
    press(app, "chart.closer", "chart.closer", "chart.closer")
    low, high = app.selection.span
    assert low < 9 < high
    assert high - low == pytest.approx(63 / 8)
    words = text(CurvePane().lines(app.context(), SIZE))
    assert "zoomed" in words
    assert "64" not in words.splitlines()[-2]
    press(app, *["chart.later"] * 40)
    assert app.selection.span[1] == pytest.approx(64)
    press(app, *["chart.earlier"] * 40)
    assert app.selection.span[0] == pytest.approx(1)
    press(app, *["chart.further"] * 4)
    assert app.selection.span is None
    assert "it is not zoomed" in press(app, "chart.later")


def test_a_zoom_has_an_end_and_is_left_behind_by_other_axes():
    app = curves_of(64)
    press(app, *["chart.closer"] * 30)
    low, high = app.selection.span
    assert 1 <= high - low <= 2
    press(app, "chart.grid")
    assert app.selection.span == (low, high)
    press(app, "chart.timeline")
    assert app.selection.span is None
    press(app, "chart.closer")
    assert app.selection.span
    press(app, "chart.importance")
    assert app.selection.span is None
    assert "can't be zoomed" in press(app, "chart.closer")


@pytest.mark.parametrize("chart", ["curve", "grid"])
def test_the_wheel_zooms_around_the_mouse_and_a_click_reads_out(chart):
    app = curves_of(64)
    app.selection.chart = chart
    PANE.wheel_at(app, -3, 20)
    PANE.click(app, Click(20, 5, double=False))
    first = app.selection.inspected
    low, high = app.selection.span
    assert low <= first <= high
    PANE.wheel_at(app, -3, 20)
    PANE.click(app, Click(30, 5, double=False))
    assert app.selection.inspected >= first
    PANE.click(app, Click(30, 5, double=False))
    assert app.selection.inspected is None
    for _ in range(4):
        PANE.wheel_at(app, 3, 20)
    assert app.selection.span is None


def test_one_read_out_is_in_all_charts_of_the_grid():
    app = curves_of(8)
    press(app, "chart.grid")
    app.selection.inspected = 4
    words = text(CurvePane().lines(app.context(), SIZE))
    assert "epoch 4" in words
    assert "val_loss  0.2500" in words
    assert "accuracy  0.3750" in words
    assert words.count("┆") + words.count("┊") > 8


def test_the_size_of_the_grid_is_set_by_a_key_or_a_command():
    app = curves_of(8)
    assert "only of all metrics" in press(app, "chart.size")
    app.snapshot.metrics = ("val_loss", *"abcdefg")
    press(app, "chart.grid", "chart.size")
    next(choice for choice in app.opened.choices if choice.title == "2x1").run()
    assert app.selection.grid == (2, 1)
    press(app, "chart.next_page")
    words = text(CurvePane().lines(app.context(), SIZE))
    assert "8 metrics, page 2 of 4" in words
    assert "not reported by these trials" in words
    press(app, *["chart.next_page"] * 9, "chart.previous_page")
    assert "page 3 of 4" in text(CurvePane().lines(app.context(), SIZE))
    BY_ID["chart.size"].argument.run(app, "many")
    assert "is not the size" in app.said[-1]
    BY_ID["chart.size"].argument.run(app, "3x2")
    assert app.selection.grid == (3, 2)


def test_the_timeline_has_a_line_for_each_slot_and_follows_what_runs():
    app = FakeApp(snapshot(rows("ccr"), now=OPENED + 140))
    press(app, "chart.timeline")
    pane = CurvePane()
    words = text(pane.lines(app.context(), SIZE))
    assert "cpu" in words
    assert all(f"#{number}" in words for number in (0, 1, 2))
    assert words.count("%") == 4  # a slot each, and the mean


def test_attempts_whose_end_nobody_has_seen_end_with_their_trials():
    pic = snapshot(rows("c" * 300), now=OPENED + 3200)
    for attempt in pic.sources.attempts():
        attempt.end = None  # as after a kill of the engine
    app = FakeApp(pic)
    press(app, "chart.timeline")
    words = text(CurvePane().lines(app.context(), SIZE))
    assert words.count("%") == 13  # 120 s each, one every 10 s, and the mean


def test_no_key_is_taken_twice():
    assert clashes(PANE.actions, {}) == []
