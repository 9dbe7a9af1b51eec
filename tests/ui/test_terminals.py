"""Real terminals around real studies: lost, stalled, resized, without colours, and told lies."""

from __future__ import annotations

import base64
import os
import re
import signal
import unicodedata

import pytest
from windows import DONE, LAST_OF_SCREEN, TRAIN, Windows, finish, stored, told
from workshop import PATIENCE, wait_until

COLOURED = re.compile(r"\x1b\[[0-9;]*m")
COLOURS = re.compile(rb"\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;\d+)*m")
MANY = re.compile(rb"\x1b\[(?:[0-9;]*;)?[34]8;[25];")
EXACT = re.compile(rb"\x1b\[(?:[0-9;]*;)?[34]8;2;")
ATTRIBUTES = re.compile(rb"\x1b\[[1237][;m]")


@pytest.fixture
def windows(workshop):
    opened = Windows(workshop)
    try:
        yield opened
    finally:
        opened.close()


@pytest.fixture
def running(workshop, windows):
    """A window on a study whose trials report."""
    window = windows.open(workshop.study(TRAIN, trials=4))
    window.until("#1", "running", "best ")
    return window


@pytest.fixture
def finished(workshop):
    workshop.run(workshop.study(DONE), "--no-ui")


def nothing_was_missed(workshop):
    finish(workshop)
    reported = told(workshop)
    assert len(reported) == 4
    assert all(reported.values())
    assert stored(workshop) == reported


def test_a_terminal_that_is_lost_takes_the_app_with_it_and_nothing_else(workshop, windows, running):
    running.terminal.hang_up()
    wait_until(running.terminal.ended, "the app's end")
    nothing_was_missed(workshop)
    again = windows.open("attach", "study")
    again.until("4/4", "finished", "3  ✓ complete")


def test_a_terminal_that_is_lost_ends_an_app_begun_under_nohup_too(windows, finished):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        window = windows.open("attach", "study")
    finally:
        signal.signal(signal.SIGHUP, before)
    window.until("finished")
    window.terminal.hang_up()
    wait_until(window.terminal.ended, "the app's end")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_ends_the_app_alone_and_leaves_the_terminal_as_it_was(workshop, windows, number):
    window = windows.open(workshop.study(TRAIN, trials=4))
    window.until("#1", "running", "best ")
    os.kill(window.terminal.pid, number)
    assert window.terminal.pump(60, lambda seen: seen.ended())
    assert LAST_OF_SCREEN in bytes(window.terminal.text)
    assert b"study: still running" in bytes(window.terminal.text)
    assert window.terminal.status == 128 + number
    nothing_was_missed(workshop)


def test_a_terminal_that_stalls_holds_up_nothing_but_the_screen(workshop, running):
    """Nobody reads it until the study is over."""

    def is_full():
        before, reports = running.terminal.unread(), sum(map(len, told(workshop).values()))
        wait_until(lambda: sum(map(len, told(workshop).values())) > reports + 150, "reports")
        return 0 < before == running.terminal.unread()

    wait_until(is_full, "a terminal that is full")
    nothing_was_missed(workshop)
    running.until("4/4", "finished", "3  ✓ complete")
    running.press("?")
    running.until("esc back")
    running.press("\x1b")
    running.until("4/4", gone="esc back")
    running.press("q")
    assert "4 complete in " in running.left()
    assert running.terminal.status == 0


def test_ctrl_c_ends_nothing_and_kill_9_of_the_app_ends_only_the_app(workshop, windows, running):
    running.press("\x03")
    running.until("q leaves the app; the study continues")
    assert not running.terminal.ended()
    os.kill(running.terminal.pid, signal.SIGKILL)
    wait_until(running.terminal.ended, "the app's end")
    assert workshop.engine()
    again = windows.open("attach", "study")
    again.until("#1", "running", "best ")
    nothing_was_missed(workshop)


