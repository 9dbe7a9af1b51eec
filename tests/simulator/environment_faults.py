"""Random faults of the machine: a clock that is set, edited code, missing resources."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from simulator.clock import SimulatedLoop, WallClock
    from simulator.executor import Cause, SimulatedExecutor
    from tuitune.core import events as ev
    from tuitune.engine.engine import Engine

STEPS = (
    -3600.0,
    3600.0,
    -300.0,
    60.0,
    -5.0,
    1.5,
    -1.0,
    0.9,
    -0.9,
    0.4,
)  # s by which the clock is set
LACKS: dict[Cause, str] = {
    "code": "SyntaxError: invalid syntax (t.py, line 3)",
    "resources": "no more files can be opened",
}
SHORT = (5.0, 30.0, 100.0)  # s that something is missing


class WatcherError(Exception):
    """A watcher that fails, as where its terminal is gone."""


class EnvironmentFaults:
    """Sets the clock, breaks the code, takes resources away, and lets the watcher fail."""

    def __init__(
        self,
        watch: Callable[[Sequence[ev.AnyFact]], None],
        wall: WallClock,
        loop: SimulatedLoop,
        rng: Random,
    ) -> None:
        self._watch = watch
        self._wall = wall
        self._loop = loop
        self._rng = rng
        self._fails = rng.choice(
            (0.0, 0.0, 0.0, 0.1, 1.0)
        )  # the probability that the watcher fails

    # --- as a watcher that may fail ------------------------------------------------------------

    def __call__(self, facts: Sequence[ev.AnyFact]) -> None:
        self._watch(facts)
        if self._fails and self._rng.random() < self._fails:
            raise WatcherError

    def note(self, text: str, *, is_progress: bool = False) -> None: ...

    def close(self) -> None: ...

    # --- as the machine ------------------------------------------------------------------------

    def begin(self, engine: Engine, executor: SimulatedExecutor, horizon: float) -> None:
        """Faults for `horizon` seconds; after that nothing is missing."""
        self._engine = engine
        self._executor = executor
        rng = self._rng
        for _ in range(rng.choice((0, 0, 1, 3, 8))):
            self._loop.call_later(rng.uniform(0.0, horizon + 60.0), self._set_clock)
        for _ in range(rng.choice((0, 0, 1, 3)) if horizon else 0):
            self._loop.call_later(rng.uniform(0.0, horizon), self._lack)

    def _set_clock(self) -> None:
        rng = self._rng
        self._wall.offset += rng.choice((*STEPS, rng.uniform(-3600.0, 3600.0)))

    def _lack(self) -> None:
        cause = self._rng.choice(list(LACKS))
        self._executor.lack(cause, LACKS[cause])
        self._loop.call_later(self._rng.choice(SHORT), self._have, cause)

    def _have(self, cause: Cause) -> None:
        if not self._engine.study.state.finished:
            self._executor.have(cause)
