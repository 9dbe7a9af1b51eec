"""An app of one word: what any app of Textual's costs before it has done anything."""

from __future__ import annotations

from textual.app import App, ComposeResult
from textual.widgets import Static


class Empty(App[None]):
    """Nothing but the word that its opener waits for."""

    def compose(self) -> ComposeResult:
        yield Static("here")


Empty().run()
