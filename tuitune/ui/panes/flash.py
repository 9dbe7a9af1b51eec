"""What was just done, what is being asked, and what can still be taken back?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuitune.messages.text import plain
from tuitune.ui.render.lines import ends, fit, line, width_of
from tuitune.ui.state.choices import menu_lines
from tuitune.ui.text.health import engine_gone

if TYPE_CHECKING:
    from tuitune.ui.render.lines import Line, Size
    from tuitune.ui.state.look import Look


def lines(look: Look, size: Size) -> list[Line]:
    """One line: what is open comes before what was said."""
    bottom = look.bottom
    if bottom.prompt is not None:
        return [line((bottom.prompt.sign, "accent bold"))]
    if bottom.question is not None:
        return [_question(bottom.question.text, size.width)]
    if bottom.menu is not None:
        return [menu_lines(bottom.menu, size.width)[0]]
    undo = _undo(look)
    room = size.width - width_of(undo) - (1 if undo else 0)
    flash = bottom.flash
    said = () if flash is None else line((fit(flash.text, room).rstrip(), flash.role))
    return [ends(said, undo, size.width)]


def _question(text: str, width: int) -> Line:
    text = plain(text)
    answer = line(("  y", "accent bold"), (" yes, any other key no", "muted"))
    if width_of(line(text)) + width_of(answer) <= width:
        return line((text, "warning bold"), *answer)
    short = line(("  y", "accent bold"), ("/", "muted"), ("N", "bold"))
    return line((fit(text, width - width_of(short)).rstrip(), "warning bold"), *short)


def _undo(look: Look) -> Line:
    """Its key, and for how long it works."""
    undo = look.bottom.undo
    if undo is None or engine_gone(look.picture):
        return ()
    left = look.bottom.seconds_left()
    key = look.keymap.shown("trial.undo")
    return line(
        (f"  {key}", "accent bold"),
        (f" undo {plain(undo.title)}", "muted"),
        ("" if left is None else f" {left}s", "warning"),
    )
