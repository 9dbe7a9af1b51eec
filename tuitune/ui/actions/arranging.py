"""Which columns of the table does a user want to see, and may anything move?"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from tuitune.ui.actions.action import Action, Argument, Choice, Menu
from tuitune.ui.render.layout import TRIALS
from tuitune.ui.table.columns import FIXED, columns, last_first_column, named

if TYPE_CHECKING:
    from tuitune.ui.actions.action import Desk
    from tuitune.ui.state.look import Look
    from tuitune.ui.table.columns import Column


def choose_columns(desk: Desk) -> None:
    """Stays open, so that several can be chosen in a row."""
    view = desk.view
    choices = [
        Choice(
            column.letter,
            f"{'-' if column.key in view.hidden else '+'}{column.title}",
            partial(turn_column, desk, column.key),
        )
        for column in _chosen_from(desk)
    ]
    if view.hidden:
        choices.append(Choice("*", "all", partial(show_all_columns, desk)))
    desk.menu(Menu("columns", tuple(choices)))


def turn_column(desk: Desk, key: str) -> None:
    desk.view.hidden ^= {key}
    choose_columns(desk)


def show_all_columns(desk: Desk) -> None:
    desk.view.hidden = frozenset()
    choose_columns(desk)


def turn_column_named(desk: Desk, text: str) -> None:
    found = named(text, _chosen_from(desk))
    if found is None:
        desk.say(f"no column is called {text.strip()}", "warning")
    else:
        desk.view.hidden ^= {found.key}


def sideways(step: int, desk: Desk) -> None:
    view = desk.view
    most = last_first_column(columns(desk.picture), view, desk.size_of(TRIALS).width)
    view.first_column = max(0, min(view.first_column + step, most))


def turn_wide(desk: Desk) -> None:
    desk.view.wide = not desk.view.wide
    desk.view.first_column = 0


def freeze(desk: Desk) -> None:
    desk.view.frozen = not desk.view.frozen


def _chosen_from(desk: Desk) -> list[Column]:
    return [column for column in columns(desk.picture) if column.key not in FIXED]


def _hideable(look: Look) -> list[str]:
    return [column.title for column in columns(look.picture) if column.key not in FIXED]


ACTIONS: Final = (
    Action(
        "table.columns",
        ("c",),
        "columns",
        "Shows or hides the column of the next letter.",
        "Look",
        choose_columns,
        argument=Argument("COLUMN", turn_column_named, _hideable),
    ),
    Action(
        "table.left",
        ("left",),
        "columns left",
        "Back to the columns before.",
        "Look",
        partial(sideways, -1),
        pane=TRIALS,
    ),
    Action(
        "table.right",
        ("right",),
        "columns right",
        "On to the columns that had no room.",
        "Look",
        partial(sideways, 1),
        pane=TRIALS,
    ),
    Action(
        "table.wide",
        ("w",),
        "wide",
        "The parameters before all else.",
        "Look",
        turn_wide,
    ),
    Action(
        "table.freeze",
        ("f",),
        "freeze",
        "Nothing moves on the screen; the study goes on.",
        "Look",
        freeze,
    ),
)
