"""A search as a study with rungs would leave it, for the views of the whole search."""

from __future__ import annotations

import math
from array import array
from random import Random

from pictures import row, snapshot, spec, study

from tuitune.core.space import SearchSpace
from tuitune.core.space.parameters import Choice, FloatRange, IntRange, PowerRange
from tuitune.core.spec import PruningSpec, SearchSpec
from tuitune.store.curves import Curve
from tuitune.ui.state.snapshot import Snapshot

RUNGS = (1, 3, 9)
SPACE = SearchSpace(
    (
        FloatRange("lr", 1e-4, 1e-1, log=True),
        IntRange("layers", 1, 6),
        Choice("optimizer", ("sgd", "adamw")),
        FloatRange("momentum", 0.5, 0.99, when={"optimizer": ("sgd",)}),
        PowerRange("batch", 16, 256),
    )
)


def curve(values: list[float], first: int = 1) -> Curve:
    return Curve(array("q", range(first, first + len(values))), array("d", values))


def search(trials: int, seed: int = 0) -> Snapshot:
    """Losses fall towards what the learning rate allows; a third is sent on from each rung."""
    random = Random(seed)
    rows, curves = [], {}
    for number in range(trials):
        config = {
            "lr": 10 ** random.uniform(-4, -1),
            "layers": random.randint(1, 6),
            "optimizer": random.choice(["sgd", "adamw"]),
            "batch": 2 ** random.randint(4, 8),
        }
        if config["optimizer"] == "sgd":
            config["momentum"] = random.uniform(0.5, 0.99)
        floor = 0.07 + 0.1 * (math.log10(config["lr"]) + 2.5) ** 2
        rung = next(
            (rung for rung in (0, 1) if floor + 0.1 * random.random() > 0.2 - 0.06 * rung), 2
        )
        complete = rung == 2 and random.random() < 0.6
        last = 27 if complete else RUNGS[rung]
        values = [floor + 1.5 * math.exp(-step / 4) for step in range(1, last + 1)]
        if number % 17 == 11:
            values[-1] = math.nan
        state = (
            "r" if number >= trials - 3 else "c" if complete else "f" if number % 29 == 7 else "x"
        )
        curves[number] = curve(values)
        value = None if math.isnan(values[-1]) else values[-1]
        at_rung = number % 13 == 5 and not complete
        rows.append(
            row(
                number,
                "p" if at_rung else state,
                config=config,
                value=value,
                best=min(values),
                step=last,
                rung=rung,
                at_rung=at_rung,
            )
        )
    pruning = PruningSpec(method="asha", resource="epoch", max=27)
    return snapshot(
        rows,
        spec=spec(space=SPACE, pruning=pruning, search=SearchSpec(trials=trials)),
        study=study(rungs=(RUNGS,)),
        curves=curves,
    )
