"""Which trials does a user want to see, and what first?"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from tuitune.ui.actions.action import Action, Argument
from tuitune.ui.state.status_line import Choice, Menu, Prompt
from tuitune.ui.table.columns import columns, named, ordered
from tuitune.ui.table.filtering import FilterError, parse
from tuitune.ui.table.sorting import Sort

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuitune.ui.actions.action import AppActions
    from tuitune.ui.state.render_context import RenderContext

EXAMPLE: Final = "state:run lr<1e-3 has:error !word trial:12"


def filter_trials(app: AppActions) -> None:
    """While it is typed the table shows what it finds; escape takes that back."""
    before = app.selection.filter
    _ask_filter(app, before.text, partial(_set_filter, app, before.text))


def filter_by(app: AppActions, text: str) -> None:
    problem = _try_filter(app, text)
    if problem:
        app.say(problem, "warning")


def _ask_filter(app: AppActions, text: str, dropped: Callable[[], None]) -> None:
    def done(typed: str) -> None:
        problem = _try_filter(app, typed)
        if problem:  # to be mended, not to be typed again
            _ask_filter(app, typed, dropped)

    def seen(typed: str) -> None:
        _try_filter(app, typed)

    def hint(typed: str) -> str:
        return _hint(app, typed)

    app.prompt(Prompt("/", text, done, seen, dropped, hint))


def _set_filter(app: AppActions, text: str) -> None:
    app.selection.filter = parse(text, app.snapshot.spec)
    app.order.follow(app.snapshot, app.selection)


def _try_filter(app: AppActions, text: str) -> str:
    """Words about what can't be understood; the filter is as before then."""
    try:
        _set_filter(app, text)
    except FilterError as error:
        return str(error)
    return ""


def _hint(app: AppActions, text: str) -> str:
    if not text.strip():
        return EXAMPLE
    try:
        parse(text, app.snapshot.spec)
    except FilterError as error:
        return str(error)
    return f"{len(app.order.numbers)} of {len(app.snapshot.rows)}"


# --- sorting -------------------------------------------------------------------------------------


def choose_sort(app: AppActions) -> None:
    choices = (
        Choice(column.letter, column.title, partial(sort_by, app, column.key))
        for column in columns(app.snapshot)
        if column.sorts
    )
    app.menu(Menu("sort by", tuple(choices)))


def sort_by(app: AppActions, key: str) -> None:
    app.selection.sort = Sort(key)
    app.order.follow(app.snapshot, app.selection)


def sort_named(app: AppActions, text: str) -> None:
    found = named(text, [column for column in columns(app.snapshot) if column.sorts])
    if found is None:
        app.say(f"no column is called {text.strip()}", "warning")
    else:
        sort_by(app, found.key)


def turn_sort(app: AppActions) -> None:
    sort = app.selection.sort
    app.selection.sort = replace(sort, reversed=not sort.reversed)
    app.order.follow(app.snapshot, app.selection)


def sort_beside(step: int, app: AppActions) -> None:
    """By the column that many to the right of the one sorted by."""
    keys = [column.key for column in ordered(columns(app.snapshot), app.selection) if column.sorts]
    now = app.selection.sort.key
    sort_by(app, keys[(keys.index(now) + step) % len(keys)] if now in keys else keys[0])


def _sortable(context: RenderContext) -> list[str]:
    return [column.title for column in columns(context.snapshot) if column.sorts]


ACTIONS: Final = (
    Action(
        "table.filter",
        ("/",),
        "filter",
        f"Shows what is like this: {EXAMPLE}",
        "Look",
        filter_trials,
        argument=Argument("WORDS", filter_by),
    ),
    Action(
        "table.sort",
        ("s",),
        "sort",
        "By the column of the next letter.",
        "Look",
        choose_sort,
        argument=Argument("COLUMN", sort_named, _sortable),
    ),
    Action("table.turn", ("S",), "turn the sort", "The other way round.", "Look", turn_sort),
    Action(
        "table.sort_left",
        ("<",),
        "sort by left",
        "By the column to the left.",
        "Look",
        partial(sort_beside, -1),
    ),
    Action(
        "table.sort_right",
        (">",),
        "sort by right",
        "By the column to the right.",
        "Look",
        partial(sort_beside, 1),
    ),
)
