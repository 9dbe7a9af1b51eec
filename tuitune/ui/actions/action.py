"""Actions as data, from which keys, help, palette and command line are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol

from tuitune.control.requests import Request
from tuitune.ui.render.lines import Size
from tuitune.ui.state.records import Record
from tuitune.ui.state.render_context import RenderContext, Selection
from tuitune.ui.state.snapshot import Snapshot
from tuitune.ui.state.status_line import Menu, Prompt, Question, StatusLine
from tuitune.ui.table.order import Order

Group = Literal["Move", "Look", "Trials", "Study", "App"]


class AppActions(Protocol):
    """What actions may do to the app; the screen of a study implements it."""

    snapshot: Snapshot
    selection: Selection
    order: Order
    status_line: StatusLine
    readonly: bool
    actions: Mapping[str, Action]  # by id

    def act(self, name: str, argument: str = "") -> None:
        """Runs the action of this id, or shows why it can't be. argument: typed after its name."""

    def context(self) -> RenderContext:
        """The present state, as panes and `why_not` functions read it."""

    def size_of(self, pane: str) -> Size:
        """The size of a pane in cells; (0, 0) if it is not on the screen."""

    def say(self, text: str, role: str = "text") -> None:
        """Shows a message for some seconds."""

    def ask(self, question: Question) -> None:
        """Opens a question; anything but yes closes it."""

    def menu(self, menu: Menu) -> None:
        """Opens a menu; a key that is none of its choices closes it."""

    def prompt(self, prompt: Prompt) -> None:
        """Opens a line to type on."""

    def send(self, request: Request, then: Callable[[dict[str, Any]], None]) -> None:
        """Sends a request from another thread; `then` gets the answer; an error is shown."""

    def copy(self, text: str, what: str) -> None:
        """Copies to the terminal's clipboard (OSC 52). what: names it in the message."""

    def show(self, screen: str) -> None:
        """Opens a screen: "help", "add", "summary", "keys" or "palette"."""

    def write(self, kind: str, path: str) -> None:
        """Writes the screen ("svg") or the trials ("csv", "json") to a file."""

    def restart(self) -> None:
        """Starts an engine on this study if none runs."""

    def train(self, trial: int, to: int) -> None:
        """Starts a study that trains this trial on, up to this resource."""

    def move(self) -> None:
        """Scrolls the table to the cursor after a change of the selection, and paints."""

    def redraw(self) -> None:
        """Paints the whole screen again."""

    def set_theme(self, name: str) -> None:
        """Changes all colours. name: of `render.themes.THEMES`."""

    def suspend(self) -> None:
        """Stops the app's process, as Ctrl+Z does with any other; the shell continues it."""

    def back(self) -> None:
        """Goes back to the list of studies, if the study was opened from it."""

    def studies(self) -> None:
        """Shows the list of studies."""

    def leave(self) -> None:
        """Closes the app; the study runs on."""


class Argument(Record, frozen=True):
    """An argument that an action takes on the command line."""

    usage: str  # "N", "[FILE]"
    run: Callable[[AppActions, str], None]
    # possible values, for completion
    values: Callable[[RenderContext], Sequence[str]] | None = None


class Action(Record, frozen=True):
    """Something that a user can do."""

    id: str  # "trial.pause": what the key file and the command line call it
    keys: tuple[str, ...]  # default keys, as Textual names them
    title: str  # two or three words
    help: str  # a sentence
    group: Group
    run: Callable[[AppActions], None]
    pane: str | None = None  # the keys work only while this pane has the focus; None: always
    dangerous: bool = False  # changes the study: refused with --readonly
    # the reason why it can't be done now; "" if it can
    why_not: Callable[[RenderContext], str] | None = None
    argument: Argument | None = None
