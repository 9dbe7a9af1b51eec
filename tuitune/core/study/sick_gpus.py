"""GPUs that fail trials: a suspicion, its test on another GPU, and setting them aside.

An error that names a broken card sets the card aside at once. Where others are to blame as well,
the trial is tried on another GPU, at no retry's cost, while nothing starts on the first one: if it
gets further there, the GPU was at fault, and what it has failed before is excused; if it fails
again, it was not.
"""

import re
from collections.abc import Collection, Sequence

from tuitune.core import events as ev, reasons
from tuitune.core.gpu_reasons import GpuAside, GpuBarred, GpusAllowed, Obstacle
from tuitune.core.spec import StudySpec
from tuitune.core.study import nodes, pausing, state as st

_STATUS = "exit status "  # the error of a program that failed begins so
_FAILURES = 2  # in a row with one error on one GPU, after which a trial is tried on another
_WENT_WELL = frozenset({ev.TrialState.COMPLETE, ev.TrialState.PRUNED, ev.TrialState.PAUSED})


def kind_of(error: reasons.Why) -> str:
    """An error without its figures, to compare it with others."""
    if not isinstance(error, str):
        return type(error).__name__
    # The last words of a program may name its configuration: its status alone counts.
    return re.sub(r"\d+", "#", error.partition(": ")[0] if error.startswith(_STATUS) else error)


def avoided(state: st.State, trial: st.Trial | None) -> Collection[str]:
    """GPUs that this trial, or one to come, is not to take; none where there is no other."""
    tested = {uuid for uuid, suspect in state.suspects.items() if _is_tested(state, suspect)}
    tested |= set(() if trial is None else trial.avoids)
    return tested if tested and _others(state, tested) else ()


def fault(state: st.State, trial: st.Trial, exit_: ev.Exited) -> ev.GpuFault:
    """Whether its GPU is at fault ("aside"), or may be ("elsewhere"), that its attempt failed."""
    if not trial.gpus or not exit_.error or exit_.oom:
        return ""
    if exit_.fault == "card" or exit_.xids:
        return "aside"
    others = _others(state, {*trial.gpus, *avoided(state, None)})
    kind = kind_of(exit_.error)
    if len(others) < len(trial.gpus) or kind in state.common or trial.avoids:
        return ""
    if exit_.fault == "setup":
        return "aside" if _works_elsewhere(state, trial) else "elsewhere"
    rows = [state.suspects.get(uuid) for uuid in trial.gpus]
    failed = min(len(row.trials) if row and row.kind == kind else 0 for row in rows)
    return "elsewhere" if failed + 1 >= _FAILURES else ""


def on_exited(
    state: st.State, trial: st.Trial, exit_: ev.Exited, settled: ev.Settled
) -> Sequence[ev.Decision]:
    """Set GPUs aside: its own, or those that it has failed on before and avoided now."""
    if settled.fault == "aside":
        known = [(uuid, xid) for uuid, xid in exit_.xids if uuid in trial.gpus]
        gpus = tuple(uuid for uuid, _ in known) or trial.gpus
        why = GpuAside(exit_.error, known[0][1] if known else None, exit_.time)
        return (_set_aside(state, gpus, why, exit_.time),)
    if settled.state in _WENT_WELL and not settled.crashed:
        return _proved(state, trial, exit_.time)
    return ()


def on_report(state: st.State, trial: st.Trial, now: float) -> Sequence[ev.Decision]:
    """Set GPUs aside where it gets further now than it did on them."""
    if trial.avoids and trial.attempt_step > trial.failed_at:
        return _proved(state, trial, now)
    setups = [
        uuid
        for uuid, suspect in state.suspects.items()
        if suspect.setup
        and _is_tested(state, suspect)
        and trial.gpus
        and uuid not in trial.gpus
        and _is_later(trial, None if suspect.probe is None else state.trials[suspect.probe])
    ]
    return [
        _set_aside(state, (uuid,), GpuAside(state.suspects[uuid].error, None, now), now)
        for uuid in setups
    ]


