"""The list of this machine's studies."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest
from driving import TRAIN
from stills import text_of
from textual.events import Key
from workshop import PATIENCE, wait_until

from tuitune.cli.app import _stored
from tuitune.store import owner
from tuitune.store.errors import StoreError
from tuitune.ui.app import TuituneApp
from tuitune.ui.configuration import configured
from tuitune.ui.screens.studies import StudiesScreen
from tuitune.ui.screens.study import StudyScreen
from tuitune.ui.state.options import Options
from tuitune.ui.state.source import Source
from tuitune.ui.state.studies import Studies


@pytest.fixture
def apart(tmp_path, monkeypatch):
    """A registry of its own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path.resolve() / "state"))


def begun(workshop, name):
    with contextlib.suppress(StoreError):
        return bool(workshop.trials(name))


@pytest.fixture
def three(workshop, apart):
    """A study that is finished, one interrupted, one running."""
    quick = "def train(trial):\n    trial.report(loss=trial.config['x'])\n"
    done = workshop.run(workshop.study(quick, name="ended", trials=2), "--no-ui")
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("halfway", "going"):
        workshop.start(workshop.study(TRAIN, name=name, trials=3), "--no-ui")
    for name in ("halfway", "going"):  # one that is stopped before has left no study
        wait_until(lambda name=name: begun(workshop, name), "its trials")
    wait_until(lambda: workshop.run("stop", "halfway").returncode == 0, "its engine's answer")
    wait_until(lambda: owner.running(workshop.folder("halfway")) is None, "its end")
    return workshop


def test_studies_are_told_with_their_state(three):
    studies = Studies(three.path / "runs")
    wait_until(
        lambda: not studies.refresh() and "…" not in {e.state for e in studies.listed()}, "all"
    )
    assert [(e.name, e.state) for e in studies.listed()] == [
        ("going", "running"),
        ("halfway", "interrupted"),
        ("ended", "finished"),
    ]
    ended = studies.listed("ended")[0]
    assert (ended.done, ended.total, ended.metric) == (2, 2, "loss")
    assert ended.best is not None
    assert ended.trial in (0, 1)
    assert studies.listed("nothing like it") == []
    assert [e.name for e in studies.listed("a inter")] == ["halfway"]
    assert studies.listed("runs") == []  # the folder that all of them are in
    assert len(studies.listed("/runs")) == 3
    studies.close()


def listed(runs, screen_of=None, restart_of=lambda _: None, **options):
    """The app on the list of this folder's studies."""
    look = Options(**options)
    screen = StudiesScreen(runs, configured().keymap, look, screen_of, restart_of=restart_of)
    return TuituneApp(screen, look)


def drive_list(app, scenario, size=(100, 24)):
    """Plays the scenario, which gets a pilot and a function that waits for words on the screen."""

    async def play():
        async with app.run_test(size=size) as pilot:

            async def until(*words, gone=()):
                end = time.monotonic() + PATIENCE
                while not all(word in text_of(app) for word in words) or any(
                    word in text_of(app) for word in gone
                ):
                    assert time.monotonic() < end, f"{words} did not come\n{text_of(app)}"
                    await pilot.pause(0.02)

            await scenario(pilot, until)

    asyncio.run(play())


def test_a_study_is_opened_from_the_list_in_the_same_app(three):
    def screen_of(folder):
        source = Source(folder, "halfway.toml", time.time())
        return StudyScreen(source, configured(), Options())

    async def play():
        app = listed(three.path / "runs", screen_of)
        async with app.run_test(size=(80, 24)) as pilot:
            while not ("Studies 3" in text_of(app) and "interrupted" in text_of(app)):
                await pilot.pause(0.02)
            assert "going" in text_of(app)
            await pilot.press("/", *"half", "enter")
            assert "Studies 1" in text_of(app)
            await pilot.press("escape")
            assert "Studies 3" in text_of(app)
            await pilot.press("j", "enter")
            while "Trials" not in text_of(app):
                await pilot.pause(0.02)
            assert app.screen.snapshot.folder == three.folder("halfway")
            await pilot.press("q")
        return app.return_code

    assert asyncio.run(play()) == 0


def test_a_study_that_can_not_be_opened_any_more_is_said_in_the_list(three):
    def screen_of(folder):
        raise StoreError(f"{folder.name}: there is no study here")

    async def play():
        app = listed(three.path / "runs", screen_of)
        async with app.run_test(size=(80, 24)) as pilot:
            while "going" not in text_of(app):
                await pilot.pause(0.02)
            await pilot.press("enter")
            assert "there is no study here" in text_of(app)
            await pilot.press("j")
            assert "enter open" in text_of(app)
            await pilot.press("ctrl+c")
        return app.return_code

    assert asyncio.run(play()) == 0


def test_where_there_are_none_the_next_step_is_said(tmp_path, apart):
    async def play():
        app = listed(tmp_path / "runs", ascii=True)
        async with app.run_test(size=(60, 16)) as pilot:
            await pilot.pause()
            screen = text_of(app)
            assert "No studies yet." in screen
            assert "tuitune STUDY.toml" in screen
            assert screen.isascii()
            await pilot.press("enter", "q")
        return app.return_code

    assert asyncio.run(play()) == 0


