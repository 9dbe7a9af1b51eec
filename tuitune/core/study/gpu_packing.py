"""GPUs that trials share: memory, throughput, crowding, and trials that leave a GPU."""

from collections.abc import Iterable, Sequence

from tuitune.core import events as ev, gpu_reasons, spec
from tuitune.core.placement import packing, throughput, whole_attempts
from tuitune.core.study import nodes, pausing, state as st
from tuitune.core.study.slots import capacity_of, gpus_of, model_of, neighbours

_SETTLED = 20.0  # s without a higher peak: its memory has probably stopped growing
_COMPANY_SECONDS = 30.0  # after a neighbour has left, an out-of-memory may be due to it
_MOST_CROWDINGS = 3  # of one trial; a later out-of-memory counts as its own crash
_REPORTS_TO_COUNT = 2  # of an attempt that ended early, for it to count in estimates
_INSTANT = 1e-3  # s that an attempt takes at least


# --- state ---------------------------------------------------------------------------------------


def joined(state: st.State, trial: st.Trial, fact: ev.Launch) -> None:
    """The trial is about to run on its GPUs: those there have shared them without it so far."""
    if fact.gpus:
        account(state, fact.time, nodes.residents(state, fact.node, fact.gpus))
        trial.metered = fact.time


def launched(state: st.State, trial: st.Trial, fact: ev.Launch) -> None:
    """Reset what packing measures for the attempt; a share of 0 means that it is packed."""
    trial.peak, trial.grown, trial.rest = 0, fact.time, 0
    trial.pace = None
    if fact.gpus and not fact.share:
        trial.pace = throughput.Throughput(turned=fact.time)
        state.packing.capacities.setdefault(model_of(state, trial), throughput.Capacity())
        _turn(state, trial, fact.time)


def left(state: st.State, trial: st.Trial, fact: ev.Exited) -> None:
    """Its process has exited; its GPUs stay known until `gone`, as the exit is judged by them."""
    if not trial.gpus:
        return
    account(state, fact.time, neighbours(state, trial), leaving=trial)
    reports = trial.pace.reports if trial.pace else trial.attempt_step
    by_itself = trial.ending is None or trial.ending.reason is ev.StopReason.RETURNED
    least = 1 if by_itself and not fact.error else _REPORTS_TO_COUNT
    is_typical = reports >= least and not fact.oom and not fact.lost
    if trial.peak:
        packing.remember(state.packing, trial.peak, trial.rest, ended=is_typical)
    if trial.pace is not None:
        if is_typical:
            _remember(state, trial, trial.pace, fact.time)
        throughput.retry(capacity_of(state, trial), state.packing.ended)
    _turn(state, trial, fact.time)
    if trial.share < 1 or nodes.home(state, trial).is_unified:
        state.rooms.forget()  # what is promised to a trial has changed, on any node


def _remember(state: st.State, trial: st.Trial, pace: throughput.Throughput, now: float) -> None:
    throughput.turn(pace, 0, 0, 0, now)
    seconds = max(now - trial.launched, _INSTANT)
    first = pace.first - trial.launched
    ended = whole_attempts.WholeAttempt(seconds, first, pace.reports, pace.lived / seconds)
    each = whole_attempts.remember(state.packing.means, ended)
    throughput.note_attempt(capacity_of(state, trial), ended.company, each)


def parked(state: st.State, trial: st.Trial, memory: int, now: float) -> None:
    """Its memory is in the host's, and it is on no GPU; what it has held of one stays known."""
    account(state, now, nodes.residents(state, trial.node, trial.gpus))
    there = neighbours(state, trial)
    nodes.park(state, trial, memory)
    gone(trial)
    if there:
        _turn(state, there[0], now)
    state.rooms.forget()


def restored(state: st.State, trial: st.Trial, gpus: tuple[str, ...], now: float) -> None:
    """It is on a GPU again. Its pace is not measured any more."""
    account(state, now, nodes.residents(state, trial.node, gpus))
    trial.metered, trial.gpus = now, gpus
    nodes.unpark(state, trial)
    _turn(state, trial, now)


def gone(trial: st.Trial) -> None:
    """It holds no GPU any more."""
    trial.gpus, trial.share, trial.pace = (), 0.0, None


