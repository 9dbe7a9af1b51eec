"""What does a trial print?"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size

from tuitune.messages.text import trial_name
from tuitune.ui.logs import Stamp, lines_before, log_file, stamp
from tuitune.ui.panes.titles import rule
from tuitune.ui.render.layout import LOG
from tuitune.ui.render.lines import Line, Size, chopped, cut, line
from tuitune.ui.render.memo import Memo

if TYPE_CHECKING:
    from pathlib import Path

    from tuitune.store.rows import TrialRow
    from tuitune.ui.state.render_context import RenderContext


def shown_trial(context: RenderContext) -> int | None:
    """The trial whose log is shown: the one that was asked for, else the cursor's."""
    return (
        context.selection.cursor
        if context.selection.log_trial is None
        else context.selection.log_trial
    )


def held_at(context: RenderContext, trial: int, found: Stamp) -> int | None:
    """The byte at which the pane ends; None where it follows the file's end."""
    held = context.selection.log_end
    if held is None or held[0] != trial or held[1] >= found.size:
        return None  # of another trial, or of a file that was cut since
    return held[1]


class LogPane:
    """The log of a trial, up to its end or to where it is held."""

    def __init__(self) -> None:
        self._shown = Memo[list[Line]]()

    def lines(self, context: RenderContext, size: Size) -> list[Line]:
        selection = context.selection
        row = context.snapshot.row(shown_trial(context))
        if row is None:
            return _empty(context, "Log", "no trial has printed anything yet", size)
        path = log_file(context.snapshot.folder, row.number)
        found = stamp(path)
        if found is None or found.size == 0:
            title = f"Log {trial_name(row.number)}"
            return _empty(context, title, _nothing(row, path, found), size)
        end = held_at(context, row.number, found)
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
    said = cut(line((words, "muted")), size.width)
    return [rule(context, LOG, title, size.width), said][: size.height]


def _lines(
    context: RenderContext, size: Size, path: Path, found: Stamp, end: int | None
) -> list[Line]:
    room = max(0, size.height - 1)
    texts = lines_before(path, found.size if end is None else end, room)
    shown: list[Line] = []
    for text in texts:
        segments = chopped(text, size.width) if context.selection.wrap else [_cut(text, size.width)]
        shown += [_marked(segment, context.selection.find) for segment in segments]
    state = "follows" if end is None else f"held, {_amount(found.size - end)} below"
    words = [f"Log {trial_name(int(path.parent.name))}", state]
    if context.selection.find:
        words.append(f"find {context.selection.find!r}")
    title = rule(context, LOG, "  ".join(words), size.width, right=_keys(context))
    return [title, *shown[-room:]][: size.height] if room else [title]


def _nothing(row: TrialRow, path: Path, found: Stamp | None) -> str:
    if found is not None:
        return f"{trial_name(row.number)} has printed nothing yet"
    if row.started is None:
        return f"{trial_name(row.number)} was not started yet: it has no log"
    if row.pid is None and row.phase == "starting":
        return f"{trial_name(row.number)} is starting"
    return f"{trial_name(row.number)} has no log any more: {path} is gone"


def _keys(context: RenderContext) -> str:
    keys = [("log.wrap", "wrap"), ("log.find", "find")]
    return "  ".join(f"{context.keymap.shown(key)} {title}" for key, title in keys)


def _cut(text: str, width: int) -> str:
    return text if cell_len(text) <= width else set_cell_size(text, width - 1) + "~"


def _marked(text: str, find: str) -> Line:
    """The line, with what is looked for made visible."""
    spans: list[tuple[str, str]] = []
    wanted, low = find.lower(), text.lower()
    at = 0
    while wanted and len(low) == len(text) and (hit := low.find(wanted, at)) >= 0:
        spans += [(text[at:hit], ""), (text[hit : hit + len(wanted)], "accent reverse")]
        at = hit + len(wanted)
    return line(*spans, (text[at:], ""))


def _amount(size: int) -> str:
    for unit, name in ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "kB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} B"
