"""The palette: Textual's, without what ends the app there.

A slow line brings keys and clicks together: they reach a palette that has no lines yet, or that is
closed already.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from textual.await_complete import AwaitComplete
from textual.command import CommandList, CommandPalette, DiscoveryHit, Hit, Hits, Provider
from textual.widgets import Input

from tuitune.ui.actions.action import AppActions

if TYPE_CHECKING:
    from textual import events
    from textual.worker import Worker

_FIRST: Final = ("Trials", "Study", "Look", "App", "Move")  # groups as the palette lists them


class Palette(CommandPalette):
    """A choice from all actions."""

    def __init__(self) -> None:
        super().__init__([_ActionCommands])
        self._early = ""  # typed before there was a line to type in
        self._ahead = 0  # characters of the line that have come before it had the focus

    def on_key(self, event: events.Key) -> None:
        """Keeps what has come before the line of the palette has the focus."""
        if event.is_printable and event.character is not None:
            event.stop()
            self._early += event.character
            self._type()

    def on_descendant_focus(self) -> None:
        """The line is there."""
        self._type()

    def _type(self) -> None:
        """Puts it before what has been typed into the line itself."""
        for line in self.query(Input):
            cursor = line.cursor_position + len(self._early)
            line.insert(self._early, self._ahead)
            line.cursor_position = cursor
            self._ahead += len(self._early)
            self._early = ""

    def dismiss(self, result: None = None) -> AwaitComplete:
        """Closes it; nothing if another screen is shown, which would be closed instead."""
        return super().dismiss(result) if self.app.screen is self else AwaitComplete()

    def run_worker(self, *work: Any, **options: Any) -> Worker[Any]:
        """Searches for actions; a search may find that the palette has been closed."""
        return super().run_worker(*work, **{**options, "exit_on_error": False})

    def _action_command_list(self, action: str) -> None:
        """Moves in the list, once it has a place on the screen."""
        if self.query_one(CommandList).scrollable_content_region:
            super()._action_command_list(action)


class _ActionCommands(Provider):
    """The actions in the palette: title and key, with the help below."""

    async def discover(self) -> Hits:
        for title, id_, words in self._listed():
            yield DiscoveryHit(title, partial(self._app.act, id_), help=words)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for title, id_, words in self._listed():
            score = matcher.match(title)
            if score > 0:
                do = partial(self._app.act, id_)
                yield Hit(score, matcher.highlight(title), do, help=words)

    @property
    def _app(self) -> AppActions:
        return cast("AppActions", self.screen)  # the screen that the palette was opened on

    def _listed(self) -> list[tuple[str, str, str]]:
        shown = self._app.context().keymap.shown
        actions = sorted(self._app.actions.values(), key=lambda one: _FIRST.index(one.group))
        return [(f"{one.title} ({shown(one.id)})", one.id, one.help) for one in actions]
