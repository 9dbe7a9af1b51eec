"""GPUs that trials share: memory, throughput, crowding, and trials that leave a GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuitune.core import events as ev
from tuitune.core.events import StopReason
from tuitune.core.placement import packing, throughput
from tuitune.core.reasons import GpusShared
from tuitune.core.study.slots import capacity_of, gpus_of, model_of, neighbours

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuitune.core.spec import StudySpec
    from tuitune.core.study import state as st

_SETTLED = 20.0  # s without more memory: it has grown as far as it seems to grow
_COMPANY_SECONDS = 30.0  # after which neighbours that have left are to blame for nothing
_MOST_CROWDINGS = 3  # of one trial, before its memory is its own affair
_REPORTS_TO_COUNT = 2  # of an attempt, for its peak to tell what others will hold


# --- what is now ---------------------------------------------------------------------------------


def launched(state: st.State, trial: st.Trial, fact: ev.Launch) -> None:
    trial.gpus, trial.share = fact.gpus, fact.share
    trial.peak, trial.grown, trial.rest = 0, fact.time, 0
    trial.pace = None
    if fact.gpus and not fact.share:
        trial.pace = throughput.Throughput()
        state.packing.capacities.setdefault(model_of(state, trial), throughput.Capacity())


def left(state: st.State, trial: st.Trial, fact: ev.Exited) -> None:
    """Its attempt is gone. How the exit came about is still to be read of it."""
    if not trial.gpus:
        return
    reports = trial.pace.reports if trial.pace else trial.attempt_step
    well = reports >= _REPORTS_TO_COUNT and not fact.oom and not fact.lost
    if trial.peak:
        packing.remember(state.packing, trial.peak, trial.rest, ended=well)
    if trial.pace is not None:
        throughput.retry(capacity_of(state, trial), state.packing.ended)
    _turn(state, trial, fact.time)


def gone(trial: st.Trial) -> None:
    trial.gpus, trial.share, trial.pace = (), 0.0, None


def heard(state: st.State, trial: st.Trial, fact: ev.Reported) -> None:
    """A report of a packed trial: its pace."""
    pace = trial.pace
    if pace is None:
        return
    throughput.heard(capacity_of(state, trial), pace, fact.step, fact.time)
    if pace.reports == 1:
        _turn(state, trial, fact.time)
    under_way = pace.reports >= _REPORTS_TO_COUNT
    if under_way and trial.peak and not trial.rest and fact.time - trial.grown >= _SETTLED:
        trial.rest = trial.peak


def grown(_spec: StudySpec, state: st.State, fact: ev.Footprint) -> None:
    trial = state.trials[fact.trial]
    if not trial.is_live() or trial.attempt != fact.attempt or fact.memory <= trial.peak:
        return
    first = not trial.peak
    trial.peak, trial.grown = fact.memory, fact.time
    if first:
        _turn(state, trial, fact.time)


def changed(_spec: StudySpec, state: st.State, fact: ev.DevicesChanged) -> None:
    state.gpus = fact.gpus


def crowded(state: st.State, trial: st.Trial) -> None:
    trial.needs_empty_gpu = True
    trial.crowdings += 1
    company = 1 + len(neighbours(state, trial))
    packing.crowd(state.packing, model_of(state, trial), company)


def packed(_spec: StudySpec, state: st.State, fact: ev.Packed) -> None:
    capacity = state.packing.capacities[fact.model]
    throughput.settle(capacity, fact.most, fact.gain, state.packing.ended, open_=fact.open)


def _turn(state: st.State, trial: st.Trial, now: float) -> None:
    """More, or fewer, compute on its GPUs than before: all who are there take note."""
    there = neighbours(state, trial)
    if there:
        trial.company = now
    for other in there:
        other.company = now
    if trial.number in state.running:
        there.append(trial)
    computing = [one for one in there if one.peak or (one.pace and one.pace.reports)]
    starting = sum(1 for one in computing if one.pace and not one.pace.reports)
    for one in there:
        if one.pace is not None:
            throughput.turn(one.pace, len(computing), starting, now)


# --- what follows --------------------------------------------------------------------------------


def is_crowded(state: st.State, trial: st.Trial, exit_: ev.Exited) -> bool:
    """Whether it ran out of a GPU's memory by the doing of others, ours or not."""
    if not exit_.oom or trial.crowdings >= _MOST_CROWDINGS:
        return False
    recent = exit_.time - trial.company < _COMPANY_SECONDS
    stranger = any(gpu.foreign for gpu in gpus_of(state, trial))
    return recent or stranger or bool(neighbours(state, trial))


def is_lost(state: st.State, trial: st.Trial) -> bool:
    return any(gpu.lost for gpu in gpus_of(state, trial))


def moved(state: st.State, fact: ev.DevicesChanged) -> Sequence[ev.Decision]:
    """Trials leave a GPU that is lost at once, and make way on one where somebody else stays."""
    lost = [
        _leave(fact.time, trial, "term")
        for trial in (state.trials[number] for number in state.running)
        if not _is_leaving(trial) and is_lost(state, trial)
    ]
    return [*lost, *make_way(state, fact.time)]


def make_way(state: st.State, now: float) -> Sequence[ev.Decision]:
    """If so set, the youngest trial on each GPU where somebody else stays is asked to leave.

    The next one when it has left: those with most to lose stay if the other one goes meanwhile.
    """
    assert state.settings is not None
    if state.settings.on_foreign != "pause":
        return ()
    youngest: dict[int, st.Trial] = {}
    for gpu in state.gpus:
        here = [t for t in (state.trials[n] for n in state.running) if gpu.uuid in t.gpus]
        if not gpu.claimed or gpu.lost or not here or any(map(_is_leaving, here)):
            continue
        trial = max(here, key=lambda trial: (trial.launched, trial.number))
        youngest[trial.number] = trial
    return [_leave(now, trial, "ask") for trial in youngest.values()]


def _is_leaving(trial: st.Trial) -> bool:
    return trial.at_maximum or trial.ending is not None


def words_of(state: st.State, gpu: ev.Gpu) -> str:
    """What packing does on a GPU, as: 3 x 2.1 of 80.0 GB, +64% over one. Else empty."""
    here = [t for t in (state.trials[n] for n in state.running) if gpu.uuid in t.gpus]
    if not here or any(trial.share for trial in here):
        return ""
    largest = max(trial.peak for trial in here)
    text = f"{len(here)} x {largest / 1e9:.1f} of {gpu.memory / 1e9:.1f} GB"
    gain = throughput.over_one(packing.capacity(state.packing, gpu.name), len(here))
    return text if gain is None or len(here) == 1 else f"{text}, {gain - 1:+.0%} over one"


def _leave(now: float, trial: st.Trial, how: ev.SignalHow) -> ev.Signal:
    return ev.Signal(now, trial.number, trial.attempt, how, StopReason.MOVED, save=how == "ask")


def found(state: st.State, trial: st.Trial, now: float) -> ev.Packed | None:
    """What its newest report has shown of how many trials its GPU bears."""
    finding = throughput.judge(capacity_of(state, trial))
    if finding is None:
        return None
    why = GpusShared(finding.many, finding.few, finding.gain, finding.kept, finding.open)
    model = model_of(state, trial)
    return ev.Packed(now, model, finding.kept, finding.open, finding.gain, why)
