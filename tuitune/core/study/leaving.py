"""The end of an attempt: signals, saves, the time to leave, deadlines."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from tuitune.core import events as ev, reasons
from tuitune.core.events import StopReason
from tuitune.core.spec import StudySpec
from tuitune.core.study import lifecycle, parking, pausing, state as st
from tuitune.core.study.state import Ending

Due = Callable[[st.Trial, float], ev.Decision]

# Seconds from one step of ending an attempt to the next: asked, SIGTERM, SIGKILL.
ASK_GRACE: Final[dict[StopReason, float]] = {
    StopReason.PRUNED: 10.0,
    StopReason.KILLED: 5.0,
    StopReason.TIMEOUT: 10.0,
    StopReason.OVERDUE: 10.0,
    StopReason.PAUSED: math.inf,  # it may run until its next report
    StopReason.MOVED: math.inf,  # the same
}
LEAST_LEAVE = 20.0  # s to save and leave, unless the study file sets it
_SLOWER = 1.5  # times the slowest step so far: the next one may be slower
AFTER_SAVE = 20.0  # from the end of a save to the exit
EXIT_GRACE = 60.0  # from the return of a function to the exit of its process
TERM_GRACE = 10.0
KILL_GRACE = 10.0
# For these no save is waited for.
_HASTY: Final = frozenset({StopReason.KILLED, StopReason.PRUNED, StopReason.TIMEOUT})
SILENCE = 600.0  # s without a sign of life, after which a trial is silent, or
_SILENT_PAUSES = 10.0  # times its longest pause between reports, whichever is longer


def signal(_spec: StudySpec, state: st.State, fact: ev.Signal) -> None:
    """The attempt is asked or forced to leave, or a frozen one is released."""
    trial = state.trials[fact.trial]
    was_parked = state.parked.pop(fact.trial, False)
    _thaw(trial, fact.time)  # a frozen one must run to leave
    if fact.reason is StopReason.KILLED:
        state.kills.pop(fact.trial, None)
    if fact.how != "release":
        begin(state, trial, fact.how, fact.reason, fact.time)
        if trial.ending is not None:
            trial.ending.park = fact.park
            trial.ending.parked = was_parked and fact.how == "kill"


def begin(
    state: st.State, trial: st.Trial, how: ev.SignalHow, reason: StopReason, now: float
) -> None:
    """The attempt is ending; its deadline moves later only if its function has not returned."""
    if how == "ask":
        due = now + _grace_of(state, trial, reason, now)
        if trial.returned and trial.ending is not None:
            due = min(due, trial.ending.due)
    else:
        due = now + (TERM_GRACE if how == "term" else KILL_GRACE)
    lifecycle.move(trial, Ending(reason, how, due))


def _thaw(trial: st.Trial, now: float) -> None:
    if trial.parked is not None:
        pausing.let_go(trial, trial.parked.since, now)
    if trial.frozen is not None:
        pausing.let_go(trial, trial.frozen.since, now)
        if trial.returned:
            _has_returned(trial, now)


def save_started(_spec: StudySpec, state: st.State, fact: ev.SaveStarted) -> None:
    """A save under way counts as a sign of life."""
    trial = state.trials[fact.trial]
    if trial.is_live() and trial.attempt == fact.attempt:
        trial.saving += 1
        trial.last_sign = fact.time
        trial.silent = False


def save_failed(_spec: StudySpec, state: st.State, fact: ev.SaveFailed) -> None:
    """The save is over; the earlier checkpoint stays."""
    trial = state.trials[fact.trial]
    if trial.is_live() and trial.attempt == fact.attempt:
        _save_ended(trial, fact.time)


def checkpointed(_spec: StudySpec, state: st.State, fact: ev.Checkpointed) -> None:
    """The save is over; the next attempt would resume from `fact.step`."""
    trial = state.trials[fact.trial]
    if trial.is_live() and trial.attempt == fact.attempt:
        trial.checkpoint = fact.step
        _save_ended(trial, fact.time)


def _save_ended(trial: st.Trial, now: float) -> None:
    """A save has succeeded or failed: the time to leave starts over."""
    trial.saving = max(0, trial.saving - 1)
    trial.last_sign = now
    if trial.ending is not None and trial.ending.reason not in _HASTY:
        trial.ending.due = max(trial.ending.due, now + AFTER_SAVE)


def returned(_spec: StudySpec, state: st.State, fact: ev.Returned) -> None:
    """Its function has returned, or ignores the order to end: it has EXIT_GRACE seconds to exit."""
    trial = state.trials[fact.trial]
    if trial.is_live() and trial.attempt == fact.attempt:
        trial.returned = True
        _has_returned(trial, fact.time, overdue=fact.ignored and trial.at_maximum)


def _has_returned(trial: st.Trial, now: float, *, overdue: bool = False) -> None:
    """Its function has returned: the process gets EXIT_GRACE seconds to exit."""
    if trial.frozen is not None:
        return  # it exits once it is released
    if trial.ending is None:
        reason = StopReason.OVERDUE if overdue else StopReason.RETURNED
        lifecycle.move(trial, Ending(reason, "ask", now + EXIT_GRACE))
    else:
        trial.ending.due = min(trial.ending.due, now + EXIT_GRACE)


def silent(_spec: StudySpec, state: st.State, fact: ev.Silent) -> None:
    """Reported once, until the next sign of life."""
    state.trials[fact.trial].silent = True


def _grace_of(state: st.State, trial: st.Trial, reason: StopReason, now: float) -> float:
    """Seconds that an attempt has to leave after the request."""
    fixed = ASK_GRACE.get(reason)
    return leave_within(state, trial, now) if fixed is None else fixed


def leave_within(state: st.State, trial: st.Trial, now: float) -> float:
    """Seconds for a trial to reach its next report, save and leave.

    By default as long as the slowest step of any trial took, the current step included.
    """
    if state.settings is not None and state.settings.leave_within is not None:
        return state.settings.leave_within
    return max(LEAST_LEAVE, _SLOWER * state.slowest, now - trial.stepped)


def longest(state: st.State, now: float) -> float:
    """Seconds until the last trial that was asked to leave is ended, except for saves under way.

    A trial without a process, such as one that waits for an import, is ended at once.
    """
    trials = [state.trials[number] for number in state.running]
    endings = [trial.ending for trial in trials if trial.ending and trial.pid is not None]
    return max((e.due - now for e in endings if e.how == "ask" and e.due < math.inf), default=0.0)


def is_saving(trial: st.Trial) -> bool:
    """Whether its end waits for a checkpoint that is being written."""
    ending = trial.ending
    if ending is None or not trial.saving:
        return False
    return ending.how == "ask" and ending.reason not in _HASTY


def next_deadline(state: st.State, trials: Iterable[int] | None = None) -> float | None:
    """Unix seconds of the next deadline; None where there is none.

    trials: leave out those of all other trials.
    """
    asked = state.running if trials is None else [n for n in trials if n in state.running]
    due = [at for number in asked for at, _ in _deadlines(state, state.trials[number])]
    parked = (state.trials[number].parked for number in state.parked)
    due += [one.again for one in parked if one is not None and one.again > state.now]
    if not state.finished:
        due += state.kills.values()
    limit = time_limit(state)
    return min(due if limit is None else [*due, limit], default=None)


def time_limit(state: st.State) -> float | None:
    """Unix seconds at which the study's time limit is reached; None for never."""
    settings = state.settings
    if settings is None or settings.time_limit is None or state.halted or state.finished:
        return None
    return state.opened + settings.time_limit - state.elapsed


