"""Actions of the table: filter, sort, columns, freeze."""

from collections.abc import Callable
from functools import partial
from typing import Final

from msgspec.structs import replace

from tuitune.ui.actions.action import Action, AppActions, Argument
from tuitune.ui.state import render_context, status_line
from tuitune.ui.state.snapshot import Snapshot
from tuitune.ui.table import filtering, sorting
from tuitune.ui.table.columns import FIXED, Column, columns, last_first_column, named, ordered

_EXAMPLE: Final = "state:run lr<1e-3 has:error !word trial:12"


def _filter_trials(app: AppActions) -> None:
    """Applies the filter while it is typed; escape restores the one before."""
    before = app.selection.filter
    _ask_filter(app, before.text, partial(_set_filter, app, before.text))


def _filter_by(app: AppActions, text: str) -> None:
    problem = _try_filter(app, text)
    if problem:
        app.say(problem, "warning")


def _ask_filter(app: AppActions, text: str, dropped: Callable[[], None]) -> None:
    def done(typed: str) -> None:
        problem = _try_filter(app, typed)
        if problem:  # so that the text can be corrected
            _ask_filter(app, typed, dropped)

    def seen(typed: str) -> None:
        _try_filter(app, typed)

    def hint(typed: str) -> str:
        return _hint(app, typed)

    app.prompt(status_line.Prompt("/", text, done, seen, dropped, hint))


def _set_filter(app: AppActions, text: str) -> None:
    app.selection.filter = filtering.parse(text, app.snapshot.spec)
    app.order.follow(app.snapshot, app.selection)


def _try_filter(app: AppActions, text: str) -> str:
    """Sets the filter; returns a message, and changes nothing, if it can't be parsed."""
    try:
        _set_filter(app, text)
    except filtering.FilterError as error:
        return str(error)
    return ""


def _hint(app: AppActions, text: str) -> str:
    if not text.strip():
        return _EXAMPLE
    try:
        filtering.parse(text, app.snapshot.spec)
    except filtering.FilterError as error:
        return str(error)
    return f"{len(app.order.numbers)} of {len(app.snapshot.rows)}"


# --- sorting -------------------------------------------------------------------------------------


def _choose_sort(app: AppActions) -> None:
    choices = (
        status_line.Choice(column.letter, column.title, partial(_sort_by, app, column.key))
        for column in columns(app.snapshot)
        if column.sorts
    )
    app.menu(status_line.Menu("sort by", tuple(choices)))


def _sort_by(app: AppActions, key: str) -> None:
    app.selection.sort = sorting.Sort(key)
    app.order.follow(app.snapshot, app.selection)


def _sort_named(app: AppActions, text: str) -> None:
    found = named(text, [column for column in columns(app.snapshot) if column.sorts])
    if found is None:
        app.say(f"no column is called {text.strip()}", "warning")
    else:
        _sort_by(app, found.key)


def _reverse_sort(app: AppActions) -> None:
    sort = app.selection.sort
    app.selection.sort = replace(sort, reversed=not sort.reversed)
    app.order.follow(app.snapshot, app.selection)


def _sort_by_neighbour(step: int, app: AppActions) -> None:
    """Sorts by the column `step` to the right of the present one."""
    keys = [column.key for column in ordered(columns(app.snapshot), app.selection) if column.sorts]
    now = app.selection.sort.key
    _sort_by(app, keys[(keys.index(now) + step) % len(keys)] if now in keys else keys[0])


def _sortable(context: render_context.RenderContext) -> list[str]:
    return [column.title for column in columns(context.snapshot) if column.sorts]


def _choose_columns(app: AppActions) -> None:
    """Opens the menu of columns; it reopens after each choice."""
    selection = app.selection
    choices = [
        status_line.Choice(
            column.letter,
            f"{'-' if column.key in selection.hidden else '+'}{column.title}",
            partial(_toggle_column, app, column.key),
        )
        for column in _hideable(app.snapshot)
    ]
    if selection.hidden:
        choices.append(status_line.Choice("*", "all", partial(_show_all_columns, app)))
    app.menu(status_line.Menu("columns", tuple(choices)))


def _toggle_column(app: AppActions, key: str) -> None:
    app.selection.hidden ^= {key}
    _choose_columns(app)


def _show_all_columns(app: AppActions) -> None:
    app.selection.hidden = frozenset()
    _choose_columns(app)


def _toggle_column_named(app: AppActions, text: str) -> None:
    found = named(text, _hideable(app.snapshot))
    if found is None:
        app.say(f"no column is called {text.strip()}", "warning")
    else:
        app.selection.hidden ^= {found.key}


def _sideways(step: int, app: AppActions) -> None:
    selection = app.selection
    most = last_first_column(
        columns(app.snapshot), selection, app.size_of(render_context.TRIALS).width
    )
    selection.first_column = max(0, min(selection.first_column + step, most))


def _toggle_wide(app: AppActions) -> None:
    app.selection.wide = not app.selection.wide
    app.selection.first_column = 0


def _freeze(app: AppActions) -> None:
    app.selection.frozen = not app.selection.frozen


def _hideable(snapshot: Snapshot) -> list[Column]:
    return [column for column in columns(snapshot) if column.key not in FIXED]


ACTIONS: Final = (
    Action(
        "table.filter",
        ("/",),
        "filter",
        f"Show only the trials that match, as {_EXAMPLE}",
        "Look",
        _filter_trials,
        argument=Argument("WORDS", _filter_by),
    ),
    Action(
        "table.sort",
        ("s",),
        "sort",
        "Sort by the column of the next letter.",
        "Look",
        _choose_sort,
        argument=Argument("COLUMN", _sort_named, _sortable),
    ),
    Action(
        "table.turn",
        ("S",),
        "reverse the order",
        "Reverse the order of the trials.",
        "Look",
        _reverse_sort,
    ),
    Action(
        "table.sort_left",
        ("<",),
        "sort by left",
        "Sort by the column to the left.",
        "Look",
        partial(_sort_by_neighbour, -1),
    ),
    Action(
        "table.sort_right",
        (">",),
        "sort by right",
        "Sort by the column to the right.",
        "Look",
        partial(_sort_by_neighbour, 1),
    ),
    Action(
        "table.columns",
        ("c",),
        "columns",
        "Show or hide the column of the next letter.",
        "Look",
        _choose_columns,
        argument=Argument(
            "COLUMN", _toggle_column_named, lambda now: [c.title for c in _hideable(now.snapshot)]
        ),
    ),
    Action(
        "table.left",
        ("left",),
        "columns left",
        "Scroll to the columns on the left.",
        "Look",
        partial(_sideways, -1),
        pane=render_context.TRIALS,
    ),
    Action(
        "table.right",
        ("right",),
        "columns right",
        "Scroll to the columns on the right.",
        "Look",
        partial(_sideways, 1),
        pane=render_context.TRIALS,
    ),
    Action(
        "table.wide",
        ("w",),
        "wide",
        "Show the parameters before the other columns.",
        "Look",
        _toggle_wide,
    ),
    Action(
        "table.freeze",
        ("f",),
        "stop updates",
        "Stop updating the screen, or update it again; the study continues.",
        "Look",
        _freeze,
    ),
)
