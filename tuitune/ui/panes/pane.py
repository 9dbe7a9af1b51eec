"""Panes: their definition, the rule above them, and a cache of the last drawing."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, Generic, Literal, NamedTuple, Protocol, TypeVar

from tuitune.ui.render.lines import Line, Size, ends, line, padded, wrapped
from tuitune.ui.state.records import Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuitune.ui.actions.action import Action, AppActions
    from tuitune.ui.render.glyphs import Glyphs
    from tuitune.ui.state.render_context import RenderContext
    from tuitune.ui.state.snapshot import Snapshot

    Hints = tuple[tuple[str, str], ...]  # (id of an action, label)

T = TypeVar("T")


class View(Protocol):
    """Draws one pane of one app; may cache its drawing."""

    def lines(self, context: RenderContext, size: Size) -> list[Line]:
        """At most `size.height` lines of at most `size.width` cells."""


class Room(NamedTuple):
    """The room of all panes: the screen without status, messages and keys. In cells."""

    width: int
    height: int
    columns: int  # 1, 2 or 3, side by side
    body: int  # lines of the columns, between the panes above and below them
    boxed: bool = False


class Place(NamedTuple):
    """Where a pane is: above or below the columns, or in one of them, counted from 0."""

    where: Literal["above", "below"] | int
    lines: int | None = None  # None: a share of the lines that other panes of its column leave


class Click(NamedTuple):
    """A click on a pane, in cells from its top left corner."""

    column: int
    line: int
    double: bool


def below(_: Room, __: Snapshot) -> Place | None:
    """The default place of a pane: six lines below the columns."""
    return Place("below", 6)


class Pane(Record, frozen=True):
    """A numbered pane. Its position in the registry is the digit that focuses it."""

    name: str  # in the key file, on the command line and in the `pane` of an action
    title: str  # as within a sentence: "the devices"
    make: Callable[[], View]
    place: Callable[[Room, Snapshot], Place | None] = below  # None: shown only while focused
    actions: tuple[Action, ...] = ()
    hints: Hints = ()  # shown on the last line while it has the focus, the most useful first
    click: Callable[[AppActions, Click], None] | None = None
    wheel: Callable[[AppActions, int], None] | None = None  # lines down; up if negative
    # in place of `wheel`: lines down, and the column of the mouse
    wheel_at: Callable[[AppActions, int, int], None] | None = None
    bare: bool = False  # without boxes it has no title, unless it is shown alone
    # called if its key is pressed while it has the focus
    again: Callable[[AppActions], None] | None = None


BOXED_FROM: Final = 100  # columns of a screen from which panes have boxes
TALL_FROM: Final = 30  # lines of a single column from which the curve has room in it
THREE_FROM: Final = 18  # lines of a column from which three panes have room in it
TRIAL_HINTS: Final = (
    ("trial.pause", "pause"),
    ("trial.resume", "resume"),
    ("trial.kill", "kill"),
    ("trial.undo", "undo"),
)


def rule(  # noqa: PLR0913 - two ends and the text between
    context: RenderContext, pane: str, title: str, width: int, *, more: Line = (), right: str = ""
) -> Line:
    """The line above a pane, with the key that focuses it. more: follows the title."""
    sign = context.glyphs.rule
    focused = context.selection.focus == pane
    frame = frame_role(context, pane)
    key = "".join(f"{key} " for key in context.keymap.keys(f"pane.{pane}")[:1])
    left = line(
        (" ", frame),
        (key, "accent bold"),
        (f"{title} ", "title bold" if focused else "title"),
        *more,
    )
    tail = line((f" {right} ", "muted")) if right else ()
    return ends(left, tail, width, (sign, frame))


def frame_role(context: RenderContext, pane: str) -> str:
    """The role of the box of a pane, and of its title line."""
    return "accent" if context.boxed and context.selection.focus == pane else "rule"


class Edges(NamedTuple):
    """Cells around the content of a pane, whose first line is its title if it is titled."""

    left: int  # as many as at the right
    below: int
    titled: bool = True


BOX: Final = Edges(2, 1)  # a border and a blank
RULED: Final = Edges(1, 0)  # a rule above, and a blank
BARE: Final = Edges(1, 0, titled=False)


class Framed:
    """The frame around a pane's content. It caches the last one."""

    def __init__(self) -> None:
        self._content: list[Line] = []
        self._shown = Memo[list[Line]]()

    def lines(
        self, content: list[Line], size: Size, edges: Edges, glyphs: Glyphs, role: str
    ) -> list[Line]:
        """The content in a frame of this size."""
        if content is not self._content:
            self._content, self._shown = content, Memo()
        make = partial(_boxed if edges == BOX else _ruled, content, size, edges, glyphs, role)
        return self._shown.get((size, edges, glyphs, role), make)


def _boxed(content: list[Line], size: Size, edges: Edges, glyphs: Glyphs, role: str) -> list[Line]:
    bar, (left, right, below, end) = glyphs.bar, tuple(glyphs.corners)
    room = size.width - 2 * edges.left
    title, *lines = content or [()]
    top = (left + glyphs.rule, role), *padded(title, room), (glyphs.rule + right, role)
    made: list[Line] = [top]
    for number in range(size.height - 2):
        inner = _between_blanks(lines[number] if number < len(lines) else (), room)
        made.append(((bar, role), *inner, (bar, role)))
    return [*made, ((below + glyphs.rule * (size.width - 2) + end, role),)]


def _ruled(content: list[Line], size: Size, edges: Edges, glyphs: Glyphs, role: str) -> list[Line]:
    room = size.width - 2 * edges.left
    title = content[:1] if edges.titled else []
    made = [((glyphs.rule, role), *one, (glyphs.rule, role)) for one in title]
    return [*made, *(_between_blanks(one, room) for one in content[len(title) :])]


def _between_blanks(content: Line, room: int) -> Line:
    ground = _ground(content)
    return ((" ", ground), *padded(content, room, ground), (" ", ground))


def _ground(line: Line) -> str:
    """The background of a line of the table, which its box continues."""
    words = line[-1][1].split() if line else ()
    return " ".join(word for word in words if word in ("on-cursor", "on-mark"))


def failure(context: RenderContext, pane: str, error: Exception, size: Size) -> list[Line]:
    """Shown instead of a pane that raised an error: the error, and the line of code."""
    import traceback  # noqa: PLC0415 - as good as never needed

    where = traceback.extract_tb(error.__traceback__)[-1]
    words = f"{type(error).__name__}: {error}\n{where.filename}, line {where.lineno}"
    message = [line((text, "error")) for text in wrapped(words, size.width)]
    return [rule(context, pane, f"{pane} can't be shown", size.width), *message][: size.height]


class Memo(Generic[T]):
    """A cache of one value. Its key must contain all that the value depends on."""

    def __init__(self) -> None:
        self._known: tuple[object, T] | None = None

    def get(self, key: object, make: Callable[[], T]) -> T:
        """The cached value; calls `make` for a new one if the key has changed."""
        if self._known is None or self._known[0] != key:
            self._known = key, make()
        return self._known[1]
