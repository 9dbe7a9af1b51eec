"""The pane of decisions about the cursor's trial or the whole study, with reasons."""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from tuitune.core.events import (
    Added,
    AnyFact,
    Checkpointed,
    Exited,
    Halted,
    Promoted,
    Settled,
    TrialState,
    Verdict,
    Warned,
)
from tuitune.messages.facts import told, whose
from tuitune.messages.text import trial_name
from tuitune.ui.actions.action import Action
from tuitune.ui.panes.pane import THREE_FROM, TRIAL_HINTS, Memo, Pane, Place, rule
from tuitune.ui.panes.scrolling import scroll_actions, scroll_text
from tuitune.ui.render.lines import Line, Size, cut, line, wrapped
from tuitune.ui.text.trial import clock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tuitune.core.reasons import Why
    from tuitune.ui.actions.action import AppActions
    from tuitune.ui.panes.pane import Room
    from tuitune.ui.state.render_context import RenderContext
    from tuitune.ui.state.snapshot import Snapshot


_NAME = "why"


class WhyPane:
    """The decisions, newest first, with the time of each."""

    def __init__(self) -> None:
        self._shown = Memo[list[Line]]()

    def lines(self, context: RenderContext, size: Size) -> list[Line]:
        """The title, and the visible decisions."""
        trial = _trial(context)
        facts = _facts(context, trial)
        day = int(context.snapshot.now) // 3600
        scrolled = context.selection.scrolled.get(_NAME, 0)
        key = (trial, facts, day, size, scrolled, context.selection.focus, context.glyphs.ascii)
        return self._shown.get(key, partial(_lines, context, size, facts, trial))


def length(context: RenderContext, size: Size) -> int:
    """The number of lines, without the title."""
    trial = _trial(context)
    facts = _facts(context, trial)
    return sum(1 for _ in _decisions(context.snapshot, facts, size.width, study=trial is None))


def _trial(context: RenderContext) -> int | None:
    """The trial whose decisions are shown; None: those of the study."""
    row = None if context.selection.all_why else context.snapshot.row(context.selection.cursor)
    return None if row is None else row.number


def _facts(context: RenderContext, trial: int | None) -> Sequence[tuple[int, AnyFact]]:
    sources = context.snapshot.sources
    return sources.newest() if trial is None else sources.facts_of(trial)[::-1]


def _lines(
    context: RenderContext, size: Size, facts: Sequence[tuple[int, AnyFact]], trial: int | None
) -> list[Line]:
    study = trial is None
    key = context.keymap.shown("why.whole")
    title = "Why  the study" if trial is None else f"Why  {trial_name(trial)}"
    other = f"{key} {'one trial' if study else 'the study'}"
    height = max(0, size.height - 1)
    top = max(0, context.selection.scrolled.get(_NAME, 0))
    decisions = _decisions(context.snapshot, facts, size.width, study=study)
    shown = list(islice(decisions, top, top + height))
    if not shown:
        shown = [line(("no decisions yet" if not top else "no older decisions", "muted"))]
    return [rule(context, _NAME, title, size.width, right=other), *shown][: size.height]


def _decisions(
    snapshot: Snapshot, facts: Sequence[tuple[int, AnyFact]], width: int, *, study: bool
) -> Iterator[Line]:
    settled: dict[int, Why] = {}  # by trial: why it is in its newest state
    for _, fact in facts:
        words = told(fact)
        if isinstance(fact, Settled):
            settled[fact.trial] = fact.why
        if (
            not words
            or (isinstance(fact, Checkpointed) and not study)
            or _is_repeated(fact, settled)
        ):
            continue
        if study and (who := whose(fact)):
            words = f"{who}  {words}"
        when = clock(fact.time, snapshot.now) + " "
        for number, text in enumerate(wrapped(words, width - len(when))):
            before = when if number == 0 else " " * len(when)
            yield cut(line((before, "muted"), (text, _role(fact))), width)


def _is_repeated(fact: AnyFact, settled: Mapping[int, Why]) -> bool:
    """Whether the change of state that followed from this fact has the same reason."""
    match fact:
        case Verdict(trial=trial, why=words) | Exited(trial=trial, error=words):
            return bool(words) and settled.get(trial) == words
    return False


def _role(fact: AnyFact) -> str:
    if getattr(fact, "by", "") or isinstance(fact, Added):
        return "accent"  # done by a person
    match fact:
        case Settled(state=state) if state == TrialState.FAILED:
            return "error"
        case Exited(error=error) if error:
            return "error"
        case Halted() | Warned() | Verdict(action="stop"):
            return "warning"
        case Promoted() | Verdict():
            return "success"
    return ""


def _where(room: Room, _: Snapshot) -> Place | None:
    """Below the detail if that column is high enough, or in a column of its own."""
    if room.columns == 3:
        return Place(2)
    return Place(1) if room.columns == 2 and room.body >= THREE_FROM else None


def _whole_study(app: AppActions) -> None:
    app.selection.all_why = not app.selection.all_why
    app.selection.scrolled.pop(_NAME, None)


_scroll = scroll_text(_NAME, length)

PANE = Pane(
    _NAME,
    "the reasons",
    WhyPane,
    _where,
    (
        *scroll_actions(_NAME, "the reasons", _scroll),
        Action(
            "why.whole",
            ("w",),
            "the whole study",
            "Show the decisions of the whole study, or of the cursor's trial alone.",
            "Look",
            _whole_study,
            pane=_NAME,
        ),
    ),
    (("why.whole", "whole study"), *TRIAL_HINTS),
    wheel=_scroll,
)
