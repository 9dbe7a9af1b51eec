"""The trials that an action applies to, and the reasons why an action can't be done now."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tuitune.core.study.acts import Act, why_not
from tuitune.messages.states import WORDS, Shown, refusal, shown
from tuitune.messages.text import trial_name, trial_names
from tuitune.ui.state.records import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from tuitune.core.events import TrialState
    from tuitune.store.rows import TrialRow
    from tuitune.ui.state.render_context import RenderContext
    from tuitune.ui.state.snapshot import Snapshot

    WhyNot = Callable[[TrialRow], str]

_NAMED = 3  # trials that a question or an answer lists by name


def named(numbers: Collection[int]) -> str:
    """The names of up to three trials, else how many they are."""
    return trial_names(numbers) if len(numbers) <= _NAMED else f"{len(numbers)} trials"


class Targets(Record, frozen=True):
    """Chosen trials, with the state that each had when the key was pressed."""

    states: Mapping[int, TrialState]
    left_out: tuple[str, ...] = ()  # reasons why other chosen trials were excluded

    @property
    def numbers(self) -> list[int]:
        """The numbers of the trials, ascending."""
        return list(self.states)

    def still(self, snapshot: Snapshot) -> tuple[list[int], list[str]]:
        """The trials that are still in that state, and a message for each of the others."""
        same: list[int] = []
        moved: list[str] = []
        for number, state in self.states.items():
            row = snapshot.row(number)
            if row is not None and row.state == state:
                same.append(number)
            elif row is not None:
                moved.append(f"{trial_name(number)} {WORDS[_shown(row)].clause} in the meantime")
        return same, moved

    def words(self) -> str:
        """The names of up to three trials, else how many they are."""
        return named(self.states)

    def details(self) -> str:
        """Counts by state if `words` names no trials, and how many were excluded."""
        by_state = Counter(self.states.values()) if len(self.states) > _NAMED else {}
        counted = ", ".join(f"{n} {shown(state)}" for state, n in by_state.items())
        left_out = f"{len(self.left_out)} excluded" if self.left_out else ""
        return "; ".join(part for part in (counted, left_out) if part)


def meant(context: RenderContext) -> Sequence[TrialRow]:
    """The marked trials; the cursor's if none is marked."""
    selection, snapshot = context.selection, context.snapshot
    numbers = sorted(selection.marks) if selection.marks else [selection.cursor]
    rows = (snapshot.row(number) for number in numbers)
    return [row for row in rows if row is not None]


def targets(context: RenderContext, why_not: WhyNot) -> Targets:
    """The trials of `meant` for which `why_not` gives no reason."""
    reasons = [(row, why_not(row)) for row in meant(context)]
    return Targets(
        {row.number: row.state for row, why in reasons if not why},
        tuple(f"{trial_name(row.number)} {why}" for row, why in reasons if why),
    )


def no_engine(context: RenderContext) -> str:
    """The reason why no engine accepts requests; "" if one does."""
    state = context.snapshot.engine.state
    if state in ("running", "silent"):
        return ""
    if state == "importing":
        return "the training code is still being imported"
    if state == "finished":
        key = context.keymap.shown
        return f"the study is finished; {key('study.trials')} or {key('trial.add')} adds trials"
    return "no engine runs; :restart starts one"


def no_start(context: RenderContext) -> str:
    """As `no_engine`, for what starts an engine on a finished study."""
    return "" if context.snapshot.engine.state == "finished" else no_engine(context)


def none_can(
    context: RenderContext, why_not: WhyNot, absence: Callable[[RenderContext], str] = no_engine
) -> str:
    """The reason why the action applies to no trial of `meant`; "" if it applies to one.

    absence: why nothing can be asked.
    """
    absent = absence(context)
    if absent:
        return absent
    chosen = targets(context, why_not)
    if chosen.states:
        return ""
    if not chosen.left_out:
        return "there are no trials yet"
    more = len(chosen.left_out) - 1
    return chosen.left_out[0] + (f", and {more} more can't either" if more else "")


def _shown(row: TrialRow) -> Shown:
    return shown(row.state, at_rung=row.is_held)


def why_no(act: Act) -> WhyNot:
    """A function that gives the reason why this can't be done to a trial; "" if it can."""

    def words(row: TrialRow) -> str:
        why = why_not(act, row.standing)
        return "" if why is None else refusal(why, row.number, _shown(row))

    return words
