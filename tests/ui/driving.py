"""The app on a real study with a real engine: keys go in, what the engine did comes out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from textual import events
from textual.keys import _character_to_key
from textual.pilot import Pilot
from workshop import PATIENCE, Workshop, wait_until

from tuitune.store import owner
from tuitune.store.errors import StoreError
from tuitune.studyfile import StudyFileError
from tuitune.ui.app import TuituneApp
from tuitune.ui.configuration import configured
from tuitune.ui.screens.study import StudyScreen
from tuitune.ui.state.options import Options, TrainOn
from tuitune.ui.state.source import Source

# Reports until a file named after it, or for all, says that it may end; saves when asked.
TRAIN = """
import pathlib, time

def train(trial):
    start = int((trial.resume_path / "step").read_text()) if trial.resume_path else 0
    for step in range(start + 1, 100_000):
        trial.report(
            loss=trial.config["x"] + 1 / step,
            save=lambda folder: (folder / "step").write_text(str(step)),
        )
        here = pathlib.Path("end")
        if here.exists() or pathlib.Path(f"end-{trial.number}").exists():
            return
        if pathlib.Path(f"fail-{trial.number}").exists():
            raise ValueError("told to fail")
        time.sleep(0.02)
"""


def pressed(key: str) -> events.Key:
    """A key as the terminal's driver makes it. key: a character, or a name as "enter"."""
    if len(key) == 1:
        return events.Key(_character_to_key(key), key)
    named = {"enter": "\r", "escape": "\x1b", "tab": "\t", "space": " "}
    return events.Key(key, named.get(key))


class Driver:
    """The app, the screen of its study, and its keyboard."""

    def __init__(self, study: StudyScreen, pilot: Pilot[None]) -> None:
        self.app = pilot.app
        self.study = study
        self.pilot = pilot

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    def at_once(self, *keys: str) -> None:
        """Keys that a terminal sends in one piece, as over a slow line: nothing waits between."""
        for key in keys:
            self.app.post_message(pressed(key))

    async def type(self, text: str) -> None:
        await self.pilot.press(*text)

    async def until(self, condition: Callable[[], Any], what: str) -> None:
        """Waits for it while the app goes on; AssertionError, with the screen, where it doesn't come."""
        end = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > end:
                raise AssertionError(f"{what} did not come; the screen says\n{self.screen()}")
            await self.pilot.pause(0.02)

    async def until_state(self, number: int, *states: str) -> None:
        def reached() -> bool:
            row = self.study.snapshot.row(number)
            return row is not None and row.state in states

        await self.until(reached, f"trial {number} {states}")

    async def until_running(self, count: int) -> None:
        """With a report each, so that they can save."""

        def reached() -> bool:
            rows = self.study.snapshot.rows
            return sum(row.state == "RUNNING" and row.step is not None for row in rows) >= count

        await self.until(reached, f"{count} running trials")

    async def until_said(self, words: str) -> None:
        await self.until(lambda: words in self.said(), repr(words))

    async def until_shown(self, *words: str) -> None:
        def shown() -> bool:
            screen = self.screen()
            return all(word in screen for word in words)

        await self.until(shown, f"{words} on the screen")

    async def cursor_to(self, number: int) -> None:
        await self.press("colon", *str(number), "enter")
        await self.until(
            lambda: self.study.selection.cursor == number, f"the cursor on trial {number}"
        )

    def said(self) -> str:
        """The flash line."""
        flash = self.study.status_line.flash
        return "" if flash is None else flash.text

    def asked(self) -> str:
        question = self.study.status_line.question
        return "" if question is None else question.text

    def screen(self) -> str:
        """All that is on the terminal, line by line."""
        width, height = self.app.size
        lines = self.app.screen._compositor.render_strips()
        return "\n".join(strip.text.rstrip()[:width] for strip in lines[:height])


def start(workshop: Workshop, *, trials: int = 4, more: str = "") -> Path:
    """An engine on a study of two trials at a time; its folder."""
    file = workshop.study(TRAIN, more, trials=trials)
    workshop.start(file, "--no-ui")
    folder = workshop.folder()
    wait_until(lambda: owner.running(folder) and can_be_read(folder), "the engine")
    return folder


def can_be_read(folder: Path) -> bool:
    """The file is written, and the database has the study in it."""
    try:
        source = Source(folder, "study.toml", time.time())
    except (StoreError, StudyFileError):
        return False
    opened = source.snapshot.study.settings is not None
    source.close()
    return opened


def drive(
    folder: Path,
    scenario: Callable[[Driver], Awaitable[None]],
    *,
    readonly: bool = False,
    restart: Callable[[], str] | None = None,
    train: TrainOn | None = None,
    size: tuple[int, int] = (120, 40),
) -> TuituneApp:
    """Plays the scenario on the app; the app as it was left."""

    async def play() -> TuituneApp:
        source = Source(folder, "study.toml", time.time())
        options = Options(readonly=readonly, tick=0.05)
        study = StudyScreen(source, configured(), options, restart, train)
        app = TuituneApp(study, options)
        async with app.run_test(size=size) as pilot:
            await scenario(Driver(study, pilot))
        return app

    return asyncio.run(play())
