"""What may another process ask of a running engine, and what does it hear back?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tuitune import events as ev
from tuitune.engine.document import NotWhileRunningError
from tuitune.execution.executor import SampleError, TargetError
from tuitune.search.searcher import complete
from tuitune.study.state import COMPLETE, ENDED
from tuitune.studyfile import StudyFileError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuitune.engine.loop import Engine
    from tuitune.engine.seams import Paper
    from tuitune.space import SearchSpace
    from tuitune.study import Trial

Answer = dict[str, Any]


class Steering:
    """Answers the requests of the control socket: {"ok": true, ...} or {"error": words}."""

    def __init__(self, engine: Engine, document: Paper, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._document = document
        self._clock = clock

    async def __call__(self, request: dict[str, Any]) -> Answer:
        if self._engine.study.state.finished:
            return {"error": "the study has just ended"}
        match request:
            case {"do": "stop", "finish": bool(finish)}:
                return self._stop(finish=finish)
            case {"do": "kill" | "pause" | "resume" | "retry" as act, "trials": list(trials)}:
                return self._act(act, trials)
            case {"do": "add", "config": dict(config), "like": int() | None as like}:
                return await self._add(config, like)
            case {"do": "set", "overrides": list(overrides)}:
                return self._set([str(override) for override in overrides])
            case _:
                return {"error": f"this engine knows no such request: {request.get('do')}"}

    def _stop(self, *, finish: bool) -> Answer:
        how = "tuitune stop --finish" if finish else "tuitune stop"
        self._engine.take([ev.StopAsked(self._clock(), finish, f"stopped by `{how}`")])
        return {"ok": True, "running": len(self._engine.study.state.running)}

    def _act(self, act: str, numbers: list[Any]) -> Answer:
        """On each trial that it makes sense for; for the others the reason comes back."""
        trials = self._engine.study.state.trials
        unknown = [n for n in numbers if not (isinstance(n, int) and 0 <= n < len(trials))]
        if unknown:
            known = f"trials 0 to {len(trials) - 1}" if trials else "no trials yet"
            return {"error": f"no trial {', '.join(map(str, unknown))}: there are {known}"}
        refusals = {n: _refusal(act, trials[n]) for n in numbers}
        done = tuple(n for n, why in refusals.items() if not why)
        now = self._clock()
        if act == "retry":
            self._engine.take([ev.RetryAsked(now, n) for n in done])
        elif act == "kill":  # one by one: what follows from one end may be the end of another
            self._engine.take([ev.KillAsked(now, n) for n in done])
        elif done or not numbers:  # no trial named: the launching
            asked = ev.PauseAsked if act == "pause" else ev.ResumeAsked
            self._engine.take([asked(now, done)])
        return {"ok": True, "done": list(done), "refused": [w for w in refusals.values() if w]}

    async def _add(self, config: dict[str, Any], like: int | None) -> Answer:
        study = self._engine.study
        if like is not None:
            if not 0 <= like < len(study.state.trials):
                return {"error": f"no trial {like} to be like"}
            config = _changed(study.spec.space, study.state.trials[like].config, config)
        problems = study.spec.space.problems(config, partial=True)
        if problems:
            return {"error": "; ".join(problems)}
        number = len(study.state.trials) + len(study.state.adding)
        proposal = complete(study.spec.space, study.spec.search, number, config)
        why = proposal.why if like is None else f"like trial {like}"
        try:
            added = await self._engine.add(replace(proposal, why=why))
        except (SampleError, TargetError) as error:
            return {"error": f"a parameter can't be sampled: {error}"}
        return {"ok": True, "trial": number, "config": added}

    def _set(self, overrides: list[str]) -> Answer:
        try:
            settings, words = self._document.change(overrides, self._engine.study)
        except (StudyFileError, NotWhileRunningError) as error:
            return {"error": str(error)}
        if words:
            self._engine.take([ev.SettingsChanged(self._clock(), settings)])
        return {"ok": True, "changed": words}


def _changed(space: SearchSpace, config: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """A configuration with other values, without what these make inactive."""
    whole = {**config, **values}
    given = [p for p in space.parameters if p.name in whole]
    return {p.name: whole[p.name] for p in given if space.is_active(p, whole)}


def _refusal(act: str, trial: Trial) -> str:
    """Why this can't be done to this trial; empty where it can."""
    ended = trial.state in ENDED
    reasons = {
        "has not ended": act == "retry" and not ended,
        "is complete: `tuitune add STUDY --like N` tries it again": act == "retry"
        and trial.state == COMPLETE,
        f"has ended, there is nothing to {act}": act != "retry" and ended,
        "is paused by hand already": act == "pause" and trial.held,
        "was not paused by hand": act == "resume" and not ended and not trial.held,
    }
    why = next((why for why, holds in reasons.items() if holds), "")
    return why and f"trial {trial.number} ({trial.state}) {why}"
