"""The pane of the cursor's trial: its configuration and its state."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len

from tuitune.core.events import TrialState
from tuitune.core.space import spell
from tuitune.messages.states import WORDS
from tuitune.messages.text import plain, trial_name
from tuitune.ui.actions.focusing import DETAIL
from tuitune.ui.panes.pane import TALL_FROM, THREE_FROM, TRIAL_HINTS, Memo, Pane, Place, rule
from tuitune.ui.panes.scrolling import scroll_actions, scroll_text, window
from tuitune.ui.render.glyphs import shown_state
from tuitune.ui.render.lines import Line, Size, cut, fit, line, padded, stacked, width_of, wrapped
from tuitune.ui.table.cells import form_of, parameter
from tuitune.ui.text.phrases import awaited, missing
from tuitune.ui.text.trial import doing, last_words, place, standing, times, value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuitune.core.events import AnyFact
    from tuitune.store.rows import TrialRow
    from tuitune.ui.panes.pane import Room
    from tuitune.ui.state.render_context import RenderContext
    from tuitune.ui.state.snapshot import Snapshot

_SMALL = 4  # a pane of at most so many lines shows only the configuration and the state
_LABEL = 8  # cells of a label
_GAP = 3  # blanks between two columns of the configuration


class DetailPane:
    """The trial under the cursor."""

    def __init__(self) -> None:
        self._shown = Memo[list[Line]]()

    def lines(self, context: RenderContext, size: Size) -> list[Line]:
        """The title, and the visible part."""
        snapshot, selection = context.snapshot, context.selection
        row = snapshot.row(selection.cursor)
        if row is None:
            title = rule(context, DETAIL, "no trial", size.width)
            return stacked([title, *awaited(context, size.width)], size)
        facts = snapshot.sources.facts_of(row.number)
        scrolled = selection.scrolled.get(DETAIL, 0)
        time = int(snapshot.now) if row.ended is None else times(snapshot, row)
        moment = time, snapshot.engine.state, snapshot.study.rungs
        key = (row, facts, moment, size, scrolled, selection.focus, context.glyphs.ascii)
        return self._shown.get(key, partial(_lines, context, size, row, facts))


def _lines(
    context: RenderContext, size: Size, row: TrialRow, facts: Sequence[tuple[int, AnyFact]]
) -> list[Line]:
    content = _whole(context, row, facts, size)
    shown, right = window(content, size.height - 1, context.selection.scrolled.get(DETAIL, 0))
    where = standing(context.snapshot, row, facts) if size.height <= _SMALL else ""
    title = "  ".join((trial_name(row.number), _state(context, row), where)).rstrip()
    title = fit(title, min(cell_len(title), size.width - 8))
    return [rule(context, DETAIL, title, size.width, right=right), *shown]


def _whole(
    context: RenderContext, row: TrialRow, facts: Sequence[tuple[int, AnyFact]], size: Size
) -> list[Line]:
    """All lines, of which the pane shows as many as fit."""
    if size.height <= _SMALL:
        return _small(context, row, size.width)
    columns = _columns(context.snapshot, row, size)
    return [*columns, *_facts(context, row, facts, size.width)]


def length(context: RenderContext, size: Size) -> int:
    """The number of lines, without the title."""
    row = context.snapshot.row(context.selection.cursor)
    if row is None:
        return 0
    return len(_whole(context, row, context.snapshot.sources.facts_of(row.number), size))


def _small(context: RenderContext, row: TrialRow, width: int) -> list[Line]:
    """The configuration on one line, what the trial does on the second."""
    known = context.snapshot.spec.space.by_name
    pairs: list[Line] = []
    for name, given in _configuration(context.snapshot, row):
        short = parameter(given, form_of(known[name]) if name in known else "")
        pairs.append(line((f"{plain(name)} ", "muted"), (f"{plain(short)}  ", "")))
    words = (
        _activity(context, row) if row.state != TrialState.FAILED else row.error.strip() or row.note
    )
    second = [
        (plain(words), _role(context, row)),
        (f"  {place(context.snapshot, row)}", "muted"),
    ]
    return [_as_many(pairs, width), cut(line(*second), width)]


def _as_many(pairs: list[Line], width: int) -> Line:
    """The pairs that fit, and how many don't."""
    kept, left = list(pairs), 0
    while len(kept) > 1 and sum(map(width_of, kept)) + (len(f"+{left}") if left else 0) > width:
        kept.pop()
        left += 1
    more = line((f"+{left}", "muted")) if left else ()
    return cut((*(span for pair in kept for span in pair), *more), width)


