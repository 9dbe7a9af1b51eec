"""The pane of the cursor's trial: its configuration, its rungs, its state and all decisions."""

from collections.abc import Sequence
from functools import partial
from itertools import islice
from typing import Any

from rich.cells import cell_len

from tuitune.core import events
from tuitune.messages import command, states
from tuitune.messages.text import plain, trial_name, usage_words
from tuitune.store.rows import TrialRow
from tuitune.ui.actions import action
from tuitune.ui.actions.focusing import DETAIL
from tuitune.ui.panes import pane, scrolling
from tuitune.ui.render.glyphs import shown_state
from tuitune.ui.render.lines import Line, Size, cut, fit, line, padded, stacked, width_of, wrapped
from tuitune.ui.state.render_context import RenderContext
from tuitune.ui.state.snapshot import Snapshot
from tuitune.ui.table.cells import form_of, parameter
from tuitune.ui.text.decisions import decisions, rung_lines, rungs_on_one_line
from tuitune.ui.text.phrases import awaited, missing
from tuitune.ui.text.trial import doing, last_words, place, standing, times, value

_SMALL = 4  # a pane of at most so many lines shows only the configuration and the state
_LABEL = 8  # cells of a label
_GAP = 3  # blanks between two columns of the configuration


class DetailPane:
    """The trial under the cursor, or the decisions of the whole study."""

    def __init__(self) -> None:
        self._shown = pane.Memo[list[Line]]()

    def lines(self, context: RenderContext, size: Size) -> list[Line]:
        """The title, and the visible part."""
        snapshot, selection = context.snapshot, context.selection
        if selection.all_why:
            return _of_study(context, size)
        row = snapshot.row(selection.cursor)
        if row is None:
            title = pane.rule(context, DETAIL, "no trial", size.width)
            return stacked([title, *awaited(context, size.width)], size)
        facts = snapshot.sources.facts_of(row.number)
        scrolled = selection.scrolled.get(DETAIL, 0)
        time = int(snapshot.now) if row.ended is None else times(snapshot, row)
        moment = time, snapshot.engine.state, snapshot.study.rungs
        view = selection.focus, context.glyphs.ascii, context.boxed
        key = (row, facts, moment, size, scrolled, view)
        return self._shown.get(key, partial(_lines, context, size, row, facts))


def _of_study(context: RenderContext, size: Size) -> list[Line]:
    """The decisions of the whole study, the newest first."""
    top = max(0, context.selection.scrolled.get(DETAIL, 0))
    newest = context.snapshot.sources.newest()
    made = decisions(context.snapshot, newest, size.width, study=True)
    shown = list(islice(made, top, top + max(0, size.height - 1)))
    if not shown:
        shown = [line(("no decisions yet" if not top else "no older decisions", "muted"))]
    right = f"{context.keymap.shown('why.whole')} one trial"
    return [pane.rule(context, DETAIL, "Decisions", size.width, right=right), *shown][: size.height]


def _lines(
    context: RenderContext, size: Size, row: TrialRow, facts: Sequence[tuple[int, events.AnyFact]]
) -> list[Line]:
    content = _whole(context, row, facts, size)
    shown, right = scrolling.window(
        content, size.height - 1, context.selection.scrolled.get(DETAIL, 0)
    )
    title = trial_name(row.number)
    state = line((f"{_state(context, row)} ", _role(context, row)))
    return [pane.rule(context, DETAIL, title, size.width, more=state, right=right), *shown]


def _whole(
    context: RenderContext, row: TrialRow, facts: Sequence[tuple[int, events.AnyFact]], size: Size
) -> list[Line]:
    """All lines, of which the pane shows as many as fit."""
    if size.height <= _SMALL:
        return _small(context, row, facts, size.width)
    columns = _columns(context.snapshot, row, size)
    rungs = rung_lines(context.snapshot, facts, context.glyphs, size.width)
    figures = _facts(context, row, facts, size.width)
    newest_first = [*decisions(context.snapshot, facts[::-1], size.width, study=False)]
    parts = [part for part in (columns, rungs, figures, newest_first) if part]
    return [one for part in parts for one in ((), *part)][1:]


def length(context: RenderContext, size: Size) -> int:
    """The number of lines, without the title."""
    snapshot = context.snapshot
    if context.selection.all_why:
        newest = snapshot.sources.newest()
        return sum(1 for _ in decisions(snapshot, newest, size.width, study=True))
    row = snapshot.row(context.selection.cursor)
    if row is None:
        return 0
    return len(_whole(context, row, snapshot.sources.facts_of(row.number), size))


