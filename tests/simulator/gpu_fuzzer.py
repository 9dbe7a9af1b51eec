"""Random events of GPUs: other programs, failures, and trials that use more memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from tuitune.core import events as ev
from tuitune.core.gpu_reasons import WrongGpu

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from simulator.clock import SimulatedLoop
    from tuitune.engine.engine import Engine

GB = 1 << 30
CONDITIONS = {  # of a GPU, with weights
    "well": 6,
    "foreign": 3,
    "lost": 1,
    "silent": 1,
}


def draw_gpus(rng: Random) -> tuple[ev.Gpu, ...]:
    count = rng.choice((0, 0, 1, 1, 2, 4))
    models = rng.choice((("A100",), ("A100",), ("A100", "T4")))
    return tuple(
        ev.Gpu(
            uuid=f"GPU-{i}",
            index=i,
            name=rng.choice(models),
            memory=rng.choice((0, 16, 16, 80)) * GB,
            packs=rng.random() < 0.9,
            links={f"GPU-{i ^ 1}": 100},
        )
        for i in range(count)
    )


class GpuFuzzer:
    """Changes the GPUs' conditions for `horizon` seconds, then all are well; footprints grow."""

    def __init__(
        self,
        engine: Engine,
        loop: SimulatedLoop,
        clock: Callable[[], float],
        rng: Random,
        gpus: tuple[ev.Gpu, ...],
        horizon: float,
    ) -> None:
        self._engine = engine
        self._loop = loop
        self._clock = clock
        self._rng = rng
        self._well = gpus
        self.gpus = gpus
        if not gpus:
            return
        for _ in range(rng.choice((0, 2, 5)) if horizon else 0):
            loop.call_later(rng.uniform(0.0, horizon), self._change)
        loop.call_later(horizon + 1.0, self._heal)
        loop.call_later(1.0, self._look)
        if horizon and rng.random() < 0.2:
            for _ in range(3):
                loop.call_later(rng.uniform(0.0, horizon), self._choose_itself)

    def _change(self) -> None:
        place = self._rng.randrange(len(self.gpus))
        gpus = list(self.gpus)
        condition = self._rng.choices(list(CONDITIONS), list(CONDITIONS.values()))[0]
        gpus[place] = msgspec.structs.replace(
            self._well[place],
            obstacle="" if condition == "well" else condition,
            lost=condition == "lost",
            foreign=condition == "foreign",
            claimed=condition == "foreign",
        )
        self._tell(tuple(gpus))

    def _heal(self) -> None:
        self._tell(self._well)

    def _tell(self, gpus: tuple[ev.Gpu, ...]) -> None:
        self.gpus = gpus
        if not self._engine.study.state.finished:
            state = self._engine.study.state
            node = ev.Node("", state.cpus, state.memory, gpus)
            self._engine.take([ev.NodeChanged(self._clock(), node)])

    def _choose_itself(self) -> None:
        """A trial computes on another GPU than its own."""
        state = self._engine.study.state
        here = [state.trials[n] for n in state.running if state.trials[n].gpus]
        if state.finished or not here:
            return
        trial = self._rng.choice(here)
        harms: tuple[Literal["", "others", "not allowed"], ...] = ("", "others", "not allowed")
        why = WrongGpu(trial.number, 7, (0,), harm=self._rng.choice(harms))
        self._engine.take([ev.OnWrongGpu(self._clock(), trial.number, trial.attempt, why)])

    def _look(self) -> None:
        """Let a trial use more memory."""
        state = self._engine.study.state
        if state.finished:
            return
        here = [state.trials[n] for n in state.running if state.trials[n].gpus]
        new = [trial for trial in here if not trial.peak]
        if new or (here and self._rng.random() < 0.1):
            trial = self._rng.choice(new or here)
            memory = trial.peak + self._rng.choice((GB, 2 * GB, 5 * GB))
            if memory < 16 * GB:
                now = self._clock()
                self._engine.take([ev.Footprint(now, trial.number, trial.attempt, memory)])
        self._loop.call_later(self._rng.uniform(0.5, 5.0), self._look)
