"""What follows from this fact? Reads the state as it is after the fact, and changes nothing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tuitune.core import events as ev
from tuitune.core.events import StopReason, TrialState
from tuitune.core.pruning import rules
from tuitune.core.study import gpu_packing, prefetch
from tuitune.core.study import state as st
from tuitune.core.study.deadlines import TIME_IS_UP, kill, on_deadline, time_limit
from tuitune.core.study.endings import settle
from tuitune.core.study.judging import on_report, reaches, target_words
from tuitune.core.study.slots import first_to_seat, ready, slot

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from tuitune.core.spec import StudySpec
    from tuitune.core.study.slots import Slot

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


def _fill(spec: StudySpec, state: st.State, fact: ev.AnyFact) -> Sequence[ev.Decision]:
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
    started = _start(spec, state, fact.time) if state.may_launch else ()
    if started or state.running or state.waiting or _wants_new(state):
        return started
    return _wind_up(spec, state, fact.time)


def _wants_new(state: st.State) -> bool:
    return bool(state.adding) or _may_ask(state)


def _may_ask(state: st.State) -> bool:
    assert state.settings is not None
    asked = len(state.trials) - state.by_hand
    return not state.exhausted and asked < state.settings.trials


def _inherited(state: st.State) -> bool:
    """Whether attempts of a dead engine are still to be written off."""
    return any(state.trials[n].opening < state.opening for n in state.running)


def _start(spec: StudySpec, state: st.State, now: float) -> Sequence[ev.Decision]:
    """What room is taken by: what was interrupted, what a hand added, a promotion, a new one."""
    found = first_to_seat(state)
    if found is not None:
        return (_launch(state, *found, now),)
    place = slot(state)
    if place is None:
        return (
            (ev.Ask(now, len(state.trials), prefetched=True),)
            if _may_ask_ahead(spec, state)
            else ()
        )
    waiting = (state.trials[n] for n in ready(state))
    if any(not trial.needs_empty_gpu for trial in waiting):  # the first of them holds the rest up
        return ()
    return _next(spec, state, place, now)


def _next(spec: StudySpec, state: st.State, place: Slot, now: float) -> Sequence[ev.Decision]:
    """What takes this room where nothing that was interrupted waits for it."""
    if state.adding:
        addition = state.adding[0]
        return (ev.Added(now, len(state.trials), addition.config, addition.why),)
    sent = rules.promotion(state.pruner, spec.pruning, state.promotable)
    if sent is not None:
        return (_promoted(sent, now),)
    if state.prefetched in state.waiting and state.prefetched not in state.kills:
        return (_launch(state, state.trials[state.prefetched], place, now),)
    return (ev.Ask(now, len(state.trials)),) if _may_ask(state) else ()


def _may_ask_ahead(spec: StudySpec, state: st.State) -> bool:
    """One, while nothing else is sure to take the next slot."""
    if state.waiting or state.adding or not _may_ask(state) or not prefetch.pays(spec, state):
        return False
    return rules.promotion(state.pruner, spec.pruning, state.promotable) is None


def _launch(state: st.State, trial: st.Trial, at: Slot, now: float) -> ev.Launch:
    assert state.settings is not None
    cpus, memory = state.settings.cpus, state.settings.memory or 0
    number, attempt = trial.number, trial.attempt + 1
    return ev.Launch(now, number, attempt, at.device, cpus, memory, at.gpus, at.share)


def _promoted(sent: rules.Promotion, now: float) -> ev.Promoted:
    figures = sent.rank, sent.n, sent.cut
    return ev.Promoted(now, sent.trial, sent.rung, *figures, sent.why, by_rank=sent.by_rank)


def _wind_up(spec: StudySpec, state: st.State, now: float) -> Sequence[ev.Decision]:
    """Nothing runs and nothing starts: those at a rung end there, unless a hand holds others.

    Where no trial has come to its end, the best that no hand holds goes on first, until one has.
    """
    if not state.may_launch or state.kills:
        return ()
    pruner, pruning = state.pruner, spec.pruning
    if rules.promotion(pruner, pruning, state.promotable) is not None:
        return ()  # there is no room for it yet
    if state.promotable and not any(trial.state == TrialState.COMPLETE for trial in state.trials):
        best = rules.best_waiting(pruner, pruning, state.promotable)
        if best is not None:
            return (_promoted(best, now),)
    if _any_held(state):
        return ()
    if not state.promotable:
        return _finish(state, now)
    return [
        ev.Settled(now, number, TrialState.PRUNED, rules.not_promoted(pruner, pruning, number))
        for number in sorted(state.promotable)
    ]


def _any_held(state: st.State) -> bool:
    return any(t.paused_by_user and t.state == TrialState.PAUSED for t in state.trials)


def _finish(state: st.State, now: float) -> Sequence[ev.Decision]:
    if state.halted is None:
        return (ev.Finished(now, complete=True, why=state.exhausted),)
    left = bool(state.waiting or state.promotable or state.kills)
    left = left or _wants_new(state) or _any_held(state)
    complete = not left and not state.halted.failed
    return (ev.Finished(now, complete=complete, why=state.halted.why),)


# --- ending --------------------------------------------------------------------------------------


def _verdict(spec: StudySpec, state: st.State, fact: ev.Verdict) -> Sequence[ev.Decision]:
    """An entry more may be what another trial has waited for."""
    return _fill(spec, state, fact) if state.promotable else ()


def _reported(spec: StudySpec, state: st.State, fact: ev.Reported) -> Sequence[ev.Decision]:
    """Its verdict; and of one that is packed, what it tells of its neighbours and itself."""
    decisions = on_report(spec, state, fact)
    trial = state.trials[fact.trial]
    if trial.pace is None:
        return decisions
    packed = gpu_packing.found(state, trial, fact.time)
    if packed is not None:
        return (*decisions, packed)
    return decisions or _fill(spec, state, fact)


def _devices_changed(
    spec: StudySpec, state: st.State, fact: ev.DevicesChanged
) -> Sequence[ev.Decision]:
    return [*gpu_packing.moved(state, fact), *_fill(spec, state, fact)]


def _started(spec: StudySpec, state: st.State, fact: ev.Started) -> Sequence[ev.Decision]:
    """A command's code is that of the files it names, which may be others in each trial."""
    if spec.trial.command is not None or fact.code == state.code:
        return ()
    return (ev.CodeChanged(fact.time, state.code, fact.code),)


