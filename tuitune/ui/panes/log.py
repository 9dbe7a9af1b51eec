"""The pane of a trial's log, which can be scrolled and searched."""

from functools import partial
from pathlib import Path

from rich.cells import cell_len, set_cell_size

from tuitune.core import events
from tuitune.core.sizes import size as in_bytes
from tuitune.messages.text import plain, trial_name
from tuitune.store.rows import TrialRow
from tuitune.ui.actions.action import Action, AppActions
from tuitune.ui.logs import Stamp, back, find_after, find_before, lines_before, log_file, on, stamp
from tuitune.ui.panes import pane, scrolling
from tuitune.ui.render.lines import Line, Size, chopped, cut, line
from tuitune.ui.state.render_context import RenderContext
from tuitune.ui.state.snapshot import Snapshot
from tuitune.ui.state.status_line import Prompt

_NAME = "log"
_LOOKED_AT = 6  # of the newest trials


def shown_trial(context: RenderContext) -> int | None:
    """The trial whose log is shown: the chosen one, else the cursor's."""
    return (
        context.selection.cursor
        if context.selection.log_trial is None
        else context.selection.log_trial
    )


def _held_at(context: RenderContext, trial: int, found: Stamp) -> int | None:
    """The byte at which the pane ends; None if it follows the end of the file."""
    held = context.selection.log_end
    if held is None or held[0] != trial or held[1] >= found.size:
        return None  # for another trial, or past the end of a file that was truncated
    return held[1]


class LogPane:
    """The log of a trial, at its end or where it was scrolled to."""

    def __init__(self) -> None:
        self._shown = pane.Memo[list[Line]]()

    def lines(self, context: RenderContext, size: Size) -> list[Line]:
        """The title, and the visible lines."""
        selection = context.selection
        row = context.snapshot.row(shown_trial(context))
        if row is None:
            return _empty(context, "Log", "no trial has printed anything yet", size)
        path = log_file(context.snapshot.folder, row.number)
        found = stamp(path)
        if found is None or found.size == 0:
            title = f"Log {trial_name(row.number)}"
            return _empty(context, title, _nothing(row, path, found), size)
        end = _held_at(context, row.number, found)
        grown = None if selection.frozen else found
        key = (
            path,
            grown,
            end,
            size,
            selection.wrap,
            selection.find,
            selection.focus,
            context.glyphs.ascii,
        )
        return self._shown.get(key, partial(_lines, context, size, path, found, end))


def _empty(context: RenderContext, title: str, words: str, size: Size) -> list[Line]:
    message = cut(line((words, "muted")), size.width)
    return [pane.rule(context, _NAME, title, size.width), message][: size.height]


def _lines(
    context: RenderContext, size: Size, path: Path, found: Stamp, end: int | None
) -> list[Line]:
    room = max(0, size.height - 1)
    texts = lines_before(path, found.size if end is None else end, room)
    shown: list[Line] = []
    for text in texts:
        segments = chopped(text, size.width) if context.selection.wrap else [_cut(text, size.width)]
        shown += [_highlighted(segment, context.selection.find) for segment in segments]
    state = "follows" if end is None else f"scrolled, {in_bytes(found.size - end)} below"
    words = [f"Log {trial_name(int(path.parent.name))}", state]
    if context.selection.find:
        words.append(f"find {context.selection.find!r}")
    title = pane.rule(context, _NAME, "  ".join(words), size.width, right=_keys(context))
    return [title, *shown[-room:]][: size.height] if room else [title]


def _nothing(row: TrialRow, path: Path, found: Stamp | None) -> str:
    if found is not None:
        has_ended = row.state in events.ENDED
        return f"{trial_name(row.number)} has printed nothing{'' if has_ended else ' yet'}"
    if row.started is None:
        return f"{trial_name(row.number)} was not started yet: it has no log"
    if row.pid is not None and row.node:
        return f"{trial_name(row.number)} prints on {plain(row.node)}, which is asked for it"
    if row.pid is None and row.activity == "starting":
        return f"{trial_name(row.number)} is starting"
    return f"{trial_name(row.number)} has no log any more: {path} is gone"


def _keys(context: RenderContext) -> str:
    keys = [("log.wrap", "wrap"), ("log.find", "find")]
    return "  ".join(f"{context.keymap.shown(key)} {title}" for key, title in keys)


def _cut(text: str, width: int) -> str:
    return text if cell_len(text) <= width else set_cell_size(text, width - 1) + "~"


def _highlighted(text: str, find: str) -> Line:
    """The line with each match highlighted."""
    spans: list[tuple[str, str]] = []
    wanted, low = find.lower(), text.lower()
    at = 0
    while wanted and len(low) == len(text) and (hit := low.find(wanted, at)) >= 0:
        spans += [(text[at:hit], ""), (text[hit : hit + len(wanted)], "accent reverse")]
        at = hit + len(wanted)
    return line(*spans, (text[at:], ""))


