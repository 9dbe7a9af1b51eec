"""Which screens are there besides the panes?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.command import CommandPalette

from tuitune.ui.actions.copying import configurations
from tuitune.ui.render.paint import Paint
from tuitune.ui.screens.add import AddScreen
from tuitune.ui.screens.help import help_lines
from tuitune.ui.screens.keylist import key_lines
from tuitune.ui.screens.lines import LinesScreen
from tuitune.ui.text.summary import summary_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from textual.screen import Screen

    from tuitune.ui.actions.action import Action
    from tuitune.ui.app import StudyApp
    from tuitune.ui.render.lines import Line
    from tuitune.ui.state.render_context import RenderContext


def screen_named(name: str, app: StudyApp) -> Screen[Any]:
    """Raises KeyError for a name that none of them has."""
    made: dict[str, Callable[[], Screen[Any]]] = {
        "help": lambda: _lines(app, "help", _of_actions(app, help_lines)),
        "summary": lambda: _lines(app, "summary", summary_lines, copies=True),
        "keys": lambda: _lines(app, "keys", _of_actions(app, key_lines)),
        "palette": CommandPalette,
        "add": lambda: AddScreen(app),
    }
    return made[name]()


def _of_actions(
    app: StudyApp, text: Callable[[RenderContext, Iterable[Action], int], list[Line]]
) -> Callable[[RenderContext, int], list[Line]]:
    return lambda context, width: text(context, app.actions.values(), width)


def _lines(
    app: StudyApp,
    title: str,
    text: Callable[[RenderContext, int], list[Line]],
    *,
    copies: bool = False,
) -> LinesScreen:
    """Shows the moment at which it was opened."""
    context = app.context()
    paint = Paint(many_colours=app.options.many_colours)
    best = app.snapshot.row(app.snapshot.best)
    more = {}
    if copies and best is not None:
        what = "the best configuration"
        more["y"] = ("copy the configuration", lambda: app.copy(configurations([best]), what))
    return LinesScreen(
        title, lambda width: text(context, width), paint, rule=context.glyphs.rule, more=more
    )
