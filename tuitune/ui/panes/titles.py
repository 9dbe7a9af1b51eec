"""How does a pane's first line say what it is? A rule with a title, and with its digit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuitune.ui.render.layout import NUMBERED
from tuitune.ui.render.lines import Line, ends, line

if TYPE_CHECKING:
    from tuitune.ui.render.lines import Size
    from tuitune.ui.state.render_context import RenderContext


def rule(  # noqa: PLR0913 - a rule has two ends and something between
    context: RenderContext, pane: str, title: str, width: int, *, more: Line = (), right: str = ""
) -> Line:
    """The rule above a pane: accented where it has the focus. `more` stands behind the title."""
    sign = context.glyphs.rule
    focused = context.selection.focus == pane
    role = "accent bold" if focused else "title"
    number = str(NUMBERED.index(pane) + 1) if pane in NUMBERED else ""
    digit = (number + " " if number else "", "muted")
    left = line((f"{sign} ", "rule"), digit, (f"{title} ", role), *more)
    tail = line((f" {right} ", "muted"), (sign, "rule")) if right else ()
    return ends(left, tail, width, (sign, "rule"))


def bar(context: RenderContext, size: Size) -> list[Line]:
    """What stands between two columns."""
    return [line((context.glyphs.bar, "rule"))] * size.height
