"""The app: the screens of one terminal, of which the first is a study or the list of studies."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events
from textual.app import App
from textual.drivers.linux_driver import LinuxDriver

from tuitune.ui.render import driver, paint, terminal, themes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from textual.driver import Driver
    from textual.screen import Screen

    from tuitune.ui.state.options import Options


class TuituneApp(App[None]):
    """Shows the screen it is given until the user leaves."""

    CSS_PATH: ClassVar = "app.tcss"
    AUTO_FOCUS: ClassVar = ""
    ENABLE_COMMAND_PALETTE: ClassVar = False  # `app.palette` opens it
    TITLE = "tuitune"

    def __init__(
        self,
        first: Screen[None],
        options: Options,
        studies: Callable[[Path], Screen[None]] | None = None,
    ) -> None:
        """studies: makes the list of studies with the cursor on one, by its folder."""
        super().__init__(ansi_color=True)  # colours are sent by number, not as RGB
        paint.dress(self, themes.THEMES[options.theme])
        self._first = first
        self._studies = studies
        self.terminal_title = terminal.Title(self._write, os.environ)
        self._late_answer = terminal.LateAnswer() if options.answer_is_late else None

    def get_driver_class(self) -> type[Driver]:
        """Replaces Textual's driver of terminals; a browser has its own."""
        found = super().get_driver_class()
        return driver.TerminalDriver if found is LinuxDriver else found

    def get_default_screen(self) -> Screen[None]:
        """Replaces Textual's empty default screen."""
        return self._first

    def action_suspend_process(self) -> None:
        """Puts the terminal's title back before the shell is seen again."""
        self.terminal_title.restore()
        super().action_suspend_process()

    def _write(self, sequence: str) -> None:
        """Writes to the terminal between two frames; directly after the last one."""
        if self._driver is not None and self.is_running:
            self._driver.write(sequence)
        elif sys.__stderr__ is not None and sys.__stderr__.isatty():
            sys.__stderr__.write(sequence)
            sys.__stderr__.flush()

    async def show_studies(self, folder: Path) -> None:
        """Goes back to the list of studies, or opens it over the study that the app began with.

        folder: of the study that is shown.
        """
        if len(self.screen_stack) > 1:
            await self.pop_screen()
        elif self._studies is not None:
            await self.push_screen(self._studies(folder))

    async def on_event(self, event: events.Event) -> None:
        """Drops the keys of an answer that the terminal gives too late."""
        late = self._late_answer
        if late and isinstance(event, events.Key) and late.takes(event, time.monotonic()):
            return
        await super().on_event(event)

    def action_help_quit(self) -> None:
        """Passes Ctrl+C to the topmost screen that handles it."""
        below = (
            screen for screen in self.screen_stack[::-1] if hasattr(screen, "action_interrupt")
        )
        self.call_next(self.run_action, "interrupt", next(below))

    async def action_quit(self) -> None:
        """Leaves the app at Textual's own key, Ctrl+Q."""
        self.exit()


def show_title(app: App[Any], text: str) -> None:
    """Sets the title of the terminal, if it is one of this app."""
    if isinstance(app, TuituneApp):
        app.terminal_title.show(text)


def passed_on(screen: Screen[Any], event: events.Key) -> bool:
    """Passes a key to the screen that has come to the top since; whether there is one.

    Keys that come together wait at the screen that is on top when they come. The first may open
    another one, or close this, and the rest is meant for what is seen then.
    """
    if screen.app.screen is screen:
        return False
    event.stop()
    event.prevent_default()
    screen.app.post_message(events.Key(event.key, event.character))
    return True
