"""The simulation of a recorded study: the pure core, fed with the records of its trials.

Its facts are those of an engine whose executor's messages take no time.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from itertools import count
from typing import Any, Final

import msgspec

from tuitune.core import events as ev
from tuitune.core.placement.host import HostResources
from tuitune.core.spec import StudySpec
from tuitune.core.study import Study, checkpoints, leaving
from tuitune.engine.settings import settings_of
from tuitune.simulation.recorded import Record, Recording
from tuitune.trial.steps import Steps
from tuitune.trial.wire import Order

_START: Final = 1e6  # s on the study's clock when it is opened
TERM, _KILL = 15, 9


class Rerun(msgspec.Struct, frozen=True):
    """A study that was simulated to its end."""

    study: Study
    facts: Sequence[ev.AnyFact]
    seconds: float  # by its own clock
    unknown: frozenset[int]  # trials that should go on beyond their record


def rerun(spec: StudySpec, recording: Recording, longest: int | None) -> Rerun:
    """Simulate the recorded trials under the pruning of `spec`.

    longest: the maximum of the resource when they were recorded, None where there was none. A trial
    that should go on beyond its record is killed there, so that it enters no rung that it did not
    reach. One that was promoted although no rung allows it, because no trial was complete, counts
    as complete there.
    """
    run = _Run(spec, recording, longest)
    run.to_the_end(recording.machine)
    return Rerun(run.study, run.facts, run.now - _START, frozenset(run.unknown))


class _Run:
    """The clock, the attempts and the checkpoints of a simulated study.

    As in an engine's event loop, decisions are carried out after all events of the same time have
    been folded in, and before the decisions that follow from them.
    """

    def __init__(self, spec: StudySpec, recording: Recording, longest: int | None) -> None:
        self.spec = spec
        self.study = Study(spec)
        self.saves = recording.saves
        self.facts: list[ev.AnyFact] = []
        self.now = _START
        self.unknown: set[int] = set()
        self.checkpoints: dict[int, list[int]] = {}  # the steps of a trial's newest ones
        most = spec.pruning.max
        is_cut = longest is not None and (most is None or most > longest)
        self._known_until = longest if is_cut and longest is not None else math.inf
        self._records = recording.trials
        self._attempts: dict[int, _Attempt] = {}  # by trial
        self._promoted_to_end: set[int] = set()  # without the rank for it
        self._undone: list[ev.AnyFact] = []  # facts whose decisions are still to be carried out
        self._due: list[tuple[float, int, Callable[[], None]]] = []  # a heap
        self._order = count()
        self._deadline = _START  # no deadline of the study is before that
        self._finished = False

    def to_the_end(self, machine: HostResources) -> None:
        actions: dict[type, Callable[[Any], None]] = {
            ev.Ask: self._propose,
            ev.Launch: self._launch,
            ev.Verdict: self._answer,
            ev.Signal: self._signal,
            ev.Promoted: self._note_promotion,
            ev.Finished: self._finish,
        }
        room, settings = (machine.cpus, machine.memory), settings_of(self.spec)
        self.take(ev.Opened(_START, settings, *room, anchor=self.spec.pruning.anchor))
        while not self._finished:
            undone, self._undone = self._undone, []
            if not undone:
                self._pass_time()
            due: list[Callable[[], None]] = []
            while self._due and self._due[0][0] <= self.now:
                due.append(heappop(self._due)[2])
            for fact in undone:
                carry_out = actions.get(type(fact))
                if carry_out is not None:
                    carry_out(fact)
            for act in due:
                act()

    def take(self, event: ev.Event) -> None:
        facts = self.study.react(event)
        self.facts += facts
        self._undone += facts
        self._deadline = min(self._deadline, self.now + leaving.SILENCE)

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        heappush(self._due, (self.now + seconds, next(self._order), act))

    def record_of(self, trial: int) -> Record:
        return self._records[trial]

    def is_known_to_return(self, record: Record) -> bool:
        """Whether the trial completed before the maximum, so that a larger one changes nothing."""
        if record.state != ev.TrialState.COMPLETE or not record.points:
            return False
        return record.points[-1].step < self._known_until

    def let_go(self, trial: int) -> bool:
        """The trial's record ends here. Returns whether the trial counts as complete."""
        self.unknown.add(trial)
        if trial in self._promoted_to_end:
            return True
        self.take(ev.KillAsked(self.now, trial))
        return False

    def _pass_time(self) -> None:
        """Advance the clock to the next step of an attempt or deadline of the study."""
        following = self._due[0][0] if self._due else math.inf
        if self._deadline < following:
            self._deadline = self.study.next_deadline() or math.inf
            if self._deadline < following:
                self.now = max(self.now, self._deadline)
                self.take(ev.DeadlinePassed(self.now))
                return
        if following == math.inf:
            raise RuntimeError("nothing is due, but the study has not ended")
        self.now = following

    # --- decisions that are carried out ----------------------------------------------------------

    def _propose(self, ask: ev.Ask) -> None:
        record = self._records[ask.trial]
        given = record.config, record.origin, record.why
        self.take(ev.Proposed(self.now, ask.trial, *given))

    def _launch(self, launch: ev.Launch) -> None:
        self._attempts[launch.trial] = _Attempt(self, launch)

    def _answer(self, verdict: ev.Verdict) -> None:
        self._attempts[verdict.trial].obey(verdict)

    def _signal(self, signal: ev.Signal) -> None:
        self._deadline = self.now
        self._attempts[signal.trial].signal(signal)

    def _note_promotion(self, promoted: ev.Promoted) -> None:
        if not promoted.by_rank:
            self._promoted_to_end.add(promoted.trial)

    def _finish(self, _: ev.Finished) -> None:
        self._finished = True