def _exited(spec: StudySpec, state: st.State, fact: ev.Exited) -> Sequence[ev.Decision]:
    return (settle(spec, state, fact),)


def _sample_failed(
    _spec: StudySpec, _state: st.State, fact: ev.SampleFailed
) -> Sequence[ev.Decision]:
    error = fact.error
    return (ev.Settled(fact.time, fact.trial, TrialState.FAILED, error, crashed=True, error=error),)


def _settled(spec: StudySpec, state: st.State, fact: ev.Settled) -> Sequence[ev.Decision]:
    if fact.crashed and state.halted is None:
        error = state.trials[fact.trial].error
        if not state.reported and state.same >= SAME_CRASHES:
            why = f"the first {state.same} trials have failed, all with: {error}"
            return (ev.Halted(fact.time, why, finish=False, failed=True),)
        if state.streak >= CRASHES_IN_ROW:
            why = f"{state.streak} attempts in a row have failed, the last with: {error}"
            return (ev.Halted(fact.time, why, finish=False, failed=True),)
    if state.trials[fact.trial].not_promoted and state.promotable:
        return ()  # one of many that wind up together: the last of them looks on
    return [*gpu_packing.make_way(state, fact.time), *_fill(spec, state, fact)]


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
        ev.Signal(
            # one that is being ended for another reason still ends for that one
            fact.time,
            t.number,
            t.attempt,
            how,
            StopReason.DRAIN if _may_stay(t) or t.ending is None else t.ending.reason,
            save=not fact.now,
        )
        for t in (state.trials[n] for n in state.running)
        if fact.now or (_may_stay(t) and not t.at_maximum)
    ]


def _may_stay(trial: st.Trial) -> bool:
    """Whether nothing ends it yet: one that was asked to pause may stand still for ever."""
    return trial.ending is None or trial.ending.due == math.inf


def _pause_asked(spec: StudySpec, state: st.State, fact: ev.PauseAsked) -> Sequence[ev.Decision]:
    signals: list[ev.Decision] = [
        ev.Signal(fact.time, t.number, t.attempt, "ask", StopReason.PAUSED, save=True)
        for t in (state.trials[n] for n in fact.trials)
        if type(t.activity) in {st.Starting, st.Running} and not t.at_maximum
    ]
    return [*signals, *_fill(spec, state, fact)]


def _resume_asked(spec: StudySpec, state: st.State, fact: ev.ResumeAsked) -> Sequence[ev.Decision]:
    thawed: list[ev.Decision] = [
        ev.Signal(fact.time, t.number, t.attempt, "release", StopReason.PAUSED, save=False)
        for t in (state.trials[n] for n in fact.trials)
        if t.frozen is not None
    ]
    return [*thawed, *_fill(spec, state, fact)]


def _held(_spec: StudySpec, state: st.State, fact: ev.Frozen) -> Sequence[ev.Decision]:
    """A trial that stands still goes on at once where its pause was taken back meanwhile."""
    trial = state.trials[fact.trial]
    if trial.frozen is None or trial.attempt != fact.attempt or trial.paused_by_user:
        return ()
    return (
        ev.Signal(fact.time, fact.trial, fact.attempt, "release", StopReason.PAUSED, save=False),
    )


def _kill_asked(_spec: StudySpec, state: st.State, fact: ev.KillAsked) -> Sequence[ev.Decision]:
    return () if fact.after > 0 else kill(state.trials[fact.trial], fact.time)


_RULES: dict[type, Callable[[StudySpec, st.State, Any], Sequence[ev.Decision]]] = {
    ev.Opened: _opened,
    ev.Proposed: _fill,
    ev.Exhausted: _fill,
    ev.Launch: _fill,
    ev.Promoted: _fill,
    ev.Added: _fill,
    ev.AddAsked: _fill,
    ev.RetryAsked: _fill,
    ev.SettingsChanged: _fill,
    ev.DiskChanged: _fill,
    ev.LaunchBlocked: _fill,
    ev.SampleFailed: _sample_failed,
    ev.DevicesChanged: _devices_changed,
    ev.Packed: _fill,
    ev.PauseAsked: _pause_asked,
    ev.ResumeAsked: _resume_asked,
    ev.Frozen: _held,
    ev.Started: _started,
    ev.Reported: _reported,
    ev.Verdict: _verdict,
    ev.Exited: _exited,
    ev.Settled: _settled,
    ev.StopAsked: _stop_asked,
    ev.Halted: _halt,
    ev.KillAsked: _kill_asked,
    ev.UndoKillAsked: _fill,
    ev.DeadlinePassed: on_deadline,
}
