"""Which trials does a key mean? Those with a mark, else the cursor's, as they were then."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tuitune.core.events import ENDED, TrialState
from tuitune.messages.states import WORDS, shown
from tuitune.messages.text import trial_name, trial_names
from tuitune.ui.state.records import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

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
                moved.append(f"{trial_name(number)} {_clause(row)} by now")
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


def _clause(row: TrialRow) -> str:
    return WORDS[shown(row.state, at_rung=row.is_held)].clause


def _is_ended(row: TrialRow) -> bool:
    return row.state in ENDED


def why_no_pause(row: TrialRow) -> str:
    if _is_ended(row):
        return _clause(row)
    if row.phase == "frozen" or (row.state == TrialState.PAUSED and not row.parked):
        return "is paused already"
    return "is stopping" if row.phase.startswith("ending") else ""


def why_no_resume(row: TrialRow) -> str:
    if _is_ended(row):
        return _clause(row)
    if row.state == TrialState.PAUSED or row.phase in ("frozen", "ending:paused"):
        return ""
    return f"is not paused: it {_clause(row)}"


def why_no_kill(row: TrialRow) -> str:
    if _is_ended(row):
        return _clause(row)
    if row.phase == "killing":
        return "is being killed already"
    return "is being killed" if row.phase == "ending:killed" else ""


def why_no_retry(row: TrialRow) -> str:
    if not _is_ended(row):
        return f"has not ended: it {_clause(row)}"
    return (
        "is complete; it can be enqueued again as a new trial"
        if row.state == TrialState.COMPLETE
        else ""
    )
