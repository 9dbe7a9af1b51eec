"""The canvas, scales and ranges: dots inside and connected, few values that ruin nothing."""

from __future__ import annotations

import math

from hypothesis import assume, given, strategies as st

from tuitune.ui.charts.axis import GROWTH, Range, labels, scale, shown_range, snapped
from tuitune.ui.charts.canvas import Canvas, Ink
from tuitune.ui.charts.frame import thinned

SOLID = Ink("text", "a")
sizes = st.tuples(st.integers(1, 30), st.integers(1, 12))
finite = st.floats(allow_nan=False, allow_infinity=False)
tame = st.floats(-1e6, 1e6)


def text(canvas: Canvas) -> list[str]:
    return ["".join(part for part, _ in line) for line in canvas.lines()]


def dots(canvas: Canvas) -> set[tuple[int, int]]:
    """Where braille has its dots: (column, line), as the Unicode standard numbers them."""
    places = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3)]
    return {
        (2 * x + dx, 4 * y + dy)
        for y, line in enumerate(text(canvas))
        for x, sign in enumerate(line)
        if sign != " "
        for bit, (dx, dy) in enumerate(places)
        if (ord(sign) - 0x2800) >> bit & 1
    }


@given(sizes, st.data())
def test_a_path_is_connected_goes_through_its_points_and_stays_inside(size, data):
    canvas = Canvas(*size)
    point = st.tuples(st.integers(0, canvas.across - 1), st.integers(0, canvas.down - 1))
    points = data.draw(st.lists(point, min_size=1, max_size=6))
    canvas.path(points, SOLID)
    drawn = dots(canvas)
    assert set(points) <= drawn
    assert all(0 <= x < canvas.across and 0 <= y < canvas.down for x, y in drawn)
    reached, todo = set(), [points[0]]
    while todo:
        x, y = todo.pop()
        if (x, y) in drawn - reached:
            reached.add((x, y))
            todo += [(x + dx, y + dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1)]
    assert reached == drawn


@given(sizes, st.booleans(), st.integers(-3, 40), st.integers(-3, 14), st.text("abc", max_size=9))
def test_every_line_is_as_wide_as_the_canvas_whatever_is_written(size, ascii_only, x, y, words):
    canvas = Canvas(*size, ascii_only=ascii_only)
    canvas.path([(0, 0), (canvas.across - 1, canvas.down - 1)], SOLID)
    canvas.write(x, y, words, "muted")
    assert [len(line) for line in text(canvas)] == [size[0]] * size[1]


def test_dashed_lines_differ_from_solid_ones_and_ascii_has_a_sign_a_line():
    solid, dashed, plain = Canvas(10, 1), Canvas(10, 1), Canvas(10, 1, ascii_only=True)
    solid.path([(0, 0), (19, 0)], SOLID)
    dashed.path([(0, 0), (19, 0)], Ink("text", "b", "1100"))
    plain.path([(0, 0), (19, 0)], Ink("text", "b", "1100"))
    assert len(dots(solid)) == 20
    assert len(dots(dashed)) == 10
    assert text(plain) == ["b b b b b "]


def test_what_is_drawn_under_gives_way_in_the_cells_of_others():
    canvas = Canvas(4, 1)
    canvas.path([(0, 0), (7, 0)], Ink("faint", ".", under=True))
    canvas.path([(0, 3), (3, 3)], SOLID)
    assert dots(canvas) == {(0, 3), (1, 3), (2, 3), (3, 3), (4, 0), (5, 0), (6, 0), (7, 0)}
    canvas.path([(0, 0), (7, 0)], Ink("faint", ".", under=True))
    assert (0, 0) not in dots(canvas)


@given(finite, finite, st.integers(2, 12))
def test_ticks_lie_on_the_scale_are_few_and_have_different_names(one, other, most):
    made = scale(min(one, other), max(one, other))
    ticks = made.ticks(most)
    assert 1 <= len(ticks) <= most + 1
    assert all(-1e-6 <= made.at(tick) <= 1 + 1e-6 for tick in ticks)
    names = [name for _, name in made.named(most)]
    assume(abs(made.high - made.low) > 1e-6 * max(abs(made.low), abs(made.high)))
    assert len(set(names)) == len(names)


