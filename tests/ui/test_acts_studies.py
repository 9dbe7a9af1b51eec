"""The list of this machine's studies."""

from __future__ import annotations

import asyncio

import pytest
from driving import TRAIN
from workshop import wait_until

from tuitune.store import owner
from tuitune.ui.actions.registry import ACTIONS
from tuitune.ui.state.keymap import Keymap
from tuitune.ui.state.options import Options
from tuitune.ui.state.studies import Studies
from tuitune.ui.studies_app import StudiesApp


@pytest.fixture
def apart(tmp_path, monkeypatch):
    """A registry of its own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path.resolve() / "state"))


@pytest.fixture
def three(workshop, apart):
    """A study that is finished, one interrupted, one running."""
    quick = "def train(trial):\n    trial.report(loss=trial.config['x'])\n"
    done = workshop.run(workshop.study(quick, name="ended", trials=2), "--no-ui")
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("halfway", "going"):
        workshop.start(workshop.study(TRAIN, name=name, trials=3), "--no-ui")
    for name in ("halfway", "going"):
        wait_until(lambda name=name: owner.running(workshop.folder(name)), "its engine")
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
    assert [e.name for e in studies.listed("runs inter")] == ["halfway"]
    studies.close()


def test_a_study_is_chosen_from_the_list(three):
    async def play():
        app = StudiesApp(three.path / "runs", Keymap(ACTIONS), Options())
        async with app.run_test(size=(80, 24)) as pilot:
            while not ("Studies 3" in text_of(app) and "interrupted" in text_of(app)):
                await pilot.pause(0.02)
            assert "going" in text_of(app)
            await pilot.press("/", *"half", "enter")
            assert "Studies 1" in text_of(app)
            await pilot.press("escape")
            assert "Studies 3" in text_of(app)
            await pilot.press("j", "enter")
        return app.return_value

    assert asyncio.run(play()) == three.folder("halfway")


def test_where_there_are_none_the_next_step_is_said(tmp_path, apart):
    async def play():
        app = StudiesApp(tmp_path / "runs", Keymap(ACTIONS), Options(ascii=True))
        async with app.run_test(size=(60, 16)) as pilot:
            await pilot.pause()
            screen = text_of(app)
            assert "No studies yet." in screen
            assert "tuitune STUDY.toml" in screen
            assert screen.isascii()
            await pilot.press("enter", "q")
        return app.return_value

    assert asyncio.run(play()) is None


def test_what_cannot_be_read_is_said_and_not_opened(tmp_path, apart):
    broken = tmp_path / "runs" / "broken"
    broken.mkdir(parents=True)
    (broken / "study.db").write_bytes(b"no database" * 100)
    (broken / "study.toml").write_text("")

    async def play():
        app = StudiesApp(tmp_path / "runs", Keymap(ACTIONS), Options())
        async with app.run_test(size=(120, 20)) as pilot:
            await pilot.pause()
            assert "unreadable" in text_of(app)
            await pilot.press("enter")
            assert app.is_running
            await pilot.press("q")
        return app.return_value

    assert asyncio.run(play()) is None


def text_of(app):
    return "\n".join(strip.text.rstrip() for strip in app.screen._compositor.render_strips())
