"""Actions as data, from which keys, help, palette and command line are made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

from tuitune.ui.state.records import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tuitune.control.requests import Request
    from tuitune.ui.render.lines import Size
    from tuitune.ui.state.render_context import RenderContext, Selection
    from tuitune.ui.state.snapshot import Snapshot
    from tuitune.ui.state.status_line import Menu, Prompt, Question, StatusLine
    from tuitune.ui.table.order import Order

Group = Literal["Move", "Look", "Trials", "Study", "App"]


class AppActions(Protocol):
    """What an action may do; the app is one."""

    snapshot: Snapshot
    selection: Selection
    order: Order
    status_line: StatusLine
    readonly: bool
    actions: Mapping[str, Action]  # by id

    def act(self, name: str, argument: str = "") -> None:
        """Do the action of this id, with what was typed behind its name, or say why not."""

    def context(self) -> RenderContext:
        """This moment, as panes and reasons see it."""

    def size_of(self, pane: str) -> Size:
        """Of a pane, in cells; (0, 0) where it is not on the screen."""

    def say(self, text: str, role: str = "text") -> None:
        """On the flash line, for some seconds."""

    def ask(self, question: Question) -> None:
        """Opens a question; anything but yes closes it."""

    def menu(self, menu: Menu) -> None:
        """Opens a menu; a key that is none of its choices closes it."""

    def prompt(self, prompt: Prompt) -> None:
        """Opens a line to type on."""

    def send(self, request: Request, then: Callable[[dict[str, Any]], None]) -> None:
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

    def leave(self) -> None:
        """Closes the app; the study runs on."""


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