def test_what_cannot_be_read_is_said_and_not_opened(tmp_path, apart):
    broken = tmp_path / "runs" / "broken"
    broken.mkdir(parents=True)
    (broken / "study.db").write_bytes(b"no database" * 100)
    (broken / "study.toml").write_text("")

    async def play():
        app = listed(tmp_path / "runs")
        async with app.run_test(size=(120, 20)) as pilot:
            await pilot.pause()
            assert "unreadable" in text_of(app)
            await pilot.press("enter")
            assert app.is_running
            await pilot.press("q")
        return app.return_code

    assert asyncio.run(play()) == 0


def test_a_study_is_paused_resumed_and_stopped_in_the_list(three):
    async def scenario(pilot, until):
        await until("Studies 3", "1 running", "interrupted")
        await pilot.press("P")
        await until("going: no new trial is launched", "paused")
        await pilot.press("P")
        await until("pause going: launching is paused already")
        await pilot.press("R")
        await until("going: trials are launched again")
        await pilot.press("D")
        await until("delete going: an engine runs it; stop it first")
        await pilot.press("Q", "s")
        await until("type stop to stop going: its running trials (2) save and leave")
        await pilot.press(*"stop", "enter")
        await until("going is stopping: its running trials save and leave")
        await until("c continue", gone=("1 running",))

    drive_list(listed(three.path / "runs"), scenario)
    assert owner.running(three.folder("going")) is None


def test_a_study_is_continued_in_the_list(three, monkeypatch):
    monkeypatch.chdir(three.path)
    monkeypatch.setenv("NO_COLOR", "1")

    async def scenario(pilot, until):
        await until("Studies 3", "interrupted")
        await pilot.press("j", "c")
        await until("halfway: an engine runs it again", "2 running")
        await pilot.press("G", "c")
        await until("continue ended: it is finished; open it to add trials")

    runs = three.path / "runs"
    drive_list(listed(runs, restart_of=lambda folder: _stored(folder).restart), scenario)
    assert owner.running(three.folder("halfway")) is not None


def test_a_study_is_deleted_in_the_list_once_its_name_is_typed(three):
    async def scenario(pilot, until):
        await until("Studies 3", "finished")
        await pilot.press("G", "D")
        await until("type ended to delete 2 trials")
        await pilot.press(*"going", "enter")
        await until("D delete")
        await pilot.press("D", *"ended", "enter")
        await until("ended: deleted", "Studies 2")

    drive_list(listed(three.path / "runs"), scenario)
    assert not three.folder("ended").exists()
    assert three.folder("going").exists()


def test_labels_of_keys_are_clicked_and_help_names_them(three):
    async def scenario(pilot, until):
        await until("Studies 3", "finished")
        keys = text_of(pilot.app).splitlines()[-1]
        await pilot.click(offset=(keys.index("help"), 23))
        await until("Filter by name and state", "Delete it with all")
        await pilot.press("escape")
        await pilot.click(offset=(keys.index("filter"), 23))
        await pilot.press(*"ended")
        await until("Studies 1", "/ended")
        await pilot.press("escape")
        await until("Studies 3")
        await pilot.press("ctrl+c")

    drive_list(listed(three.path / "runs"), scenario)


def test_a_list_that_changes_nothing_has_no_such_keys(three):
    async def scenario(pilot, until):
        await until("Studies 3", "1 running", gone=("stop",))
        await pilot.press("Q")
        await until("stop going: this app changes nothing (--readonly)")

    drive_list(listed(three.path / "runs", readonly=True), scenario, size=(80, 8))


def test_from_a_study_one_comes_back_to_the_list(three):
    def screen_of(folder):
        source = Source(folder, "halfway.toml", time.time())
        return StudyScreen(source, configured(), Options())

    runs = three.path / "runs"

    async def scenario(pilot, until):
        await until("Studies 3", "interrupted")
        await pilot.press("j", "enter")
        await until("Trials")
        await pilot.press("z", "escape")
        await until("Trials")
        await pilot.press("escape")
        await until("Studies 3", "> = halfway")
        await pilot.press("enter")
        await until("Trials")
        await pilot.press("ctrl+o")
        await until("Studies 3")

    drive_list(listed(runs, screen_of), scenario)

    async def from_study(pilot, until):
        await until("Trials")
        await pilot.press("escape")
        await until("Trials")
        await pilot.press("ctrl+o")
        await until("Studies 3", "> = halfway")
        await pilot.press("enter")
        await until("Trials")

    look = Options()
    screen = screen_of(three.folder("halfway"))

    def made(folder):
        return StudiesScreen(runs, configured().keymap, look, screen_of, cursor=folder)

    drive_list(TuituneApp(screen, look, made), from_study)


def test_a_filter_that_is_pasted_with_its_enter_filters(three):
    async def scenario(pilot, until):
        await until("Studies 3", "finished")
        for key in (Key("slash", "/"), *(Key(c, c) for c in "ended"), Key("enter", "\r")):
            pilot.app.post_message(key)
        await until("Studies 1", "/ended")

    drive_list(listed(three.path / "runs"), scenario)
