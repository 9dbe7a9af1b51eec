"""Requests of commands and apps to a running engine, and its answers: one JSON line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuitune.control.client import (
    ControlError,
    choose_place,
    leave_place,
    private_folder,
    request,
    socket_path,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tuitune.control.server import Handler, Server


async def serve(path: Path, handler: Handler) -> Server:
    """Answer requests at `path` until the server is closed; a stale socket there is replaced.

    What the handler raises is answered, and passed to the loop's exception handler. Raises
    ControlError if no socket can listen there.
    """
    from tuitune.control.server import Server  # noqa: PLC0415 - clients need no asyncio

    server = Server(path, handler)
    await server.start()
    return server
