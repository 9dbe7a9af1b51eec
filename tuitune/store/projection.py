"""Rows of trials and study, made from the state, or again from the journal."""

import functools
import math
import re
import sys
import zlib
from collections.abc import Collection, Iterable, Mapping
from enum import Enum
from typing import Any, Final, get_args

import msgspec

from tuitune.core import events as ev, sizes
from tuitune.core.spec import StudySpec
from tuitune.core.study import Study, acts, checkpoints, state as st
from tuitune.messages.reasons import reason_words
from tuitune.messages.states import CAUSES
from tuitune.store.rows import Progress, StudyRow, TrialRow, WaitingFor, to_columns

OF_THE_STUDY = frozenset(  # facts that may change the study's own row
    {
        *(ev.Opened, ev.Exhausted, ev.PauseAsked, ev.ResumeAsked, ev.SettingsChanged),
        *(ev.DiskChanged, ev.LaunchBlocked, ev.ClockStepped, ev.StyleChosen, ev.Added),
        *(ev.Halted, ev.Finished),
    }
)

_NAMES = r"[A-Za-z_][\w.]*"
_BLOCKED = {"code": "the training code is not imported: {}", "resources": "{}"}

_PARKING: Final = {
    "parking": "its GPU memory is moved to the host's",
    "parked": "holds no slot, and {} of the host's memory",
    "restoring": "its GPU memory is moved back",
}
_ACTIVITIES: Final[Mapping[type[st.Activity], acts.ActivityName]] = {
    st.Starting: "starting",
    st.Running: "running",
    st.Ending: "ending",
    st.Frozen: "frozen",
    st.Parked: "parked",
}


class Projection:
    """The rows of a study, made from the facts of its journal; more of them may follow."""

    def __init__(self, spec: StudySpec) -> None:
        self._study = Study(spec)
        self.born: dict[int, int] = {}  # trial -> the number of its first fact
        self.seq = 0  # the number of the last fact that was folded in

    def fold(self, facts: Iterable[tuple[int, ev.AnyFact]]) -> list[tuple[object, ...]]:
        """Take (number, fact) in order. Returns the columns of each trial that they changed."""
        study, state, born = self._study, self._study.state, self.born
        leader, changed = state.leader, dict[int, int]()
        for seq, fact in facts:
            study.evolve(fact)
            numbers = (fact.trial,) if type(fact) is ev.Reported else concerned(fact, state)
            for number in numbers:
                born.setdefault(number, seq)
                changed[number] = seq
                if number == state.leader and state.former_leader is not None:
                    changed[state.former_leader] = seq  # it may have lost its checkpoint
            self.seq = seq
        if state.leader != leader:  # others may have lost their checkpoints
            changed |= {t.number: self.seq for t in state.trials if t.checkpoint is not None}
        there = (number for number in sorted(changed) if number < len(state.trials))
        rows = ((n, trial_row(study.spec, state, state.trials[n])) for n in there)
        return [to_columns(row, born[n], changed[n]) for n, row in rows]

    def study_row(self) -> StudyRow:
        """The study as the facts so far leave it."""
        return study_row(self._study.spec, self._study.state)


@functools.cache
def state_layout() -> str:
    """A snapshot's layout: another version may read the same bytes differently."""
    return layout_of(st.State)


def layout_of(kind: type) -> str:
    """A checksum of the fields, annotations, tags and defaults of all types within."""
    fields: dict[str, str] = {}
    _collect_fields(kind, fields)
    return f"{zlib.crc32(repr(fields).encode()):08x}"


def _collect_fields(kind: Any, found: dict[str, str]) -> None:
    """Describe a type and all types in its fields, each once.

    By the text of annotations that are deferred: to evaluate them would take most of 10 ms at
    every start.
    """
    name = repr(kind)
    if name in found:
        return
    found[name] = ""
    inner = list(get_args(kind))
    if isinstance(kind, type) and issubclass(kind, Enum):
        found[name] = repr([member.value for member in kind])
    elif isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        annotations: dict[str, Any] = {}
        for base in kind.__mro__[: kind.__mro__.index(msgspec.Struct)]:
            annotations |= base.__annotations__
            for annotation in base.__annotations__.values():
                inner += _named(annotation, base) if isinstance(annotation, str) else [annotation]
        config = kind.__struct_config__
        found[name] = f"{config.tag} {annotations} {kind.__struct_defaults__}"
    for one in inner:
        _collect_fields(one, found)


def _named(annotation: str, kind: type) -> list[Any]:
    """What the names of a deferred annotation stand for, builtins left out."""
    module = vars(sys.modules[kind.__module__])
    found = []
    for text in re.findall(_NAMES, annotation):
        name, *path = text.split(".")
        if name in module:
            found.append(functools.reduce(getattr, path, module[name]))
    return found


