"""Scrolling of text in panes: the visible part, and the actions."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from tuitune.ui.actions.action import Action, AppActions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tuitune.ui.render.lines import Line, Size
    from tuitune.ui.state.render_context import RenderContext

    Scroll = Callable[[AppActions, int], None]  # lines down; up if negative

_FAR: Final = 1 << 30  # lines; more than any text has


def window(content: Sequence[Line], height: int, scrolled: int) -> tuple[list[Line], str]:
    """The visible lines, at most the last page, and how many are above and below."""
    height = max(0, height)
    top = max(0, min(scrolled, len(content) - height))
    below = len(content) - top - height
    hidden = [f"{top} above" if top else "", f"{below} below" if below > 0 else ""]
    return list(content[top : top + height]), ", ".join(filter(None, hidden))


def scroll_text(pane: str, length: Callable[[RenderContext, Size], int]) -> Scroll:
    """A function that scrolls a pane, at most until its last line is at the bottom."""

    def scroll(app: AppActions, lines: int) -> None:
        size, scrolled = app.size_of(pane), app.selection.scrolled
        last = max(0, length(app.context(), size) - max(1, size.height - 1))
        scrolled[pane] = max(0, min(scrolled.get(pane, 0) + lines, last))

    return scroll


def scroll_actions(
    pane: str, title: str, scroll: Scroll, to_end: Scroll | None = None
) -> tuple[Action, ...]:
    """Actions that scroll a pane by lines, by pages and to either end.

    to_end: scrolls to the end; to the start if its number is negative.
    """

    def pages(app: AppActions, count: int) -> None:
        scroll(app, count * max(1, app.size_of(pane).height - 2))

    def far(app: AppActions, count: int) -> None:
        scroll(app, count * _FAR)

    moves: Sequence[tuple[str, tuple[str, ...], str, Scroll, int]] = (
        ("down", ("j", "down"), "a line down", scroll, 1),
        ("up", ("k", "up"), "a line up", scroll, -1),
        ("page_down", ("pagedown", "ctrl+d"), "a page down", pages, 1),
        ("page_up", ("pageup", "ctrl+u"), "a page up", pages, -1),
        ("end", ("G", "end"), "to the end", to_end or far, 1),
        ("start", ("g", "home"), "to the start", to_end or far, -1),
    )
    return tuple(
        Action(
            f"{pane}.{name}",
            keys,
            words,
            f"Scroll {title} {words}.",
            "Move",
            partial(_scroll, run, count),
            pane=pane,
        )
        for name, keys, words, run, count in moves
    )


def _scroll(scroll: Scroll, count: int, app: AppActions) -> None:
    scroll(app, count)
