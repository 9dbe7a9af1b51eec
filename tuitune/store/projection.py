"""Rows of trials and study, made from the state, or anew from the journal."""

from __future__ import annotations

import functools
import math
import re
import sys
import zlib
from collections.abc import Collection, Iterable, Mapping
from enum import Enum
from typing import Any, Final, get_args

import msgspec

from tuitune.core import events as ev
from tuitune.core.events import StopReason, TrialState
from tuitune.core.sizes import size
from tuitune.core.spec import StudySpec
from tuitune.core.study import Study
from tuitune.core.study.acts import ActivityName
from tuitune.core.study.kept_checkpoints import forgotten, kept
from tuitune.core.study.state import (
    Activity,
    Ending,
    Frozen,
    Parked,
    Running,
    Starting,
    State,
    Trial,
)
from tuitune.messages.reasons import reason_words
from tuitune.messages.states import CAUSES
from tuitune.store.rows import StudyRow, TrialRow, WaitingFor, to_columns

OF_THE_STUDY = frozenset(  # facts that may change the study's own row
    {
        ev.Opened,
        ev.Exhausted,
        ev.PauseAsked,
        ev.ResumeAsked,
        ev.SettingsChanged,
        ev.DiskChanged,
        ev.LaunchBlocked,
        ev.ClockStepped,
        ev.StyleChosen,
        ev.Added,
        ev.Halted,
        ev.Finished,
    }
)

_NAMES = re.compile(r"[A-Za-z_]\w*")
_BLOCKED = {"code": "the training code is not imported: {}", "resources": "{}"}

_PARKING: Final = {
    "parking": "its GPU memory is moved to the host's",
    "parked": "holds no slot, and {} of the host's memory",
    "restoring": "its GPU memory is moved back",
}
_ACTIVITIES: Final[Mapping[type[Activity], ActivityName]] = {
    Starting: "starting",
    Running: "running",
    Ending: "ending",
    Frozen: "frozen",
    Parked: "parked",
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
    return layout_of(State)


def layout_of(kind: type) -> str:
    """A checksum of the fields, annotations, tags and defaults of all types within."""
    fields: dict[str, str] = {}
    _collect_fields(kind, fields)
    return f"{zlib.crc32(repr(fields).encode()):08x}"


def _collect_fields(kind: Any, found: dict[str, str]) -> None:
    """Describe a type and all types in its fields, each once.

    By the text of the annotations: to evaluate them would take most of 10 ms at every start.
    """
    name = repr(kind)
    if name in found:
        return
    found[name] = ""
    inner = list(get_args(kind))
    if isinstance(kind, type) and issubclass(kind, Enum):
        found[name] = repr([member.value for member in kind])
    elif isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        annotations: dict[str, str] = {}
        for base in kind.__mro__[: kind.__mro__.index(msgspec.Struct)]:
            annotations |= base.__annotations__
            names = vars(sys.modules[base.__module__])
            used = _NAMES.findall(" ".join(base.__annotations__.values()))
            inner += [names[name] for name in used if name in names]
        config = kind.__struct_config__
        found[name] = f"{config.tag} {annotations} {kind.__struct_defaults__}"
    for one in inner:
        _collect_fields(one, found)


def trial_row(spec: StudySpec, state: State, trial: Trial) -> TrialRow:
    """The trial's row; the journal sets `born` and `changed`."""
    number = trial.number
    filled = state.pruner.filled.get(number, 0)
    ending = trial.ending
    return TrialRow(
        number=number,
        state=trial.state,
        config=trial.config,
        origin=trial.origin,
        why=reason_words(trial.why),
        value=trial.counted(spec.objective),
        step=trial.step,
        attempt=trial.attempt + 1,
        started=trial.started,
        ended=trial.ended,
        error=reason_words(trial.error),
        device=reason_words(trial.device),
        note=_note(state, trial),
        best=trial.best,
        bracket=spec.pruner.plan.bracket_of(number),
        rung=filled - 1 if filled else None,
        checkpoint=trial.checkpoint if kept(state, trial) else None,
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
        gpu_seconds=trial.gpu_seconds,
        energy=trial.energy,
        node=trial.node,
    )


def study_row(spec: StudySpec, state: State) -> StudyRow:
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


def _waiting_for(trial: Trial) -> WaitingFor | None:
    if trial.state == TrialState.PAUSED:
        return "user" if trial.paused_by_user else "rung" if trial.at_rung else "room"
    return "room" if trial.state == TrialState.WAITING else None


def _note(state: State, trial: Trial) -> str:
    if trial.number in state.kills:
        return "is to be killed; that can still be undone"
    if trial.ending is not None and trial.ending.reason is not StopReason.PRUNED:
        return _leaving_words(trial, trial.ending)
    if trial.state == TrialState.PAUSED:
        by_hand = "paused by hand; " if trial.paused_by_user and trial.at_rung else ""
        return f"{by_hand}{reason_words(trial.note)}; {_keeps(trial)}"
    return "silent for long" if trial.silent else reason_words(trial.note)


def _leaving_words(trial: Trial, ending: Ending) -> str:
    saves = "; writes a checkpoint" if trial.saving else ""
    return f"stopping: {CAUSES[ending.reason]}{saves}"


def _keeps(trial: Trial) -> str:
    """The resources that a paused trial holds, and its checkpoint."""
    if trial.frozen is not None:
        memory = f" and {size(trial.memory)}" if trial.memory else ""
        return f"holds {trial.cpus:g} CPU slots{memory}, and all that it has on them"
    if trial.parked is not None:
        return _PARKING[trial.parked.stage].format(size(trial.parked.memory))
    if trial.checkpoint is not None:
        return f"holds nothing but its checkpoint of step {trial.checkpoint}"
    return "holds nothing"


def concerned(fact: ev.AnyFact, state: State) -> Collection[int]:
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
            return [t.number for t in forgotten(state)] if fact.complete else ()
        case _:
            number = getattr(fact, "trial", None)
            return () if number is None else (number,)


def _with_checkpoints(state: State) -> Collection[int]:
    """Complete trials with a checkpoint, which the settings may let them keep or not."""
    return [
        t.number
        for t in state.trials
        if t.state == TrialState.COMPLETE and t.checkpoint is not None
    ]
