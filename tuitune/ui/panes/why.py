"""What was decided about the trial under the cursor, or about the whole study, and why?"""

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
    Verdict,
    Warned,
)
from tuitune.core.study.state import FAILED
from tuitune.messages.facts import told, whose
from tuitune.ui.panes.titles import rule
from tuitune.ui.render.layout import WHY
from tuitune.ui.render.lines import Line, Size, cut, line
from tuitune.ui.render.memo import Memo
from tuitune.ui.render.wrapping import wrapped
from tuitune.ui.table.cells import label
from tuitune.ui.text.trial_words import clock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tuitune.ui.state.look import Look
    from tuitune.ui.state.picture import Picture


class WhyPane:
    """Newest first, with the time of each."""

    def __init__(self) -> None:
        self._shown = Memo[list[Line]]()

    def lines(self, look: Look, size: Size) -> list[Line]:
        trial = _trial(look)
        facts = _facts(look, trial)
        day = int(look.picture.now) // 3600
        scrolled = look.view.scrolled.get(WHY, 0)
        key = (trial, facts, day, size, scrolled, look.view.focus, look.glyphs.ascii)
        return self._shown.get(key, partial(_lines, look, size, facts, trial))


def length(look: Look, size: Size) -> int:
    """In lines, the title left out."""
    trial = _trial(look)
    told_lines = _told(look.picture, _facts(look, trial), size.width, study=trial is None)
    return sum(1 for _ in told_lines)


def _trial(look: Look) -> int | None:
    """The trial that is told of; None: the study."""
    row = None if look.view.all_why else look.picture.row(look.view.cursor)
    return None if row is None else row.number


def _facts(look: Look, trial: int | None) -> Sequence[tuple[int, AnyFact]]:
    sources = look.picture.sources
    return sources.newest() if trial is None else sources.facts_of(trial)[::-1]


def _lines(
    look: Look, size: Size, facts: Sequence[tuple[int, AnyFact]], trial: int | None
) -> list[Line]:
    study = trial is None
    key = look.keymap.shown("why.whole")
    title = "Why  the study" if trial is None else f"Why  {label(trial)}"
    other = f"{key} {'one trial' if study else 'the study'}"
    height = max(0, size.height - 1)
    top = max(0, look.view.scrolled.get(WHY, 0))
    told_lines = _told(look.picture, facts, size.width, study=study)
    shown = list(islice(told_lines, top, top + height))
    if not shown:
        shown = [line(("nothing was decided yet" if not top else "nothing older", "muted"))]
    return [rule(look, WHY, title, size.width, right=other), *shown][: size.height]


def _told(
    picture: Picture, facts: Sequence[tuple[int, AnyFact]], width: int, *, study: bool
) -> Iterator[Line]:
    came_of: dict[int, str] = {}  # why each trial came to its newest state
    for _, fact in facts:
        words = told(fact)
        if isinstance(fact, Settled):
            came_of[fact.trial] = fact.why
        if not words or (isinstance(fact, Checkpointed) and not study) or _is_said(fact, came_of):
            continue
        if study and (who := whose(fact)):
            words = f"{who}  {words}"
        when = clock(fact.time, picture.now) + " "
        for number, text in enumerate(wrapped(words, width - len(when))):
            before = when if number == 0 else " " * len(when)
            yield cut(line((before, "muted"), (text, _role(fact))), width)


def _is_said(fact: AnyFact, came_of: Mapping[int, str]) -> bool:
    """Whether what came of it was just told, in the same words."""
    match fact:
        case Verdict(trial=trial, why=words) | Exited(trial=trial, error=words):
            return bool(words) and came_of.get(trial) == words
    return False


def _role(fact: AnyFact) -> str:
    if getattr(fact, "by", "") or isinstance(fact, Added):
        return "accent"  # an act by hand
    match fact:
        case Settled(state=state) if state == FAILED:
            return "error"
        case Exited(error=error) if error:
            return "error"
        case Halted() | Warned() | Verdict(action="stop"):
            return "warning"
        case Promoted() | Verdict():
            return "success"
    return ""
