"""The screens that open over the screen of a study."""

from collections.abc import Callable, Iterable
from typing import Any

from textual.screen import Screen

from tuitune.ui.actions.action import Action, AppActions
from tuitune.ui.actions.copying import configurations
from tuitune.ui.render.lines import Line
from tuitune.ui.render.paint import Paint
from tuitune.ui.screens import add, lines, palette
from tuitune.ui.screens.help import help_lines, key_lines
from tuitune.ui.state.render_context import RenderContext
from tuitune.ui.text.summary import summary_lines


def screen_named(name: str, app: AppActions, paint: Paint) -> Screen[Any]:
    """A new screen: "help", "summary", "keys", "palette" or "add". Raises KeyError."""
    made: dict[str, Callable[[], Screen[Any]]] = {
        "help": lambda: _lines(app, paint, "help", _of_actions(app, help_lines)),
        "summary": lambda: _lines(app, paint, "summary", summary_lines, copies=True),
        "keys": lambda: _lines(app, paint, "keys", _of_actions(app, key_lines)),
        "palette": palette.Palette,
        "add": lambda: add.AddScreen(app),
    }
    return made[name]()


def _of_actions(
    app: AppActions, text: Callable[[RenderContext, Iterable[Action], int], list[Line]]
) -> Callable[[RenderContext, int], list[Line]]:
    return lambda context, width: text(context, app.actions.values(), width)


def _lines(
    app: AppActions,
    paint: Paint,
    title: str,
    text: Callable[[RenderContext, int], list[Line]],
    *,
    copies: bool = False,
) -> lines.LinesScreen:
    """A screen of text about the state when it is opened."""
    context = app.context()
    best = app.snapshot.row(app.snapshot.best)
    more = {}
    if copies and best is not None:
        what = "the best configuration"
        more["y"] = ("copy the configuration", lambda: app.copy(configurations([best]), what))
    return lines.LinesScreen(
        title, lambda width: text(context, width), paint, rule=context.glyphs.rule, more=more
    )
