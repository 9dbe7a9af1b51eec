"""The pane of a log, and the keys that read it, on files as trials leave them."""

import os

import pytest
from pictures import NOW, look, picture, row, rows, text

from tuitune.ui.actions import reading
from tuitune.ui.panes.log import LogPane
from tuitune.ui.render.lines import Size, width_of

WIDTHS = (60, 80, 140, 200)
SIZE = Size(60, 6)  # five lines of the log


class Desk:
    """As much of an app as reading needs."""

    def __init__(self, folder, letters="rr"):
        self.picture = picture(rows(letters), folder=folder)
        self.seen = look(self.picture, cursor=0)
        self.view = self.seen.view
        self.order = self.seen.order
        self.pane = LogPane()
        self.prompts = []
        self.told = []

    def look(self):
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
        action = next(action for action in reading.ACTIONS if action.id == name)
        assert action.why_not is None or not action.why_not(self.seen)
        action.run(self)

    def shown(self, width=60):
        return text(self.pane.lines(self.seen, Size(width, SIZE.height))).splitlines()


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "trials" / "0000" / "output.log"
    path.parent.mkdir(parents=True)
    path.write_text("".join(f"line {n}\n" for n in range(100)))
    return path


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("wrap", [True, False])
def test_nothing_is_wider_or_higher_than_the_pane(desk, log, width, wrap):
    log.write_text("x" * 1000 + "\n" + "日本語" * 100 + "\n")
    desk.view.wrap = wrap
    lines = desk.pane.lines(desk.seen, Size(width, 8))
    assert len(lines) <= 8
    assert all(width_of(line) <= width for line in lines)
    assert desk.pane.lines(desk.seen, Size(width, 1))[1:] == []


def test_it_follows_what_is_written(desk, log):
    assert "follows" in desk.shown()[0]
    assert desk.shown()[1:] == [f"line {n}" for n in range(95, 100)]
    with log.open("a") as file:
        file.write("news\n")
    assert desk.shown()[-1] == "news"


def test_scrolled_up_it_stays_there_while_more_is_written(desk, log):
    desk.press("log.up")
    desk.press("log.page_up")
    before = desk.shown()[1:]
    assert before[-1] == "line 94"
    with log.open("a") as file:
        file.write("news\n" * 1000)
    assert desk.shown()[1:] == before
    assert "held, " in desk.shown()[0]
    desk.press("log.end")
    assert desk.shown()[-1] == "news"
    assert "follows" in desk.shown()[0]


def test_down_to_the_end_again_it_follows(desk, log):
    desk.press("log.up")
    desk.press("log.down")
    assert desk.view.log_end is None


def test_the_first_page_is_the_furthest_up(desk, log):
    desk.press("log.start")
    assert desk.shown()[1:] == [f"line {n}" for n in range(5)]
    desk.press("log.up")
    assert desk.shown()[1:] == [f"line {n}" for n in range(5)]


def test_a_log_shorter_than_the_pane_can_not_be_scrolled(desk, log):
    log.write_text("one\ntwo\n")
    desk.press("log.start")
    desk.press("log.page_up")
    assert desk.view.log_end is None


def test_the_log_of_another_trial_is_followed_from_its_own_end(desk, log, tmp_path):
    desk.press("log.start")
    other = tmp_path / "trials" / "0001" / "output.log"
    other.parent.mkdir()
    other.write_text("of another\n")
    desk.view.cursor = 1
    assert desk.shown()[-1] == "of another"
    assert "t0001" in desk.shown()[0]


def test_a_log_that_was_cut_or_replaced_is_read_anew(desk, log, tmp_path):
    desk.press("log.page_up")
    os.truncate(log, 14)
    assert desk.shown()[1:] == ["line 0", "line 1"]
    rotated = tmp_path / "new"
    rotated.write_text("after rotation\n")
    rotated.rename(log)
    assert desk.shown()[1:] == ["after rotation"]
    log.unlink()
    assert "has no log any more" in " ".join(desk.shown())


