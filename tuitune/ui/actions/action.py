"""What is an action? Data: keys, help, palette and command line are made from one table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

from tuitune.ui.state.records import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tuitune.ui.render.lines import Size
    from tuitune.ui.state.render_context import RenderContext
    from tuitune.ui.state.selection import Selection
    from tuitune.ui.state.snapshot import Snapshot
    from tuitune.ui.state.status_line import StatusLine
    from tuitune.ui.table.order import Order

Group = Literal["Move", "Look", "Trials", "Study", "App"]


class Choice(Record, frozen=True):
    """One way on from a menu: a key, what it does in words, and doing it."""

    key: str
    title: str
    run: Callable[[], None]


class Menu(Record, frozen=True):
    """A key that waits for a second one."""

    title: str
    choices: tuple[Choice, ...]


class Question(Record, frozen=True):
    """Asked before an act; anything but yes is no. `word`: it has to be typed where it is set."""

    text: str
    yes: Callable[[], None]
    word: str = ""


class Prompt(Record, frozen=True):
    """A line to type; `seen` hears of each change, `done` of the line at the end."""

    sign: str  # "/" or ":"
    text: str
    done: Callable[[str], None]
    seen: Callable[[str], None] | None = None
    dropped: Callable[[], None] | None = None  # escape
    hint: Callable[[str], str] | None = None  # what to say below of what is typed so far
    complete: Callable[[str], str] | None = None  # tab: the line with more of it typed


class AppActions(Protocol):
    """What an action may do; the app is one."""

    snapshot: Snapshot
    selection: Selection
    order: Order
    status_line: StatusLine
    readonly: bool

    def act(self, name: str, argument: str = "") -> None:
        """Do the action of this id, with what was typed behind its name, or say why not."""

    def context(self) -> RenderContext: ...

    def size_of(self, pane: str) -> Size:
        """Of a pane, in cells; (0, 0) where it is not on the screen."""

    def say(self, text: str, role: str = "text") -> None:
        """On the flash line, for some seconds."""

    def ask(self, question: Question) -> None: ...

    def menu(self, menu: Menu) -> None: ...

    def prompt(self, prompt: Prompt) -> None: ...

    def send(self, request: dict[str, Any], then: Callable[[dict[str, Any]], None]) -> None:
        """Ask the engine, off the screen's thread; an error is said and `then` is not called."""

    def copy(self, text: str, what: str) -> None:
        """To the terminal's clipboard (OSC 52)."""

    def show(self, screen: str) -> None:
        """Open a screen of `screens`: "help", "add", "summary", "keys", "palette"."""

    def write(self, kind: str, path: str) -> None:
        """A picture of the screen or a table of the trials, into a file."""

    def restart(self) -> None:
        """Start an engine on this study where there is none."""

    def move(self) -> None:
        """The view has changed: bring the table's window to its cursor and paint."""

    def redraw(self) -> None:
        """The whole screen once more, whatever the terminal shows."""

    def leave(self) -> None: ...


class Argument(Record, frozen=True):
    """What may stand behind an action's name on the command line."""

    usage: str  # "N", "[FILE]"
    run: Callable[[AppActions, str], None]
    values: Callable[[RenderContext], Sequence[str]] | None = None  # to complete from


class Action(Record, frozen=True):
    """Something that a user can do."""

    id: str  # "trial.pause": what the key file and the command line call it
    keys: tuple[str, ...]  # as the terminal names them; changed by the key file
    title: str  # two or three words
    help: str  # a sentence
    group: Group
    run: Callable[[AppActions], None]
    pane: str | None = None  # only where this pane has the focus; None: everywhere
    dangerous: bool = False  # changes the study: not there with --readonly
    why_not: Callable[[RenderContext], str] | None = (
        None  # a reason why it can't be done now, "" where it can
    )
    argument: Argument | None = None