def test_leaving_says_how_to_come_back_and_in_the_end_what_came_of_it(workshop, windows, running):
    running.press("q")
    words = running.left()
    assert "study: still running; `tuitune attach study` shows it" in words
    assert running.terminal.status == 0
    again = windows.open("attach", "study")
    again.until("run", "best ")
    finish(workshop)
    again.until("finished")
    again.press("q")
    words = COLOURED.sub("", again.left())
    assert "4 complete in " in words
    assert "best: #" in words


def every_screen(window):
    """Goes once through all that the app can show, on a study that is finished."""
    window.until("finished", "#2")
    window.press("/")
    window.until("has:error")
    window.press("state:done\r")
    window.until("/state:done")
    window.press("\x1b")
    window.until("#2")
    window.press("*")
    window.press("s")
    window.until("esc none")
    window.press("\x1b")  # with a key right behind it that would be alt and the key
    window.until("#2", gone="esc none")
    for key, words in (("?", "esc back"), ("i", "esc back"), (":keys\r", "esc back")):
        window.press(key)
        window.until(words)
        window.press("\x1b")
        window.until("#2", gone="esc back")
    for key, words in (("3", "3 loss"), ("B", "Best so far"), ("C", "coordinates"), ("H", "Rungs")):
        window.press(key)
        window.until(words)
    window.press("q")
    window.left()
    return window.terminal.text


def test_256_colours_are_sent_by_their_number(windows, finished):
    text = every_screen(windows.open("attach", "study"))
    assert MANY.search(text)
    assert not EXACT.search(text)


def test_a_terminal_that_says_no_more_gets_its_own_sixteen_colours(windows, finished):
    text = every_screen(windows.open("attach", "study", variables={"TERM": "xterm"}))
    assert COLOURS.search(text)
    assert not MANY.search(text)


@pytest.mark.parametrize("how", ["NO_COLOR", "--no-color"])
def test_without_colours_there_are_attributes_alone(windows, finished, how):
    asked = {"variables": {"NO_COLOR": "1"}} if how == "NO_COLOR" else {}
    words = ["--no-color"] if how == "--no-color" else []
    text = every_screen(windows.open("attach", "study", *words, **asked))
    assert ATTRIBUTES.search(text)
    assert not COLOURS.search(text)


@pytest.mark.parametrize("how", ["vt100", "--ascii"])
def test_plain_ascii_is_nothing_but_ascii(windows, finished, how):
    plain = {"TERM": "vt100", "LANG": "C", "LC_ALL": "C"}
    asked = {"variables": plain} if how == "vt100" else {}
    words = ["--ascii"] if how == "--ascii" else []
    window = windows.open("attach", "study", *words, size=(80, 24), **asked)
    assert every_screen(window).isascii()


LIES = """
import sys
ESCAPES = "\\x1b]0;OWNED\\x07\\x1b[2J\\x1b[31;42m\\x9b2J"

def train(trial):
    print(ESCAPES + "[red]printed[/red] 漢字 a\\u200bb \\u202eabc")
    trial.report(loss=1.0)
    if trial.number == 1:
        raise ValueError(ESCAPES + "[b]raised[/b] 漢字 \\u202eabc")
"""


def test_text_of_trials_and_files_is_never_an_escape_code_nor_markup(workshop, windows):
    names = ["\x1b]0;OWNED\x07", "[red]name[/red]", "漢字漢字漢字", "a\u200bb", "\u202ertl"]
    file = workshop.study(LIES, trials=4)
    listed = ", ".join('"' + escaped(name) + '"' for name in names)
    file.write_text(file.read_text().replace("[search]", f"name = [{listed}]\n[search]"))
    workshop.run(file, "--no-ui")
    window = windows.open("attach", "study", size=(160, 48))
    window.until("finished", "#3")
    for key, words in (("w", "[red]name[/red]"), ("I", "importance"), ("0", "2 Trials")):
        window.press(key)
        window.until(words)
    window.press(":1\r")
    window.until("[b]raised[/b]")
    window.press("l")
    window.until("[red]printed[/red]")
    window.press("i")
    window.until("esc back")
    window.press("\x1b")
    window.until("5 Log", gone="esc back")
    window.press("q")
    words = window.left()
    text = window.terminal.text
    for harm in (b"OWNED\x07", b"\x1b[31;42m", "\x9b".encode(), "\u202e".encode()):
        assert harm not in text
    assert window.screen.title == "" or "OWNED" not in window.screen.title
    assert "\x1b]" not in words


