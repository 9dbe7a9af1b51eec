"""Throughput and what is left, measured by what comes to its end while somebody looks."""

import msgspec
import pytest
from hypothesis import given, strategies as st
from pictures import NOW, OPENED, row, rows, snapshot, study

from tuitune.ui.render.lines import Segment, Size, chopped, joined, line, stacked, width_of, wrapped
from tuitune.ui.state.snapshot import elapsed


def change(pict, number, now, **changes):
    """What a refresh does of it: the row, the time, the news."""
    pict.rows[number] = msgspec.structs.replace(pict.rows[number], **changes)
    pict.changed, pict.now = {number}, now
    pict.pace.follow(pict)


def test_live_trials_that_end_are_counted_as_they_do():
    pict = snapshot(rows("rrrr"), study=study(opened=NOW), now=NOW)
    for number in range(4):
        change(pict, number, NOW + 10 * (number + 1), state="COMPLETE", ended=NOW + 10)
    assert pict.pace.rate(NOW + 40) == pytest.approx(0.1)
    assert pict.pace.remaining(pict) == pytest.approx(160)


def test_trials_that_wait_at_a_rung_count_until_they_go_on():
    pict = snapshot(rows("rrrr"), study=study(opened=NOW), now=NOW)
    for number in range(4):
        change(pict, number, NOW + 10 * (number + 1), state="PAUSED", at_rung=True)
    assert pict.pace.rate(NOW + 40) == pytest.approx(0.1)
    change(pict, 0, NOW + 50, state="RUNNING", at_rung=False)
    assert pict.pace.rate(NOW + 50) == pytest.approx(3 / 50)


def test_an_earlier_engine_does_not_count():
    old = [row(n, ended=OPENED - 50_000 + n) for n in range(10)]
    new = [row(10 + n, ended=OPENED + 600 * (n + 1)) for n in range(4)]
    pict = snapshot([*old, *new])
    assert pict.pace.rate(NOW) == pytest.approx(4 / 3600)


def test_a_trial_taken_up_again_is_no_longer_at_its_end():
    pict = snapshot(rows("fff"))
    assert pict.pace.rate(NOW) is not None
    change(pict, 0, NOW + 1, state="WAITING", ended=None)
    assert pict.pace.rate(NOW + 1) is None


def test_only_the_newest_trials_make_the_rate():
    slow = [row(n, ended=OPENED + 10.0 * (n + 1)) for n in range(100)]
    fast = [row(100 + n, ended=OPENED + 1000.0 + 0.1 * (n + 1)) for n in range(100)]
    pict = snapshot([*slow, *fast], now=OPENED + 1010.0)
    assert pict.pace.rate(pict.now) == pytest.approx(10, rel=0.6)


@pytest.mark.parametrize(
    ("engine", "changes", "seconds"),
    [
        ("running", {"elapsed": 100.0}, 3700.0),
        ("gone", {"elapsed": 100.0}, 3690.0),
        ("finished", {"elapsed": 100.0, "finished": True}, 100.0),
    ],
)
def test_the_clock_stands_still_without_an_engine(engine, changes, seconds):
    pict = snapshot(rows("r"), engine=engine, heard=NOW - 10, study=study(**changes))
    assert elapsed(pict) == seconds


@given(
    widths=st.lists(st.tuples(st.integers(0, 9), st.integers(1, 20)), min_size=1, max_size=8),
    room=st.integers(0, 100),
)
def test_of_a_line_that_is_too_long_the_least_goes_first(widths, room):
    segments = [Segment(matters, line("x" * width)) for matters, width in widths]
    kept = joined(segments, room, 2)
    most = max(matters for matters, _ in widths)
    assert width_of(kept) <= room or kept in {
        segment.line for segment in segments if segment.matters == most
    }
    if sum(width for _, width in widths) + 2 * (len(widths) - 1) <= room:
        assert "".join(text for text, _ in kept).split() == ["x" * width for _, width in widths]


@given(st.text(max_size=200), st.integers(2, 40))
def test_wrapped_text_fits_and_loses_no_letter(text, width):
    segments = wrapped(text, width)
    assert all(width_of(line(segment)) <= width for segment in segments)
    assert stacked([line(segment) for segment in segments], Size(width, 500))
    kept = "".join("".join(segments).split())
    assert kept == "".join("".join(c for c in text if c.isprintable()).split())


@given(st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S"))), st.integers(2, 40))
def test_chopped_text_is_the_text(text, width):
    segments = chopped(text, width)
    assert "".join(segments) == text
    assert all(width_of(line(segment)) <= width for segment in segments)
