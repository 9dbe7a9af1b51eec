"""Which trials does a user want to see, and what first?"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from tuitune.ui.actions.action import Action, Argument, Choice, Menu, Prompt
from tuitune.ui.table.columns import columns, named, ordered
from tuitune.ui.table.filtering import FilterError, parse
from tuitune.ui.table.sorting import Sort

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuitune.ui.actions.action import Desk
    from tuitune.ui.state.look import Look

EXAMPLE: Final = "state:run lr<1e-3 has:error !word trial:12"


def filter_trials(desk: Desk) -> None:
    """While it is typed the table shows what it finds; escape takes that back."""
    before = desk.view.filter
    _ask_filter(desk, before.text, partial(_set_filter, desk, before.text))


def filter_by(desk: Desk, text: str) -> None:
    problem = _try_filter(desk, text)
    if problem:
        desk.say(problem, "warning")


def _ask_filter(desk: Desk, text: str, dropped: Callable[[], None]) -> None:
    def done(typed: str) -> None:
        problem = _try_filter(desk, typed)
        if problem:  # to be mended, not to be typed again
            _ask_filter(desk, typed, dropped)

    def seen(typed: str) -> None:
        _try_filter(desk, typed)

    def hint(typed: str) -> str:
        return _hint(desk, typed)

    desk.prompt(Prompt("/", text, done, seen, dropped, hint))


def _set_filter(desk: Desk, text: str) -> None:
    desk.view.filter = parse(text, desk.picture.spec)
    desk.order.follow(desk.picture, desk.view)


def _try_filter(desk: Desk, text: str) -> str:
    """Words about what can't be understood; the filter is as before then."""
    try:
        _set_filter(desk, text)
    except FilterError as error:
        return str(error)
    return ""


def _hint(desk: Desk, text: str) -> str:
    if not text.strip():
        return EXAMPLE
    try:
        parse(text, desk.picture.spec)
    except FilterError as error:
        return str(error)
    return f"{len(desk.order.numbers)} of {len(desk.picture.rows)}"


# --- sorting -------------------------------------------------------------------------------------


def choose_sort(desk: Desk) -> None:
    choices = (
        Choice(column.letter, column.title, partial(sort_by, desk, column.key))
        for column in columns(desk.picture)
        if column.sorts
    )
    desk.menu(Menu("sort by", tuple(choices)))


def sort_by(desk: Desk, key: str) -> None:
    desk.view.sort = Sort(key)
    desk.order.follow(desk.picture, desk.view)


def sort_named(desk: Desk, text: str) -> None:
    found = named(text, [column for column in columns(desk.picture) if column.sorts])
    if found is None:
        desk.say(f"no column is called {text.strip()}", "warning")
    else:
        sort_by(desk, found.key)


def turn_sort(desk: Desk) -> None:
    sort = desk.view.sort
    desk.view.sort = replace(sort, reversed=not sort.reversed)
    desk.order.follow(desk.picture, desk.view)


def sort_beside(step: int, desk: Desk) -> None:
    """By the column that many to the right of the one sorted by."""
    keys = [column.key for column in ordered(columns(desk.picture), desk.view) if column.sorts]
    now = desk.view.sort.key
    sort_by(desk, keys[(keys.index(now) + step) % len(keys)] if now in keys else keys[0])


def _sortable(look: Look) -> list[str]:
    return [column.title for column in columns(look.picture) if column.sorts]


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