def escaped(text):
    return "".join(c if c.isprintable() and c != "\u200b" else f"\\u{ord(c):04x}" for c in text)


def test_wide_and_invisible_signs_leave_the_columns_where_they_are(workshop, windows):
    file = workshop.study(DONE, trials=5)
    names = ["漢字漢字漢字", "a\u200bb", "e\u0301te\u0301", "\u202ertl", "\U0001f600"]
    listed = ", ".join('"' + escaped(name) + '"' for name in names)
    file.write_text(file.read_text().replace("[search]", f"name = [{listed}]\n[search]"))
    workshop.run(file, "--no-ui")
    window = windows.open("attach", "study", size=(120, 40))
    window.until("finished", "#4")
    window.press("w")
    window.until("name")
    rows = [line for line in window.screen.display if re.search(r"^│ .. +\d  ✓ complete", line)]
    assert len(rows) == 5
    bars = {cells_before(line[1:], "│") for line in rows}
    assert len(bars) == 1, window.shown()


def cells_before(line, sign):
    before = line.partition(sign)[0]
    return sum(
        2 if unicodedata.east_asian_width(c) in "WF" else not unicodedata.combining(c)
        for c in before
    )


def test_another_size_is_another_layout(workshop, windows, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")  # as shells and test runners leave behind
    monkeypatch.setenv("LINES", "24")
    running = windows.open(workshop.study(TRAIN, trials=4))
    running.until("#1", "running", "best ")
    for columns, lines, words in (
        (60, 16, "q leave"),
        (40, 10, "best "),
        (200, 60, "4 #"),
        (80, 24, "q leave"),
    ):
        running.resize(columns, lines)
        running.until(words)
        assert max(map(len, running.shown().splitlines())) <= columns
    running.press("?")
    running.until("esc back")


def test_two_apps_see_what_the_other_does(workshop, windows, running):
    other = windows.open("attach", "study", "--ascii", size=(80, 24))
    other.until("#1", "running")
    running.press(":0\r")
    running.press("x")
    running.until("killing #0", "undo kill #0")
    other.press(":0\r")
    other.until("will be killed in")
    other.press("u")
    other.until("not killed: #0")
    running.until(gone="will be killed in")
    running.press("q")
    running.left()
    other.press("P")
    other.until("launching paused")
    other.press("R")
    other.until("live")
    nothing_was_missed(workshop)


def test_who_only_looks_on_changes_nothing(workshop, windows, running):
    other = windows.open("attach", "study", "--readonly")
    other.until("#1", "running")
    for key in "pxaP+Q":
        other.press(key)
        other.until("changes nothing (--readonly)")
        other.press("?")
        other.until("esc back")
        other.press("\x1b")
        other.until(gone="esc back")
    nothing_was_missed(workshop)


def test_what_is_copied_goes_to_the_terminals_clipboard(windows, finished):
    window = windows.open("attach", "study")
    window.until("finished", "#2")
    window.press(":2\r")
    window.until("4 #2")
    window.press("yi")
    window.until("copied id of #2")
    assert b"\x1b]52;c;" + base64.b64encode(b"2") in window.terminal.text


def test_bytes_that_are_no_text_are_keys_that_do_nothing(windows, finished):
    """As an é of a terminal that is set to Latin-1."""
    window = windows.open("attach", "study")
    window.until("finished", "leave")
    os.write(window.terminal.fd, b"\xe9\xff\x80?")
    window.until("esc back")
    os.write(window.terminal.fd, b"q:\xe9\r")
    window.until("\ufffd: no such command")
    os.write(window.terminal.fd, b"q\xc3")
    assert "3 complete in " in COLOURED.sub("", window.left())
    assert window.terminal.status == 0


def test_keys_and_clicks_that_come_together_leave_the_palette_only(windows, finished):
    window = windows.open("attach", "study")
    window.until("finished", "leave")
    window.press("\x10")
    window.until("Search for commands")
    window.press("\x1b[<0;1;40M\x1b[<0;1;40m" * 3)
    window.until("leave", gone="Search for commands")
    window.press("\x10zoom\x1b[5~")  # a page up in what is not yet listed
    window.until("zoom (z)", "🔎 zoom")
    window.resize(20, 3)
    window.press("\x1b[5~\x1b[6~")
    window.resize(120, 40)
    window.until("zoom (z)")
    window.press("\r")
    window.until("2 Trials", gone="zoom (z)")
    window.press("?")
    window.until("esc back")
    window.press("qq")
    assert "3 complete in " in COLOURED.sub("", window.left())


def test_keys_of_ones_own_are_taken_and_a_mistake_among_them_is_told(workshop, windows, finished):
    file = workshop.path / "config" / "tuitune" / "keys.toml"
    file.parent.mkdir(parents=True)
    file.write_text('[keys]\n"app.summary" = ["Y"]\n"app.quit" = ["Z", "q"]\n')
    window = windows.open("attach", "study")
    window.until("finished", "Y summary", "Z leave")
    window.press("Y")
    window.until("3 of 3 trials")
    window.press("\x1b")
    window.until("Y summary", gone="esc back")
    window.press("Z")
    assert "3 complete in " in window.left()
    file.write_text('[keys]\n"app.sumary" = ["Y"]\n')
    mistaken = windows.open("attach", "study")
    mistaken.while_read(mistaken.terminal.ended, "its end")
    assert mistaken.terminal.status == 2
    assert b"did you mean app.summary?" in mistaken.terminal.text


def test_the_title_names_the_study_and_the_earlier_one_comes_back(windows, finished):
    window = windows.open("attach", "study")
    window.until("finished", "leave")
    terminal = window.terminal
    assert terminal.pump(PATIENCE, lambda t: b"\x1b]2;study: finished 3/3\x1b\\" in t.text)
    assert b"\x1b[22;0t" in terminal.text
    window.press("q")
    assert terminal.pump(PATIENCE, lambda t: b"\x1b[23;0t" in t.text)


def test_ctrl_z_gives_the_shell_its_terminal_and_the_screen_comes_back(windows, finished):
    window = windows.open("attach", "study")
    window.until("finished", "leave")
    terminal = window.terminal
    assert terminal.pump(PATIENCE, lambda t: b"\x1b]2;study: finished" in t.text)
    window.press("\x1a")
    back = (b"\x1b[?1049l", b"\x1b[23;0t")
    assert terminal.pump(PATIENCE, lambda t: all(sequence in t.text for sequence in back))
    wait_until(lambda: terminal.process.status() == "stopped", "the stop")
    seen = len(terminal.text)
    os.kill(terminal.pid, signal.SIGCONT)
    assert terminal.pump(PATIENCE, lambda t: b"\x1b[?1049h" in t.text[seen:])
    assert terminal.pump(PATIENCE, lambda t: b"\x1b]2;study: finished" in t.text[seen:])
    window.press("q")
    assert "3 complete in " in COLOURED.sub("", window.left())


def test_alone_it_lists_the_studies_and_opens_the_chosen_one(workshop, windows, finished):
    window = windows.open(size=(80, 24))
    window.until("study", "finished")
    window.press("\r")
    window.until("#2", "4 #")
    window.press("q")
    assert "3 complete in " in window.left()


def test_a_terminal_without_a_screen_gets_lines(workshop, windows):
    window = windows.open(workshop.study(DONE), variables={"TERM": "dumb"})
    window.while_read(window.terminal.ended, "its end")
    text = window.terminal.text.decode()
    assert "#2" in text
    assert "best: #" in text
    assert "\x1b" not in text
    listing = windows.open(variables={"TERM": "dumb"})
    listing.while_read(listing.terminal.ended, "its end")
    assert b"study" in listing.terminal.text
    assert b"\x1b" not in listing.terminal.text
