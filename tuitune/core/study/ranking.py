"""The order of trials, the best one, and which reports of an attempt still count."""

import math
from collections.abc import Iterable
from typing import Final, NamedTuple, Protocol

from tuitune.core.events import ENDED, StopReason, TrialState
from tuitune.core.spec import Objective, StudySpec
from tuitune.core.study.state import Ending, Frozen, State, Trial


def loss(value: float | None, objective: Objective) -> float:
    """Smaller is better; what is missing or not finite is worse than every number."""
    if value is None or not math.isfinite(value):
        return math.inf
    return value if objective.mode == "min" else -value


# Reports still count while an attempt is ending for one of these.
_COUNTING: Final = frozenset(
    {
        StopReason.DRAIN,
        StopReason.PAUSED,
        StopReason.MOVED,
        StopReason.WRONG_GPU,
        StopReason.TARGET,
        StopReason.RETURNED,
        StopReason.OVERDUE,
    }
)


class Comparable(Protocol):
    """A trial as comparisons read it; a row of the store is one."""

    @property
    def number(self) -> int:
        """The trial's number, from 0."""

    @property
    def state(self) -> TrialState:
        """Only COMPLETE is told apart from the others."""

    @property
    def step(self) -> int | None:
        """The furthest one reported; None before the first."""

    @property
    def value(self) -> float | None:
        """The objective's value as reported; None before the first one."""


class Ranking(NamedTuple):
    """A `Comparable` that is not a row of the store."""

    number: int
    state: TrialState
    step: int
    value: float | None


class Ranked(Protocol):
    """A trial with the rung that it has reached; a row of the store is one."""

    @property
    def number(self) -> int:
        """The trial's number, from 0; of equals the lower one is better."""

    @property
    def state(self) -> str:
        """As `TrialState` spells it."""

    @property
    def rung(self) -> int | None:
        """The step of the highest rung that it has reached; None for none."""

    @property
    def value(self) -> float | None:
        """The objective's value as reported; None before the first one."""


def merit(trial: Ranked, objective: Objective) -> tuple[bool, int, float, int]:
    """Sorts trials, the best first: complete ones, then the furthest rung, then the value."""
    rung = -1 if trial.rung is None else trial.rung
    unfinished = trial.state != TrialState.COMPLETE
    return unfinished, -rung, loss(trial.value, objective), trial.number


def best_of(spec: StudySpec, standings: Iterable[Comparable]) -> tuple[int | None, bool]:
    """The best COMPLETE trial; where there is none, the one that got furthest, and True: partial.

    Among the unfinished the furthest rung comes first, then the value, then the earlier trial.
    Trials whose value is NaN are left out, as the store has no NaN.
    """
    known = [s for s in standings if s.value is not None and not math.isnan(s.value)]
    done = [s for s in known if s.state == TrialState.COMPLETE]

    def order(ranking: Comparable) -> tuple[int, float, int]:
        rung = 0 if done else spec.pruner.plan.reach(ranking.number, ranking.step or 0)
        return -rung, loss(ranking.value, spec.objective), ranking.number

    best = min(done or known, key=order, default=None)
    return (None, False) if best is None else (best.number, not done)


def best_trial(spec: StudySpec, state: State) -> tuple[Trial | None, bool]:
    """As `best_of`, but without a look at all trials once one is complete."""
    if state.leader is not None:
        return state.trials[state.leader], False
    objective = spec.objective
    standings = (Ranking(t.number, t.state, t.step, t.counted(objective)) for t in state.trials)
    number, partial = best_of(spec, standings)
    return (None if number is None else state.trials[number]), partial


def listens(trial: Trial, attempt: int) -> bool:
    """Whether what this attempt reports counts: it runs, and no verdict has ended it for good.

    An attempt that was asked to save and leave reports once more: the step that it saves.
    """
    activity = trial.activity
    if trial.attempt != attempt or activity is None or type(activity) is Frozen:
        return False
    return type(activity) is not Ending or activity.reason in _COUNTING


def leads(spec: StudySpec, state: State, trial: Trial) -> bool:
    """Whether it is better than every trial that has reached the end so far."""
    objective = spec.objective
    value = trial.counted(objective)
    if value is None or math.isnan(value):
        return False
    if state.leader is None or state.leader == trial.number:
        return True
    leader = state.trials[state.leader]
    own = loss(value, objective), trial.number
    return own < (loss(leader.counted(objective), objective), leader.number)


def update_leader(spec: StudySpec, state: State, trial: Trial) -> None:
    """Compare a trial that has reached the end, or whose value there was replaced."""
    if state.leader != trial.number:
        if leads(spec, state, trial):
            if state.leader is not None and state.trials[state.leader].state in ENDED:
                state.former_leader = state.leader
            state.leader = trial.number
        return
    at_the_end = (t for t in state.trials if t.at_maximum or t.state == TrialState.COMPLETE)
    standings = (
        Ranking(t.number, TrialState.COMPLETE, t.step, t.counted(spec.objective))
        for t in at_the_end
    )
    state.leader = best_of(spec, standings)[0]


def next_gate(spec: StudySpec, state: State, trial: Trial) -> float:
    """The step at which this trial is judged next: its next rung, or the maximum."""
    every = spec.pruner.judged_from
    if every is not None:
        return float(every)
    rung = spec.pruner.plan.next_rung(state.pruner.filled, trial.number)
    if rung is not None:
        return float(rung)
    return math.inf if spec.pruning.max is None else float(spec.pruning.max)
