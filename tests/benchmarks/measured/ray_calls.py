"""An empty actor on a Ray cluster: `python ray_calls.py ADDRESS CALLS` prints what its calls take."""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time

import ray


class Empty:
    """It does nothing."""

    async def nothing(self) -> None:
        """Returns."""


async def calls(actor: object, count: int) -> list[float]:
    """Seconds of each awaited call."""
    found = []
    for _ in range(count):
        began = time.perf_counter()
        await actor.nothing.remote()
        found.append(time.perf_counter() - began)
    return found


ray.init(address=sys.argv[1], log_to_driver=False, logging_level="ERROR")
empty = ray.remote(Empty).options(num_cpus=1).remote()
ray.get(empty.nothing.remote())
first = time.time()
each = asyncio.run(calls(empty, int(sys.argv[2])))
print(json.dumps({"first": first, "call": statistics.median(each) if each else 0.0}))
