"""The engine's loop: events become decisions, which are stored first and carried out second."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from typing import Any

from tuitune.core import events as ev
from tuitune.core.search.proposal import Proposal
from tuitune.core.study import Study
from tuitune.engine import follow_up, orders, ports, proposing
from tuitune.executors.base import Executor, with_nodes
from tuitune.store import errors, projection
from tuitune.trial.wire import PARK

LAZY_COMMIT = 0.05  # s that reports without a decision may wait for their transaction
_WITHOUT_DEADLINES = frozenset({ev.Ask, ev.Exhausted, ev.Packed, ev.NodeChanged, ev.StyleChosen})
# Facts between two snapshots, or so many for each trial where that is more. The next engine reads
# those after the newest one, at 8 us a fact; a snapshot takes 3 us a trial.
_SNAPSHOT_EVERY, _AND_FOR_EACH = 40_000, 2


class Engine:
    """Runs one study until it is finished or halted.

    Whatever is decided is in the store before it is done: `take` folds events in, `_commit`
    writes them with their decisions in one transaction, and `_act` follows.
    """

    def __init__(self, study: Study, deps: ports.EngineDeps) -> None:
        self.study = study
        self.executor: Executor | None = None
        self._deps = deps
        self._clock = deps.clock
        self._loop = asyncio.get_running_loop()
        self._pending: list[ev.AnyFact] = []
        self._touched: set[int] = set()
        self._advanced: set[int] = set()  # only by reports: written with a delay, and in part
        self._rows_at = 0.0
        self._commit_soon = False  # in this turn of the loop
        self._commit_later: asyncio.TimerHandle | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._deadline_at = math.inf
        self._moved: set[int] | None = set()  # trials whose deadlines may have; None: all
        self._since_snapshot = 0
        self._broken: errors.StoreError | None = None
        self._failed = False
        self._asking = proposing.Proposing(self, deps)
        self._cleanup = follow_up.CheckpointCleanup(deps.trial_folders)
        self._syncing = follow_up.JournalSync(deps.journal, deps.trial_folders, self._sync_failed)
        self._again = follow_up.LaunchRetry(self.take, deps.clock, self._loop, deps.timeouts)
        self.finished: asyncio.Future[ev.Finished] = self._loop.create_future()

    @property
    def broken(self) -> errors.StoreError | None:
        """The error of a store that could not be written; nothing is stored after it."""
        return self._broken

    def take(self, events: Sequence[ev.Event]) -> None:
        """Fold events in; their decisions are carried out once both are in the store."""
        if self._failed:
            return
        try:
            self._note_clock_step()
            self._fold(events)
        except Exception as error:
            self.fail(error)  # the caller may catch it, and the run must end
            raise

    def fail(self, error: BaseException) -> None:
        """End the run with this error: memory may be inconsistent, the store is not."""
        self._failed = True
        if not self.finished.done():
            self.finished.set_exception(error)

    def _note_clock_step(self) -> None:
        """Fold in that the clock was set, before events that carry the new time."""
        by = self._deps.clock_step()
        if by:
            self._deadline_at = math.inf  # it is a time of the clock before it was set
            self._fold((ev.ClockStepped(self._clock(), by),))

    def _fold(self, events: Sequence[ev.Event]) -> None:
        study, pending, touched = self.study, self._pending, self._touched
        state, react, note = study.state, study.react, self._asking.note
        urgent = False
        for event in events:
            if type(event) is ev.Reported and state.trials[event.trial].silent:
                touched.add(event.trial)
                self._note_deadlines((event,))
            leader, former = state.leader, state.former_leader
            facts = react(event)
            if state.leader != leader:  # the earlier leader may have to give up its checkpoint
                touched |= self._cleanup.stocked & {leader, former}
            pending += facts
            note(facts)
            if type(event) is ev.Reported:
                self._advanced.add(event.trial)
                urgent = urgent or len(facts) > 1
                if len(facts) == 1 or getattr(facts[-1], "action", "") == "go":
                    continue  # a sign of life makes its trial's deadlines only later
            self._note_deadlines(facts)
            urgent = True
            for fact in facts:
                touched.update(projection.concerned(fact, state))
                if type(fact) is ev.Settled and fact.trial == leader:
                    touched |= self._cleanup.stocked & {former}
        self._schedule(urgent=urgent)

    def _schedule(self, *, urgent: bool) -> None:
        if self._commit_soon:
            return
        if urgent:
            self._commit_soon = True
            # in this turn of the loop, so that events of other sockets join the transaction
            self._loop.call_soon(self.commit)
        elif self._commit_later is None:
            self._commit_later = self._loop.call_later(LAZY_COMMIT, self._commit_lazily)

    def _commit_lazily(self) -> None:
        self._commit_later = None
        self.commit()

    def commit(self) -> None:
        """Store what is pending, show it to the watcher, and carry out the decisions."""
        if self._failed:
            return
        self._commit_soon = False
        facts, self._pending = self._pending, []
        touched, self._touched = self._touched, set()
        self._advanced -= touched  # their rows are written whole
        advanced = self._due() if self._advanced else set()
        if not facts and not touched and not advanced:
            return
        if self._write(facts, touched, advanced):
            self._deps.watch(facts)
            others = [fact for fact in facts if type(fact) is not ev.Reported]
            self._tend(others)
            for fact in others:
                self._act(fact)
        self._set_deadline()

    def _due(self) -> set[int]:
        """Trials whose progress is to be written now, at most every LAZY_COMMIT seconds."""
        now = self._loop.time()
        if now < self._rows_at:
            if self._commit_later is None:
                self._commit_later = self._loop.call_at(self._rows_at, self._commit_lazily)
            return set()
        self._rows_at = now + LAZY_COMMIT
        advanced, self._advanced = self._advanced, set()
        return advanced

    def _write(self, facts: Sequence[ev.AnyFact], touched: set[int], advanced: set[int]) -> bool:
        if self._broken is not None:
            return True
        spec, state = self.study.spec, self.study.state
        trials = [state.trials[n] for n in touched if n < len(state.trials)]
        rows = [projection.trial_row(spec, state, trial) for trial in trials]
        progress = [projection.progress_of(spec, state, state.trials[n]) for n in advanced]
        study_changed = not projection.OF_THE_STUDY.isdisjoint(map(type, facts))
        try:
            study = projection.study_row(spec, state) if study_changed else None
            self._deps.journal.write(facts, rows, study, progress)
            self._since_snapshot += len(facts)
            if self._since_snapshot > max(_SNAPSHOT_EVERY, _AND_FOR_EACH * len(state.trials)):
                self.snapshot()
        except errors.StoreError as error:
            self._break(error, facts)
            return False
        return True

    def snapshot(self) -> None:
        """Store the state, so that the next engine replays only later facts. Raises StoreError."""
        self._since_snapshot = 0
        self._deps.journal.snapshot(self.study.snapshot())

    def _tend(self, facts: Sequence[ev.AnyFact]) -> None:
        """Sync the journal and remove checkpoints, as these facts call for it."""
        if self._broken is None and not follow_up.FOLLOWED_UP.isdisjoint(map(type, facts)):
            self._syncing.after(facts, self.study.state)
            self._cleanup.after(facts, self.study.state)

    def _sync_failed(self, error: errors.StoreError) -> None:
        if self._broken is None:
            self._break(error, ())

    def _break(self, error: errors.StoreError, facts: Sequence[ev.AnyFact]) -> None:
        """The store can't be written: start no trial that it does not hold, and end all others."""
        self._broken = error
        for fact in facts:
            if isinstance(fact, ev.Verdict | ev.Signal | ev.Finished):
                self._act(fact)  # a trial or the run waits for it
        now = self._clock()
        unlaunched = [
            ev.Exited(now, f.trial, f.attempt, None, None, "never started", "", 0, lost=True)
            for f in facts
            if isinstance(f, ev.Launch)
        ]
        self.take([ev.StopAsked(now, finish=False, why=str(error)), *unlaunched])

    # --- acting ------------------------------------------------------------------------------

    def _act(self, fact: ev.AnyFact) -> None:
        """Carry out one decision; events need no action."""
        executor = self.executor
        match fact:
            case ev.Verdict() if executor is not None:
                action = "stop" if fact.action == "pause" else fact.action
                executor.answer(fact.trial, fact.attempt, action, fact.save)
            case ev.Ask():
                self._asking.ask(fact.trial)
            case ev.Launch() if executor is not None:
                self._launch(fact)
            case ev.Signal() if executor is not None:
                if fact.how == "ask":
                    reason = PARK if fact.park else fact.reason
                    executor.ask_stop(fact.trial, fact.attempt, reason, fact.save)
                elif fact.how == "release":
                    executor.release(fact.trial, fact.attempt)
                else:
                    executor.signal(fact.trial, fact.attempt, fact.how)
            case ev.LaunchBlocked() | ev.Started():
                self._again.note(fact)
            case ev.Finished():
                if not self.finished.done():
                    self.finished.set_result(fact)
            case _:
                pass

    def _launch(self, fact: ev.Launch) -> None:
        assert self.executor is not None
        spec, trial = self.study.spec, self.study.state.trials[fact.trial]
        try:
            moved = self._deps.trial_folders.prepare(trial.number, spec.space.nested(trial.config))
            if with_nodes(self.executor):  # the node finds the newest checkpoint itself
                self.executor.launch(orders.draft_order(spec, self.study.state, trial))
                return
            order = orders.make_order(spec, self.study.state, trial, self._deps.trial_folders)
        except OSError as error:
            self.take(orders.without_folder(self._clock(), fact.trial, fact.attempt, error))
            return
        why = (
            orders.moved_aside(moved)
            if moved
            else orders.lost_checkpoint(order, self._deps.trial_folders)
        )
        if why:
            self.take([ev.Warned(self._clock(), fact.trial, fact.attempt, why)])
        self.executor.launch(order)

    async def add(self, proposal: Proposal, by: str = "") -> dict[str, Any]:
        """Make a trial of what a person proposed. Returns its configuration. Raises SampleError."""
        config = await self._asking.completed(proposal, f"hand/{self._clock()}")
        self.take([ev.AddAsked(self._clock(), config, proposal.why, by)])
        return config

    async def sample(
        self, targets: Mapping[str, str], seed: str, config: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Values of the user's samplers, by parameter. Raises SampleError."""
        assert self.executor is not None
        return await self.executor.sample(targets, seed, config)

    # --- time --------------------------------------------------------------------------------

    def _note_deadlines(self, facts: Sequence[ev.AnyFact]) -> None:
        """Note the trials whose deadlines these facts may have moved."""
        for fact in facts:
            if self._moved is None or type(fact) in _WITHOUT_DEADLINES:
                continue
            trial = getattr(fact, "trial", None)
            if trial is None:
                self._moved = None
            else:
                self._moved.add(trial)

    def _set_deadline(self) -> None:
        """Set a timer for the study's next deadline. A timer that fires early is not moved."""
        moved, self._moved = self._moved, set()
        if moved is not None and not moved:
            return
        due = self.study.next_deadline(moved)
        if due is None or due >= self._deadline_at:
            return
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline_at = due
        delay = max(0.0, due - self._clock())
        self._deadline = self._loop.call_later(delay, self._deadline_passed)

    def _deadline_passed(self) -> None:
        self._deadline_at = math.inf
        self._note_clock_step()
        due = self.study.next_deadline()
        now = self._clock()
        if due is not None and due <= now:
            self.take([ev.DeadlinePassed(now)])
        self._moved = None
        self._set_deadline()
