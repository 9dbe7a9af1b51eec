"""Panes of installed packages, found by entry point; their errors don't end the app."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from tuitune import plugins
from tuitune.plugins import PluginError
from tuitune.ui.panes.pane import Pane, Place, Room, below

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tuitune.ui.actions.action import Action, AppActions
    from tuitune.ui.render.lines import Line, Size
    from tuitune.ui.state.render_context import RenderContext
    from tuitune.ui.state.snapshot import Snapshot

__all__ = ["PluginError", "load_pane"]


def load_pane(name: str, others: Sequence[Pane]) -> Pane:
    """The pane of this name. Raises PluginError.

    Errors that its code raises later are shown: in its box, as a message, or as the reason why an
    action can't be done. others: the panes so far, whose names must differ.
    """
    known = [pane.name for pane in others]
    if name in known:
        raise PluginError(f'"{name}" is there already')
    pane = plugins.find(plugins.PANES, name, known)
    if not isinstance(pane, Pane):
        raise PluginError(f'"{name}" is not a tuitune.ui.panes.pane.Pane but {pane!r}')
    if pane.name != name:
        raise PluginError(f'"{name}" calls itself "{pane.name}"')
    misnamed = [a.id for a in pane.actions if not a.id.startswith(f"{name}.")]
    if misnamed:
        raise PluginError(f'"{name}": the id of its action {misnamed[0]} must begin with {name}.')
    return _guarded(pane)


def _guarded(pane: Pane) -> Pane:
    def place(room: Room, snapshot: Snapshot) -> Place | None:
        try:
            return pane.place(room, snapshot)
        except Exception:  # noqa: BLE001 - whatever it raises
            return below(room, snapshot)

    return replace(
        pane,
        make=lambda: _Guarded(pane),
        place=place,
        actions=tuple(_guarded_action(action) for action in pane.actions),
        click=pane.click and _reporting(pane.name, pane.click),
        wheel=pane.wheel and _reporting(pane.name, pane.wheel),
        wheel_at=pane.wheel_at and _reporting(pane.name, pane.wheel_at),
        again=pane.again and _reporting(pane.name, pane.again),
    )


def _guarded_action(action: Action) -> Action:
    def why_not(context: RenderContext) -> str:
        try:
            return action.why_not(context) if action.why_not else ""
        except Exception as error:  # noqa: BLE001 - whatever it raises
            return _words(error)

    argument = action.argument
    if argument is not None:
        argument = replace(argument, run=_reporting(action.id, argument.run), values=None)
    return replace(
        action, run=_reporting(action.id, action.run), why_not=why_not, argument=argument
    )


def _reporting(name: str, call: Callable[..., None]) -> Callable[..., None]:
    """The function, with its errors shown as messages of the app."""

    def guarded(app: AppActions, *more: Any) -> None:
        try:
            call(app, *more)
        except Exception as error:  # noqa: BLE001 - whatever it raises
            app.say(f"{name}: {_words(error)}", "error")

    return guarded


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


class _Guarded:
    """A view that is created when it is first drawn, so that an error is shown in its box."""

    def __init__(self, pane: Pane) -> None:
        self._pane = pane
        self._view: Any = None

    def lines(self, context: RenderContext, size: Size) -> list[Line]:
        if self._view is None:
            self._view = self._pane.make()
        return list(self._view.lines(context, size))
