"""Checks that decisions are in the journal before they act, and engines that die in a commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from tuitune.core import events as ev
from tuitune.store.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from simulator.executor import SimulatedExecutor
    from simulator.memory import MemoryJournal
    from tuitune.store.rows import Progress, StudyRow, TrialRow
    from tuitune.trial.wire import Order


class DiedError(BaseException):
    """The engine is dead. Not an Exception, so that nothing suppresses it."""


class FailingJournal:
    """A store whose disk can be full, and whose engine can die in a commit."""

    def __init__(self, journal: MemoryJournal) -> None:
        self._journal = journal
        self._dead = False
        self.full = False  # whether its disk is full
        self._before: Callable[[], None] | None = None
        self._after: Callable[[], None] | None = None

    def kill(self) -> None:
        self._dead = True

    def die_before(self, then: Callable[[], None]) -> None:
        """Die at the next write, before it is stored."""
        self._before = then

    def die_after(self, then: Callable[[], None]) -> None:
        """Die after the next write, before its decisions are carried out."""
        self._after = then

    def write(
        self,
        facts: Sequence[ev.AnyFact],
        rows: Sequence[TrialRow],
        study: StudyRow | None = None,
        progress: Sequence[Progress] = (),
    ) -> None:
        if self._before is not None:
            self._dead = True
            self._before()
        if self._dead:
            raise DiedError
        if self.full:
            raise StoreError("study.db: the disk is full")
        self._journal.write(facts, rows, study, progress)

    def watched(self, _facts: Sequence[ev.AnyFact]) -> None:
        if self._after is not None:
            self._dead = True
            self._after()
            raise DiedError

    def snapshot(self, blob: bytes) -> None:
        if not self._dead and not self.full:
            self._journal.snapshot(blob)

    def sync(self) -> None:
        if not self._dead:
            self._journal.sync()

    def drop_snapshot(self) -> None:
        self._journal.drop_snapshot()

    def restore(self) -> tuple[bytes | None, Iterator[ev.AnyFact]]:
        return self._journal.restore()

    def history(self) -> Iterator[ev.AnyFact]:
        return self._journal.history()


class Guard:
    """An `Executor` between an engine and its own, which checks all orders against the journal.

    received: (time by a clock that is never set, report) of what the engine was given. Once the
    store has failed trials may still be answered and released, but none may start.
    """

    executor: SimulatedExecutor

    def __init__(
        self,
        sink: Callable[[Sequence[ev.Event]], None],
        journal: MemoryJournal,
        violated: Callable[[str], None],
        failed: Callable[[], bool],  # whether the store has
        *,
        restored: bool = False,  # an older copy of the journal was put back: checkpoints may lack
    ) -> None:
        self.received: list[tuple[float, ev.Reported]] = []
        self._sink = sink
        self._journal = journal
        self._violated = violated
        self._failed = failed
        self._read = len(journal.facts)
        self._launches: set[tuple[int, int]] = set()
        self._verdicts: dict[tuple[int, int, int], str] = {}  # (trial, attempt, step): the newest
        self._signals: set[tuple[int, int, str]] = set()
        self._reports = {
            (fact.trial, fact.attempt, fact.step)
            for fact in journal.facts
            if isinstance(fact, ev.Reported)
        }
        self._steps = {(trial, step) for trial, _, step in self._reports}
        self._restored = restored
        self._live: set[int] = set()

    def sink(self, events: Sequence[ev.Event]) -> None:
        for event in events:
            if isinstance(event, ev.Reported):
                self.received.append((self.executor.loop.time(), event))
            elif isinstance(event, ev.Exited):
                self._live.discard(event.trial)
        self._sink(events)

    async def open(self) -> None:
        await self.executor.open()

    def launch(self, order: Order) -> None:
        self._read_on()
        if order.trial in self._live or self.executor.has_process(order.trial):
            self._violated(f"trial {order.trial} was launched while a process of it is there")
        if (order.trial, order.attempt) not in self._launches:
            self._violated(f"trial {order.trial} was launched before the journal knew")
        step = order.resume_step
        if (
            step is not None
            and self.executor.trial_folders.trained_with(order.trial, step) != order.config
        ):
            self._violated(f"trial {order.trial} goes on from another configuration's checkpoint")
        self._check_resume(order)
        self._live.add(order.trial)
        self.executor.launch(order)

    def _check_resume(self, order: Order) -> None:
        """Check that no report is lost with what it goes on from, and no work without need."""
        trial, step = order.trial, order.resume_step
        told = self.executor.trial_folders.reports(trial, step)
        lost = [one for one in sorted(told) if (trial, one) not in self._steps]
        if lost:
            self._violated(f"trial {trial} goes on from step {step}: its reports {lost} are lost")
        begins = step is None and order.known not in {None, -1, order.max_resource}
        excused = self._restored or trial in self.executor.trial_folders.given_up
        if begins and not excused:
            self._violated(f"trial {trial} starts again: its checkpoint {order.known} is gone")

    def answer(self, trial: int, attempt: int, action: str, save: bool) -> None:
        self._read_on()
        step = self.executor.waiting(trial, attempt)
        if self._failed():
            pass
        elif step is not None:
            self._answered((trial, attempt, step), action)
        elif action != "go" and (trial, attempt) in self.executor.attempts:
            self._violated(f"trial {trial} is told to {action}, and doesn't wait for it")
        self.executor.answer(trial, attempt, action, save)

    def _answered(self, report: tuple[int, int, int], action: str) -> None:
        """Check that a report that waits gets its verdict from the journal."""
        trial, _, step = report
        verdict = self._verdicts.get(report)
        if verdict is None:
            self._violated(f"trial {trial} was answered before the journal knew")
        elif ("stop" if verdict == "pause" else verdict) != action:
            self._violated(f"trial {trial} waits at step {step}: {action}, and not {verdict}")
        if report not in self._reports:
            self._violated(f"trial {trial} was answered, and its report is not in the journal")

    def ask_stop(self, trial: int, attempt: int, reason: str, save: bool) -> None:
        self._signalled(trial, attempt, "ask")
        self.executor.ask_stop(trial, attempt, reason, save)

    def release(self, trial: int, attempt: int) -> None:
        self._signalled(trial, attempt, "release")
        self.executor.release(trial, attempt)

    def signal(self, trial: int, attempt: int, how: Literal["term", "kill"]) -> None:
        self._signalled(trial, attempt, how)
        self.executor.signal(trial, attempt, how)

    async def sample(
        self, targets: Mapping[str, str], seed: str, config: Mapping[str, Any]
    ) -> dict[str, Any]:
        return await self.executor.sample(targets, seed, config)

    async def close(self) -> None:
        await self.executor.close()

    def _signalled(self, trial: int, attempt: int, how: str) -> None:
        self._read_on()
        if (trial, attempt, how) not in self._signals and not self._failed():
            self._violated(f"trial {trial} was signalled before the journal knew")

    def _read_on(self) -> None:
        for fact in self._journal.facts[self._read :]:
            match fact:
                case ev.Launch():
                    self._launches.add((fact.trial, fact.attempt))
                case ev.Verdict():
                    self._verdicts[fact.trial, fact.attempt, fact.step] = fact.action
                case ev.Signal():
                    self._signals.add((fact.trial, fact.attempt, fact.how))
                case ev.Reported():
                    self._reports.add((fact.trial, fact.attempt, fact.step))
                    self._steps.add((fact.trial, fact.step))
        self._read = len(self._journal.facts)
