"""What commands print on a terminal: colours, and lines that fit its width."""

from __future__ import annotations

import fcntl
import os
import re
import struct
import termios
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from stored_study import finished, store

from tuitune.cli.listing import list_studies
from tuitune.cli.output import Column, Output, folded, output, table
from tuitune.cli.show import Chosen, show_study
from tuitune.store.rows import StudyRow, TrialRow
from tuitune.ui.render.lines import cell_len, line, width_of

SEQUENCE = re.compile(r"\x1b\[[0-9;]*m")
MANY = {"TERM": "xterm-256color"}


@pytest.fixture
def on_terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """Runs a function with a terminal of so many columns as standard output; what it printed."""
    outer, inner = os.openpty()

    def run(work: Callable[[], object], columns: int = 80, **environment: str) -> str:
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        for name in ("NO_COLOR", "TUITUNE_THEME"):
            monkeypatch.delenv(name, raising=False)
        for name, value in (MANY | environment).items():
            monkeypatch.setenv(name, value)
        with monkeypatch.context() as patch, os.fdopen(os.dup(inner), "w") as stdout:
            patch.setattr("sys.stdout", stdout)
            work()
        os.write(inner, b"\0")
        read = b""
        while b"\0" not in read:
            read += os.read(outer, 65536)
        return read.partition(b"\0")[0].decode().replace("\r\n", "\n")

    yield run
    os.close(outer)
    os.close(inner)


def write(folder: Path, *rows: TrialRow) -> Path:
    journal = store(folder)
    journal.write([], rows, StudyRow(finished=True, complete=True))
    journal.close()
    return folder


def show(folder: Path, chosen: Chosen) -> Callable[[], int]:
    return lambda: show_study(str(folder), folder.parent, chosen, as_json=False, why=None)


@pytest.mark.parametrize("columns", [40, 80, 140])
def test_no_line_of_show_is_wider_than_the_terminal_and_the_best_is_last(
    tmp_path: Path, on_terminal, columns: int
):
    write(tmp_path / "study", *(finished(number) for number in range(12)))
    text = on_terminal(show(tmp_path / "study", Chosen()), columns)
    plain = SEQUENCE.sub("", text).splitlines()
    assert all(cell_len(one) <= columns for one in plain if "/" not in one)
    assert "\x1b[" in text
    best = next(at for at, one in enumerate(plain) if one.startswith("best: "))
    rows = [one.split() for one in plain[:best] if one.lstrip().startswith("#")]
    assert len(rows) == 12
    assert rows[-1][0] == plain[best].split()[1].rstrip(",")
    assert plain[-1].lstrip().startswith(("lr = ", "width = "))


def test_no_color_and_a_dumb_terminal_have_no_colours(tmp_path: Path, on_terminal):
    write(tmp_path / "study", finished(0))
    assert "\x1b" not in on_terminal(show(tmp_path / "study", Chosen()), NO_COLOR="")
    assert "\x1b" not in on_terminal(show(tmp_path / "study", Chosen()), TERM="dumb")
    sixteen = on_terminal(show(tmp_path / "study", Chosen()), TERM="xterm")
    assert "\x1b[" in sixteen
    assert "38;5" not in sixteen


def test_the_list_is_coloured_and_fits(tmp_path: Path, on_terminal, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    write(tmp_path / "runs" / ("long-name-" * 5), finished(0))
    text = on_terminal(lambda: list_studies(tmp_path / "runs"), 60)
    assert "\x1b[" in text
    assert all(len(one) <= 60 for one in SEQUENCE.sub("", text).splitlines())


def test_only_the_best_or_only_what_failed_is_shown(tmp_path: Path, capsys):
    failed = [
        TrialRow(n, "FAILED", {"lr": n / 9, "width": 8}, error="ValueError: width") for n in (3, 4)
    ]
    odd = TrialRow(5, "FAILED", {"lr": 0.5, "width": 4}, error="killed")
    write(tmp_path / "study", *(finished(number) for number in range(3)), *failed, odd)
    show(tmp_path / "study", Chosen(top=2))()
    shown = capsys.readouterr().out
    assert len(re.findall(r"^ +#\d", shown, re.MULTILINE)) == 2
    show(tmp_path / "study", Chosen(failed=True))()
    shown = capsys.readouterr().out
    assert "2 trials: ValueError: width\n  all with width = 8" in shown
    assert "1 trial: killed" in shown
    assert "best: " not in shown


def test_lines_are_broken_between_words():
    content = line(("one two ", "bold"), ("three-is-too-long-for-it four", "error"))
    parts = folded(content, 12)
    assert ["".join(text for text, _ in part) for part in parts] == [
        "one two",
        "  three-is-t",
        "  oo-long-fo",
        "  r-it four",
    ]
    assert all(width_of(part) <= 12 for part in parts)


def test_the_column_that_matters_least_is_left_out_first():
    columns = [
        Column("name", [("a", "")], 9),
        Column("long", [("x" * 20, "")], 5, least=8),
        Column("note", [("y" * 20, "")], 1),
    ]
    lines, missing = table(columns, 20)
    assert missing == ["note"]
    assert max(map(width_of, lines)) == 20
    assert table(columns, None)[1] == []


def test_a_stream_that_is_no_terminal_gets_plain_text(tmp_path: Path):
    with (tmp_path / "out").open("w") as stream:
        to = output(stream, MANY)
        assert to == Output(stream)
        to.print(line(("a" * 200, "error"), ("   ", "")))
    assert (tmp_path / "out").read_text() == "a" * 200 + "\n"
