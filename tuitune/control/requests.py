"""Requests to a running engine: what each carries, and what the engine does about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec
from msgspec.structs import replace

from tuitune.core import events as ev
from tuitune.core.reasons import Stopped
from tuitune.core.search.proposal import Proposal
from tuitune.core.space import SearchSpace
from tuitune.core.study.acts import Act, standing, why_not
from tuitune.messages.states import Shown, refusal, shown
from tuitune.messages.text import trial_name, trial_names
from tuitune.studyfile.nesting import joined

if TYPE_CHECKING:
    from tuitune.core.study import Study, Trial

Answer = dict[str, Any]  # values that JSON can hold; a request that fails has the key "error"
IMPORTING = "its training code is still being imported; ask again after that"
_LONGEST = 3600.0  # s that a kill may wait


class RefusedError(Exception):
    """A request that can't be done; str() is why, for the user."""


class EnginePort(Protocol):
    """What a request may do with the engine that runs a study."""

    @property
    def study(self) -> Study:
        """The engine's study; its state is to be read only."""

    def clock(self) -> float:
        """Unix seconds."""

    def take(self, events: Sequence[ev.Event]) -> None:
        """Fold events in; their decisions are carried out."""

    async def add(self, proposal: Proposal, by: str) -> dict[str, Any]:
        """Make a trial of it. Returns its whole configuration. Raises RefusedError."""

    def follow_log(self, trial: int, attempt: int) -> None:
        """As `executors.base.HasNodes.follow_log`; does nothing on one machine."""

    def use_gpus_again(self, which: str) -> list[int]:
        """End that these are set aside. Returns their numbers. Raises RefusedError."""

    def change_settings(self, overrides: Sequence[str], by: str) -> list[str]:
        """As `tuitune set`. Returns what has changed, as text. Raises RefusedError."""


class Request(msgspec.Struct, frozen=True, tag_field="do", forbid_unknown_fields=True):
    """Base of all requests; a class's tag is its name in the registry."""

    async def handle(self, engine: EnginePort, by: str) -> Answer:
        """Do it, inside the engine. `by`: what asks ("app", "command"). Raises RefusedError."""
        raise NotImplementedError


class Stop(Request, frozen=True, tag="stop"):
    """End the run: as soon as trials have saved, unless one of the flags is set."""

    finish: bool = False  # once running trials have come to their end
    now: bool = False  # kill them

    async def handle(self, engine: EnginePort, by: str) -> Answer:
        """Answers `running`, trials with a process, and `within`, seconds they have to leave."""
        from tuitune.core.study import leaving  # noqa: PLC0415 - only engines need it

        how: Literal["save", "finish", "now"] = "save"
        if self.finish or self.now:
            how = "finish" if self.finish else "now"
        now = engine.clock()
        engine.take([ev.StopAsked(now, self.finish, Stopped(how), now=self.now, by=by)])
        state = engine.study.state
        running = sum(state.trials[number].pid is not None for number in state.running)
        return {"running": running, "within": leaving.longest(state, now)}


class Kill(Request, frozen=True, tag="kill"):
    """End trials for good. The request UndoKill takes it back until `after` seconds have passed."""

    trials: tuple[int, ...]
    after: float = 0.0

    async def handle(self, engine: EnginePort, by: str) -> Answer:
        """Answers `done`, trials that will be killed, and `refused`, reasons for the others."""
        if not 0 <= self.after <= _LONGEST:
            raise RefusedError(f"after: {self.after} s; a kill may wait for 0 to {_LONGEST:g} s")
        done, refused = _sorted_out(engine, self.trials, Act.KILL)
        now = engine.clock()
        # one by one: the end of one trial may end others
        engine.take([ev.KillAsked(now, number, self.after, by) for number in done])
        return {"done": done, "refused": refused}


class UndoKill(Request, frozen=True, tag="undo_kill"):
    """Take back kills that have not been carried out."""

    trials: tuple[int, ...]

    async def handle(self, engine: EnginePort, by: str) -> Answer:
        """Answers `done`, trials, and `refused`, reasons for the others."""
        return _act(engine, self.trials, Act.UNDO_KILL, ev.UndoKillAsked, by)


class Pause(Request, frozen=True, tag="pause"):
    """Pause trials; with none named, launch no new ones."""

    trials: tuple[int, ...] = ()

    async def handle(self, engine: EnginePort, by: str) -> Answer:
        """Answers `done`, trials, and `refused`, reasons for the others."""
        return _act(engine, self.trials, Act.PAUSE, ev.PauseAsked, by)


class Resume(Request, frozen=True, tag="resume"):
    """Let paused trials go on; with none named, launch again."""

    trials: tuple[int, ...] = ()

    async def handle(self, engine: EnginePort, by: str) -> Answer:
        """Answers `done`, trials, and `refused`, reasons for the others."""
        return _act(engine, self.trials, Act.RESUME, ev.ResumeAsked, by)


