"""What may another process ask of a running engine, and what does it hear back?"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tuitune.core import events as ev
from tuitune.core.events import ENDED, TrialState
from tuitune.core.search.searcher import complete
from tuitune.core.study import leaving
from tuitune.engine.settings import NotWhileRunningError
from tuitune.executors.base import SampleError
from tuitune.messages.states import Shown, shown
from tuitune.messages.text import plain, trial_name, trial_names
from tuitune.studyfile import StudyFileError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuitune.core.space import SearchSpace
    from tuitune.core.study import Trial
    from tuitune.engine.engine import Engine
    from tuitune.engine.ports import SettingsFile

Answer = dict[str, Any]
LONGEST = 3600.0  # s that a kill may wait
LONGEST_NAME = 40  # characters of what asks
OF_MANY: dict[str, type[ev.PauseAsked | ev.ResumeAsked | ev.UndoKillAsked]] = {
    "pause": ev.PauseAsked,
    "resume": ev.ResumeAsked,
    "spare": ev.UndoKillAsked,
}
ACTS = {"kill", "retry", *OF_MANY}


class ControlHandler:
    """Answers the requests of the control socket: {"ok": true, ...} or {"error": words}."""

    def __init__(self, engine: Engine, document: SettingsFile, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._document = document
        self._clock = clock

    async def __call__(self, request: dict[str, Any]) -> Answer:
        if self._engine.study.state.finished:
            return {"error": "the study has just ended"}
        answer = await self._do(request)
        await asyncio.sleep(0)  # the commit comes first: what is answered is in the store
        broken = self._engine.broken
        return answer if broken is None else {"error": str(broken)}

    async def _do(self, request: dict[str, Any]) -> Answer:
        by = plain(str(request.get("by", "")))[:LONGEST_NAME]
        match request:
            case {"do": "stop", "finish": bool(finish)}:
                return self._stop(by, finish=finish, now=request.get("now") is True)
            case {"do": str(act), "trials": list(trials)} if act in ACTS:
                return self._act(act, trials, request.get("after", 0.0), by)
            case {"do": "add", "config": dict(config), "like": int() | None as like}:
                return await self._add(config, like, by)
            case {"do": "set", "overrides": list(overrides)}:
                return self._set([str(override) for override in overrides], by)
            case _:
                return {"error": f"this engine knows no such request: {request.get('do')}"}

    def _stop(self, by: str, *, finish: bool, now: bool) -> Answer:
        how = (
            "when its trials end" if finish else "at once" if now else "as soon as they have saved"
        )
        why = f"stopped {how}, by hand"
        clock = self._clock()
        self._engine.take([ev.StopAsked(clock, finish, why, now=now, by=by)])
        state = self._engine.study.state
        within = leaving.longest(state, clock)
        running = sum(state.trials[number].pid is not None for number in state.running)
        return {"ok": True, "running": running, "within": within}

    def _act(self, act: str, numbers: list[Any], after: Any, by: str) -> Answer:
        """On each trial that it makes sense for; for the others the reason comes back."""
        if not isinstance(after, int | float) or not 0 <= after <= LONGEST:
            return {"error": f"after: {after} s; a kill may wait for 0 to {LONGEST:g} s"}
        state = self._engine.study.state
        trials = state.trials
        unknown = [n for n in numbers if not (isinstance(n, int) and 0 <= n < len(trials))]
        if unknown:
            known = f"the study has #0 to #{len(trials) - 1}" if trials else "it has none yet"
            return {"error": f"no trial {trial_names(unknown)}: {known}"}
        refusals = {n: _refusal(act, trials[n], n in state.kills) for n in numbers}
        done = tuple(n for n, why in refusals.items() if not why)
        now = self._clock()
        if act == "retry":
            self._engine.take([ev.RetryAsked(now, n, by) for n in done])
        elif act == "kill":  # one by one: what follows from one end may be the end of another
            self._engine.take([ev.KillAsked(now, n, float(after), by) for n in done])
        elif done or not numbers:  # no trial named: the launching
            self._engine.take([OF_MANY[act](now, done, by)])
        return {"ok": True, "done": list(done), "refused": [w for w in refusals.values() if w]}

    async def _add(self, config: dict[str, Any], like: int | None, by: str) -> Answer:
        study = self._engine.study
        if like is not None:
            if not 0 <= like < len(study.state.trials):
                return {"error": f"no trial {trial_name(like)} to copy"}
            config = _changed(study.spec.space, study.state.trials[like].config, config)
        problems = study.spec.space.problems(config, partial=True)
        if problems:
            return {"error": "; ".join(problems)}
        number = len(study.state.trials) + len(study.state.adding)
        proposal = complete(study.spec.space, study.spec.search, number, config)
        why = proposal.why if like is None else f"like {trial_name(like)}"
        try:
            added = await self._engine.add(replace(proposal, why=why), by)
        except SampleError as error:
            return {"error": f"a parameter can't be sampled: {error}"}
        return {"ok": True, "trial": number, "config": added}

    def _set(self, overrides: list[str], by: str) -> Answer:
        try:
            settings, words = self._document.change(overrides, self._engine.study)
        except (StudyFileError, NotWhileRunningError) as error:
            return {"error": str(error)}
        if words:
            self._engine.take([ev.SettingsChanged(self._clock(), settings, by, "; ".join(words))])
        return {"ok": True, "changed": words}


def _changed(space: SearchSpace, config: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """A configuration with other values, without what these make inactive."""
    whole = {**config, **values}
    given = [p for p in space.parameters if p.name in whole]
    return {p.name: whole[p.name] for p in given if space.is_active(p, whole)}


def _refusal(act: str, trial: Trial, doomed: bool) -> str:  # noqa: FBT001
    """Why this can't be done to this trial; empty where it can. `doomed`: a kill waits for it."""
    ended = trial.state in ENDED
    dying = trial.is_being_killed()
    reasons = {
        "has not ended": act == "retry" and not ended,
        "is complete: `tuitune add STUDY --like N` tries it again": act == "retry"
        and trial.state == TrialState.COMPLETE,
        "lacks a sampled parameter: `tuitune add STUDY --like N` samples it anew": act == "retry"
        and trial.state == TrialState.FAILED
        and trial.started is None,
        f"has ended, there is nothing to {act}": act != "retry" and ended,
        "is being killed already": act in {"kill", "spare"} and dying,
        "is not to be killed": act == "spare" and not ended and not doomed,
        "is paused by hand already": act == "pause" and trial.paused_by_user,
        "was not paused by hand": act == "resume" and not ended and not trial.paused_by_user,
    }
    why = next((why for why, holds in reasons.items() if holds), "")
    return why and f"{trial_name(trial.number)} ({_shown(trial)}) {why}"


def _shown(trial: Trial) -> Shown:
    return shown(trial.state, at_rung=trial.at_rung and not trial.paused_by_user)