def note_report(state: st.State, trial: st.Trial, fact: ev.Reported) -> None:
    """Update the pace of a packed trial."""
    pace = trial.pace
    if pace is None:
        return
    usual = state.packing.means.seconds
    throughput.note_report(capacity_of(state, trial), pace, fact.step, fact.time, usual)
    if pace.reports == 1:
        _turn(state, trial, fact.time)
    state.rooms.may_be(trial.node)
    under_way = pace.reports >= _REPORTS_TO_COUNT
    if under_way and trial.peak and not trial.rest and fact.time - trial.grown >= _SETTLED:
        trial.rest = trial.peak


def grown(_spec: spec.StudySpec, state: st.State, fact: ev.Footprint) -> None:
    """A higher peak of GPU memory; of an earlier attempt it is ignored."""
    trial = state.trials[fact.trial]
    if not trial.is_live() or trial.attempt != fact.attempt or fact.memory <= trial.peak:
        return
    first = not trial.peak
    trial.peak, trial.grown = fact.memory, fact.time
    if not state.packing.high:
        state.rooms.forget()
    state.packing.high = max(state.packing.high, trial.peak)
    state.rooms.may_be(trial.node)
    if first:
        _turn(state, trial, fact.time)


def crowded(state: st.State, trial: st.Trial) -> None:
    """It ran out of memory among neighbours: next time it gets an empty GPU."""
    trial.needs_empty_gpu = True
    trial.crowdings += 1
    company = 1 + len(neighbours(state, trial))
    packing.crowd(state.packing, model_of(state, trial), company)
    state.rooms.forget()


def packed(_spec: spec.StudySpec, state: st.State, fact: ev.Packed) -> None:
    """Adopt a finding about a GPU model's capacity."""
    capacity = state.packing.capacities[fact.model]
    ended, short = state.packing.ended, packing.are_short(state.packing)
    finding = throughput.Finding(capacity.kept, capacity.reached, fact.gain, fact.most, fact.open)
    throughput.settle(capacity, finding, ended, short=short)
    state.rooms.forget()


def _turn(state: st.State, trial: st.Trial, now: float) -> None:
    """The number of trials that compute on its GPUs has changed: update the pace of each."""
    there = neighbours(state, trial)
    if there:
        trial.company = now
    for other in there:
        other.company = now
    if trial.number in state.running:
        there.append(trial)
    computing = [one for one in there if one.peak or (one.pace and one.pace.reports)]
    starting = sum(1 for one in computing if one.pace and not one.pace.reports)
    if packing.are_short(state.packing):  # they begin to compute before a sample tells it
        computing, starting = there, 0
    for one in there:
        if one.pace is not None:
            throughput.turn(one.pace, len(there), len(computing), starting, now)


# --- decisions -----------------------------------------------------------------------------------


def is_crowded(state: st.State, trial: st.Trial, exit_: ev.Exited) -> bool:
    """Whether it ran out of GPU memory because of other processes, ours or not."""
    if not exit_.oom or trial.crowdings >= _MOST_CROWDINGS:
        return False
    recent = exit_.time - trial.company < _COMPANY_SECONDS
    stranger = any(gpu.foreign for gpu in gpus_of(state, trial))
    return recent or stranger or bool(neighbours(state, trial))


def is_lost(state: st.State, trial: st.Trial) -> bool:
    """Whether one of its GPUs has failed or disappeared."""
    return any(gpu.lost for gpu in gpus_of(state, trial))


def moved(state: st.State, node: str, now: float) -> Sequence[ev.Decision]:
    """Trials leave a lost GPU at once, and make way on one that another user stays on.

    On a node that will soon be lost, they save and leave.
    """
    known = state.nodes[node]
    if known.node.leaving:
        here = [state.trials[number] for number in known.running]
        return [_leave(now, trial, "ask") for trial in here if not _is_leaving(trial)]
    lost = [
        _leave(now, trial, "term")
        for trial in (state.trials[number] for number in known.running)
        if not _is_leaving(trial) and is_lost(state, trial)
    ]
    return [*lost, *make_way(state, node, now)]


