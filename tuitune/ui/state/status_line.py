"""State of the last two lines: a message, a question, a menu, a prompt, an undo."""

import math
from collections.abc import Callable

from tuitune.control.requests import Request
from tuitune.ui.state.keymap import pressed
from tuitune.ui.state.records import Record

SHORT, LONG = 4.0, 8.0  # s that a message is shown: information, and warnings or errors
SEEN = 2.0  # s after which the snapshot surely shows a requested value


class Choice(Record, frozen=True):
    """An entry of a menu."""

    key: str
    title: str
    run: Callable[[], None]


class Menu(Record, frozen=True):
    """A menu that waits for the key of a choice."""

    title: str
    choices: tuple[Choice, ...]


class Question(Record, frozen=True):
    """A question before an action; any answer but y is no. word: must be typed instead of y."""

    text: str
    yes: Callable[[], None]
    word: str = ""


class Prompt(Record, frozen=True):
    """An input line. seen: called after each change. done: called with the whole line."""

    sign: str  # "/" or ":"
    text: str
    done: Callable[[str], None]
    seen: Callable[[str], None] | None = None
    dropped: Callable[[], None] | None = None  # called at escape
    hint: Callable[[str], str] | None = None  # the text below the input
    complete: Callable[[str], str] | None = None  # at tab: returns the completed line


class Flash(Record, frozen=True):
    """A message. until: monotonic s."""

    text: str
    role: str
    until: float


class Undo(Record, frozen=True):
    """How the last action can be undone."""

    title: str  # the action, as "kill #3"
    request: Request  # the request that undoes it
    undone: str  # the message after that
    until: float = math.inf  # monotonic s


class Wanted(Record, frozen=True):
    """A requested value that the snapshot does not show yet. until: monotonic s."""

    value: int
    until: float


class StatusLine:
    """At most one of question, menu and prompt is open, besides a message and an undo."""

    def __init__(self) -> None:
        self.now = 0.0  # monotonic s of the last update
        self.flash: Flash | None = None
        self.question: Question | None = None
        self.menu: Menu | None = None
        self.prompt: Prompt | None = None
        self.typed_so_far = ""  # in the open prompt
        self.undo: Undo | None = None
        self.wanted: dict[str, Wanted] = {}  # by name, as "concurrency"

    def say(self, text: str, role: str, now: float) -> None:
        """Shows a message for 4 s, a warning or an error for 8 s. now: monotonic s."""
        self.now = max(self.now, now)
        stays = LONG if role in ("warning", "error") else SHORT
        self.flash = Flash(text, role, now + stays) if text else None

    def expire(self, now: float) -> bool:
        """Drops what has expired; returns whether the screen changes."""
        counted = self.seconds_left()
        self.now = now
        changed = False
        if self.flash is not None and now >= self.flash.until:
            self.flash = None
            changed = True
        if self.undo is not None and now >= self.undo.until:
            self.undo = None
            changed = True
        self.wanted = {what: one for what, one in self.wanted.items() if now < one.until}
        return changed or counted != self.seconds_left()

    def seconds_left(self) -> int | None:
        """Seconds for which the undo is possible; None if there is no limit."""
        if self.undo is None or self.undo.until == math.inf:
            return None
        return max(0, math.ceil(self.undo.until - self.now))

    def takes(self, key: str, character: str | None) -> bool:
        """Handles a key for an open question or menu; False if none is open."""
        name = pressed(key, character)
        if self.question is not None:
            question, self.question = self.question, None
            if name == "y":
                question.yes()
            return True
        if self.menu is not None:
            choice = self._chosen(self.menu, name)
            self.menu = None
            if choice is not None:
                choice.run()
            return True
        return False

    def typed(self, question: Question) -> Prompt:
        """The prompt for the word of a question; any other text means no."""

        def done(text: str) -> None:
            if text.strip() == question.word.strip():
                question.yes()

        return Prompt(">", "", done, hint=lambda _: question.text)

    @staticmethod
    def _chosen(menu: Menu, name: str) -> Choice | None:
        return next((choice for choice in menu.choices if choice.key == name), None)
