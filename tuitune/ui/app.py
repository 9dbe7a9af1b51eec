"""The app: the screens of one terminal, of which the first is a study or the list of studies."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import App

from tuitune.ui.render.paint import dress

if TYPE_CHECKING:
    from textual.screen import Screen

    from tuitune.ui.state.options import Options


class TuituneApp(App[None]):
    """Shows its first screen until its user leaves."""

    CSS_PATH: ClassVar = "app.tcss"
    AUTO_FOCUS: ClassVar = ""
    ENABLE_COMMAND_PALETTE: ClassVar = False  # an action of our own opens it
    TITLE = "tuitune"

    def __init__(self, first: Screen[None], options: Options) -> None:
        super().__init__(ansi_color=True)  # colours go out as they are numbered, not as RGB
        dress(self, many_colours=options.many_colours)
        self._first = first

    def get_default_screen(self) -> Screen[None]:
        """The first screen takes the place of an empty one."""
        return self._first

    def action_help_quit(self) -> None:
        """Ctrl+C over any screen is for that of the study, or for the list of studies."""
        below = (
            screen for screen in self.screen_stack[::-1] if hasattr(screen, "action_interrupt")
        )
        self.call_next(self.run_action, "interrupt", next(below))

    async def action_quit(self) -> None:
        """Leaves at the key of Textual's own, Ctrl+Q."""
        self.exit()