def make_way(state: st.State, node: str, now: float) -> Sequence[ev.Decision]:
    """With on_foreign = "pause" or "park": the youngest trial on each claimed GPU makes way.

    The next one is asked once it has left, so that the oldest trials stay if the other user goes.
    One that can't be parked runs to its end.
    """
    assert state.settings is not None
    how = state.settings.on_foreign
    if how not in {"pause", "park"} or node not in state.nodes:
        return ()
    park = how == "park"
    youngest: dict[int, st.Trial] = {}
    for gpu in state.nodes[node].node.gpus:
        here = nodes.residents(state, node, (gpu.uuid,))
        if not gpu.claimed or gpu.lost or not here or any(map(_is_leaving, here)):
            continue
        able = [trial for trial in here if not park or pausing.may_park(trial)]
        if able:
            trial = max(able, key=lambda trial: (trial.launched, trial.number))
            youngest[trial.number] = trial
    return [_leave(now, trial, "ask", park=park) for trial in youngest.values()]


def _is_leaving(trial: st.Trial) -> bool:
    return trial.at_maximum or trial.ending is not None or trial.parked is not None


def sharing(state: st.State, node: str, gpu: ev.Gpu) -> gpu_reasons.TrialsOnGpu | None:
    """How trials share a GPU of this node; None where they do not."""
    here = nodes.residents(state, node, (gpu.uuid,))
    if not here or any(trial.share for trial in here):
        return None
    largest = max(trial.peak for trial in here)
    gain = throughput.over_one(packing.capacity(state.packing, gpu.name), len(here))
    return gpu_reasons.TrialsOnGpu(len(here), largest, gpu.memory, gain if len(here) > 1 else None)


def _leave(now: float, trial: st.Trial, how: ev.SignalHow, *, park: bool = False) -> ev.Signal:
    number, attempt, save = trial.number, trial.attempt, how == "ask"
    return ev.Signal(now, number, attempt, how, ev.StopReason.MOVED, save, park)


def found(state: st.State, trial: st.Trial, now: float) -> ev.Packed | None:
    """What its newest report shows about how many trials its GPU can run."""
    if whole_attempts.are_silent(state.packing.means):
        return None
    short = packing.are_short(state.packing)
    finding = throughput.judge(capacity_of(state, trial), whole=short)
    return _packed(model_of(state, trial), finding, now)


def found_by_whole_attempts(state: st.State, now: float) -> ev.Packed | None:
    """What attempts that have ended show about it, where they report seldom."""
    if not whole_attempts.are_silent(state.packing.means):
        return None
    for model, capacity in state.packing.capacities.items():
        found = _packed(model, throughput.judge(capacity, paces=False, whole=True), now)
        if found is not None:
            return found
    return None


def _packed(model: str, finding: throughput.Finding | None, now: float) -> ev.Packed | None:
    if finding is None:
        return None
    why = gpu_reasons.GpusShared(
        finding.many, finding.few, finding.gain, finding.kept, finding.open
    )
    return ev.Packed(now, model, finding.kept, finding.open, finding.gain, why)


def account(
    state: st.State, now: float, trials: Iterable[st.Trial], leaving: st.Trial | None = None
) -> None:
    """Add the time since it was last added to these trials, which share their GPUs since then.

    leaving: one more, which runs no more from now on.
    """
    for trial in trials if leaving is None else (*trials, leaving):
        if trial.gpus:
            on, left = nodes.home(state, trial).on, () if leaving is None else leaving.gpus
            parts = sum(1 / (len(on.get(uuid, ())) + (uuid in left) or 1) for uuid in trial.gpus)
            trial.gpu_seconds += max(0.0, now - trial.metered) * parts
            trial.metered = now


def opened(state: st.State, now: float) -> None:
    """Another engine has opened the study: nothing ran since the last fact of the one before."""
    running = [state.trials[number] for number in state.running]
    account(state, state.now, running)
    for trial in running:
        trial.metered = now


def used(_spec: spec.StudySpec, state: st.State, fact: ev.GpuUsed) -> None:
    """Add the energy, and the time up to now."""
    trial = state.trials[fact.trial]
    if trial.number in state.running:
        account(state, fact.time, (trial,))
    if fact.joules is not None:
        trial.energy = (trial.energy or 0.0) + fact.joules
