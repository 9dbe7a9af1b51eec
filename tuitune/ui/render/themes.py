"""Themes: the colour of each role, for dark and light grounds, high contrast, and 16 colours.

Colours are numbers of the 256-colour palette: half the bytes of RGB colours, and most of the app's
output is colours. Every terminal with many colours supports them. tests/ui/test_themes.py computes
the contrast of each role on its ground.
"""

from collections.abc import Mapping
from typing import Final

from tuitune.ui.state.records import Record

STEPS: Final = 9  # of a graded meter
HEATS: Final = 9  # colours of ranks, from the worst to the best
# the 16 colours of xterm, then the cube of 6 x 6 x 6, then greys; see `rgb`
_SIXTEEN: Final = (
    *("000000", "cd0000", "00cd00", "cdcd00", "0000ee", "cd00cd", "00cdcd", "e5e5e5"),
    *("7f7f7f", "ff0000", "00ff00", "ffff00", "5c5cff", "ff00ff", "00ffff", "ffffff"),
)
_CUBE: Final = (0, 95, 135, 175, 215, 255)


class Theme(Record, frozen=True):
    """Colours by role. ground: below everything; cursor, mark: of lines in the table."""

    name: str
    colours: Mapping[str, int | str]  # a number of the palette, or a name of the 16 colours
    ground: int | str
    cursor: int | str
    mark: int | str
    dark: bool = True

    @property
    def is_plain(self) -> bool:
        """Whether it has only the terminal's own 16 colours, on its own ground."""
        return self.ground == "default"


# The colours of each role in the themes dark, light and contrast.
_ROLES: Final = {
    "hole": (234, 231, 16),  # the ground, seen on a filled place
    "text": (252, 235, 231),
    "quiet": (248, 239, 254),  # of trials that ended early
    "muted": (245, 241, 252),
    "faint": (243, 245, 249),
    "rule": (238, 250, 247),  # frames, and the empty part of meters
    "title": (146, 55, 231),
    "accent": (215, 130, 226),
    "info": (110, 25, 123),
    "success": (114, 28, 120),
    "warning": (221, 94, 226),
    "error": (210, 160, 217),
}
# The same for roles of several colours: "line-a" to "line-f", "load-0" to "load-8" and so on.
_SERIES: Final = {
    "line": (  # of curves
        (215, 110, 176, 79, 149, 211),
        (130, 25, 127, 29, 58, 161),
        (226, 123, 219, 120, 231, 217),
    ),
    "load": (
        (72, 78, 114, 150, 186, 221, 215, 209, 203),
        (23, 29, 28, 64, 100, 136, 130, 166, 160),
        (120, 120, 120, 156, 228, 226, 222, 217, 217),
    ),
    "memory": (
        (67, 68, 74, 110, 110, 110, 110, 216, 203),
        (24, 25, 25, 31, 31, 31, 31, 166, 160),
        (123, 123, 123, 123, 123, 123, 123, 222, 217),
    ),
    "heat": (
        (61, 67, 73, 72, 78, 114, 149, 185, 227),
        (172, 136, 100, 65, 29, 30, 25, 19, 53),
        (105, 111, 117, 80, 79, 120, 156, 227, 231),
    ),
}


def _colours(theme: int) -> dict[str, int | str]:
    """The colours of a theme by role; theme: its place in the tables."""
    found: dict[str, int | str] = {role: colours[theme] for role, colours in _ROLES.items()}
    for name, series in _SERIES.items():
        ends = "abcdef" if name == "line" else range(STEPS)
        found |= {f"{name}-{end}": one for end, one in zip(ends, series[theme], strict=True)}
    return found


DARK: Final = Theme("dark", _colours(0), ground=234, cursor=237, mark=235)
LIGHT: Final = Theme("light", _colours(1), ground=231, cursor=253, mark=255, dark=False)
CONTRAST: Final = Theme("contrast", _colours(2), ground=16, cursor=24, mark=236)
_PLAIN_COLOURS: Final[dict[str, int | str]] = {
    "text": "default",
    "hole": "default",
    "quiet": "default",
    "muted": "default",
    "faint": "bright_black",
    "rule": "bright_black",
    "title": "default",
    "accent": "magenta",
    "info": "bright_blue",
    "success": "bright_blue",
    "warning": "bright_magenta",
    "error": "red",
    "line-a": "magenta",
    "line-b": "bright_blue",
    "line-c": "red",
    "line-d": "default",
    "line-e": "bright_magenta",
    "line-f": "bright_black",
}
# colours of which each is seen on black and on white
PLAIN: Final = Theme(
    "16",
    _PLAIN_COLOURS
    | {f"load-{step}": "red" if step > 6 else "bright_blue" for step in range(STEPS)}
    | {f"memory-{step}": "red" if step > 6 else "magenta" for step in range(STEPS)}
    | {f"heat-{step}": ("bright_black", "bright_blue", "magenta")[step // 3] for step in range(9)},
    ground="default",
    cursor="default",
    mark="default",
)
# For lines of commands, on a ground that is not known: each colour is read on black and on white.
OUTPUT: Final = Theme(
    "output",
    _PLAIN_COLOURS
    | {"muted": 243, "quiet": 243, "faint": 243, "rule": 243, "title": 98, "accent": 130}
    | {"info": 32, "success": 28, "warning": 130, "error": 160},
    ground="default",
    cursor="default",
    mark="default",
)
THEMES: Final[Mapping[str, Theme]] = {theme.name: theme for theme in (DARK, LIGHT, CONTRAST, PLAIN)}


def rgb(colour: int) -> str:
    """A number of the 256-colour palette as "#rrggbb"; the first 16 as xterm has them."""
    if colour < 16:
        return f"#{_SIXTEEN[colour]}"
    if colour >= 232:
        return "#" + f"{8 + 10 * (colour - 232):02x}" * 3
    red, rest = divmod(colour - 16, 36)
    return "#" + "".join(f"{_CUBE[part]:02x}" for part in (red, *divmod(rest, 6)))