@given(st.floats(1e-12, 1e12), st.floats(1.0, 1e9), st.integers(2, 12))
def test_ticks_of_a_log_scale_too(low, ratio, most):
    made = scale(low, low * ratio, log=True)
    ticks = made.ticks(most)
    assert len(ticks) <= most + 1
    assert all(-1e-6 <= made.at(tick) <= 1 + 1e-6 for tick in ticks)
    assert math.isnan(made.at(0.0))
    assert math.isnan(made.at(-1.0))


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 30)), max_size=60))
def test_a_thinned_path_is_the_same_picture(points):
    path = sorted(points, key=lambda point: point[0])
    whole, thin = Canvas(4, 8), Canvas(4, 8)
    whole.path(path, SOLID)
    thin.path(thinned(path), SOLID)
    assert text(whole) == text(thin)
    assert len(thinned(path)) <= 4 * 7


def test_ticks_are_round_and_say_so_in_few_figures():
    assert scale(0.07, 0.41).ticks(4) == [0.1, 0.2, 0.3, 0.4]
    assert labels([0.0, 0.25, 0.5]) == ["0.00", "0.25", "0.50"]
    assert labels([0.0001, 0.01], aligned=False) == ["0.0001", "0.01"]
    assert scale(1e-5, 1.0, log=True).ticks(3) == [1e-5, 1e-3, 1e-1]


lines = st.lists(st.lists(st.floats(), max_size=30), max_size=5)


@given(lines, st.booleans())
def test_a_range_is_finite_and_holds_values_that_are_there(curves, log):
    shown = shown_range(curves, log=log)
    fit = [v for values in curves for v in values if math.isfinite(v) and (v > 0 or not log)]
    if not fit:
        assert shown is None
        return
    assert shown is not None
    assert math.isfinite(shown.low)
    assert math.isfinite(shown.high)
    assert shown.low <= shown.high
    drawn = [min(max(v, 1e-300 if log else -1e300), 1e300) for v in fit]
    rounding = 1e-9 if log else 0.0
    assert min(drawn) * (1 - rounding) <= shown.low
    assert shown.high <= max(drawn) * (1 + rounding)
    scale(*shown, log=log)


@given(
    st.lists(st.floats(0.1, 2.0), min_size=3, max_size=30),
    st.lists(st.floats(allow_nan=True), max_size=30),
)
def test_a_diverged_trial_does_not_ruin_the_range_of_a_good_one(good, diverged):
    alone = shown_range([good])
    both = shown_range([good, diverged])
    assert alone is not None
    assert both is not None
    assert both.low <= alone.low <= alone.high <= both.high
    least = max(alone.span(), 0.05 * max(good))
    assert both.span() <= GROWTH * least * (1 + 1e-9)


def test_a_slow_trial_is_shown_from_where_it_comes_near_a_quick_one():
    quick = [0.955, *([0.99] * 26)]
    slow = [0.10, 0.60, *(0.98 - 0.2 / step for step in range(2, 27))]
    shown = shown_range([quick, slow])
    assert shown.high == 0.99
    assert sum(value >= shown.low for value in slow) == 25
    assert shown.low < 0.955
    assert shown_range([quick, [0.1] * 27]) == shown_range([quick])


def test_a_usual_curve_is_shown_whole_and_a_spike_is_not():
    falling = [0.1 + 1.5 * math.exp(-step / 4) for step in range(81)]
    assert shown_range([falling]) == (min(falling), max(falling))
    spiked = [*falling[:40], 1e9, *falling[40:]]
    assert shown_range([spiked]) == (min(falling), max(falling))
    flat = [0.1] * 20
    assert shown_range([[*flat, 0.5]]) == (0.1, 0.5)
    assert shown_range([[*flat, 1e9]]) == (0.1, 0.1)


@given(
    st.floats(-1e6, 1e6, allow_subnormal=False),
    st.floats(1e-3, 1e6, allow_subnormal=False),
    st.booleans(),
)
def test_a_snapped_range_holds_the_values_and_little_more(low, span, log):
    low = abs(low) + 1.0 if log else low
    found = snapped(Range(low, low + span), log=log)
    assert found.low <= low * (1 + 1e-9) or found.low <= low + 1e-6
    assert found.high >= (low + span) * (1 - 1e-9) or found.high >= low + span - 1e-6
    if not log:
        assert found.span() <= span * (1 + 5 / 12 + 1e-6) + 1e-9


def test_trials_that_are_alike_share_a_scale():
    """So that the curves of all others need not be drawn again when the cursor moves."""
    near = {snapped(Range(0.0712, 2.0 + n / 1000)) for n in range(20)}
    assert len(near) <= 2
    assert snapped(Range(0.2, 0.9889)).high == 1.0
    assert snapped(Range(0.5, 0.5)) == Range(0.5, 0.5)
