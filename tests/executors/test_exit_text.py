"""Messages on how an attempt ended, and what is kept of its log."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from tuitune.core.sizes import size
from tuitune.executors.local.exit_text import (
    TAIL,
    error_of,
    printable,
    tail_of,
    with_last_words,
)
from tuitune.zygote.protocol import Exited


@pytest.mark.parametrize(
    ("code", "signal", "oom", "said", "words"),
    [
        (0, None, False, "", ""),
        (0, None, False, None, ""),
        (1, None, False, "ValueError: bad", "ValueError: bad"),
        (3, None, False, None, "exit status 3"),
        (143, None, False, "", "exit status 143 (SIGTERM)"),
        (200, None, False, "", "exit status 200"),
        (None, 11, False, None, "segmentation fault (SIGSEGV)"),
        (None, 9, False, None, "killed (SIGKILL)"),
        (None, 9, True, None, "killed (SIGKILL), most likely out of memory: peak 4.7 GiB"),
        (None, 10, False, None, "user defined signal 1 (SIGUSR1)"),
        (None, 99, False, None, "signal 99"),
    ],
)
def test_every_way_to_end_has_its_words(code, signal, oom, said, words):
    assert error_of(Exited(0, 1, code, signal, 5_100_000_000, oom), said) == words


def test_what_cannot_be_killed_is_told():
    end = Exited(0, 1, None, 9, 0, oom=False, left=2)
    assert error_of(end, None) == "killed (SIGKILL); 2 of its processes can't be killed"


def test_sizes():
    assert [size(count) for count in (12, 9_500, 12_345_678, 5.1e9, 3e12)] == [
        "12 B", "9.3 KiB", "12 MiB", "4.7 GiB", "2794 GiB",
    ]  # fmt: skip


@given(st.binary(max_size=3000))
def test_no_log_can_do_anything_to_a_terminal(tmp_path_factory, content):
    log = tmp_path_factory.mktemp("log") / "output.log"
    log.write_bytes(content)
    tail = tail_of(log)
    assert len(tail) <= TAIL
    assert not any(ord(character) < 32 and character not in "\n\t" for character in tail)
    assert "\x1b" not in tail


def test_a_tail_is_whole_lines(tmp_path):
    log = tmp_path / "output.log"
    log.write_text("".join(f"line {number}\n" for number in range(10_000)))
    lines = tail_of(log).splitlines()
    assert lines[-1] == "line 9999"
    assert lines[0] == f"line {10_000 - len(lines)}"
    assert tail_of(tmp_path / "missing") == ""


def test_printable_text_is_kept():
    assert printable("naïve\t日本\n") == "naïve\t日本\n"


TRACE = "Traceback (most recent call last):\n  File 'a.py', line 3\n    run()\n    ^^^^^\n"


@pytest.mark.parametrize(
    ("tail", "words"),
    [
        ("", "exit status 1"),
        ("====\n\n  ^^^^\n", "exit status 1"),
        (f"epoch 3\n{TRACE}ValueError: lr is 3\n", "ValueError: lr is 3"),
        (f"{TRACE}a.b.OutOfMemoryError: CUDA\nmore about it\n====\n", "a.b.OutOfMemoryError: CUDA"),
        (f"{TRACE}AssertionError\n/lib/x.py:3: UserWarning: a leak\n  warn()\n", "AssertionError"),
        (f"{TRACE}[rank0]: KeyError: 'x'\nexitcode: 1\n", "[rank0]: KeyError: 'x'"),
        ("usage: a [-h]\na.py: error: unrecognized arguments: --x\n", "a.py: error: unrecognized arguments: --x"),
        ("╭─ Error ───╮\n│ No such option: --x   │\n╰───────╯\n", "No such option: --x"),
        ("val error: 0.3\nval error: -1\nno more data\n", "no more data"),
        ("x" * 300, "x" * 200 + "…"),
    ],
)  # fmt: skip
def test_the_last_words_of_a_program_say_why_it_failed(tail, words):
    whole = f"exit status 1: {words}" if words != "exit status 1" else words
    assert with_last_words("exit status 1", tail) == whole
