"""The app: the screens of one terminal, of which the first is a study or the list of studies."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import App

from tuitune.ui.render.paint import dress
from tuitune.ui.render.terminal import LateAnswer
from tuitune.ui.render.themes import THEMES

if TYPE_CHECKING:
    from textual.screen import Screen

    from tuitune.ui.state.options import Options


class TuituneApp(App[None]):
    """Shows the screen it is given until the user leaves."""

    CSS_PATH: ClassVar = "app.tcss"
    AUTO_FOCUS: ClassVar = ""
    ENABLE_COMMAND_PALETTE: ClassVar = False  # `app.palette` opens it
    TITLE = "tuitune"

    def __init__(self, first: Screen[None], options: Options) -> None:
        super().__init__(ansi_color=True)  # colours are sent by number, not as RGB
        dress(self, THEMES[options.theme])
        self._first = first
        self._late_answer = LateAnswer() if options.answer_is_late else None

    def get_default_screen(self) -> Screen[None]:
        """Replaces Textual's empty default screen."""
        return self._first

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
