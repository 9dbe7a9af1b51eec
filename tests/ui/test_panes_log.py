"""The pane of a log, and the keys that read it, on files as trials leave them."""

import os

import pytest
from pictures import NOW, context, row, rows, snapshot, text

from tuitune.ui.panes import detail, log as log_pane
from tuitune.ui.panes.log import LogPane
from tuitune.ui.render.lines import Size, width_of

ACTIONS = (*detail.PANE.actions, *log_pane.PANE.actions)
WIDTHS = (60, 80, 140, 200)
SIZE = Size(60, 6)  # five lines of the log


class FakeApp:
    """As much of an app as reading needs."""

    def __init__(self, folder, letters="rr"):
        self.snapshot = snapshot(rows(letters), folder=folder)
        self.seen = context(self.snapshot, cursor=0)
        self.selection = self.seen.selection
        self.order = self.seen.order
        self.pane = LogPane()
        self.prompts = []
        self.told = []

    def context(self):
        return self.seen

    def size_of(self, pane):
        return SIZE

    def prompt(self, prompt):
        self.prompts.append(prompt)

    def say(self, words, role="text"):
        self.told.append(words)

    def move(self):
        pass

    def press(self, name):
        action = next(action for action in ACTIONS if action.id == name)
        assert action.why_not is None or not action.why_not(self.seen)
        action.run(self)

    def shown(self, width=60):
        return text(self.pane.lines(self.seen, Size(width, SIZE.height))).splitlines()


@pytest.fixture
def app(tmp_path):
    return FakeApp(tmp_path)


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "trials" / "0000" / "output.log"
    path.parent.mkdir(parents=True)
    path.write_text("".join(f"line {n}\n" for n in range(100)))
    return path


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("wrap", [True, False])
def test_nothing_is_wider_or_higher_than_the_pane(app, log, width, wrap):
    log.write_text("x" * 1000 + "\n" + "日本語" * 100 + "\n")
    app.selection.wrap = wrap
    lines = app.pane.lines(app.seen, Size(width, 8))
    assert len(lines) <= 8
    assert all(width_of(line) <= width for line in lines)
    assert app.pane.lines(app.seen, Size(width, 1))[1:] == []


def test_it_follows_what_is_written(app, log):
    assert "follows" in app.shown()[0]
    assert app.shown()[1:] == [f"line {n}" for n in range(95, 100)]
    with log.open("a") as file:
        file.write("news\n")
    assert app.shown()[-1] == "news"


def test_scrolled_up_it_stays_there_while_more_is_written(app, log):
    app.press("log.up")
    app.press("log.page_up")
    before = app.shown()[1:]
    assert before[-1] == "line 94"
    with log.open("a") as file:
        file.write("news\n" * 1000)
    assert app.shown()[1:] == before
    assert "scrolled, " in app.shown()[0]
    app.press("log.end")
    assert app.shown()[-1] == "news"
    assert "follows" in app.shown()[0]


def test_down_to_the_end_again_it_follows(app, log):
    app.press("log.up")
    app.press("log.down")
    assert app.selection.log_end is None


def test_the_first_page_is_the_furthest_up(app, log):
    app.press("log.start")
    assert app.shown()[1:] == [f"line {n}" for n in range(5)]
    app.press("log.up")
    assert app.shown()[1:] == [f"line {n}" for n in range(5)]


def test_a_log_shorter_than_the_pane_can_not_be_scrolled(app, log):
    log.write_text("one\ntwo\n")
    app.press("log.start")
    app.press("log.page_up")
    assert app.selection.log_end is None


def test_the_log_of_another_trial_is_followed_from_its_own_end(app, log, tmp_path):
    app.press("log.start")
    other = tmp_path / "trials" / "0001" / "output.log"
    other.parent.mkdir()
    other.write_text("of another\n")
    app.selection.cursor = 1
    assert app.shown()[-1] == "of another"
    assert "#1" in app.shown()[0]


