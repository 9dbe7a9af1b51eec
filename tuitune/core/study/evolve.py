"""The change of state by each kind of fact; nothing else changes the state of a study."""

from collections.abc import Callable
from typing import Any

from tuitune.core import events as ev, gpu_reasons
from tuitune.core.spec import StudySpec
from tuitune.core.study import (
    asking,
    attempts,
    checkpoints,
    gpu_packing,
    judging,
    leaving,
    nodes,
    parking,
    pausing,
    sick_gpus,
    state as st,
)
from tuitune.core.study.lifecycle import move


def evolve(spec: StudySpec, state: st.State, fact: ev.AnyFact) -> st.State:
    """Fold one fact in. Changes `state` in place, as copies are slow, and returns it."""
    fold = _FOLDS.get(type(fact))
    if fold is not None:
        fold(spec, state, fact)
    state.now = fact.time
    return state


def _opened(spec: StudySpec, state: st.State, fact: ev.Opened) -> None:
    gpu_packing.opened(state, fact.time)
    state.settings = fact.settings
    if not state.opening:
        state.pruner.anchor = fact.anchor
        state.pruner.memory = spec.pruner.memory()
    state.opening += 1
    if not state.finished and state.opened:  # an engine died: count its time to its last fact
        state.elapsed += state.now - state.opened
    state.opened = fact.time
    state.disk_low = fact.disk_low
    state.blocked = {}
    nodes.opened(state, fact)
    state.halted = None
    state.finished = state.complete = False
    state.asking = state.prefetched = None
    state.streak = state.same = 0
    if not state.pruner.style and spec.pruning.style != "auto":
        state.pruner.style = spec.pruning.style
    _take_up(state)


def _settings_changed(_spec: StudySpec, state: st.State, fact: ev.SettingsChanged) -> None:
    state.settings = fact.settings
    state.rooms.forget()
    _take_up(state)


def _take_up(state: st.State) -> None:
    """When the number of trials is raised, unpromoted trials with a checkpoint may go on.

    After a complete study they have no checkpoint, unless the study keeps all of them.
    """
    assert state.settings is not None
    if len(state.trials) - state.by_hand >= state.settings.trials:
        return
    state.exhausted = ""
    for trial in state.trials:
        if trial.not_promoted and trial.checkpoint is not None:
            trial.not_promoted, trial.at_rung, trial.ended = False, True, None
            move(trial, ev.TrialState.PAUSED)
            state.promotable[trial.number] = True


def _disk_changed(_spec: StudySpec, state: st.State, fact: ev.DiskChanged) -> None:
    state.disk_low = fact.low


def _launch_blocked(_spec: StudySpec, state: st.State, fact: ev.LaunchBlocked) -> None:
    if fact.why:
        state.blocked[fact.cause] = fact.why
        return
    state.blocked.pop(fact.cause, None)
    for trial in (state.trials[number] for number in state.running):
        if fact.cause == "code" and trial.pid is None:  # its time begins now
            trial.launched = trial.last_sign = trial.stepped = fact.time


def _code_changed(_spec: StudySpec, state: st.State, fact: ev.CodeChanged) -> None:
    state.code = fact.now


def _style_chosen(_spec: StudySpec, state: st.State, fact: ev.StyleChosen) -> None:
    state.pruner.style = fact.style


def _halted(_spec: StudySpec, state: st.State, fact: ev.Halted) -> None:
    state.halted = fact
    if isinstance(fact.why, gpu_reasons.WrongGpu):
        state.misplaced = state.code


def _on_wrong_gpu(_spec: StudySpec, state: st.State, fact: ev.OnWrongGpu) -> None:
    trial = state.trials[fact.trial]
    if trial.is_live() and trial.attempt == fact.attempt:
        trial.wrong_gpu = fact.why


def _finished(_spec: StudySpec, state: st.State, fact: ev.Finished) -> None:
    state.finished, state.complete = True, fact.complete
    state.elapsed += fact.time - state.opened
    state.opened = fact.time
    if fact.complete:
        checkpoints.forget(state)


def _clock_stepped(_spec: StudySpec, state: st.State, fact: ev.ClockStepped) -> None:
    """The clock was set: shift all times of live trials, so that no deadline moves."""
    by = fact.seconds
    state.opened += by
    state.asked += by
    state.kills = {number: due + by for number, due in state.kills.items()}
    for number in state.running:
        _shift(state.trials[number], by)


def _shift(trial: st.Trial, by: float) -> None:
    """Shift the times of a trial that has a process by so many seconds."""
    trial.launched += by
    trial.last_sign += by
    trial.stepped += by
    trial.grown += by
    trial.company += by
    trial.metered += by
    if trial.started is not None:
        trial.started += by
    match trial.activity:
        case st.Frozen() as frozen:
            frozen.since += by
        case st.Parked() as parked:
            parked.since += by
            parked.again += by
        case st.Ending() as ending:
            ending.due += by
    if trial.pace is not None:
        trial.pace.began += by
        if trial.pace.first:
            trial.pace.first += by
        trial.pace.turned += by


_FOLDS: dict[type, Callable[[StudySpec, st.State, Any], None]] = {
    ev.Opened: _opened,
    ev.Ask: asking.ask,
    ev.Proposed: asking.proposed,
    ev.Exhausted: asking.exhausted,
    ev.Launch: attempts.launch,
    ev.Started: attempts.started,
    ev.Reported: judging.reported,
    ev.SaveStarted: leaving.save_started,
    ev.SaveFailed: leaving.save_failed,
    ev.Checkpointed: leaving.checkpointed,
    ev.Verdict: judging.verdict,
    ev.Signal: leaving.signal,
    ev.Silent: leaving.silent,
    ev.Returned: leaving.returned,
    ev.Exited: attempts.exited,
    ev.Settled: attempts.settled,
    ev.DiskChanged: _disk_changed,
    ev.LaunchBlocked: _launch_blocked,
    ev.ClockStepped: _clock_stepped,
    ev.SampleFailed: asking.sample_failed,
    ev.DevicesChanged: nodes.gpus_changed,
    ev.NodeChanged: nodes.changed,
    ev.Footprint: gpu_packing.grown,
    ev.OnWrongGpu: _on_wrong_gpu,
    ev.GpuUsed: gpu_packing.used,
    ev.Packed: gpu_packing.packed,
    ev.Parked: parking.parked,
    ev.ParkFailed: parking.park_failed,
    ev.Unpark: parking.unpark,
    ev.Restored: parking.restored,
    ev.SetAside: sick_gpus.set_aside,
    ev.StyleChosen: _style_chosen,
    ev.CodeChanged: _code_changed,
    ev.Promoted: pausing.promoted,
    ev.KillAsked: pausing.kill_asked,
    ev.UndoKillAsked: pausing.undo_kill_asked,
    ev.PauseAsked: pausing.pause_asked,
    ev.ResumeAsked: pausing.resume_asked,
    ev.Frozen: pausing.frozen,
    ev.AddAsked: asking.add_asked,
    ev.Added: asking.added,
    ev.RetryAsked: pausing.retry_asked,
    ev.SettingsChanged: _settings_changed,
    ev.Halted: _halted,
    ev.Finished: _finished,
}