def trial_row(spec: StudySpec, state: st.State, trial: st.Trial) -> TrialRow:
    """The trial's row; the journal sets `born` and `changed`."""
    progress = progress_of(spec, state, trial)
    number, ending = trial.number, trial.ending
    return TrialRow(
        number=number,
        state=trial.state,
        config=trial.config,
        origin=trial.origin,
        why=reason_words(trial.why),
        value=progress.value,
        step=progress.step,
        attempt=trial.attempt + 1,
        started=trial.started,
        ended=trial.ended,
        error=reason_words(trial.error),
        device=reason_words(trial.device),
        note=_note(state, trial),
        best=progress.best,
        bracket=spec.pruner.plan.bracket_of(number),
        rung=progress.rung,
        checkpoint=trial.checkpoint if checkpoints.kept(state, trial) else None,
        at_rung=trial.at_rung,
        pid=trial.pid,
        due=None if ending is None or ending.due == math.inf else ending.due,
        launched=None if trial.started is None else trial.launched,
        waiting_for=_waiting_for(trial),
        activity=None if trial.activity is None else _ACTIVITIES[type(trial.activity)],
        ending=None if ending is None else ending.reason,
        at_maximum=trial.at_maximum,
        paused_by_user=trial.paused_by_user,
        kill_at=state.kills.get(number),
        gpu_seconds=progress.gpu_seconds,
        energy=trial.energy,
        node=trial.node,
        saved_on=checkpoints.alone_on(state, trial),
    )


def progress_of(spec: StudySpec, state: st.State, trial: st.Trial) -> Progress:
    """What may differ in the trial's row when it has reported.

    Any other fact may change more of it. So may the report of a silent trial, which is not silent
    any more, and one that makes another trial the leader.
    """
    filled = state.pruner.filled.get(trial.number, 0)
    return Progress(
        trial.number,
        trial.counted(spec.objective),
        trial.step,
        trial.best,
        filled - 1 if filled else None,
        trial.gpu_seconds,
    )


def study_row(spec: StudySpec, state: st.State) -> StudyRow:
    """The study's row, from its state."""
    halted = state.halted
    brackets = spec.pruner.plan.steps
    return StudyRow(
        settings=state.settings,
        launching=state.launching,
        disk_low=state.disk_low,
        halted="" if halted is None else reason_words(halted.why),
        failed=halted is not None and halted.failed,
        finishing=halted is not None and halted.finish,
        finished=state.finished,
        complete=state.complete,
        style=state.pruner.style,
        exhausted=state.exhausted,
        by_hand=state.by_hand,
        cpus=state.cpus,
        memory=state.memory,
        opened=state.opened,
        elapsed=state.elapsed,
        rungs=brackets if any(brackets) else (),
        blocked="; ".join(_BLOCKED[cause].format(why) for cause, why in state.blocked.items()),
    )


def _waiting_for(trial: st.Trial) -> WaitingFor | None:
    if trial.state == ev.TrialState.PAUSED:
        return "user" if trial.paused_by_user else "rung" if trial.at_rung else "room"
    return "room" if trial.state == ev.TrialState.WAITING else None


def _note(state: st.State, trial: st.Trial) -> str:
    if trial.number in state.kills:
        return "is to be killed; that can still be undone"
    if trial.ending is not None and trial.ending.reason is not ev.StopReason.PRUNED:
        return _leaving_words(trial, trial.ending)
    if trial.state == ev.TrialState.PAUSED:
        by_hand = "paused by hand; " if trial.paused_by_user and trial.at_rung else ""
        return f"{by_hand}{reason_words(trial.note)}; {_keeps(trial)}"
    return "silent for long" if trial.silent else reason_words(trial.note)


def _leaving_words(trial: st.Trial, ending: st.Ending) -> str:
    saves = "; writes a checkpoint" if trial.saving else ""
    return f"stopping: {CAUSES[ending.reason]}{saves}"


def _keeps(trial: st.Trial) -> str:
    """The resources that a paused trial holds, and its checkpoint."""
    if trial.frozen is not None:
        memory = f" and {sizes.size(trial.memory)}" if trial.memory else ""
        return f"holds {trial.cpus:g} CPU slots{memory}, and all that it has on them"
    if trial.parked is not None:
        return _PARKING[trial.parked.stage].format(sizes.size(trial.parked.memory))
    if trial.checkpoint is not None:
        return f"holds nothing but its checkpoint of step {trial.checkpoint}"
    return "holds nothing"


def concerned(fact: ev.AnyFact, state: st.State) -> Collection[int]:
    """The trials whose rows may change by this fact."""
    match fact:
        case ev.Ask():
            return ()
        case ev.PauseAsked() | ev.ResumeAsked() | ev.UndoKillAsked() | ev.SetAside():
            return fact.trials
        case ev.ClockStepped():
            return {*state.running, *state.kills}
        case ev.Opened() | ev.SettingsChanged():  # with more trials, those not promoted may go on
            return {*state.promotable, *_with_checkpoints(state)}
        case ev.Finished():
            return [t.number for t in checkpoints.forgotten(state)] if fact.complete else ()
        case _:
            number = getattr(fact, "trial", None)
            return () if number is None else (number,)


def _with_checkpoints(state: st.State) -> Collection[int]:
    """Complete trials with a checkpoint, which the settings may let them keep or not."""
    return [
        t.number
        for t in state.trials
        if t.state == ev.TrialState.COMPLETE and t.checkpoint is not None
    ]
