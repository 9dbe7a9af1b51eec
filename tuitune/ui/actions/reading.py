"""How are the panes of text read? Scrolled line by line, and a log searched."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from tuitune.ui.actions.action import Action
from tuitune.ui.logs import back, find_after, find_before, log_file, on, stamp
from tuitune.ui.panes import detail, why
from tuitune.ui.panes.log import held_at, shown_trial
from tuitune.ui.render.layout import DETAIL, LOG, WHY
from tuitune.ui.state.status_line import Prompt

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tuitune.ui.actions.action import AppActions
    from tuitune.ui.logs import Stamp
    from tuitune.ui.state.render_context import RenderContext

FAR: Final = 1 << 30  # lines: further than any text goes


def scroll(app: AppActions, pane: str, lines: int) -> None:
    """So many lines down, or up where negative."""
    if pane == LOG:
        _scroll_log(app, lines)
        return
    selection = app.selection
    before = selection.scrolled.get(pane, 0)
    selection.scrolled[pane] = max(0, min(before + lines, longest(app, pane)))


def longest(app: AppActions, pane: str) -> int:
    """How far down a pane can be scrolled: its last line then stands at the bottom."""
    size = app.size_of(pane)
    return max(0, LENGTHS[pane](app.context(), size) - max(1, size.height - 1))


def _scroll_log(app: AppActions, lines: int) -> None:
    """By the place in the file, so that what is read stays there while the file grows."""
    log = _log(app)
    if log is None:
        return
    trial, path, found = log
    end = held_at(app.context(), trial, found)
    end = found.size if end is None else end
    if lines < 0:
        first_page = on(path, 0, max(1, app.size_of(LOG).height - 1))
        end = max(back(path, end, -lines), first_page)
    else:
        end = on(path, end, lines)
    _hold(app, trial, end, found)


def _hold(app: AppActions, trial: int, end: int, found: Stamp) -> None:
    """The pane ends at this byte; at the file's own end it follows again."""
    app.selection.log_end = (trial, end) if end < found.size else None


def _log(app: AppActions) -> tuple[int, Path, Stamp] | None:
    trial = shown_trial(app.context())
    if trial is None:
        return None
    path = log_file(app.snapshot.folder, trial)
    found = stamp(path)
    return None if found is None else (trial, path, found)


def _lines(pane: str, count: int, app: AppActions) -> None:
    scroll(app, pane, count)


def _pages(pane: str, count: int, app: AppActions) -> None:
    scroll(app, pane, count * max(1, app.size_of(pane).height - 2))


def _far(pane: str, count: int, app: AppActions) -> None:
    """To the begin, or the end."""
    if pane != LOG:
        scroll(app, pane, count * FAR)
        return
    log = _log(app)
    if log is None:
        return
    trial, path, found = log
    page = max(1, app.size_of(LOG).height - 1)
    _hold(app, trial, found.size if count > 0 else on(path, 0, page), found)


def open_log(app: AppActions) -> None:
    """Of the trial under the cursor, with all the room there is."""
    app.selection.focus = app.selection.zoomed = LOG
    app.move()


def wrap(app: AppActions) -> None:
    app.selection.wrap = not app.selection.wrap


def whole_study(app: AppActions) -> None:
    app.selection.all_why = not app.selection.all_why
    app.selection.scrolled.pop(WHY, None)


def find(app: AppActions) -> None:
    """Marked while it is typed; then to the nearest match above."""
    before = app.selection.find

    def seen(text: str) -> None:
        app.selection.find = text

    def done(text: str) -> None:
        app.selection.find = text
        if text:
            find_up(app)

    app.prompt(Prompt("/", before, done, seen, partial(seen, before)))


def find_up(app: AppActions) -> None:
    """The next match above the last line shown; that line itself counts when it is first looked."""
    log = _log(app)
    if log is None or not app.selection.find:
        return
    trial, path, found = log
    end = held_at(app.context(), trial, found)
    above = found.size if end is None else back(path, end, 1)
    hit = find_before(path, above, app.selection.find)
    _go(app, hit, trial, found, "above")


def find_down(app: AppActions) -> None:
    log = _log(app)
    if log is None or not app.selection.find:
        return
    trial, path, found = log
    end = held_at(app.context(), trial, found)
    hit = None if end is None else find_after(path, end, app.selection.find)
    _go(app, hit, trial, found, "below")


def _go(app: AppActions, hit: int | None, trial: int, found: Stamp, where: str) -> None:
    if hit is None:
        app.say(f"no {app.selection.find!r} {where}", "warning")
    else:
        _hold(app, trial, hit, found)


def _no_log(context: RenderContext) -> str:
    trial = shown_trial(context)
    if trial is None or stamp(log_file(context.snapshot.folder, trial)) is None:
        return "there is no log yet"
    return ""


def _nothing_looked_for(context: RenderContext) -> str:
    return _no_log(context) or ("" if context.selection.find else "nothing is looked for")


LENGTHS: Final = {DETAIL: detail.length, WHY: why.length}
TITLES: Final = {DETAIL: "the detail", WHY: "the reasons", LOG: "the log"}
MOVES: Final[tuple[tuple[str, tuple[str, ...], str, Callable[..., None], int], ...]] = (
    ("down", ("j", "down"), "a line down", _lines, 1),
    ("up", ("k", "up"), "a line up", _lines, -1),
    ("page_down", ("pagedown", "ctrl+d"), "a page down", _pages, 1),
    ("page_up", ("pageup", "ctrl+u"), "a page up", _pages, -1),
    ("end", ("G", "end"), "to the end", _far, 1),
    ("start", ("g", "home"), "to the start", _far, -1),
)


def _moves(pane: str) -> tuple[Action, ...]:
    return tuple(
        Action(
            f"{pane}.{name}",
            keys,
            title,
            f"Scrolls {TITLES[pane]} {title}.",
            "Move",
            partial(run, pane, count),
            pane=pane,
        )
        for name, keys, title, run, count in MOVES
    )


ACTIONS: Final = (
    Action(
        "log.open",
        ("l",),
        "log",
        "What the trial under the cursor prints.",
        "Look",
        open_log,
    ),
    *_moves(DETAIL),
    *_moves(WHY),
    Action(
        "why.whole",
        ("w",),
        "the whole study",
        "Tells what was decided in the whole study, or of the cursor's trial alone.",
        "Look",
        whole_study,
        pane=WHY,
    ),
    *_moves(LOG),
    Action(
        "log.wrap",
        ("w",),
        "wrap",
        "Long lines go on in the next one, or are cut.",
        "Look",
        wrap,
        pane=LOG,
    ),
    Action(
        "log.find",
        ("/",),
        "find",
        "Looks for a text in the log, upwards.",
        "Look",
        find,
        pane=LOG,
        why_not=_no_log,
    ),
    Action(
        "log.find_up",
        ("n",),
        "next match above",
        "Goes up to the next line that holds the text.",
        "Look",
        find_up,
        pane=LOG,
        why_not=_nothing_looked_for,
    ),
    Action(
        "log.find_down",
        ("N",),
        "next match below",
        "Goes down to the next line that holds the text.",
        "Look",
        find_down,
        pane=LOG,
        why_not=_nothing_looked_for,
    ),
)
