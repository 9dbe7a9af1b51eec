"""Where are keys changed, and what are the actions called there?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuitune.ui.configuration import key_file
from tuitune.ui.render.lines import Line, cut, fit, line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tuitune.ui.actions.action import Action
    from tuitune.ui.state.render_context import RenderContext

_NAME, _KEYS = 24, 18


def key_lines(context: RenderContext, actions: Iterable[Action], width: int) -> list[Line]:
    """The file, how it is written, and every action."""
    file = key_file()
    there = "it is there" if file.exists() else "it is not there yet"
    lines = [
        line((f"{file} ", "bold"), (f"({there})", "muted")),
        (),
        line(("[keys]", "info")),
        line(
            ('"trial.pause" = ["p", "f5"]', "info"), ("      # [] takes all its keys away", "muted")
        ),
        (),
    ]
    for action in actions:
        keys = " ".join(context.keymap.keys(action.id))
        words = fit(action.help, max(0, width - _NAME - _KEYS - 2)).rstrip()
        lines.append(
            line(
                (fit(action.id, _NAME) + " ", "text"),
                (fit(keys, _KEYS) + " ", "accent"),
                (words, "muted"),
            )
        )
    return [cut(one, width) for one in lines]
