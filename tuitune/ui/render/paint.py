"""Colours of roles, and the theme of Textual's own widgets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.segment import Segment
from rich.style import Style
from textual.app import App
from textual.strip import Strip
from textual.theme import Theme

from tuitune.ui.render.lines import cut, width_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuitune.ui.render.lines import Line

# Colours of the 256-colour palette, by number: half the bytes of RGB colours, and most of the app's
# output is colours. Every terminal with many colours supports them.
COLOURS: Mapping[str, str] = {
    "text": "color(252)",
    "muted": "color(245)",
    "faint": "color(240)",
    "rule": "color(239)",
    "title": "color(146)",
    "accent": "color(215)",
    "info": "color(110)",
    "success": "color(114)",
    "warning": "color(221)",
    "error": "color(210)",
    "line-a": "color(215)",
    "line-b": "color(110)",
    "line-c": "color(176)",
    "line-d": "color(79)",
    "line-e": "color(149)",
    "line-f": "color(211)",
}
ANSI: Mapping[str, str] = {
    "text": "default",
    "muted": "default",
    "faint": "bright_black",
    "rule": "bright_black",
    "title": "default",
    "accent": "yellow",
    "info": "cyan",
    "success": "green",
    "warning": "yellow",
    "error": "red",
    "line-a": "yellow",
    "line-b": "cyan",
    "line-c": "magenta",
    "line-d": "green",
    "line-e": "blue",
    "line-f": "red",
}
BACKGROUNDS: Mapping[str, str] = {
    "under": "color(234)",
    "on-cursor": "color(237)",
    "on-mark": "color(235)",
}
ATTRIBUTES = frozenset({"bold", "dim", "italic", "underline", "reverse"})


class Paint:
    """Turns lines into Textual strips. many_colours: False uses the terminal's 16 colours."""

    def __init__(self, *, many_colours: bool) -> None:
        self._many = many_colours
        self._styles: dict[str, Style] = {}
        self.blank = self.style("")

    def style(self, role: str) -> Style:
        """The style of a role. Raises KeyError for an unknown colour or attribute."""
        known = self._styles.get(role)
        if known is None:
            known = self._styles[role] = self._made(role)
        return known

    def strip(self, line: Line, width: int) -> Strip:
        """The line, filled to `width` with blanks in the background of its last span."""
        line = cut(line, width)
        missing = width - width_of(line)
        spans = [*line, (" " * missing, self._tail(line))] if missing > 0 else line
        styled: list[tuple[str, Style]] = []
        for text, role in spans:
            style = self.style(role)
            before, last = styled[-1] if styled else ("", style)
            blank = text.isspace()
            if (blank or not before or before.isspace() or style is last) and _same_blank(
                style, last
            ):
                # a blank looks the same in either style; fewer style changes save most bytes
                styled[-1:] = [(before + text, last if blank else style)]
            else:
                styled.append((text, style))
        return Strip([Segment(text, style) for text, style in styled], width)

    @staticmethod
    def _tail(line: Line) -> str:
        words = line[-1][1].split() if line else ()
        return " ".join(w for w in words if w in BACKGROUNDS or w == "reverse")

    def _made(self, role: str) -> Style:
        colours = COLOURS if self._many else ANSI
        colour, under = colours["text"], BACKGROUNDS["under"]
        attributes: set[str] = set()
        for word in role.split():
            if word in ATTRIBUTES:
                attributes.add(word)
            elif word in BACKGROUNDS:
                under = BACKGROUNDS[word]
                if not self._many:  # 16 colours have no shades of the background
                    attributes.add("reverse" if word == "on-cursor" else "bold")
            else:
                colour = colours[word]
        if not self._many:
            under = "default"
            if (
                "on-cursor" in role
            ):  # a colour would become a coloured background in the reversed line
                colour = "default"
        return Style.parse(f"{' '.join(sorted(attributes))} {colour} on {under}")


def _same_blank(one: Style, other: Style) -> bool:
    """Whether blanks of the two styles look the same."""
    return one is other or (
        one.bgcolor == other.bgcolor
        and one.underline == other.underline
        and (one.reverse and one.color) == (other.reverse and other.color)
    )


_THEME = Theme(  # the same colours as COLOURS
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
    """Sets the theme. Must be called before the app runs, or all CSS is parsed twice."""
    app.register_theme(_THEME)
    app.set_reactive(App.theme, _THEME.name if many_colours else "ansi-dark")
    app.stylesheet.set_variables(app.get_css_variables())
