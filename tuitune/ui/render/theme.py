"""Which colours have the widgets of Textual's own?"""

from __future__ import annotations

from typing import Any

from textual.app import App
from textual.theme import Theme

THEME = Theme(  # the same as `paint` has
    name="tuitune",
    primary="#afafd7",
    accent="#ffaf5f",
    foreground="#d0d0d0",
    background="#1c1c1c",
    surface="#262626",
    panel="#3a3a3a",
    success="#87d787",
    warning="#ffd75f",
    error="#ff8787",
    dark=True,
)


def dress(app: App[Any], *, many_colours: bool) -> None:
    """To be called before the app runs: a theme that is set later has all of its CSS read twice."""
    app.register_theme(THEME)
    app.set_reactive(App.theme, THEME.name if many_colours else "ansi-dark")
    app.stylesheet.set_variables(app.get_css_variables())