def on_deadline(
    _spec: StudySpec, state: st.State, fact: ev.DeadlinePassed
) -> Sequence[ev.Decision]:
    """One due kill, or else all other deadlines that are due."""
    kills = [n for n, at in state.kills.items() if at <= fact.time and not state.finished]
    if kills:  # one at a time, since its end may change what else is due; the rest stays due
        return pausing.kill(state.trials[kills[0]], fact.time)
    decisions: list[ev.Decision] = []
    limit = time_limit(state)
    if limit is not None and limit <= fact.time:
        decisions.append(ev.Halted(fact.time, reasons.TimeLimit(), finish=False, failed=False))
    for trial in (state.trials[number] for number in state.running):
        due = [decide for at, decide in _deadlines(state, trial) if at <= fact.time]
        decisions += [decide(trial, fact.time) for decide in due[:1]]
    return decisions


def _deadlines(state: st.State, trial: st.Trial) -> list[tuple[float, Due]]:
    """(when, decision) of a trial with a process; of several due ones the first is taken."""
    if trial.parked is not None:
        return parking.deadlines(trial)
    if trial.frozen is not None or (trial.pid is None and "code" in state.blocked):
        return []  # it is frozen, or waits for the import of its code
    quiet = trial.last_sign + max(SILENCE, _SILENT_PAUSES * trial.pause)
    timeout = state.settings.timeout if state.settings else None
    if is_saving(trial):
        return _deadlines_of_save(trial, quiet, timeout)
    if trial.ending is not None and trial.ending.due < math.inf:
        return [(trial.ending.due, _further)]
    if trial.at_maximum:
        return [] if trial.saving else [(quiet, _overdue)]
    due: list[tuple[float, Due]] = []
    if timeout is not None:
        due.append((trial.launched + timeout, _timed_out))
    if not trial.silent:
        due.append((quiet, _silent))
    return due


def _deadlines_of_save(
    trial: st.Trial, quiet: float, timeout: float | None
) -> list[tuple[float, Due]]:
    """Only the timeout interrupts a save that follows a first request to leave."""
    assert trial.ending is not None
    due: list[tuple[float, Due]] = [] if trial.silent else [(quiet, _silent)]
    if timeout is not None:
        due.insert(0, (max(trial.ending.due, trial.launched + timeout), _further))
    return due


def _timed_out(trial: st.Trial, now: float) -> ev.Decision:
    return ev.Signal(now, trial.number, trial.attempt, "ask", StopReason.TIMEOUT, save=False)


def _overdue(trial: st.Trial, now: float) -> ev.Decision:
    """It has reached the maximum, but keeps its slot and gives no sign of life."""
    return ev.Signal(now, trial.number, trial.attempt, "ask", StopReason.OVERDUE, save=False)


def _silent(trial: st.Trial, now: float) -> ev.Decision:
    return ev.Silent(now, trial.number, trial.attempt, now - trial.last_sign)


def _further(trial: st.Trial, now: float) -> ev.Decision:
    """The next, harsher way to end an attempt that has not left."""
    ending = trial.ending
    assert ending is not None
    how: ev.SignalHow = "term" if ending.how == "ask" else "kill"
    return ev.Signal(now, trial.number, trial.attempt, how, ending.reason, save=False)
