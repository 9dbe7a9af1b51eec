from __future__ import annotations

import pytest
from hypothesis import assume, given, strategies as st
from rich.cells import cell_len
from rich.color import ColorType

from tuitune.ui.render.line_pane import changed_cells
from tuitune.ui.render.lines import cut, ends, fit, line, padded, width_of
from tuitune.ui.render.paint import ATTRIBUTES, BACKGROUNDS, Paint
from tuitune.ui.render.themes import DARK, PLAIN
from tuitune.ui.state.options import FAR, LOCAL, NEAR, REMOTE, options_for

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
roles = st.sampled_from(["", "muted", "accent bold", "error on-cursor"])
lines = st.lists(st.tuples(texts.map(lambda t: fit(t, cell_len(t) or 1)), roles), max_size=6).map(
    tuple
)
widths = st.integers(0, 60)


@given(texts, widths, st.booleans())
def test_what_is_fitted_has_exactly_its_cells_and_can_steer_no_terminal(text, width, right):
    fitted = fit(text, width, right=right)
    assert cell_len(fitted) == width
    assert fitted.isprintable()


@given(lines, widths)
def test_a_padded_line_is_as_wide_as_it_is_told(spans, width):
    assert width_of(padded(spans, width)) == width
    assert width_of(cut(spans, width)) <= width


@given(lines, lines, widths)
def test_two_ends_fill_the_line_and_the_right_one_gives_way(left, right, width):
    whole = ends(left, right, width)
    assert width_of(whole) == width
    if width_of(left) + width_of(right) < width:
        assert whole[-len(right) :] == right if right else True


def test_empty_parts_are_left_out():
    assert line("", ("", "muted"), "a", ("b", "error")) == (("a", ""), ("b", "error"))


@given(lines, lines, st.integers(1, 60))
def test_what_is_painted_again_covers_all_that_differs(old, new, width):
    old, new = padded(old, width), padded(new, width)
    assume(old != new)
    region = changed_cells(old, new, 3, width)
    assert region.y == 3
    assert region.height == 1
    before, after = cells(old), cells(new)
    differing = [x for x in range(width) if before[x] != after[x]]
    assert all(region.x <= x < region.right for x in differing)
    assert region.right <= max(width, 1)


def cells(spans):
    return [(char, role) for text, role in spans for char in _cells(text)]


def _cells(text):
    return [
        part for char in text for part in [char, *[""] * (cell_len(char) - 1)][: cell_len(char)]
    ]


@pytest.mark.parametrize("many", [True, False])
@pytest.mark.parametrize("word", [*DARK.colours, *sorted(BACKGROUNDS | ATTRIBUTES)])
def test_each_word_of_a_role_has_a_style(word, many):
    style = Paint(DARK if many else PLAIN).style(word)
    kinds = {style.color.type, style.bgcolor.type}
    allowed = {ColorType.EIGHT_BIT} if many else {ColorType.STANDARD, ColorType.DEFAULT}
    assert kinds <= allowed


def test_an_unknown_word_is_a_mistake_of_ours():
    with pytest.raises(KeyError):
        Paint(DARK).style("purplish")


@given(lines, st.integers(1, 60))
def test_a_strip_is_as_wide_as_its_pane(spans, width):
    assert Paint(DARK).strip(spans, width).cell_length == width


def test_over_ssh_there_are_half_as_many_looks():
    utf8 = {"TERM": "xterm-256color", "LANG": "en_US.UTF-8"}
    here = options_for(utf8, readonly=False, ascii_only=False, no_color=False)
    there = options_for(
        {**utf8, "SSH_CONNECTION": "a b c d"}, readonly=False, ascii_only=False, no_color=False
    )
    assert (here.tick, there.tick) == (LOCAL, REMOTE)
    assert (here.devices_tick, there.devices_tick) == (NEAR, FAR)
    assert not here.ascii
    assert here.theme == ""


@pytest.mark.parametrize(
    ("environment", "ascii_only", "many"),
    [
        ({"TERM": "xterm", "LANG": "C.UTF-8"}, False, False),
        ({"TERM": "linux", "LANG": "C"}, True, False),
        ({"TERM": "xterm", "COLORTERM": "truecolor", "LC_ALL": "de_DE.UTF-8"}, False, True),
        ({"TERM": "tmux-256color", "NO_COLOR": "1"}, False, False),
        ({"TERM": "vt100", "LC_ALL": "POSIX", "LANG": "en_US.UTF-8"}, True, False),
    ],
)
def test_a_terminal_gets_what_it_says_it_can_show(environment, ascii_only, many):
    options = options_for(environment, readonly=False, ascii_only=False, no_color=False)
    assert (options.ascii, options.theme != "16") == (ascii_only, many)


@given(lines, st.integers(1, 60), st.booleans())
def test_a_blank_in_its_neighbours_letters_looks_as_before(spans, width, many):
    paint = Paint(DARK if many else PLAIN)

    def seen(char, style):
        ground = (style.bgcolor, style.underline, style.reverse and style.color)
        return (char, ground) if char == " " else (char, ground, style)

    shown = [
        seen(char, segment.style)
        for segment in paint.strip(spans, width)
        for char in _cells(segment.text)
    ]
    asked = [seen(char, paint.style(role)) for char, role in cells(cut(spans, width))]
    assert shown[: len(asked)] == asked


def test_most_of_a_line_with_gaps_is_one_change_of_style():
    line = (("    ", "accent bold"), ("t0003 ", "muted"), ("  ", ""), ("0.5", "muted"), ("  ", ""))
    assert len(list(Paint(DARK).strip(line, 40))) == 1
    barred = (("t0003", "accent on-cursor"), ("  ", ""), ("0.5", ""))
    assert [s.text for s in Paint(DARK).strip(barred, 12)] == ["t0003", "  0.5  "]


def test_with_few_colours_the_cursor_is_one_bar_whatever_stands_on_it():
    spans = (("> ", "accent"), ("! fail", "error"), ("0.5", "text"), ("a", "info"))
    few = Paint(PLAIN)
    bar = few.strip(tuple((text, f"{role} on-cursor") for text, role in spans), 30)
    assert len({(s.style.color, s.style.bgcolor, s.style.reverse) for s in bar}) == 1
    assert all(segment.style.reverse for segment in bar)
    assert len({s.style.color for s in few.strip(spans, 30)}) > 1
