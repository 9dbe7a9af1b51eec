"""Random requests of users to a running study, through its control handler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tuitune.control.requests import (
    Add,
    Kill,
    Pause,
    RefusedError,
    Request,
    Resume,
    Retry,
    Set,
    UndoKill,
)
from tuitune.core import events as ev
from tuitune.engine.startup import ControlHandler

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from simulator.clock import SimulatedLoop
    from tuitune.core.study import Study
    from tuitune.engine.engine import Engine

PATIENCE = 60.0  # s between two requests for what is still held
ACTS = {  # with weights
    "pause": 9,
    "resume": 6,
    "kill": 2,
    "kill later": 4,
    "spare": 3,
    "retry": 6,
    "add": 2,
    "like": 1,
    "set": 3,
    "launching": 2,
    "stop": 2,
    "snapshot": 2,
    "disk": 1,
}
ACTS_ON_TRIALS: dict[str, type[Pause | Resume | Kill | Retry]] = {
    "pause": Pause,
    "resume": Resume,
    "kill": Kill,
    "retry": Retry,
}


class FakeSettingsFile:
    """A settings file whose overrides are fields of the settings."""

    def change(self, overrides: Sequence[str], study: Study) -> tuple[ev.Settings, list[str]]:
        settings = study.state.settings
        assert settings is not None
        fields: dict[str, Any] = {}
        for override in overrides:
            name, _, value = override.partition("=")
            fields[name] = None if value == "none" else float(value) if "." in value else int(value)
        return msgspec.structs.replace(settings, **fields), list(overrides)


class UserFuzzer:
    """Random requests at random times for `horizon` seconds; then everything may go on."""

    def __init__(
        self,
        engine: Engine,
        loop: SimulatedLoop,
        clock: Callable[[], float],
        rng: Random,
        horizon: float,
        stops: Callable[[], bool],  # whether a stop may be requested
    ) -> None:
        self._engine = engine
        self._loop = loop
        self._clock = clock
        self._rng = rng
        self._control_handler = ControlHandler(engine, FakeSettingsFile(), clock)
        self._stops = stops
        self._tasks: set[Any] = set()
        for _ in range(rng.choice((0, 6, 12, 30)) if horizon else 0):
            loop.call_later(rng.uniform(0.0, horizon), self._act)
        loop.call_later(horizon + PATIENCE, self._let_go)

    def _act(self) -> None:
        if self._engine.study.state.finished:
            return
        match self._rng.choices(list(ACTS), list(ACTS.values()))[0]:
            case "pause" | "resume" | "kill" | "retry" as act:
                self._ask(ACTS_ON_TRIALS[act](self._some()))
            case "spare":
                self._ask(UndoKill(tuple(sorted(self._engine.study.state.kills))))
            case "kill later":
                after = self._rng.choice((1.0, 8.0, 100.0))
                self._ask(Kill(self._some(), after))
            case "launching":
                self._ask(self._rng.choice((Pause, Resume))())
            case "add":
                config = {"x": self._rng.random()} if self._has_x() else {}
                self._ask(Add(config))
            case "like":
                self._ask(Add({"kind": "a"}, like=0))
            case "set":
                self._ask(Set((self._change(),)))
            case "stop" if self._stops():
                self._stop()
            case "disk":
                low = self._rng.random() < 0.5
                self._engine.take([ev.DiskChanged(self._clock(), low, 0.04 if low else 0.2)])
            case "snapshot":
                self._engine.commit()
                self._engine.snapshot()

    def _stop(self) -> None:
        now, rng = self._clock(), self._rng
        finish = rng.random() < 0.3
        if rng.random() < 0.5:
            self._engine.take([ev.PauseAsked(now, tuple(self._running()))])
        self._engine.take([ev.StopAsked(now, finish, "stopped")])
        if not finish and rng.random() < 0.3:
            self._loop.call_later(rng.uniform(0.0, 8.0), self._stop_now)

    def _stop_now(self) -> None:
        if not self._engine.study.state.finished:
            why = "stopped, and no longer waited for"
            self._engine.take([ev.StopAsked(self._clock(), finish=False, why=why, now=True)])

    def _some(self) -> tuple[int, ...]:
        """Random trials, most often one."""
        trials = len(self._engine.study.state.trials)
        many = self._rng.choice((1, 1, 1, 3))
        return tuple(sorted(self._rng.sample(range(trials), min(many, trials))))

    def _running(self) -> list[int]:
        state = self._engine.study.state
        return [n for n in state.running if state.trials[n].frozen is None]

    def _has_x(self) -> bool:
        return any(p.name == "x" for p in self._engine.study.spec.space.parameters)

    def _change(self) -> str:
        settings = self._engine.study.state.settings
        assert settings is not None
        rng = self._rng
        changes = (
            f"trials={settings.trials + rng.randint(0, 3)}",
            f"trials={max(1, settings.trials - 1)}",
            f"concurrency={rng.choice(('none', 1, 2, 4))}",
            f"retries={rng.randint(0, 2)}",
            f"timeout={rng.randint(50, 400)}.0",
            f"target={rng.choice(('none', 0.1, 0.3))}",
            f"leave_within={rng.choice(('none', 5.0, 60.0))}",
            f"cpus={rng.choice((0.5, 1.0))}",
            *([f"gpus={rng.choice((0.5, 1.0))}"] if self._engine.study.state.gpus else []),
        )
        return rng.choice(changes)

    def _ask(self, request: Request) -> None:
        task = self._loop.create_task(self._control_handler(request, "test"))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: Any) -> None:
        self._tasks.discard(task)
        if not isinstance(task.exception(), RefusedError | None):
            self._loop.failures.append(task.exception())

    def _let_go(self) -> None:
        """Resume whatever is paused, again and again."""
        state = self._engine.study.state
        if state.finished:
            return
        if state.disk_low:
            self._engine.take([ev.DiskChanged(self._clock(), low=False, free=0.2)])
        if not state.launching:
            self._ask(Resume())
        held = [trial.number for trial in state.trials if trial.paused_by_user]
        stops = state.halted is not None and not state.halted.finish  # then it ends by itself
        if held and not stops:
            self._ask(Resume(tuple(held)))
        self._loop.call_later(PATIENCE, self._let_go)