class Retry(Request, frozen=True, tag="retry"):
    """Run trials again that failed, were pruned or killed."""

    trials: tuple[int, ...]

    async def handle(self, engine: EnginePort, by: str) -> Answer:
        """Answers `done`, trials, and `refused`, reasons for the others."""
        done, refused = _sorted_out(engine, self.trials, Act.RETRY)
        now = engine.clock()
        engine.take([ev.RetryAsked(now, number, by) for number in done])
        return {"done": done, "refused": refused}


class Add(Request, frozen=True, tag="add"):
    """Add a trial; what `config` leaves out is chosen as the study's method would."""

    config: dict[str, Any]
    like: int | None = None  # a trial whose configuration fills in what is left out

    async def handle(self, engine: EnginePort, by: str) -> Answer:
        """Answers the number of the new `trial`, and its `config`."""
        from tuitune.core.search.points import BrokenError  # noqa: PLC0415 - only engines need it
        from tuitune.core.search.registry import complete  # noqa: PLC0415 - the same

        study, config = engine.study, self.config
        spec, state = study.spec, study.state
        config = joined(config, spec.space.by_name)
        if self.like is not None:
            if not 0 <= self.like < len(state.trials):
                raise RefusedError(f"no trial {trial_name(self.like)} to copy")
            config = _changed(spec.space, state.trials[self.like].config, config)
        problems = spec.space.problems(config, partial=True)
        if problems:
            raise RefusedError("; ".join(problems))
        number = len(state.trials) + len(state.adding)
        try:
            proposal = complete(spec.space, spec.search, number, config)
        except BrokenError as error:
            raise RefusedError(str(error)) from error
        if self.like is not None:
            proposal = replace(proposal, why=f"like {trial_name(self.like)}")
        return {"trial": number, "config": await engine.add(proposal, by)}


class FollowLog(Request, frozen=True, tag="follow_log"):
    """Let the trial's log in the study folder have what it has printed on its node up to now."""

    trial: int

    async def handle(self, engine: EnginePort, by: str) -> Answer:
        """Answers nothing: the log comes later, and is read from the study folder."""
        del by
        if 0 <= self.trial < len(engine.study.state.trials):
            engine.follow_log(self.trial, engine.study.state.trials[self.trial].attempt)
        return {}


class Set(Request, frozen=True, tag="set"):
    """Change settings that may change while a study runs."""

    overrides: tuple[str, ...]  # as "search.trials=20"

    async def handle(self, engine: EnginePort, by: str) -> Answer:
        """Answers `changed`, a text for each setting, and for GPUs that were set aside."""
        cleared, others = apart(self.overrides)
        changed = [cleared_words(which, engine.use_gpus_again(which)) for which in cleared]
        if others or not cleared:
            changed += engine.change_settings(others, by)
        return {"changed": changed}


_CLEAR = "devices.clear="  # written as a setting, though it is an act


def apart(overrides: Sequence[str]) -> tuple[list[str], list[str]]:
    """(GPUs to use again, which were set aside; settings)."""
    cleared = [text.removeprefix(_CLEAR) for text in overrides if text.startswith(_CLEAR)]
    return cleared, [text for text in overrides if not text.startswith(_CLEAR)]


def cleared_words(which: str, numbers: Sequence[int]) -> str:
    """Which GPUs are used again. numbers: of those that were set aside."""
    if not numbers:
        return f"no GPU {'' if which == 'all' else f'{which} '}was set aside"
    return f"GPU {', '.join(map(str, numbers))}: used again"


def _act(
    engine: EnginePort,
    numbers: Sequence[int],
    act: Act,
    fact: type[ev.PauseAsked | ev.ResumeAsked | ev.UndoKillAsked],
    by: str,
) -> Answer:
    """Act on each trial that allows it; with none named, on launching."""
    done, refused = _sorted_out(engine, numbers, act)
    if done or not numbers:
        engine.take([fact(engine.clock(), tuple(done), by)])
    return {"done": done, "refused": refused}


def _sorted_out(
    engine: EnginePort, numbers: Sequence[int], act: Act
) -> tuple[list[int], list[str]]:
    """Trials that allow the act, and why the others don't. Raises RefusedError for unknown ones."""
    state = engine.study.state
    trials = state.trials
    unknown = [number for number in numbers if not 0 <= number < len(trials)]
    if unknown:
        known = f"the study has #0 to #{len(trials) - 1}" if trials else "it has none yet"
        raise RefusedError(f"no trial {trial_names(unknown)}: {known}")
    wanted = (trials[number] for number in dict.fromkeys(numbers))
    reasons = {trial.number: why_not(act, standing(state, trial)) for trial in wanted}
    return [number for number, why in reasons.items() if why is None], [
        f"{trial_name(number)} {refusal(why, number, _shown(trials[number]))}"
        for number, why in reasons.items()
        if why is not None
    ]


def _shown(trial: Trial) -> Shown:
    at_rung = trial.at_rung and not trial.paused_by_user
    return shown(trial.state, activity="parked" if trial.parked else None, at_rung=at_rung)


def _changed(space: SearchSpace, config: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """A configuration with other values, without what these make inactive."""
    whole = {**config, **values}
    given = [p for p in space.parameters if p.name in whole]
    return {p.name: whole[p.name] for p in given if space.is_active(p, whole)}
