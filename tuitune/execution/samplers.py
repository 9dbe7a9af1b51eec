"""What does a study's own sampler answer?"""

from __future__ import annotations

import json
import os
import random
from typing import TYPE_CHECKING, Any

from tuitune.execution.child import lead_session, seed
from tuitune.execution.targets import load
from tuitune.execution.wire import one_line

if TYPE_CHECKING:
    from tuitune.execution.errands import Sample


def answer(sample: Sample, folder: str, parent: int, place: int) -> None:
    """Write the values, or the error, as JSON into the open file `place`; never raises.

    In a process of its own: a sampler that hangs or dies takes nothing with it, and one that
    runs a parallel torch operation would leave its process unfit to fork trials.
    """
    try:
        lead_session(parent)
        text = json.dumps({"values": _values(sample, folder), "error": None})
    except BaseException as error:  # noqa: BLE001 - this is where a sampler's errors end up
        text = json.dumps({"values": {}, "error": one_line(error)})
    os.write(place, text.encode())


def _values(sample: Sample, folder: str) -> dict[str, Any]:
    seed(random.Random(sample.seed).getrandbits(32))  # noqa: S311
    config = dict(sample.config)
    values: dict[str, Any] = {}
    for name, target in sample.targets.items():
        # Each parameter has a generator of its own: a new sampler leaves the others' values.
        generator = random.Random(f"{sample.seed}/{name}")  # noqa: S311
        value = load(target, folder)(generator, dict(config))
        values[name] = config[name] = _plain(target, value)
    return values


def _plain(target: str, value: Any) -> Any:
    """As a study file could say it: numpy's numbers become Python's, tuples become lists."""
    try:
        return json.loads(json.dumps(value, default=lambda given: given.item()))
    except (TypeError, ValueError, AttributeError):
        kind = type(value).__name__
        raise TypeError(f"{target} gave a {kind}, which no study file could say") from None
