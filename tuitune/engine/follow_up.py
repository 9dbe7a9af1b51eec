"""What follows from stored facts: removed checkpoints, a synced journal, launching tried again."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Final

from tuitune.core import events as ev
from tuitune.core.study.checkpoints import WRITTEN, Keep, keep, known_step, may_go_on
from tuitune.core.study.state import State, Trial
from tuitune.engine.ports import Folders, Store, Timeouts
from tuitune.store.errors import StoreError

# The facts after which any trial may lose its checkpoint.
_FOR_ALL = frozenset({ev.SettingsChanged, ev.Finished})
# The facts after which a checkpoint is removed, or the journal synced.
FOLLOWED_UP: Final = frozenset(
    {*_FOR_ALL, ev.Opened, ev.Launch, ev.SaveStarted, ev.Checkpointed, ev.Settled}
)


class CheckpointCleanup:
    """Removes checkpoints that `tuitune.core.study.checkpoints` no longer keeps.

    Once for all trials that have ended when a study is opened: this removes what an engine that
    was killed had no time for.
    """

    def __init__(self, trial_folders: Folders) -> None:
        self._trial_folders = trial_folders
        self.stocked: set[int] = set()  # trials that have ended, and keep a checkpoint

    def after(self, facts: Iterable[ev.AnyFact], state: State) -> None:
        """Remove what stored `facts` make superfluous; `state` is the one after them."""
        settled: set[int] = set()
        opened = anyone = False
        for fact in facts:
            if type(fact) is ev.Settled:
                settled.add(fact.trial)
            elif type(fact) is ev.Opened:
                opened = True
            elif type(fact) in _FOR_ALL:
                anyone = True
        if opened:
            settled.update(
                t.number for t in state.trials if t.checkpoint is not None or may_go_on(t)
            )
        if not settled and not anyone:
            return
        newest = {n: keep(state, state.trials[n]) for n in settled if _has_ended(state, n)}
        if anyone or state.leader in settled:
            newest |= self._beaten(state)
        self.stocked.update(n for n, keeps in newest.items() if keeps.count)
        self.stocked.difference_update(n for n, keeps in newest.items() if not keeps.count)
        if newest:
            self._trial_folders.leave(newest)

    def _beaten(self, state: State) -> dict[int, Keep]:
        """Trials that had a checkpoint to keep, and have none to keep now."""
        stocked = {n: keep(state, state.trials[n]) for n in self.stocked if _has_ended(state, n)}
        return {n: keeps for n, keeps in stocked.items() if not keeps.count}


def _has_ended(state: State, number: int) -> bool:
    return state.trials[number].state in ev.ENDED


class JournalSync:
    """Syncs the journal when trials save, so that it survives a power cut if checkpoints do.

    When an attempt begins to save, for its configuration, and with each checkpoint: the older ones
    are removed only after that, since no trial goes on from a checkpoint that the journal does not
    know. On a thread, one sync at a time: a disk that checkpoints are written to may take seconds.
    For a power cut before that, the trial's folder has its configuration (see
    `tuitune.engine.trial_folders`).
    """

    def __init__(
        self, journal: Store, trial_folders: Folders, failed: Callable[[StoreError], None]
    ) -> None:
        self._journal = journal
        self._trial_folders = trial_folders
        self._failed = failed
        self._launched: set[int] = set()  # trials, since the newest sync began
        self._saved: dict[int, Keep] = {}  # the same, of those that have saved
        self._is_due = False
        self._syncing = False

    def after(self, facts: Iterable[ev.AnyFact], state: State) -> None:
        """Start a sync if these facts, which are stored, call for one; `state`: after them."""
        for fact in facts:
            if type(fact) is ev.Launch:
                self._launched.add(fact.trial)
            elif type(fact) is ev.SaveStarted:
                self._is_due = self._is_due or fact.trial in self._launched
            elif type(fact) is ev.Checkpointed and _counts(state.trials[fact.trial], fact):
                self._saved[fact.trial] = Keep(WRITTEN, fact.step, live=True)
        if (self._is_due or self._saved) and not self._syncing:
            self._sync()

    def _sync(self) -> None:
        saved, self._saved = self._saved, {}
        self._launched.clear()
        self._is_due, self._syncing = False, True
        syncing = asyncio.get_running_loop().run_in_executor(None, self._journal.sync)
        syncing.add_done_callback(partial(self._synced, saved))

    def _synced(self, saved: dict[int, Keep], future: asyncio.Future[None]) -> None:
        self._syncing = False
        error = None if future.cancelled() else future.exception()
        if isinstance(error, StoreError):
            self._failed(error)
        elif error is not None:
            raise error
        elif not future.cancelled():
            self._trial_folders.leave(saved)
            if self._is_due or self._saved:
                self._sync()


def _counts(trial: Trial, saved: ev.Checkpointed) -> bool:
    """Whether the next attempt may go on from it: not from what a lost one has told too late."""
    return trial.attempt == saved.attempt and saved.step <= known_step(trial)


class LaunchRetry:
    """Lets launching go on after a delay, which doubles each time that it fails again."""

    def __init__(
        self,
        take: Callable[[Sequence[ev.Event]], None],
        clock: Callable[[], float],
        loop: asyncio.AbstractEventLoop,
        timeouts: Timeouts,
    ) -> None:
        self._timeouts = timeouts
        self._take = take
        self._clock = clock
        self._loop = loop
        self._delay = self._timeouts.first_retry
        self._timer: asyncio.TimerHandle | None = None

    def note(self, fact: ev.LaunchBlocked | ev.Started) -> None:
        """Start the timer when resources are lacking; a Started resets the delay."""
        if self._timer is not None:
            return
        if isinstance(fact, ev.Started):  # nothing is lacking any more
            self._delay = self._timeouts.first_retry
        elif fact.cause == "resources" and fact.why:
            self._timer = self._loop.call_later(self._delay, self._again)
            self._delay = min(2 * self._delay, self._timeouts.longest_retry)

    def _again(self) -> None:
        self._timer = None
        self._take([ev.LaunchBlocked(self._clock(), "resources", "")])
