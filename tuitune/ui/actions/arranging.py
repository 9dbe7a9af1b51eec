"""Which columns of the table does a user want to see, and may anything move?"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from tuitune.ui.actions.action import Action, Argument
from tuitune.ui.render.layout import TRIALS
from tuitune.ui.state.status_line import Choice, Menu
from tuitune.ui.table.columns import FIXED, columns, last_first_column, named

if TYPE_CHECKING:
    from tuitune.ui.actions.action import AppActions
    from tuitune.ui.state.render_context import RenderContext
    from tuitune.ui.table.columns import Column


def choose_columns(app: AppActions) -> None:
    """Stays open, so that several can be chosen in a row."""
    selection = app.selection
    choices = [
        Choice(
            column.letter,
            f"{'-' if column.key in selection.hidden else '+'}{column.title}",
            partial(turn_column, app, column.key),
        )
        for column in _chosen_from(app)
    ]
    if selection.hidden:
        choices.append(Choice("*", "all", partial(show_all_columns, app)))
    app.menu(Menu("columns", tuple(choices)))


def turn_column(app: AppActions, key: str) -> None:
    app.selection.hidden ^= {key}
    choose_columns(app)


def show_all_columns(app: AppActions) -> None:
    app.selection.hidden = frozenset()
    choose_columns(app)


def turn_column_named(app: AppActions, text: str) -> None:
    found = named(text, _chosen_from(app))
    if found is None:
        app.say(f"no column is called {text.strip()}", "warning")
    else:
        app.selection.hidden ^= {found.key}


def sideways(step: int, app: AppActions) -> None:
    selection = app.selection
    most = last_first_column(columns(app.snapshot), selection, app.size_of(TRIALS).width)
    selection.first_column = max(0, min(selection.first_column + step, most))


def turn_wide(app: AppActions) -> None:
    app.selection.wide = not app.selection.wide
    app.selection.first_column = 0


def freeze(app: AppActions) -> None:
    app.selection.frozen = not app.selection.frozen


def _chosen_from(app: AppActions) -> list[Column]:
    return [column for column in columns(app.snapshot) if column.key not in FIXED]


def _hideable(context: RenderContext) -> list[str]:
    return [column.title for column in columns(context.snapshot) if column.key not in FIXED]


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
