"""What was just done, what is being asked, and what can still be taken back?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuitune.messages.text import plain
from tuitune.ui.render.lines import ends, fit, line, width_of
from tuitune.ui.state.choices import menu_lines

if TYPE_CHECKING:
    from tuitune.ui.render.lines import Line, Size
    from tuitune.ui.state.render_context import RenderContext


def lines(context: RenderContext, size: Size) -> list[Line]:
    """One line: what is open comes before what was said."""
    status_line = context.status_line
    if status_line.prompt is not None:
        return [line((status_line.prompt.sign, "accent bold"))]
    if status_line.question is not None:
        return [_question(status_line.question.text, size.width)]
    if status_line.menu is not None:
        return [menu_lines(status_line.menu, size.width)[0]]
    undo = _undo(context)
    room = size.width - width_of(undo) - (1 if undo else 0)
    flash = status_line.flash
    said = () if flash is None else line((fit(flash.text, room).rstrip(), flash.role))
    return [ends(said, undo, size.width)]


def _question(text: str, width: int) -> Line:
    text = plain(text)
    answer = line(("  y", "accent bold"), (" yes, any other key no", "muted"))
    if width_of(line(text)) + width_of(answer) <= width:
        return line((text, "warning bold"), *answer)
    short = line(("  y", "accent bold"), ("/", "muted"), ("N", "bold"))
    return line((fit(text, width - width_of(short)).rstrip(), "warning bold"), *short)


def _undo(context: RenderContext) -> Line:
    """Its key, and for how long it works."""
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
