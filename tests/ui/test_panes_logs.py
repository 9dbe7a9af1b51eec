"""Reading near a place of a log: whatever is in it, however long it is, and while it changes."""

import os

import pytest
from hypothesis import given, strategies as st

from tuitune.ui import logs

GIGABYTE = 1 << 30


@pytest.fixture
def log(tmp_path):
    return tmp_path / "output.log"


def tail(path, count=5):
    return logs.lines_before(path, path.stat().st_size, count)


def test_the_last_lines_and_no_more(log):
    log.write_text("".join(f"epoch {n}\n" for n in range(5000)))
    assert tail(log, 3) == ["epoch 4997", "epoch 4998", "epoch 4999"]


def test_a_line_that_has_not_ended_yet_is_shown_too(log):
    log.write_text("one\ntwo")
    assert tail(log) == ["one", "two"]


def test_empty_lines_are_lines(log):
    log.write_text("one\n\n\n")
    assert tail(log, 2) == ["", ""]


def test_what_is_not_there_has_no_lines(log):
    assert logs.lines_before(log, 100, 5) == []
    assert logs.stamp(log) is None
    assert logs.last_line(log) == ""


def test_escape_codes_and_controls_never_get_through(log):
    log.write_bytes(
        b"\x1b[31mred\x1b[0m \x1b]0;title\x07plain\x1b[2J\x08\x00end\n[bold]as it is[/]\n"
    )
    shown = tail(log)
    assert shown == ["red plain  end", "[bold]as it is[/]"]
    assert all(text.isprintable() for text in shown)


def test_a_progress_bar_is_shown_as_its_terminal_would(log):
    log.write_bytes(b"  0%|\r 50%|\r100%|done\r\nnext\r\n")
    assert tail(log) == ["100%|done", "next"]


def test_a_character_of_which_only_a_part_was_written_waits_for_the_rest(log):
    whole = "loss → ✓".encode()
    for written in range(len(whole) + 1):
        log.write_bytes(b"first\n" + whole[:written])
        shown = tail(log)
        assert "\N{REPLACEMENT CHARACTER}" not in "".join(shown)
    assert shown == ["first", "loss → ✓"]


def test_bytes_that_are_no_text_are_shown_as_such(log):
    log.write_bytes(b"\xff\xfe\xfa broken\nfine\n")
    assert tail(log)[1] == "fine"
    assert tail(log)[0].endswith("broken")


def test_one_endless_line_is_shown_in_pieces(log):
    log.write_bytes(b"x" * 200_000)
    shown = tail(log, 4)
    assert len(shown) == 4
    assert set("".join(shown)) == {"x"}


@pytest.mark.parametrize("ending", [b"the end\n", b""])
def test_of_a_gigabyte_only_the_tail_is_read(log, ending, monkeypatch):
    with log.open("wb") as file:
        file.truncate(GIGABYTE)
        file.seek(GIGABYTE)
        file.write(b"\n" + ending)
    read = []
    pread = os.pread
    monkeypatch.setattr(logs.os, "pread", lambda *asked: read.append(asked[1]) or pread(*asked))
    shown = tail(log, 40)
    assert len(shown) <= 40
    if ending:
        assert shown[-1] == "the end"
    assert logs.last_line(log) == ending.decode().strip()
    assert logs.find_before(log, GIGABYTE, "needle") is None
    assert sum(read) < GIGABYTE // 10


def test_a_page_up_and_down_again_is_the_same_place(log):
    log.write_text("".join(f"line {n}\n" for n in range(100)))
    size = log.stat().st_size
    up = logs.back(log, size, 30)
    assert logs.lines_before(log, up, 1) == ["line 69"]
    assert logs.on(log, up, 30) == size
    assert logs.back(log, up, 1000) == 0
    assert logs.on(log, up, 1000) == size


@given(
    texts=st.lists(st.text(st.characters(codec="utf-8", categories=("L", "N")), max_size=30)),
    count=st.integers(1, 12),
)
def test_the_tail_is_the_end_of_all_lines(tmp_path_factory, texts, count):
    path = tmp_path_factory.mktemp("log") / "output.log"
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8", newline="")
    assert tail(path, count) == texts[-count:]


@given(st.binary(max_size=400))
def test_no_bytes_can_steer_a_terminal(raw):
    assert all(text.isprintable() for text in logs.shown_lines(raw))


def test_the_nearest_line_that_holds_a_text_above_and_below(log):
    log.write_text("start\nWarning: one\nthree\nwarning: two\nend\n")
    size = log.stat().st_size
    second = logs.find_before(log, size, "warning")
    assert logs.lines_before(log, second, 1) == ["warning: two"]
    first = logs.find_before(log, logs.back(log, second, 1), "warning")
    assert logs.lines_before(log, first, 1) == ["Warning: one"]
    assert logs.find_before(log, logs.back(log, first, 1), "warning") is None
    assert logs.find_after(log, first, "warning") == second
    assert logs.find_after(log, second, "warning") is None


def test_a_text_is_found_where_two_blocks_meet(log):
    for place in range((1 << 20) - 8, (1 << 20) + 8):
        log.write_bytes(b"a" * place + b"\nneedle\n" + b"b" * (1 << 20) + b"\n")
        assert logs.find_before(log, log.stat().st_size, "needle") == place + 8


def test_a_stamp_tells_of_every_change(log, tmp_path):
    log.write_text("one\n")
    seen = [logs.stamp(log)]
    with log.open("a") as file:
        file.write("two\n")
    seen.append(logs.stamp(log))
    os.truncate(log, 2)
    seen.append(logs.stamp(log))
    other = tmp_path / "other"
    other.write_text("ab")
    other.rename(log)
    seen.append(logs.stamp(log))
    assert len(set(seen)) == 4