class _Attempt:
    """An attempt that repeats its record, and behaves as `tuitune.trial.api` does."""

    def __init__(self, run: _Run, launch: ev.Launch) -> None:
        spec, pruning = run.spec, run.spec.pruning
        self._run = run
        self._trial, self._number = launch.trial, launch.attempt
        self._metric = spec.objective.metric
        self._every = spec.trial.checkpoint_every
        self._record = run.record_of(launch.trial)
        known = [s for s in run.checkpoints.get(launch.trial, ()) if s != pruning.max]
        self._resumed_from = known[-1] if known else None
        points = self._record.points
        self._next = bisect_right(points, self._resumed_from or 0, key=lambda point: point.step)
        filled = run.study.state.pruner.filled
        order = Order(
            launch.trial,
            launch.attempt,
            {},
            0,
            "",
            self._metric,
            resume_step=self._resumed_from,
            max_resource=pruning.max,
            resource=pruning.resource,
            judged_from=spec.pruner.judged_from,
            rungs=spec.pruner.plan.unfilled(filled, launch.trial),
        )
        self._steps = Steps(order)
        self._saved_at = run.now
        self._waits = self._is_leaving = self._is_gone = False
        self._asked: ev.Signal | None = None
        run.later(0.0, self._begin)

    # --- messages of the study -------------------------------------------------------------------

    def obey(self, verdict: ev.Verdict) -> None:
        if not self._waits or self._is_leaving:
            return
        self._waits = False
        if verdict.action == "complete":
            self._steps.complete(verdict.step)
        stops = verdict.action in ("stop", "pause")
        if self._run.saves and verdict.save:
            self._save()
        elif not stops:
            self._save_if_due()
        if stops:
            self._leave()
        else:
            self._work()

    def signal(self, signal: ev.Signal) -> None:
        if self._is_gone:
            return
        if signal.how == "ask":
            self._asked = signal
        elif signal.how in ("term", "kill"):
            self._is_leaving = True
            term = signal.how == "term"
            error = "terminated (SIGTERM)" if term else "killed (SIGKILL)"
            number = TERM if term else _KILL
            self._run.later(0.0, lambda: self._exit(None, error, number))

    # --- work ------------------------------------------------------------------------------------

    def _begin(self) -> None:
        if self._is_leaving:
            return
        now, resumed_from = self._run.now, self._resumed_from
        self._run.take(ev.Started(now, self._trial, self._number, 1000, resumed_from, "", "", None))
        self._work()

    def _work(self) -> None:
        points = self._record.points
        if self._next < len(points):
            self._run.later(points[self._next].seconds, self._report)
        elif self._record.ending and (not points or self._record.state == ev.TrialState.FAILED):
            self._run.later(self._record.ending, self._end)
        else:
            self._end()

    def _report(self) -> None:
        if self._is_leaving:
            return
        run = self._run
        step, value, _ = self._record.points[self._next]
        self._next += 1
        steps = self._steps
        if steps.is_beyond(step, objective=value is not None):
            self._return(0)
            return
        waits = value is not None and steps.waits(step, value)
        metrics = {} if value is None else {self._metric: value}
        saves = waits and run.saves
        report = ev.Reported(
            run.now, self._trial, self._number, step, metrics, saves, open=False, waits=waits
        )
        steps.now = step
        if waits:
            steps.waited(step)
            self._waits = True
        run.take(report)
        if self._asked is not None:
            if run.saves and self._asked.save:
                self._save()
            self._leave()
        elif not waits:
            self._save_if_due()
            self._work()

    def _end(self) -> None:
        if self._is_leaving:
            return
        if self._record.state == ev.TrialState.FAILED:
            self._return(1, "ValueError: it went wrong")
        elif self._run.is_known_to_return(self._record) or self._run.let_go(self._trial):
            self._return(0)
        else:
            self._leave()

    # --- saves and exit --------------------------------------------------------------------------

    def _save_if_due(self) -> None:
        due = self._run.now - self._saved_at >= self._every
        if due and self._run.saves and not self._steps.is_complete:
            self._save()

    def _save(self) -> None:
        run = self._run
        at = run.now, self._trial, self._number, self._steps.now
        run.take(ev.SaveStarted(*at))
        self._saved_at = run.now
        steps = run.checkpoints.setdefault(self._trial, [])
        steps[:] = sorted({*steps, self._steps.now})[-checkpoints.WRITTEN :]
        run.take(ev.Checkpointed(*at))

    def _leave(self) -> None:
        """TrialStopped is raised."""
        self._is_leaving = True
        self._run.later(0.0, lambda: self._exit(0, is_stopped=True))

    def _return(self, code: int, error: str = "") -> None:
        self._is_leaving = True
        self._exit(code, error)

    def _exit(
        self,
        code: int | None,
        error: str = "",
        signal: int | None = None,
        *,
        is_stopped: bool = False,
    ) -> None:
        if self._is_gone:
            return
        self._is_gone = True
        run = self._run
        # The recorded study went on after its failures: many in a row must not end it here.
        run.study.state.streak = run.study.state.same = 0
        by = run.now, self._trial, self._number, code, signal, error, "", 0
        run.take(ev.Exited(*by, lost=False, stopped=is_stopped))