def _small(
    context: RenderContext, row: TrialRow, facts: Sequence[tuple[int, events.AnyFact]], width: int
) -> list[Line]:
    """The configuration on one line; on the second its rungs, or what the trial does."""
    known = context.snapshot.spec.space.by_name
    pairs: list[Line] = []
    for name, given in _configuration(context.snapshot, row):
        short = parameter(given, form_of(known[name]) if name in known else "")
        pairs.append(line((f"{plain(name)} ", "muted"), (f"{plain(short)}  ", "")))
    first = _as_many(pairs, width)
    rungs = rungs_on_one_line(context.snapshot, facts, context.glyphs, width)
    if rungs and row.state != events.TrialState.FAILED and not row.is_transient:
        return [first, rungs]
    words = (
        _activity(context, row)
        if row.state != events.TrialState.FAILED
        else row.error.strip() or row.note
    )
    second = [(plain(words), _role(context, row)), (f"  {place(context.snapshot, row)}", "muted")]
    return [first, cut(line(*second), width)]


def _as_many(pairs: list[Line], width: int) -> Line:
    """The pairs that fit, and how many don't."""
    kept, left = list(pairs), 0
    while len(kept) > 1 and sum(map(width_of, kept)) + (len(f"+{left}") if left else 0) > width:
        kept.pop()
        left += 1
    more = line((f"+{left}", "muted")) if left else ()
    return cut((*(span for pair in kept for span in pair), *more), width)


def _columns(snapshot: Snapshot, row: TrialRow, size: Size) -> list[Line]:
    """Names and values aligned, in two columns if they fit, in more if half of the pane is full."""
    cells = [
        (plain(name), plain(command.spelled(given)))
        for name, given in _configuration(snapshot, row)
    ]
    if not cells:
        return []
    made = _side_by_side([cells])
    for columns in range(2, len(cells) + 1):
        lines = -(-len(cells) // columns)
        more = _side_by_side([cells[at : at + lines] for at in range(0, len(cells), lines)])
        if (columns > 2 and len(made) <= size.height // 2) or max(map(width_of, more)) > size.width:
            break
        made = more
    return [cut(one, size.width) for one in made]


def _side_by_side(columns: Sequence[Sequence[tuple[str, str]]]) -> list[Line]:
    """Columns of names and values, each aligned."""
    made: list[Line] = [() for _ in columns[0]]
    for number, cells in enumerate(columns):
        names = max((cell_len(name) for name, _ in cells), default=0)
        values = max((cell_len(given) for _, given in cells), default=0)
        for at, (name, given) in enumerate(cells):
            gap = " " * _GAP if number else ""
            cell = (gap + fit(name, names), "muted"), (" " + fit(given, values), "")
            made[at] = (*made[at], *cell)
    return made


def _facts(
    context: RenderContext, row: TrialRow, facts: Sequence[tuple[int, events.AnyFact]], width: int
) -> list[Line]:
    snapshot = context.snapshot
    role = _role(context, row)
    origin = f"{row.origin}: {row.why}" if row.why else row.origin
    made = _fact("now", _activity(context, row), role, width)
    made += _fact("value", value(snapshot, row), "", width)
    if row.state not in events.ENDED:
        made += _fact("rung", standing(snapshot, row, facts), "", width)
    made += _fact("place", place(snapshot, row), "", width)
    made += _fact("time", times(snapshot, row), "", width)
    if row.gpu_seconds:
        made += _fact("used", usage_words(row.gpu_seconds, row.energy), "", width)
    if row.error.strip() not in row.note:
        made += _fact("error", row.error.strip(), "error", width)
    made += _fact("from", origin, "muted", width)
    if row.state == events.TrialState.FAILED:
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
    return states.WORDS[shown_state(row, engine_gone=context.snapshot.engine_gone)].role


def _configuration(snapshot: Snapshot, row: TrialRow) -> list[tuple[str, Any]]:
    """(name, value) in the order of the search space; unknown parameters come last."""
    known = [parameter.name for parameter in snapshot.spec.space.parameters]
    names = [name for name in known if name in row.config]
    names += [name for name in row.config if name not in known]
    return [(name, row.config[name]) for name in names]


def _where(room: pane.Room, _: Snapshot) -> pane.Place:
    """Below the curve, or in a column of its own."""
    if room.columns == 1:
        return pane.Place(0, 4 if room.body >= pane.TALL_FROM else 3)
    return pane.Place(room.columns - 1)


def _whole_study(app: action.AppActions) -> None:
    app.selection.all_why = not app.selection.all_why
    app.selection.scrolled.pop(DETAIL, None)


_scroll = scrolling.scroll_text(DETAIL, length)

PANE = pane.Pane(
    DETAIL,
    "a trial in detail",
    DetailPane,
    _where,
    (
        *scrolling.scroll_actions(DETAIL, "the detail", _scroll),
        action.Action(
            "why.whole",
            ("w",),
            "the whole study",
            "Show the decisions of the whole study, or of the cursor's trial alone.",
            "Look",
            _whole_study,
            pane=DETAIL,
        ),
    ),
    (*pane.TRIAL_HINTS, ("trial.copy", "copy"), ("why.whole", "whole study")),
    wheel=_scroll,
)
