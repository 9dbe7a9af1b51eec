"""How are the values of sampled parameters asked for?"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tuitune.execution.errands import CancelSample, Sample, Sampled
from tuitune.execution.executor import SampleError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuitune.execution.keeper import Keeper

PATIENCE = 60.0  # seconds


class Samples:
    """The questions that a zygote has not answered yet."""

    def __init__(self) -> None:
        self._asked: dict[int, tuple[Keeper, asyncio.Future[Sampled]]] = {}
        self._count = 0

    async def ask(
        self, keeper: Keeper, targets: Mapping[str, str], seed: str, config: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Raises SampleError."""
        self._count += 1
        number = self._count
        future: asyncio.Future[Sampled] = asyncio.get_running_loop().create_future()
        self._asked[number] = keeper, future
        keeper.say(Sample(number, targets, seed, config))
        try:
            sampled = await asyncio.wait_for(future, PATIENCE)
        except TimeoutError:
            keeper.say(CancelSample(number))
            raise SampleError(f"no value after {PATIENCE:.0f} s") from None
        finally:
            del self._asked[number]
        if sampled.error is not None:
            raise SampleError(sampled.error)
        return dict(sampled.values)

    def take(self, sampled: Sampled) -> None:
        _, future = self._asked.get(sampled.id, (None, None))
        if future is not None and not future.done():
            future.set_result(sampled)

    def lose(self, keeper: Keeper) -> None:
        """Its process was killed: nobody else will answer."""
        for number, (asked, _) in list(self._asked.items()):
            if asked is keeper:
                self.take(Sampled(number, {}, "the process that it ran in was killed"))
