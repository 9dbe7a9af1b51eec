"""The screens that open over the screen of a study."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final, cast

from textual.await_complete import AwaitComplete
from textual.command import CommandPalette, DiscoveryHit, Hit, Hits, Provider
from textual.screen import Screen

from tuitune.ui.actions.action import Action, AppActions
from tuitune.ui.actions.copying import configurations
from tuitune.ui.render.lines import Line
from tuitune.ui.render.paint import Paint
from tuitune.ui.screens import add, lines
from tuitune.ui.screens.help import help_lines, key_lines
from tuitune.ui.state.render_context import RenderContext
from tuitune.ui.text.summary import summary_lines


def screen_named(name: str, app: AppActions, paint: Paint) -> Screen[Any]:
    """A new screen: "help", "summary", "keys", "palette" or "add". Raises KeyError."""
    made: dict[str, Callable[[], Screen[Any]]] = {
        "help": lambda: _lines(app, paint, "help", _of_actions(app, help_lines)),
        "summary": lambda: _lines(app, paint, "summary", summary_lines, copies=True),
        "keys": lambda: _lines(app, paint, "keys", _of_actions(app, key_lines)),
        "palette": lambda: _Palette([_ActionCommands]),
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


_FIRST: Final = ("Trials", "Study", "Look", "App", "Move")  # groups as the palette lists them


class _Palette(CommandPalette):
    """Closes once: the second of two clicks beside it comes when it is gone already."""

    def dismiss(self, result: None = None) -> AwaitComplete:
        """Closes it; nothing if another screen is shown, which would be closed instead."""
        return super().dismiss(result) if self.app.screen is self else AwaitComplete()


class _ActionCommands(Provider):
    """The actions in the palette: title and key, with the help below."""

    async def discover(self) -> Hits:
        for title, id_, words in self._listed():
            yield DiscoveryHit(title, partial(self._app.act, id_), help=words)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for title, id_, words in self._listed():
            score = matcher.match(title)
            if score > 0:
                do = partial(self._app.act, id_)
                yield Hit(score, matcher.highlight(title), do, help=words)

    @property
    def _app(self) -> AppActions:
        return cast("AppActions", self.screen)  # the screen that the palette was opened on

    def _listed(self) -> list[tuple[str, str, str]]:
        shown = self._app.context().keymap.shown
        actions = sorted(self._app.actions.values(), key=lambda one: _FIRST.index(one.group))
        return [(f"{one.title} ({shown(one.id)})", one.id, one.help) for one in actions]
