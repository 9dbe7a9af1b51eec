"""Asks all nodes of a cluster, by a process of its own."""

import asyncio

from tuitune.executors.base import UnreachableError
from tuitune.executors.ray import protocol
from tuitune.ipc.child import Child
from tuitune.ipc.frames import FrameBuffer

_PATIENCE = 120.0  # s


def survey(where: str, question: bytes) -> protocol.Surveyed:
    """What the nodes of this cluster answer. Raises UnreachableError."""
    return asyncio.run(_survey(protocol.Survey(where, question)))


async def _survey(ask: protocol.Survey) -> protocol.Surveyed:
    answer: asyncio.Future[protocol.OfSurvey] = asyncio.get_running_loop().create_future()
    frames = FrameBuffer()

    def receive(chunk: bytes) -> None:
        for body in frames.feed(chunk):
            answer.set_result(protocol.of_survey.decode(body))

    def lost() -> None:
        if not answer.done():
            answer.set_exception(UnreachableError("the process that speaks with Ray has ended"))

    child = Child("executors.ray.survey", receive=receive, lost=lost)
    try:
        child.send(protocol.encoded(ask))
        async with asyncio.timeout(_PATIENCE):
            found = await answer
    except TimeoutError:
        raise UnreachableError(f"Ray has not answered within {_PATIENCE:g} s") from None
    finally:
        child.close()
        child.kill(1.0)
    if isinstance(found, protocol.Refused):
        raise UnreachableError(found.why)
    return found