def test_a_log_that_was_cut_or_replaced_is_read_anew(app, log, tmp_path):
    app.press("log.page_up")
    os.truncate(log, 14)
    assert app.shown()[1:] == ["line 0", "line 1"]
    rotated = tmp_path / "new"
    rotated.write_text("after rotation\n")
    rotated.rename(log)
    assert app.shown()[1:] == ["after rotation"]
    log.unlink()
    assert "has no log any more" in " ".join(app.shown())


def test_what_is_said_where_there_is_no_log(app, tmp_path, log):
    log.write_text("")
    assert "#0 has printed nothing yet" in app.shown()[1]
    app.snapshot.rows[0] = row(0, "c")
    assert app.shown()[1].strip() == "#0 has printed nothing"
    app.snapshot.rows[1] = row(1, "w")
    app.selection.cursor = 1
    assert "was not started yet" in app.shown()[1]
    app.snapshot.rows[1] = row(1, "r", activity="starting", pid=None, launched=NOW)
    assert "#1 is starting" in app.shown()[1]
    app.selection.cursor = None
    assert "no trial has printed" in app.shown()[1]


def test_long_lines_are_cut_or_go_on_in_the_next(app, log):
    log.write_text("a" * 59 + "bcd" + "e" * 10 + "\n")
    assert app.shown()[1].endswith("a~")
    app.press("log.wrap")
    assert app.shown()[1:] == ["a" * 59 + "b", "cd" + "e" * 10]


def test_a_text_is_looked_for_upwards_and_back_down(app, log):
    app.press("log.find")
    prompt = app.prompts[0]
    prompt.seen("line 5")
    assert app.selection.find == "line 5"
    prompt.done("line 5")
    assert app.shown()[-1] == "line 59"
    app.press("log.find_up")
    assert app.shown()[-1] == "line 58"
    app.press("log.find_down")
    assert app.shown()[-1] == "line 59"
    app.press("log.find_down")
    assert app.told == ["no 'line 5' below"]
    assert "find 'line 5'" in app.shown()[0]


def test_what_was_found_is_marked_by_more_than_a_colour(app, log):
    app.selection.find = "LINE 9"
    marked = [part for line in app.pane.lines(app.seen, SIZE) for part in line]
    assert ("line 9", "accent reverse") in marked


def test_a_search_that_is_given_up_leaves_what_was_looked_for_before(app, log):
    app.selection.find = "before"
    app.press("log.find")
    app.prompts[0].seen("something else")
    app.prompts[0].dropped()
    assert app.selection.find == "before"


def test_keys_that_need_a_log_or_a_text_say_so(app):
    reasons = {a.id: a.why_not(app.seen) for a in log_pane.PANE.actions if a.why_not}
    assert set(reasons.values()) == {"there is no log yet"}


def test_no_text_of_a_trial_can_be_an_escape_code(app, log):
    log.write_bytes(b"\x1b]52;c;aGk=\x07\x1b[31mred\x1b[0m\x9b2J\n[link=x]y[/link]\n")
    shown = "".join(app.shown())
    assert shown.isprintable()
    assert "[link=x]y[/link]" in shown


def test_frozen_means_that_nothing_moves(app, log):
    app.selection.frozen = True
    before = app.shown()
    with log.open("a") as file:
        file.write("news\n")
    assert app.shown() == before


def test_nothing_new_is_not_read_again(app, log):
    assert app.pane.lines(app.seen, SIZE) is app.pane.lines(app.seen, SIZE)


def test_the_log_opens_with_all_the_room(app):
    app.press("log.open")
    assert app.selection.focus == app.selection.zoomed == "log"


def test_the_detail_is_scrolled_no_further_than_their_ends(app):
    app.snapshot.rows[0] = row(0, "f", error="\n".join(f"line {n}" for n in range(50)))
    app.press("detail.end")
    far = app.selection.scrolled["detail"]
    assert 40 < far < 70
    app.press("detail.down")
    assert app.selection.scrolled["detail"] == far
    app.press("detail.up")
    assert app.selection.scrolled["detail"] == far - 1
    app.press("detail.start")
    assert app.selection.scrolled["detail"] == 0
    app.press("why.whole")
    assert app.selection.all_why
