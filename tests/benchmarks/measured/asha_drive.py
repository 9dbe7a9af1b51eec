"""Drive ASHA by itself: 10,000 trials, up to 81 reports each, 16 in flight; `ours` or `floor`."""

from __future__ import annotations

import bisect
import json
import math
import random
import sys
import time
from typing import TYPE_CHECKING

from tuitune.core.pruning.pruner import PrunerState, Report
from tuitune.core.pruning.registry import pruner_kind
from tuitune.core.spec import PruningSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TRIALS, LONGEST, IN_FLIGHT = 10_000, 81, 16


def curve(seed: int) -> list[float]:
    """Losses that fall to a floor of their own, with some noise."""
    draw = random.Random(seed)
    least, speed = draw.random(), 0.03 + 0.1 * draw.random()
    steps = range(1, LONGEST + 1)
    return [least + math.exp(-speed * step) + 0.02 * draw.gauss(0, 1) for step in steps]


def our_judge() -> Callable[[int, int, float], bool]:
    """Whether a report ends its trial, by tuitune's own ASHA."""
    pruning = PruningSpec(method="asha", max=LONGEST, style="stop")
    pruner = pruner_kind(pruning).make(pruning, "min")
    state = PrunerState(memory=pruner.memory())
    gates: dict[int, int | None] = {}  # as a study keeps them: between two rungs nothing is asked

    def report(trial: int, step: int, loss: float) -> bool:
        gate = gates.get(trial, 1)
        if gate is None or step < gate:
            return False
        verdict = pruner.judge(state, Report(trial, step, loss), ())
        if verdict is None:
            return False
        pruner.enter(state, trial, step, loss, verdict.action)
        gates[trial] = pruner.plan.next_rung(state.filled, trial)
        return verdict.action == "stop"

    return report


def bare_judge() -> Callable[[int, int, float], bool]:
    """The same kind of decision from a sorted list a rung, and nothing else."""
    rungs: dict[int, list[float]] = {3**power: [] for power in range(4)}

    def report(_trial: int, step: int, loss: float) -> bool:
        entries = rungs.get(step)
        if entries is None:
            return False
        bisect.insort(entries, loss)
        return loss > entries[max(1, len(entries) // 3) - 1]

    return report


def drive(report: Callable[[int, int, float], bool], curves: Sequence[Sequence[float]]) -> float:
    """CPU seconds to let every trial report until it is stopped or at its end."""
    waiting = iter(range(len(curves)))
    flying = [[trial, 0] for trial, _ in zip(waiting, range(IN_FLIGHT), strict=False)]
    began = time.process_time()
    while flying:
        for slot in tuple(flying):
            trial, step = slot[0], slot[1] + 1
            slot[1] = step
            if report(trial, step, curves[trial][step - 1]) or step == LONGEST:
                following = next(waiting, None)
                if following is None:
                    flying.remove(slot)
                else:
                    slot[:] = [following, 0]
    return time.process_time() - began


if __name__ == "__main__":
    decide = our_judge() if sys.argv[1] == "ours" else bare_judge()
    seconds = drive(decide, [curve(seed) for seed in range(TRIALS)])
    print(json.dumps({"asha": seconds, "finished": TRIALS}))
