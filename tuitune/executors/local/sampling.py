"""How are the values of sampled parameters asked for?"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tuitune.executors.base import NotNowError, SampleError
from tuitune.executors.local.shortage import shortage
from tuitune.zygote.protocol import CancelSample, Sample, Sampled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuitune.executors.local.zygote_client import ZygoteClient

PATIENCE = 60.0  # seconds


class Samples:
    """The questions that a zygote has not answered yet."""

    def __init__(self) -> None:
        self._asked: dict[int, tuple[ZygoteClient, asyncio.Future[Sampled]]] = {}
        self._count = 0

    async def ask(
        self, zygote: ZygoteClient, targets: Mapping[str, str], seed: str, config: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Raises SampleError."""
        self._count += 1
        number = self._count
        future: asyncio.Future[Sampled] = asyncio.get_running_loop().create_future()
        self._asked[number] = zygote, future
        zygote.send(Sample(number, targets, seed, config))
        try:
            sampled = await asyncio.wait_for(future, PATIENCE)
        except TimeoutError:
            zygote.send(CancelSample(number))
            raise SampleError(f"{names(targets)}: no value after {PATIENCE:g} s") from None
        finally:
            del self._asked[number]
        if lacking := shortage(sampled.errno):
            raise NotNowError(lacking)
        if sampled.error is not None:
            said = sampled.error
            named = any(said.startswith(f"{name} (") for name in targets)
            raise SampleError(said if named else f"{names(targets)}: {said}")
        return dict(sampled.values)

    def take(self, sampled: Sampled) -> None:
        _, future = self._asked.get(sampled.id, (None, None))
        if future is not None and not future.done():
            future.set_result(sampled)

    def lose(self, zygote: ZygoteClient) -> None:
        """Its process was killed: nobody else will answer."""
        for asked, future in self._asked.values():
            if asked is zygote and not future.done():
                future.set_exception(NotNowError("the process that it ran in was killed"))


def names(targets: Mapping[str, str]) -> str:
    """Parameters and the functions that sample them, in words."""
    return ", ".join(f"{name} ({target})" for name, target in targets.items())
