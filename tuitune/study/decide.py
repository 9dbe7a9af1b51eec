"""What follows from this fact? Reads the state as it is after the fact, and changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuitune import events as ev
from tuitune.devices.placement import Room, most_at_once, place
from tuitune.study import state as st
from tuitune.study.deadlines import TIME_IS_UP, on_deadline, time_limit
from tuitune.study.endings import settle
from tuitune.study.judging import on_report, reaches, target_words

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from tuitune.spec import StudySpec

SAME_CRASHES = 3  # of the same error, before any trial has reported
CRASHES_IN_ROW = 10


def decide(spec: StudySpec, state: st.State, fact: ev.AnyFact) -> Sequence[ev.Decision]:
    """The decisions that this fact calls for, in order; each is a fact to decide on in its turn."""
    rule = _RULES.get(type(fact))
    return () if rule is None else rule(spec, state, fact)


# --- starting ------------------------------------------------------------------------------------


def _opened(spec: StudySpec, state: st.State, fact: ev.Opened) -> Sequence[ev.Decision]:
    leader = None if state.leader is None else state.trials[state.leader]
    if leader is not None and reaches(spec, fact.settings.target, leader):
        return (ev.Halted(fact.time, target_words(spec, leader), finish=False, failed=False),)
    return _fill(spec, state, fact)


def _fill(_spec: StudySpec, state: st.State, fact: ev.AnyFact) -> Sequence[ev.Decision]:
    """The next thing to start or to ask for, one at a time; or the end of it all."""
    if state.finished:
        return ()
    if state.halted is not None:
        return () if state.running else _finish(state, fact.time)
    limit = time_limit(state)
    if limit is not None and limit <= fact.time:
        return (ev.Halted(fact.time, TIME_IS_UP, finish=False, failed=False),)
    if state.asking is not None or _inherited(state):
        return ()
    if state.waiting or _may_ask(state):
        return _start(state, fact.time)
    return () if state.running else _finish(state, fact.time)


def _may_ask(state: st.State) -> bool:
    assert state.settings is not None
    return not state.exhausted and len(state.trials) < state.settings.trials


def _inherited(state: st.State) -> bool:
    """Whether attempts of a dead engine are still to be written off."""
    return any(state.trials[n].opening < state.opening for n in state.running)


def _start(state: st.State, now: float) -> Sequence[ev.Decision]:
    settings = state.settings
    assert settings is not None
    machine = Room(state.cpus, state.memory)
    need = Room(settings.cpus, settings.memory or 0)
    if len(state.running) >= most_at_once(machine, need, settings.concurrency):
        return ()
    held = Room(
        sum(state.trials[n].cpus for n in state.running),
        sum(state.trials[n].memory for n in state.running),
    )
    device = place(machine, held, need)
    if device is None:
        return ()
    if not state.waiting:
        return (ev.Ask(now, len(state.trials)),)
    trial = state.trials[state.waiting[0]]
    attempt = trial.attempt + 1
    return (ev.Launch(now, trial.number, attempt, device, need.cpus, need.memory),)


def _finish(state: st.State, now: float) -> Sequence[ev.Decision]:
    if state.halted is None:
        return (ev.Finished(now, complete=True, why=state.exhausted),)
    complete = not state.waiting and not _may_ask(state) and not state.halted.failed
    return (ev.Finished(now, complete=complete, why=state.halted.why),)


# --- ending --------------------------------------------------------------------------------------


def _exited(spec: StudySpec, state: st.State, fact: ev.Exited) -> Sequence[ev.Decision]:
    return (settle(spec, state, fact),)


def _settled(spec: StudySpec, state: st.State, fact: ev.Settled) -> Sequence[ev.Decision]:
    if fact.crashed and state.halted is None:
        error = state.trials[fact.trial].error
        if not state.reported and state.same >= SAME_CRASHES:
            why = f"the first {state.same} trials ended within seconds, all with: {error}"
            return (ev.Halted(fact.time, why, finish=False, failed=True),)
        if state.streak >= CRASHES_IN_ROW:
            why = f"{state.streak} attempts in a row have failed, the last with: {error}"
            return (ev.Halted(fact.time, why, finish=False, failed=True),)
    return _fill(spec, state, fact)


def _stop_asked(_spec: StudySpec, state: st.State, fact: ev.StopAsked) -> Sequence[ev.Decision]:
    if state.finished:
        return ()
    return (ev.Halted(fact.time, fact.why, fact.finish, failed=False, now=fact.now),)


def _halt(spec: StudySpec, state: st.State, fact: ev.Halted) -> Sequence[ev.Decision]:
    if not state.running:
        return _fill(spec, state, fact)
    if fact.finish:
        return ()
    how: ev.SignalHow = "kill" if fact.now else "ask"
    return [
        ev.Signal(fact.time, t.number, t.attempt, how, "drain", save=not fact.now)
        for t in (state.trials[n] for n in state.running)
        if fact.now or (t.ending is None and not t.complete)
    ]


def _kill_asked(_spec: StudySpec, state: st.State, fact: ev.KillAsked) -> Sequence[ev.Decision]:
    decisions: list[ev.Decision] = []
    for number in fact.trials or tuple(state.running):
        trial = state.trials[number]
        if trial.state == st.RUNNING and (trial.ending is None or trial.ending.reason != "killed"):
            decisions.append(
                ev.Signal(fact.time, number, trial.attempt, "ask", "killed", save=False)
            )
        elif trial.state in (st.WAITING, st.PAUSED):
            decisions.append(ev.Settled(fact.time, number, st.KILLED, "killed by hand"))
    return decisions


_RULES: dict[type, Callable[[StudySpec, st.State, Any], Sequence[ev.Decision]]] = {
    ev.Opened: _opened,
    ev.Proposed: _fill,
    ev.Exhausted: _fill,
    ev.Launch: _fill,
    ev.Reported: on_report,
    ev.Exited: _exited,
    ev.Settled: _settled,
    ev.StopAsked: _stop_asked,
    ev.Halted: _halt,
    ev.KillAsked: _kill_asked,
    ev.DeadlinePassed: on_deadline,
}