def test_what_is_said_where_there_is_no_log(desk, tmp_path, log):
    log.write_text("")
    assert "t0000 has printed nothing yet" in desk.shown()[1]
    desk.picture.rows[1] = row(1, "w")
    desk.view.cursor = 1
    assert "was not started yet" in desk.shown()[1]
    desk.picture.rows[1] = row(1, "r", phase="starting", pid=None, launched=NOW)
    assert "t0001 is starting" in desk.shown()[1]
    desk.view.cursor = None
    assert "no trial has printed" in desk.shown()[1]


def test_long_lines_are_cut_or_go_on_in_the_next(desk, log):
    log.write_text("a" * 59 + "bcd" + "e" * 10 + "\n")
    assert desk.shown()[1].endswith("a~")
    desk.press("log.wrap")
    assert desk.shown()[1:] == ["a" * 59 + "b", "cd" + "e" * 10]


def test_a_text_is_looked_for_upwards_and_back_down(desk, log):
    desk.press("log.find")
    prompt = desk.prompts[0]
    prompt.seen("line 5")
    assert desk.view.find == "line 5"
    prompt.done("line 5")
    assert desk.shown()[-1] == "line 59"
    desk.press("log.find_up")
    assert desk.shown()[-1] == "line 58"
    desk.press("log.find_down")
    assert desk.shown()[-1] == "line 59"
    desk.press("log.find_down")
    assert desk.told == ["no 'line 5' below"]
    assert "find 'line 5'" in desk.shown()[0]


def test_what_was_found_is_marked_by_more_than_a_colour(desk, log):
    desk.view.find = "LINE 9"
    marked = [part for line in desk.pane.lines(desk.seen, SIZE) for part in line]
    assert ("line 9", "accent reverse") in marked


def test_a_search_that_is_given_up_leaves_what_was_looked_for_before(desk, log):
    desk.view.find = "before"
    desk.press("log.find")
    desk.prompts[0].seen("something else")
    desk.prompts[0].dropped()
    assert desk.view.find == "before"


def test_keys_that_need_a_log_or_a_text_say_so(desk):
    reasons = {a.id: a.why_not(desk.seen) for a in reading.ACTIONS if a.why_not}
    assert set(reasons.values()) == {"there is no log yet"}


def test_no_text_of_a_trial_can_be_an_escape_code(desk, log):
    log.write_bytes(b"\x1b]52;c;aGk=\x07\x1b[31mred\x1b[0m\x9b2J\n[link=x]y[/link]\n")
    shown = "".join(desk.shown())
    assert shown.isprintable()
    assert "[link=x]y[/link]" in shown


def test_frozen_means_that_nothing_moves(desk, log):
    desk.view.frozen = True
    before = desk.shown()
    with log.open("a") as file:
        file.write("news\n")
    assert desk.shown() == before


def test_nothing_new_is_not_read_again(desk, log):
    assert desk.pane.lines(desk.seen, SIZE) is desk.pane.lines(desk.seen, SIZE)


def test_the_log_opens_with_all_the_room(desk):
    desk.press("log.open")
    assert desk.view.focus == desk.view.zoomed == "log"


def test_detail_and_why_are_scrolled_no_further_than_their_ends(desk):
    desk.picture.rows[0] = row(0, "f", error="\n".join(f"line {n}" for n in range(50)))
    desk.press("detail.end")
    far = desk.view.scrolled["detail"]
    assert 40 < far < 70
    desk.press("detail.down")
    assert desk.view.scrolled["detail"] == far
    desk.press("detail.up")
    assert desk.view.scrolled["detail"] == far - 1
    desk.press("detail.start")
    assert desk.view.scrolled["detail"] == 0
    desk.press("why.page_down")
    assert desk.view.scrolled["why"] == 0
    desk.press("why.whole")
    assert desk.view.all_why
