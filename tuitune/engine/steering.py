"""What may another process ask of a running engine, and what does it hear back?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuitune import events as ev
from tuitune.study.state import ENDED

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuitune.engine.loop import Engine


class Steering:
    """Answers the requests of the control socket."""

    def __init__(self, engine: Engine, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._clock = clock

    async def __call__(self, request: dict[str, Any]) -> dict[str, Any]:
        match request:
            case {"do": "ping"}:
                return {"ok": True}
            case {"do": "stop", "finish": bool(finish)}:
                return self._stop(finish=finish)
            case {"do": "kill", "trials": list(trials)}:
                return self._kill(trials)
            case _:
                return {"error": f"this engine knows no such request: {request.get('do')}"}

    def _stop(self, *, finish: bool) -> dict[str, Any]:
        how = "tuitune stop --finish" if finish else "tuitune stop"
        self._engine.take([ev.StopAsked(self._clock(), finish, f"stopped by `{how}`")])
        return {"ok": True, "running": len(self._engine.study.state.running)}

    def _kill(self, numbers: list[Any]) -> dict[str, Any]:
        trials = self._engine.study.state.trials
        unknown = [n for n in numbers if not (isinstance(n, int) and 0 <= n < len(trials))]
        if unknown:
            known = f"trials 0 to {len(trials) - 1}" if trials else "no trials yet"
            return {"error": f"no trial {', '.join(map(str, unknown))}: there are {known}"}
        over = [f"trial {n} is {trials[n].state}" for n in numbers if trials[n].state in ENDED]
        live = tuple(n for n in numbers if trials[n].state not in ENDED)
        if live:
            self._engine.take([ev.KillAsked(self._clock(), live)])
        return {"ok": True, "killed": list(live), "over": over}
