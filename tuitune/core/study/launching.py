"""The choice of what takes a free slot, and the end of a study."""

from collections.abc import Sequence

from tuitune.core import events as ev, gpu_reasons, reasons
from tuitune.core.pruning.pruner import Promotion
from tuitune.core.spec import StudySpec
from tuitune.core.study import asking, leaving, parking, slots, state as st


def fill(spec: StudySpec, state: st.State, fact: ev.AnyFact) -> Sequence[ev.Decision]:
    """Fill the next free slot, one decision at a time; or finish the study."""
    if state.finished:
        return ()
    if state.halted is not None:
        return _wind_down(state, state.halted, fact.time)
    limit = leaving.time_limit(state)
    if limit is not None and limit <= fact.time:
        return (ev.Halted(fact.time, reasons.TimeLimit(), finish=False, failed=False),)
    if state.asking is not None or state.inherited:
        return ()
    started = _start(spec, state, fact.time) if state.may_launch else ()
    if started or state.running or state.waiting or asking.wants_new(state):
        return started
    return _wind_up(spec, state, fact.time)


def _wind_down(state: st.State, halted: ev.Halted, now: float) -> Sequence[ev.Decision]:
    """Nothing new starts; parked trials go on where all are to come to their end."""
    if not state.running:
        return _finish(state, now)
    return _unpark(state, now) if halted.finish else ()


def _start(spec: StudySpec, state: st.State, now: float) -> Sequence[ev.Decision]:
    """In this order: parked trials, interrupted ones, added ones, a promotion, a new proposal."""
    parked = _unpark(state, now)
    if parked or parking.goes_next(state, now):
        return parked
    found = slots.first_to_seat(state)
    if found is not None:
        return (_launch(state, *found, now),)
    place = slots.slot(state)
    if place is None:
        return (
            (ev.Ask(now, len(state.trials), prefetched=True),)
            if asking.may_ask_ahead(spec, state)
            else ()
        )
    waiting = (state.trials[n] for n in slots.ready(state))
    if not all(slots.may_be_passed(state, t) for t in waiting):  # the first one gets the next slot
        return ()
    return _next(spec, state, place, now)


def waits_for_room(spec: StudySpec, state: st.State) -> bool:
    """Whether a trial could start if there were another node."""
    settings = state.settings
    if settings is None or state.finished or state.halted is not None or not state.may_launch:
        return False
    if slots.is_full(state) or slots.slot(state) is not None:
        return False
    if any(isinstance(gpu.obstacle, gpu_reasons.GpusAllowed) for gpu in state.gpus):
        return False
    if slots.ready(state) or asking.wants_new(state):
        return True
    return spec.pruner.promotion(state.pruner, state.promotable) is not None


def _next(spec: StudySpec, state: st.State, place: slots.Slot, now: float) -> Sequence[ev.Decision]:
    """What takes this slot where no interrupted trial waits for it."""
    if state.adding:
        addition = state.adding[0]
        return (ev.Added(now, len(state.trials), addition.config, addition.why),)
    sent = spec.pruner.promotion(state.pruner, state.promotable, new=asking.may_ask(state))
    if sent is not None:
        return (_promoted(sent, now),)
    if state.prefetched in state.waiting and state.prefetched not in state.kills:
        return (_launch(state, state.trials[state.prefetched], place, now),)
    return (ev.Ask(now, len(state.trials)),) if asking.may_ask(state) else ()


def _launch(state: st.State, trial: st.Trial, at: slots.Slot, now: float) -> ev.Launch:
    assert state.settings is not None
    cpus, memory = state.settings.cpus, state.settings.memory or 0
    number, attempt = trial.number, trial.attempt + 1
    return ev.Launch(now, number, attempt, at.device, cpus, memory, at.gpus, at.share, at.node)


def _unpark(state: st.State, now: float) -> Sequence[ev.Decision]:
    """A parked trial whose GPU is free goes on."""
    assert state.settings is not None
    for trial in parking.returning(state, now):
        at = slots.slot_of_parked(state, trial)
        if at is not None and trial.parked is not None:
            number, attempt, memory = trial.number, trial.attempt, trial.parked.memory
            cpus = state.settings.cpus
            return (ev.Unpark(now, number, attempt, at.device, cpus, at.gpus, at.share, memory),)
    return ()


def _promoted(sent: Promotion, now: float) -> ev.Promoted:
    figures = sent.rank, sent.n, sent.cut
    return ev.Promoted(now, sent.trial, sent.rung, *figures, sent.why, by_rank=sent.by_rank)


def _wind_up(spec: StudySpec, state: st.State, now: float) -> Sequence[ev.Decision]:
    """Nothing runs and nothing can start: trials at a rung end as pruned.

    They stay while the user has paused any trial. Where no trial is complete, the best one that
    is not paused by the user goes on first.
    """
    if not state.may_launch or state.kills:
        return ()
    pruner = spec.pruner
    if pruner.promotion(state.pruner, state.promotable) is not None:
        return ()  # there is no room for it yet
    if state.promotable and not any(
        trial.state == ev.TrialState.COMPLETE for trial in state.trials
    ):
        best = pruner.last_resort(state.pruner, state.promotable)
        if best is not None:
            return (_promoted(best, now),)
    if _any_held(state):
        return ()
    if not state.promotable:
        return _finish(state, now)
    return [
        ev.Settled(now, number, ev.TrialState.PRUNED, pruner.not_promoted(state.pruner, number))
        for number in sorted(state.promotable)
    ]


def _any_held(state: st.State) -> bool:
    return any(t.paused_by_user and t.state == ev.TrialState.PAUSED for t in state.trials)


def _finish(state: st.State, now: float) -> Sequence[ev.Decision]:
    if state.halted is None:
        return (ev.Finished(now, complete=True, why=state.exhausted),)
    left = bool(state.waiting or state.promotable or state.kills)
    left = left or asking.wants_new(state) or _any_held(state)
    complete = not left and not state.halted.failed
    return (ev.Finished(now, complete=complete, why=state.halted.why),)
