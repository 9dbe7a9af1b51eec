"""What a command's output is cut into, and which lines report."""

from __future__ import annotations

import math

from hypothesis import given, strategies as st

from tuitune.trial.output_parser import LONGEST_LINE, LineCutter, Metrics


def cut(*chunks):
    cutter = LineCutter()
    lines = [line for chunk in chunks for line in cutter.feed(chunk)]
    return lines + list(cutter.flush())


@given(st.lists(st.text(st.characters(blacklist_categories=["Cc", "Cs"])).filter(bool)), st.data())
def test_lines_do_not_depend_on_how_they_are_read(lines, data):
    text = "\n".join(lines).encode()
    at = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
    chunks = [text[a:b] for a, b in zip([0, *at], [*at, len(text)], strict=True)]
    assert cut(*chunks) == lines


def test_a_terminals_view_of_a_line():
    assert cut(b"a\r\nb\x1b[31mc\x1b[0m\x1b]0;t\x07d\n10%\r20%\r30%\n\xff\n") == [
        "a",
        "bcd",
        "30%",
        "\ufffd",
    ]


def test_a_long_line_is_looked_at_only_as_far_as_its_beginning():
    block = b"x" * 40_000
    (line, after) = cut(block, block, block, b"\nafter\n")
    assert (line, after) == ("x" * LONGEST_LINE, "after")


def test_a_long_progress_bar_is_looked_at_where_it_ends():
    bars = [b"\rloss=%05d" % i for i in range(100_000)]
    assert (
        cut(*(b"".join(bars[i : i + 999]) for i in range(0, 100_000, 999)), b"\n")[-1]
        == "loss=99999"
    )


def test_the_objectives_pattern_reports_and_the_others_are_remembered():
    metrics = Metrics({"loss": r"loss (\S+)", "lr": r"lr=(\d+)", "best": "best"}, "loss")
    assert metrics.feed("lr=3") is None
    assert metrics.feed("loss 0.5") == {"lr": 3.0, "loss": 0.5}
    assert metrics.feed("lr=4 loss nan").keys() == {"lr", "loss"}
    assert math.isnan(metrics.feed("loss nan")["loss"])
    assert metrics.feed("nothing") is None
    assert metrics.feed("loss pending") is None
    assert "'pending'" in metrics.problem
    assert metrics.feed("best") is None
    assert "best" in metrics.problem


def test_printed_reports_need_no_pattern():
    metrics = Metrics({}, "loss")
    assert metrics.feed('  tuitune {"epoch": 3, "loss": Infinity}\t') == {
        "epoch": 3,
        "loss": math.inf,
    }
    assert metrics.feed("tuitune is installed") is None
    assert metrics.problem is None
    assert metrics.feed("tuitune {broken}") is None
    assert "tuitune {broken}" in metrics.problem