def _where(room: pane.Room, snapshot: Snapshot) -> pane.Place | None:
    if room.columns == 1 or room.height < 36 or not _has_printed(snapshot):
        return None
    return pane.Place("below", 11 if room.height > 50 else 5)


def _has_printed(snapshot: Snapshot) -> bool:
    """Whether one of the first or last trials has printed anything: without it there is no log."""
    count = len(snapshot.rows)
    looked_at = {*range(min(2, count)), *range(max(0, count - _LOOKED_AT), count)}
    stamps = (stamp(log_file(snapshot.folder, trial)) for trial in looked_at)
    return any(found is not None and found.size > 0 for found in stamps)


# --- its actions ---------------------------------------------------------------------------------


def _open(app: AppActions) -> None:
    app.selection.focus = app.selection.zoomed = _NAME
    app.move()


def _scroll(app: AppActions, lines: int) -> None:
    """Scrolls to a byte of the file, so that the lines stay while the file grows."""
    log = _log(app)
    if log is None:
        return
    trial, path, found = log
    end = _held_at(app.context(), trial, found)
    end = found.size if end is None else end
    if lines < 0:
        first_page = on(path, 0, max(1, app.size_of(_NAME).height - 1))
        end = max(back(path, end, -lines), first_page)
    else:
        end = on(path, end, lines)
    _hold(app, trial, end, found)


def _hold(app: AppActions, trial: int, end: int, found: Stamp) -> None:
    """Shows the lines before this byte; at the end of the file the pane follows it again."""
    app.selection.log_end = (trial, end) if end < found.size else None


def _log(app: AppActions) -> tuple[int, Path, Stamp] | None:
    trial = shown_trial(app.context())
    if trial is None:
        return None
    path = log_file(app.snapshot.folder, trial)
    found = stamp(path)
    return None if found is None else (trial, path, found)


def _to_end(app: AppActions, count: int) -> None:
    """Scrolls to the end of the file, or to its start if `count` is negative."""
    log = _log(app)
    if log is None:
        return
    trial, path, found = log
    page = max(1, app.size_of(_NAME).height - 1)
    _hold(app, trial, found.size if count > 0 else on(path, 0, page), found)


def _wrap(app: AppActions) -> None:
    app.selection.wrap = not app.selection.wrap


def _find(app: AppActions) -> None:
    """Highlights the text while it is typed, then moves to the nearest match above."""
    before = app.selection.find

    def seen(text: str) -> None:
        app.selection.find = text

    def done(text: str) -> None:
        app.selection.find = text
        if text:
            _find_up(app)

    app.prompt(Prompt("/", before, done, seen, partial(seen, before)))


def _find_up(app: AppActions) -> None:
    """Moves to the next match above; the first search includes the last line shown."""
    log = _log(app)
    if log is None or not app.selection.find:
        return
    trial, path, found = log
    end = _held_at(app.context(), trial, found)
    above = found.size if end is None else back(path, end, 1)
    hit = find_before(path, above, app.selection.find)
    _go(app, hit, trial, found, "above")


def _find_down(app: AppActions) -> None:
    log = _log(app)
    if log is None or not app.selection.find:
        return
    trial, path, found = log
    end = _held_at(app.context(), trial, found)
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


def _no_match_possible(context: RenderContext) -> str:
    return _no_log(context) or ("" if context.selection.find else "no text is searched for")


PANE = pane.Pane(
    _NAME,
    "the trial's output",
    LogPane,
    _where,
    (
        Action(
            "log.open",
            ("l",),
            "log",
            "Show the output of the trial under the cursor.",
            "Look",
            _open,
        ),
        *scrolling.scroll_actions(_NAME, "the log", _scroll, _to_end),
        Action(
            "log.wrap", ("w",), "wrap", "Wrap long lines, or cut them.", "Look", _wrap, pane=_NAME
        ),
        Action(
            "log.find",
            ("/",),
            "find",
            "Search the log upwards for a text.",
            "Look",
            _find,
            pane=_NAME,
            why_not=_no_log,
        ),
        Action(
            "log.find_up",
            ("n",),
            "next match above",
            "Move up to the next line that has the text.",
            "Look",
            _find_up,
            pane=_NAME,
            why_not=_no_match_possible,
        ),
        Action(
            "log.find_down",
            ("N",),
            "next match below",
            "Move down to the next line that has the text.",
            "Look",
            _find_down,
            pane=_NAME,
            why_not=_no_match_possible,
        ),
    ),
    (("log.find", "find"), ("log.find_up", "next"), ("log.wrap", "wrap"), *pane.TRIAL_HINTS),
    wheel=_scroll,
)
