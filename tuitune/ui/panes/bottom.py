"""The last two lines of the screen: messages, questions and menus, and hints of keys."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len, set_cell_size

from tuitune.messages.text import plain
from tuitune.ui.panes import pane
from tuitune.ui.render.lines import Line, Size, cut, ends, fit, line, width_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tuitune.ui.state.render_context import RenderContext
    from tuitune.ui.state.status_line import Menu, StatusLine

    Named = Sequence[tuple[str, str]]  # (key or id of an action, label)

_NONE: Final = (("esc", "none"),)
_SHORTER: Final = (99, *range(14, 1, -1))  # cells of a label, tried until all fit


def key_at(shown: Line, column: int) -> str:
    """The key whose label, as "z zoom", is in this column of a line of labels; "" for none."""
    key, start = "", 0
    for text, role in shown:
        words = role.split()
        if "bold" in words and "accent" in words:
            key = text.strip()
        elif not text.strip():
            key = ""
        end = start + width_of(((text, role),))
        if start <= column < end:
            is_title = " " in key or (key.endswith("?") and key != "?")  # of a menu
            return "" if is_title else key
        start = end
    return ""


def fitting(named: Named, width: int, last: Named = ()) -> Line:
    """As many labels as fit; `last` is always shown."""
    return _filled((), named, width, last, gap="   ")[0]


def _menu_lines(menu: Menu, width: int) -> tuple[Line, Line]:
    """The title, and the choices below, or from the title on if they need two lines."""
    title = line((f"{plain(menu.title)}?", "accent bold"))
    named = [(choice.key, plain(choice.title)) for choice in menu.choices]
    below, left = _filled((), named, width, _NONE)
    if not left:
        return cut(title, width), below
    above: Line = ()
    for cells in _SHORTER:
        words = [(key, set_cell_size(word, min(cells, cell_len(word)))) for key, word in named]
        above, rest = _filled(title, words, width)
        below, left = _filled((), rest, width, _NONE)
        if not left:
            break
    return above, below


def _filled(
    start: Line, named: Named, width: int, last: Named = (), gap: str = "  "
) -> tuple[Line, Named]:
    """The line, and what doesn't fit: behind a title, all from the first label that doesn't."""
    spans = list(start)
    end = tuple(span for key, word in last for span in _part(gap, key, word))
    left = width - width_of(start) - width_of(end)
    missing: list[tuple[str, str]] = []
    for key, word in named:
        part = _part(gap if spans else gap[2:], key, word)
        if width_of(part) > left or (start and missing):
            missing.append((key, word))
            continue
        left -= width_of(part)
        spans += part
    return cut((*spans, *end), width), missing


def _part(gap: str, key: str, word: str) -> Line:
    return line((gap, ""), (key, "accent bold"), (f" {word}", "muted"))


def flash_lines(context: RenderContext, size: Size) -> list[Line]:
    """The line of `message_line`."""
    return [message_line(context.status_line, size.width, _undo(context))]


def message_line(status_line: StatusLine, width: int, undo: Line = ()) -> Line:
    """An open prompt, question or menu, else the last message. undo: at its end."""
    if status_line.prompt is not None:
        return line((status_line.prompt.sign, "accent bold"))
    if status_line.question is not None:
        return _question(status_line.question.text, width)
    if status_line.menu is not None:
        return _menu_lines(status_line.menu, width)[0]
    room = width - width_of(undo) - (1 if undo else 0)
    flash = status_line.flash
    message = () if flash is None else line((fit(flash.text, room).rstrip(), flash.role))
    return ends(message, undo, width)


def asking_line(status_line: StatusLine, width: int) -> Line:
    """The last line while a prompt, a question or a menu is open; else empty."""
    if status_line.prompt is not None:
        hint = status_line.prompt.hint
        words = hint(status_line.typed_so_far) if hint else "enter accepts, esc cancels"
        role = "warning" if status_line.question is not None else "muted"
        return line((fit(words, width).rstrip(), role))
    if status_line.menu is not None:
        return _menu_lines(status_line.menu, width)[1]
    if status_line.question is not None:
        return line(("enter", "bold"), (" means no", "muted"))
    return ()


def _question(text: str, width: int) -> Line:
    text = plain(text)
    answer = line(("  y", "accent bold"), (" yes, any other key no", "muted"))
    if width_of(line(text)) + width_of(answer) <= width:
        return line((text, "warning bold"), *answer)
    short = line(("  y", "accent bold"), ("/", "muted"), ("N", "bold"))
    return line((fit(text, width - width_of(short)).rstrip(), "warning bold"), *short)


def _undo(context: RenderContext) -> Line:
    """The key that undoes the last action, and for how long that is possible."""
    undo = context.status_line.undo
    if undo is None or context.snapshot.engine_gone:
        return ()
    left = context.status_line.seconds_left()
    key = context.keymap.shown("trial.undo")
    return line(
        (f"  {key}", "accent bold"),
        (f" undo {plain(undo.title)}", "muted"),
        ("" if left is None else f" {left}s", "warning"),
    )


# (action, label), the most useful first: those that don't fit are left out
_FIRST: Final[Named] = (("app.help", "help"),)
# what a finished study goes on with; while one runs, other acts have the room
_AGAIN: Final[Named] = (
    ("study.trials", "more trials"),
    ("trial.add", "add"),
    ("trial.enqueue", "repeat"),
)
_OF_FINISHED: Final = frozenset(id_ for id_, _ in _AGAIN)
_MORE: Final[Named] = (("pane.zoom", "zoom"), ("app.commands", "command"))
_LAST: Final[Named] = (("app.quit", "leave"),)


class KeysPane:
    """The last line, redrawn only while something is open or after a change."""

    def __init__(self, hints: Mapping[str, pane.Hints]) -> None:
        """hints: by pane."""
        self._shown = pane.Memo[list[Line]]()
        self._hints = hints

    def lines(self, context: RenderContext, size: Size) -> list[Line]:
        """The line of `keys_line`."""
        status_line, engine = context.status_line, context.snapshot.engine.state
        if status_line.prompt or status_line.menu or status_line.question:
            return keys_line(context, self._hints, size)
        key = context.selection.focus, context.readonly, engine, size
        return self._shown.get(key, partial(keys_line, context, self._hints, size))


def keys_line(context: RenderContext, hints: Mapping[str, pane.Hints], size: Size) -> list[Line]:
    """The last line. hints: by pane."""
    asking = asking_line(context.status_line, size.width)
    if asking:
        return [asking]
    again = _AGAIN if context.snapshot.engine.state == "finished" else ()
    own = [hint for hint in hints.get(context.selection.focus, ()) if hint not in again]
    shown = [
        (context.keymap.shown(id_), word)
        for id_, word in (*_FIRST, *again, *own, *_MORE)
        if _is_possible(context, id_)
    ]
    last = [(context.keymap.shown(id_), word) for id_, word in _LAST]
    return [fitting(shown, size.width, last)]


def _is_possible(context: RenderContext, id_: str) -> bool:
    """False for an action on the study with --readonly or without an engine."""
    if id_ not in context.keymap.dangerous:
        return True
    again = context.snapshot.engine.state == "finished" and id_ in _OF_FINISHED
    return (again or not context.snapshot.engine_gone) and not context.readonly