def settled(state: st.State, trial: st.Trial, fact: ev.Settled) -> None:
    """Remember on which GPUs an attempt has failed, or ended well; before it gives them up."""
    if not trial.gpus:
        return
    kind = kind_of(trial.error)
    if fact.fault == "elsewhere":
        trial.avoids, trial.failed_at = trial.gpus, trial.attempt_step
        for uuid in trial.gpus:
            row = state.suspects.setdefault(uuid, st.Suspect(kind))
            row.kind, row.probe, row.setup = kind, trial.number, fact.setup
            row.error = trial.error if isinstance(trial.error, str) else kind
    elif fact.crashed:
        _note_crash(state, trial, kind)
    elif fact.state in _WENT_WELL:
        for uuid in trial.gpus:
            state.suspects.pop(uuid, None)
    if fact.fault != "elsewhere" and fact.state != ev.TrialState.WAITING:
        trial.avoids = ()


def set_aside(spec: StudySpec, state: st.State, fact: ev.SetAside) -> None:
    """Nothing starts on these GPUs, and the trials that they have failed are excused."""
    nodes.set_aside(state, fact.gpus, fact.why)
    for uuid in fact.gpus:
        state.suspects.pop(uuid, None)
    for trial in state.trials:
        if trial.avoids and set(trial.avoids) & set(fact.gpus):
            trial.avoids = ()
    for number in fact.trials:
        trial = state.trials[number]
        trial.crashes = max(0, trial.crashes - 1)
        if trial.state == ev.TrialState.FAILED:
            pausing.take_up_again(spec, state, trial, fact.why)
    state.streak = state.same = 0


def all_aside(state: st.State) -> bool:
    """Whether the study has GPUs, and each of them is set aside or lost."""
    gpus = state.gpus
    return bool(gpus) and all(gpu.lost or isinstance(gpu.obstacle, GpuAside) for gpu in gpus)


def _note_crash(state: st.State, trial: st.Trial, kind: str) -> None:
    """An error that two GPUs have shown is neither's fault."""
    elsewhere = [
        uuid for uuid, row in state.suspects.items() if row.kind == kind and uuid not in trial.gpus
    ]
    if elsewhere or kind in state.common:
        for uuid in elsewhere:
            del state.suspects[uuid]
        if kind not in state.common:
            state.common.append(kind)
        return
    for uuid in trial.gpus:
        row = state.suspects.get(uuid)
        if row is None or row.kind != kind:
            row = state.suspects[uuid] = st.Suspect(kind)
        row.trials.append(trial.number)


def _proved(state: st.State, trial: st.Trial, now: float) -> Sequence[ev.Decision]:
    """It fares better than on the GPUs that it avoids."""
    if not trial.avoids or set(trial.avoids) & set(trial.gpus):
        return ()
    row = next((state.suspects[uuid] for uuid in trial.avoids if uuid in state.suspects), None)
    if row is None:
        return ()
    why = GpuAside(row.error, None, now, 1 + len(row.trials))
    return (_set_aside(state, trial.avoids, why, now),)


def _set_aside(state: st.State, gpus: tuple[str, ...], why: GpuAside, now: float) -> ev.SetAside:
    rows = (state.suspects[uuid] for uuid in gpus if uuid in state.suspects)
    return ev.SetAside(now, gpus, why, tuple(sorted({n for row in rows for n in row.trials})))


def _others(state: st.State, avoid: Collection[str]) -> list[ev.Gpu]:
    """The other GPUs on which trials may start, or could instead of on those in use."""
    return [gpu for gpu in state.gpus if _is_free(gpu.obstacle) and gpu.uuid not in avoid]


def _is_free(obstacle: Obstacle) -> bool:
    """Whether trials may start there, or could if the study did not use other GPUs instead."""
    if isinstance(obstacle, GpuBarred):
        return obstacle.cause == "spare"
    return not obstacle or (isinstance(obstacle, GpusAllowed) and obstacle.gpus > 0)


def _works_elsewhere(state: st.State, trial: st.Trial) -> bool:
    """Whether another trial, begun no earlier, has reported from GPUs that are not this one's."""
    others = (state.trials[number] for number in state.running if number != trial.number)
    return any(
        other.attempt_step
        and other.gpus
        and not set(other.gpus) & set(trial.gpus)
        and _is_later(other, trial)
        for other in others
    )


def _is_later(trial: st.Trial, than: st.Trial | None) -> bool:
    """Whether it began no earlier: where CUDA did start before proves nothing."""
    return than is None or trial.launched >= than.launched


def _is_tested(state: st.State, suspect: st.Suspect) -> bool:
    """Whether a trial is on its way that avoids it."""
    if suspect.probe is None:
        return False
    trial = state.trials[suspect.probe]
    return bool(trial.avoids) and trial.state in {ev.TrialState.WAITING, ev.TrialState.RUNNING}
