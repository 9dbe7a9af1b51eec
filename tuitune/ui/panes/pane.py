"""Panes: what one consists of, the rule above it, and a memory of its last drawing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, Literal, NamedTuple, Protocol, TypeVar

from tuitune.ui.render.lines import Line, ends, line, wrapped
from tuitune.ui.state.records import Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuitune.ui.actions.action import Action, AppActions
    from tuitune.ui.render.lines import Size
    from tuitune.ui.state.render_context import RenderContext
    from tuitune.ui.state.snapshot import Snapshot

    Hints = tuple[tuple[str, str], ...]  # (id of an action, its word)

T = TypeVar("T")


class View(Protocol):
    """Draws one pane of one app. It may remember what it has drawn."""

    def lines(self, context: RenderContext, size: Size) -> list[Line]:
        """At most `size.height` lines of at most `size.width` cells."""


class Room(NamedTuple):
    """What the panes share: the screen without the status and the two last lines. In cells."""

    width: int
    height: int
    columns: int  # 1, 2 or 3, side by side
    body: int  # lines of the columns, between the panes above and below them


class Place(NamedTuple):
    """Where a pane stands: above or below the columns, or in one of them, counted from 0."""

    where: Literal["above", "below"] | int
    lines: int | None = None  # None: what the others of its column leave


class Click(NamedTuple):
    """A click into a pane, in cells from its top left corner."""

    column: int
    line: int
    double: bool


def below(_: Room, __: Snapshot) -> Place | None:
    """The place of a pane that asks for none: six lines below the columns."""
    return Place("below", 6)


class Pane(Record, frozen=True):
    """A numbered pane. Its place in the registry is the digit that focuses it."""

    name: str  # as the file of keys, the command line and an action's `pane` call it
    title: str  # within a sentence, as "the devices"
    make: Callable[[], View]
    place: Callable[[Room, Snapshot], Place | None] = below  # None: shown only while focused
    actions: tuple[Action, ...] = ()
    hints: Hints = ()  # on the last line while it is focused, the most useful first
    click: Callable[[AppActions, Click], None] | None = None
    wheel: Callable[[AppActions, int], None] | None = None  # lines down, up where negative
    again: Callable[[AppActions], None] | None = None  # its key while it is focused already


TALL_FROM: Final = 30  # lines of a single column from which the curve has room in it
THREE_FROM: Final = 18  # lines of a column from which three panes have room in it
TRIAL_HINTS: Final = (
    ("trial.pause", "pause"),
    ("trial.resume", "resume"),
    ("trial.kill", "kill"),
    ("trial.undo", "undo"),
)


def rule(  # noqa: PLR0913 - a rule has two ends and something between
    context: RenderContext, pane: str, title: str, width: int, *, more: Line = (), right: str = ""
) -> Line:
    """The line above a pane, with the key that focuses it. `more` stands behind the title."""
    sign = context.glyphs.rule
    focused = context.selection.focus == pane
    role = "accent bold" if focused else "title"
    key = "".join(f"{key} " for key in context.keymap.keys(f"pane.{pane}")[:1])
    left = line((f"{sign} ", "rule"), (key, "muted"), (f"{title} ", role), *more)
    tail = line((f" {right} ", "muted"), (sign, "rule")) if right else ()
    return ends(left, tail, width, (sign, "rule"))


def failure(context: RenderContext, pane: str, error: Exception, size: Size) -> list[Line]:
    """What a pane shows that can't be drawn: the error, and the line of code that raised it."""
    import traceback  # noqa: PLC0415 - as good as never needed

    where = traceback.extract_tb(error.__traceback__)[-1]
    words = f"{type(error).__name__}: {error}\n{where.filename}, line {where.lineno}"
    told = [line((text, "error")) for text in wrapped(words, size.width)]
    return [rule(context, pane, f"{pane} can't be shown", size.width), *told][: size.height]


class Memo(Generic[T]):
    """The answer to the newest key. A key holds all that the answer depends on."""

    def __init__(self) -> None:
        self._known: tuple[object, T] | None = None

    def get(self, key: object, make: Callable[[], T]) -> T:
        """The answer of `make`, which is called only if the key is another one."""
        if self._known is None or self._known[0] != key:
            self._known = key, make()
        return self._known[1]