def _columns(snapshot: Snapshot, row: TrialRow, size: Size) -> list[Line]:
    """Names and values aligned, in as few columns as leave half of the pane free."""
    cells = [(plain(name), plain(spell(given))) for name, given in _configuration(snapshot, row)]
    if not cells:
        return []
    names = max(cell_len(name) for name, _ in cells)
    values = min(max(cell_len(given) for _, given in cells), max(8, size.width - names - 1))
    cell = names + 1 + values
    possible = max(1, (size.width + _GAP) // (cell + _GAP))
    wanted = -(-len(cells) // max(1, (size.height - 1) // 2))
    columns = min(possible, wanted)
    made: list[Line] = []
    for start in range(0, len(cells), columns):
        spans: list[tuple[str, str]] = []
        for name, given in cells[start : start + columns]:
            spans += [(fit(name, names), "muted"), (" " + fit(given, values), ""), (" " * _GAP, "")]
        made.append(cut(tuple(spans[:-1]), size.width))
    return made


def _facts(
    context: RenderContext, row: TrialRow, facts: Sequence[tuple[int, AnyFact]], width: int
) -> list[Line]:
    snapshot = context.snapshot
    role = _role(context, row)
    origin = f"{row.origin}: {row.why}" if row.why else row.origin
    made = _fact("now", _activity(context, row), role, width)
    made += _fact("value", value(snapshot, row), "", width)
    made += _fact("rung", standing(snapshot, row, facts), "", width)
    made += _fact("place", place(snapshot, row), "", width)
    made += _fact("time", times(snapshot, row), "", width)
    if row.error.strip() not in row.note:
        made += _fact("error", row.error.strip(), "error", width)
    made += _fact("from", origin, "muted", width)
    if row.state == TrialState.FAILED:
        made += _fact("printed", last_words(facts).rstrip(), "muted", width)
    return made


def _fact(label: str, words: str, role: str, width: int) -> list[Line]:
    """A text with a label, wrapped; no lines if it is empty."""
    if not words:
        return []
    first, *more = wrapped(words, width - _LABEL)
    lines = [line((fit(label, _LABEL), "muted"), (first, role))]
    lines += [line((" " * _LABEL, ""), (text, role)) for text in more]
    return [padded(cut(text, width), width) for text in lines]


def _activity(context: RenderContext, row: TrialRow) -> str:
    if not (row.step or row.is_transient or row.note) and row.started is not None:
        return missing(context, row)
    return doing(context, row)


def _state(context: RenderContext, row: TrialRow) -> str:
    shown = shown_state(row, engine_gone=context.snapshot.engine_gone)
    return f"{context.glyphs.states[shown]} {shown}"


def _role(context: RenderContext, row: TrialRow) -> str:
    return WORDS[shown_state(row, engine_gone=context.snapshot.engine_gone)].role


def _configuration(snapshot: Snapshot, row: TrialRow) -> list[tuple[str, Any]]:
    """(name, value) in the order of the search space; unknown parameters come last."""
    known = [parameter.name for parameter in snapshot.spec.space.parameters]
    names = [name for name in known if name in row.config]
    names += [name for name in row.config if name not in known]
    return [(name, row.config[name]) for name in names]


def _where(room: Room, _: Snapshot) -> Place:
    if room.columns == 1:
        return Place(0, 4 if room.body >= TALL_FROM else 3)
    if room.columns == 2 and room.body >= THREE_FROM:
        left = room.body - room.body // 2  # below the curve
        return Place(1, min(8, max(4, left // 2)))
    return Place(1)


_scroll = scroll_text(DETAIL, length)

PANE = Pane(
    DETAIL,
    "a trial in detail",
    DetailPane,
    _where,
    scroll_actions(DETAIL, "the detail", _scroll),
    (*TRIAL_HINTS, ("trial.copy", "copy")),
    wheel=_scroll,
)
