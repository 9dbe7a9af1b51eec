"""Styles of roles in the colours of a theme, for our lines and for Textual's own widgets."""

from typing import Any

import textual.theme
from rich.segment import Segment
from rich.style import Style
from textual.app import App
from textual.strip import Strip

from tuitune.ui.render import lines
from tuitune.ui.render.themes import Theme, rgb

BACKGROUNDS = frozenset({"on-cursor", "on-mark"})
ATTRIBUTES = frozenset({"bold", "dim", "italic", "underline", "reverse"})


class Paint:
    """Turns lines into Textual strips, in the colours of a theme."""

    def __init__(self, theme: Theme) -> None:
        self.theme = theme
        self._styles: dict[str, Style] = {}
        self.blank = self.style("")

    def change(self, theme: Theme) -> None:
        """Uses the colours of this theme from now on."""
        self.theme = theme
        self._styles.clear()
        self.blank = self.style("")

    def style(self, role: str) -> Style:
        """The style of a role. Raises KeyError for an unknown colour or attribute."""
        known = self._styles.get(role)
        if known is None:
            known = self._styles[role] = self._made(role)
        return known

    def strip(self, line: lines.Line, width: int) -> Strip:
        """The line, filled to `width` with blanks in the background of its last span."""
        line = lines.cut(line, width)
        missing = width - lines.width_of(line)
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
    def _tail(line: lines.Line) -> str:
        words = line[-1][1].split() if line else ()
        return " ".join(w for w in words if w in BACKGROUNDS or w == "reverse")

    def _made(self, role: str) -> Style:
        theme = self.theme
        colour, ground = theme.colours["text"], theme.ground
        attributes: set[str] = set()
        for word in role.split():
            if word in ATTRIBUTES:
                attributes.add(word)
            elif word in BACKGROUNDS:
                ground = theme.cursor if word == "on-cursor" else theme.mark
                if theme.is_plain:  # 16 colours have no shades of the background
                    attributes.add("reverse" if word == "on-cursor" else "bold")
            elif word.startswith("on-"):
                ground = theme.colours[word.removeprefix("on-")]
            else:
                colour = theme.colours[word]
        if theme.is_plain and "on-cursor" in role:
            colour = "default"  # a colour would become the background in the reversed line
        return Style.parse(f"{' '.join(sorted(attributes))} {_named(colour)} on {_named(ground)}")


def _named(colour: int | str) -> str:
    return colour if isinstance(colour, str) else f"color({colour})"


def _same_blank(one: Style, other: Style) -> bool:
    """Whether blanks of the two styles look the same."""
    return one is other or (
        one.bgcolor == other.bgcolor
        and one.underline == other.underline
        and (one.reverse and one.color) == (other.reverse and other.color)
    )


def dress(app: App[Any], theme: Theme) -> None:
    """Sets the colours of Textual's widgets. Before the app runs, or all CSS is parsed twice."""
    if not theme.is_plain and theme.name not in app.available_themes:
        app.register_theme(_textual(theme))
    app.set_reactive(App.theme, "ansi-dark" if theme.is_plain else theme.name)
    app.stylesheet.set_variables(app.get_css_variables())


def _textual(theme: Theme) -> textual.theme.Theme:
    def colour(role: str) -> str:
        return rgb(int(theme.colours[role]))

    return textual.theme.Theme(
        name=theme.name,
        primary=colour("title"),
        accent=colour("accent"),
        foreground=colour("text"),
        background=rgb(int(theme.ground)),
        surface=rgb(int(theme.mark)),
        panel=rgb(int(theme.cursor)),
        success=colour("success"),
        warning=colour("warning"),
        error=colour("error"),
        dark=theme.dark,
    )
