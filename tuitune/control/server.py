"""How does an engine hear what other processes ask of it?"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from typing import TYPE_CHECKING, Any

from tuitune.control.client import ControlError, is_own, private_folder

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    Handler = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]

LIMIT = 1024 * 1024  # bytes of one request
WATCH = 5.0  # seconds between two looks at the socket's path
BACKLOG = 16


class Server:
    """Listens at a path of the file system, and again where something removes it."""

    def __init__(self, path: Path, handler: Handler) -> None:
        self.path = path
        self._handler = handler
        self._inode = 0
        self._listening: asyncio.Server | None = None
        self._watching: asyncio.Task[None] | None = None
        self._conversations: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        await self._listen()
        self._watching = asyncio.create_task(self._watch())

    def close(self) -> None:
        """Listens no more and ends every conversation; a second call does nothing."""
        if self._watching is not None:
            self._watching.cancel()
        if self._listening is not None:
            self._listening.close()
        for conversation in self._conversations:
            conversation.cancel()
        if self._is_bound():
            self.path.unlink(missing_ok=True)

    async def _listen(self) -> None:
        try:
            private_folder(self.path.parent)
            bound = _bind(self.path)
            self._inode = self.path.lstat().st_ino
        except OSError as error:
            raise ControlError(f"{self.path}: can't listen there ({error.strerror})") from error
        old = self._listening
        self._listening = await asyncio.start_unix_server(self._begin, sock=bound, limit=LIMIT)
        if old is not None:
            old.close()

    async def _watch(self) -> None:
        """Cleaners of /tmp may remove a socket that still listens."""
        while True:
            await asyncio.sleep(WATCH)
            if not self._is_bound():
                with contextlib.suppress(ControlError):  # mended, maybe, by the next look
                    await self._listen()

    def _is_bound(self) -> bool:
        try:
            return self.path.lstat().st_ino == self._inode
        except OSError:
            return False

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversation = asyncio.create_task(self._converse(reader, writer))
        self._conversations.add(conversation)
        conversation.add_done_callback(self._conversations.discard)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers each line of one connection before it reads the next."""
        try:
            if not is_own(writer.get_extra_info("socket")):
                return
            while (line := await _read(reader)) is not None:
                writer.write(json.dumps(await self._answer(line)).encode() + b"\n")
                await writer.drain()
        except OSError:
            pass  # the one who asked has gone
        finally:
            writer.close()

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            message = json.loads(line)
        except ValueError:
            message = None
        if not isinstance(message, dict):
            return {"error": f"a request is one JSON object on a line of up to {LIMIT} bytes"}
        try:
            return await self._handler(message)
        except Exception as error:  # noqa: BLE001 - one bad request must not end the engine
            words = f"the engine failed at this request: {type(error).__name__}: {error}"
            context = {"message": words, "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)
            return {"error": words}


async def _read(reader: asyncio.StreamReader) -> bytes | None:
    """One line; b"" for one that is too long, None at the end."""
    try:
        line = await reader.readline()
    except ValueError:
        return b""
    return line if line.endswith(b"\n") else None


def _bind(path: Path) -> socket.socket:
    """A socket that listens at `path`; it gets there whole, in place of what a dead engine left."""
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    aside.unlink(missing_ok=True)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        bound.bind(str(aside))
        aside.chmod(0o600)
        bound.listen(BACKLOG)
        aside.replace(path)
    except BaseException:
        bound.close()
        raise
    return bound
