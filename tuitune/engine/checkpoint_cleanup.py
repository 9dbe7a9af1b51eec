"""Whose checkpoints are to go after what has happened?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuitune.core import events as ev
from tuitune.core.events import ENDED
from tuitune.core.study.kept_checkpoints import kept, may_go_on

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tuitune.core.study.state import State, Trial
    from tuitune.engine.ports import Folders

FOR_ALL = (ev.SettingsChanged, ev.Finished)  # facts that may end what any trial is kept for


class Tidying:
    """Removes checkpoints that `tuitune.core.study.kept_checkpoints` no longer keeps.

    Once for all trials that have ended when a study is opened: this removes what an engine that
    was killed had no time for.
    """

    def __init__(self, trial_folders: Folders) -> None:
        self._trial_folders = trial_folders
        self.stocked: set[int] = set()  # trials that have ended, and keep a checkpoint

    def after(self, facts: Iterable[ev.AnyFact], state: State) -> None:
        """`state`: as these facts leave it; they are in the store."""
        settled: set[int] = set()
        opened = anyone = False
        for fact in facts:
            if isinstance(fact, ev.Settled):
                settled.add(fact.trial)
            elif isinstance(fact, ev.Opened):
                opened = True
            elif isinstance(fact, FOR_ALL):
                anyone = True
        if opened:
            settled.update(t.number for t in state.trials if _has_saved(t))
        if not settled and not anyone:
            return
        newest = {n: kept(state, state.trials[n]) for n in settled if _has_ended(state, n)}
        if anyone or state.leader in settled:
            newest |= self._beaten(state)
        self.stocked.update(n for n, keeps in newest.items() if keeps)
        self.stocked.difference_update(n for n, keeps in newest.items() if not keeps)
        if newest:
            self._trial_folders.leave(newest)

    def _beaten(self, state: State) -> dict[int, int]:
        """Those that kept a checkpoint, and are to keep none."""
        stocked = (n for n in self.stocked if _has_ended(state, n))
        return {n: 0 for n in stocked if not kept(state, state.trials[n])}


def _has_saved(trial: Trial) -> bool:
    """As far as is known of one that may go on: a complete study has forgotten its checkpoint."""
    return trial.checkpoint is not None or may_go_on(trial)


def _has_ended(state: State, number: int) -> bool:
    return state.trials[number].state in ENDED
