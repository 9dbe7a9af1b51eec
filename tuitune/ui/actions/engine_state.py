"""Which trials does a key mean? Those with a mark, else the cursor's, as they were then."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tuitune.core.study.acts import why_not
from tuitune.messages.states import WORDS, refusal, shown
from tuitune.messages.text import trial_name, trial_names
from tuitune.ui.state.records import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tuitune.core.events import TrialState
    from tuitune.core.study.acts import Act
    from tuitune.messages.states import Shown
    from tuitune.store.rows import TrialRow
    from tuitune.ui.state.render_context import RenderContext
    from tuitune.ui.state.snapshot import Snapshot

    WhyNot = Callable[[TrialRow], str]

_NAMED = 3  # trials that a question names; more are counted


class Targets(Record, frozen=True):
    """Trials, and the state that each had when the key was pressed."""

    states: Mapping[int, TrialState]
    left_out: tuple[str, ...] = ()  # why others can't

    @property
    def numbers(self) -> list[int]:
        return list(self.states)

    def still(self, snapshot: Snapshot) -> tuple[list[int], list[str]]:
        """Those that stand as they did, and words about those that don't."""
        same: list[int] = []
        moved: list[str] = []
        for number, state in self.states.items():
            row = snapshot.row(number)
            if row is not None and row.state == state:
                same.append(number)
            elif row is not None:
                moved.append(f"{trial_name(number)} {WORDS[_shown(row)].clause} by now")
        return same, moved

    def words(self) -> str:
        """The trials by name where they are few, else how many."""
        if len(self.states) <= _NAMED:
            return trial_names(self.states)
        return f"{len(self.states)} trials"

    def details(self) -> str:
        """How those that are not named stand, and how many were left out; as short as it gets."""
        by_state = Counter(self.states.values()) if len(self.states) > _NAMED else {}
        counted = ", ".join(f"{n} {shown(state)}" for state, n in by_state.items())
        left_out = f"{len(self.left_out)} can't be" if self.left_out else ""
        return "; ".join(part for part in (counted, left_out) if part)


def meant(context: RenderContext) -> Sequence[TrialRow]:
    """Marks come first: what is marked is what is meant."""
    selection, snapshot = context.selection, context.snapshot
    numbers = sorted(selection.marks) if selection.marks else [selection.cursor]
    rows = (snapshot.row(number) for number in numbers)
    return [row for row in rows if row is not None]


def targets(context: RenderContext, why_not: WhyNot) -> Targets:
    """Those of the trials meant for which there is no reason against it."""
    reasons = [(row, why_not(row)) for row in meant(context)]
    return Targets(
        {row.number: row.state for row, why in reasons if not why},
        tuple(f"{trial_name(row.number)} {why}" for row, why in reasons if why),
    )


def none_can(context: RenderContext, why_not: WhyNot) -> str:
    """Why none of the trials meant can; empty where one can, and an engine is there to do it."""
    absent = no_engine(context)
    if absent:
        return absent
    chosen = targets(context, why_not)
    if chosen.states:
        return ""
    if not chosen.left_out:
        return "there are no trials yet"
    more = len(chosen.left_out) - 1
    return chosen.left_out[0] + (f", and {more} more can't either" if more else "")


def no_engine(context: RenderContext) -> str:
    """Why nothing can be asked of an engine; empty where one listens."""
    state = context.snapshot.engine.state
    if state in ("running", "silent"):
        return ""
    if state == "importing":
        return "the training code is still being imported"
    if state == "finished":
        return (
            f"the study is finished; `tuitune {context.snapshot.file} --trials N` goes on with more"
        )
    return "no engine runs; :restart starts one"


def _shown(row: TrialRow) -> Shown:
    return shown(row.state, at_rung=row.is_held)


def why_no(act: Act) -> WhyNot:
    """Why this can't be done to a trial, in words; empty where it can."""

    def words(row: TrialRow) -> str:
        why = why_not(act, row.standing)
        return "" if why is None else refusal(why, row.number, _shown(row))

    return words
