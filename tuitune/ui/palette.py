"""What does the palette offer? The actions of the one table."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from textual.command import DiscoveryHit, Hit, Provider

if TYPE_CHECKING:
    from textual.command import Hits

    from tuitune.ui.app import StudyApp


class ActionCommands(Provider):
    """All actions by title, with their keys; what is said of them stands below."""

    async def discover(self) -> Hits:
        for title, id_, words in self._listed():
            yield DiscoveryHit(title, partial(self._study_app.act, id_), help=words)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for title, id_, words in self._listed():
            score = matcher.match(title)
            if score > 0:
                do = partial(self._study_app.act, id_)
                yield Hit(score, matcher.highlight(title), do, help=words)

    @property
    def _study_app(self) -> StudyApp:
        return self.app  # type: ignore[return-value]  # no other app has this provider

    def _listed(self) -> list[tuple[str, str, str]]:
        keymap = self._study_app.keymap
        return [
            (f"{action.title} ({keymap.shown(id_)})", id_, action.help)
            for id_, action in self._study_app.actions.items()
        ]
