"""What the terminal itself answers: whether its background is light, and its box signs wide."""

import contextlib
import math
import os
import re
import select
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from textual.events import Key

from tuitune.messages.text import plain

# OSC 11 asks for the background. The position after a box sign tells how wide it is: terminals
# set up for Chinese, Japanese or Korean may show it in two cells. Each terminal answers DA1, so
# that one that does not know the other questions is not waited for.
_GROUND_QUESTION: Final = "\x1b]11;?\x1b\\"
_WIDTH_QUESTION: Final = "\r│\x1b[6n\r\x1b[K"
_LAST_QUESTION: Final = "\x1b[c"
_GROUND: Final = re.compile(
    rb"\x1b\]11;rgba?:([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})"
)
_POSITION: Final = re.compile(rb"\x1b\[\d+;(\d+)R")
_LAST: Final = re.compile(rb"\x1b\[\?[0-9;]*c")
_BEGINS: Final = {"circumflex_accent", "alt+right_square_bracket", "alt+left_square_bracket"}
_SIGNS: Final = frozenset("^[]\\?;:/0123456789abcdefABCDEFrgR")  # of which answers consist
_BETWEEN: Final = 0.5  # s between two keys of a late answer, at most
_PATIENCE: Final = 1.0  # s for the answer, from when all modules are loaded


class Title:
    """The title of the terminal, or of its tab; the one before is put back at the end.

    Terminals that keep no stack of titles keep the last one.
    """

    def __init__(self, write: Callable[[str], None], environment: Mapping[str, str]) -> None:
        self._write = write
        self._has_titles = not environment.get("TERM", "").startswith(
            ("linux", "dumb", "vt1", "vt2")
        )
        self._shown: str | None = None

    def show(self, text: str) -> None:
        """Sets it, unless it is shown already."""
        if not self._has_titles or text == self._shown:
            return
        keep = "\x1b[22;0t" if self._shown is None else ""
        self._shown = text
        self._write(f"{keep}\x1b]2;{plain(text)}\x1b\\")

    def restore(self) -> None:
        """Puts the earlier title back; a later `show` sets it again."""
        if self._shown is not None:
            self._shown = None
            self._write("\x1b[23;0t")


class Answer(NamedTuple):
    """light: the background is; wide: box signs take two cells, so that ASCII has to be used.

    late: the answer, or a part of it, had not come when it was no longer waited for.
    """

    light: bool
    wide: bool = False
    late: bool = False


class LateAnswer:
    """Finds the keys into which Textual takes an answer apart that comes once the app runs."""

    def __init__(self) -> None:
        self._newest = -math.inf

    def takes(self, event: Key, now: float) -> bool:
        """Whether this key is a part of one. now: s."""
        within = now - self._newest < _BETWEEN and event.character in _SIGNS
        if event.key in _BEGINS or within:
            self._newest = now
            return True
        self._newest = -math.inf
        return False


@contextlib.contextmanager
def asked(
    environment: Mapping[str, str], *, ground: bool, width: bool
) -> Iterator[Callable[[], Answer]]:
    """Asks the terminal; the function waits for its answer. ground, width: what is asked.

    Without an answer the background goes by COLORFGBG, which some terminals set, else it is dark.
    """
    question = (_GROUND_QUESTION if ground else "") + (_WIDTH_QUESTION if width else "")
    if not (question and sys.stdin.isatty()):
        yield lambda: Answer(_light_by_environment(environment))
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    quiet = [*before]
    quiet[3] &= ~(termios.ICANON | termios.ECHO)  # the answer is neither shown nor held for a line
    try:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, quiet)
        os.write(sys.stdout.fileno(), f"{question}{_LAST_QUESTION}".encode())
        yield lambda: _understood(_answer(descriptor), environment)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _answer(descriptor: int) -> bytes:
    """All that the terminal sends until it has answered DA1, or for _PATIENCE."""
    read, until = b"", time.monotonic() + _PATIENCE
    while _LAST.search(read) is None and (left := until - time.monotonic()) > 0:
        ready, _, _ = select.select([descriptor], [], [], left)
        piece = os.read(descriptor, 1024) if ready else b""
        if not piece:
            break
        read += piece
    return read


def _understood(answer: bytes, environment: Mapping[str, str]) -> Answer:
    position = _POSITION.search(answer)
    wide = position is not None and int(position[1]) == 3
    late = _LAST.search(answer) is None
    ground = _GROUND.search(answer)
    if ground is None:
        return Answer(_light_by_environment(environment), wide, late)
    red, green, blue = (int(part, 16) / (16 ** len(part) - 1) for part in ground.groups())
    return Answer(0.299 * red + 0.587 * green + 0.114 * blue > 0.5, wide, late)


def _light_by_environment(environment: Mapping[str, str]) -> bool:
    """COLORFGBG: colours of text and background, as "0;15" for black on white."""
    return environment.get("COLORFGBG", "").rpartition(";")[2] in {"7", "15"}
