"""The app: it reads the store, sends requests to the engine, and holds no state of the study.

Textual is imported only when an app is opened, so that other commands start faster.
"""

# ruff: noqa: PLC0415 - see above

from __future__ import annotations

import gc
import os
import signal
import time
from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

if TYPE_CHECKING:
    from pathlib import Path

    from textual.app import App
    from textual.screen import Screen

    from tuitune.ui.screens.study import StudyScreen
    from tuitune.ui.state.options import OpenedStudy, Options, StudyList


def load(
    *, readonly: bool = False, ascii_only: bool = False, no_color: bool = False, theme: str = ""
) -> Options:
    """Imports all modules of the app and returns its options; may run while an engine starts.

    theme: "" for that of the user's file, else by the terminal's background.
    """
    from tuitune.ui.state.options import options_for, prepare

    gc.disable()  # until the first paint: no object made before it is garbage
    options = options_for(
        os.environ, readonly=readonly, ascii_only=ascii_only, no_color=no_color, theme=theme
    )
    prepare(os.environ, options, no_color=no_color)
    from tuitune.ui.render.terminal import asked

    with asked(os.environ, ground=not options.theme, width=not options.ascii) as answer:
        import tuitune.ui.screens.study  # noqa: F401 - while the terminal answers

        light, wide, late = answer()
    return replace(options, is_light=light, ascii=options.ascii or wide, answer_is_late=late)


def open_app(
    studies: StudyList, options: Options, study: OpenedStudy | None = None
) -> tuple[int, OpenedStudy | None]:
    """Show a study, or the list to choose one from, until the user leaves; `options`: of `load`.

    Returns the exit status, above 128 after SIGTERM and SIGUSR1, and the study that was left; None
    if the list was. Raises ConfigurationError, and StoreError and StudyFileError about the study to
    start with.
    """
    from tuitune.ui.app import TuituneApp
    from tuitune.ui.configuration import load_configuration
    from tuitune.ui.screens.study import StudyScreen
    from tuitune.ui.state.source import Source

    configuration = load_configuration()
    by_ground = "light" if options.is_light else "dark"
    options = replace(options, theme=options.theme or configuration.theme or by_ground)
    shown: list[OpenedStudy | None] = []

    def screen_of(study: OpenedStudy) -> StudyScreen:
        source = Source(study.folder, study.file, time.time(), options.devices_tick)
        shown.append(study)
        restart, train = study.restart, study.train
        if options.readonly:
            restart = train = None
        return StudyScreen(source, configuration, options, restart, train)

    def listed(folder: Path | None = None) -> Screen[None]:
        from tuitune.ui.screens.studies import StudiesScreen

        return StudiesScreen(
            studies.runs,
            configuration.keymap,
            options,
            lambda folder: screen_of(studies.find(folder)),
            restart_of=lambda folder: studies.find(folder).restart,
            left=lambda: shown.append(None),
            cursor=folder,
        )

    app = TuituneApp(listed() if study is None else screen_of(study), options, listed)
    # a lost terminal ends the app, even if it was started with SIGHUP ignored, as by nohup
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, partial(_leave, app))
    try:
        app.run()
    finally:
        app.terminal_title.restore()
    return app.return_code or 0, shown[-1] if shown else None


def _leave(app: App[None], number: int, _: object) -> None:
    """Leave as by a key, which restores the terminal, with a shell's status for the signal."""
    from asyncio import get_running_loop

    try:
        loop = get_running_loop()
    except RuntimeError:  # the app has not begun, or has ended
        raise SystemExit(128 + number) from None
    # From another thread's view, so that the loop wakes up for it
    loop.call_soon_threadsafe(partial(app.exit, return_code=128 + number))
