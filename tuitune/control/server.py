"""The engine's end of its control socket: JSON lines, decoded to requests by the registry."""

import asyncio
import contextlib
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from tuitune import plugins
from tuitune.control import client, requests
from tuitune.control.requests import Answer, RefusedError, Request
from tuitune.ipc.sockets import BoundSocket, is_own
from tuitune.messages.text import plain

Handler = Callable[[Request, str], Awaitable[Answer]]  # the second is what asks

# A row for each request; installed packages offer more (the entry points `tuitune.requests`).
_REQUESTS: Final[dict[str, type[Request]]] = {
    "stop": requests.Stop,
    "kill": requests.Kill,
    "undo_kill": requests.UndoKill,
    "pause": requests.Pause,
    "resume": requests.Resume,
    "retry": requests.Retry,
    "add": requests.Add,
    "set": requests.Set,
    "follow_log": requests.FollowLog,
}
LIMIT = 1024 * 1024  # bytes of one request
WATCH = 5.0  # seconds between two looks at the socket's path
_BACKLOG = 16
_LONGEST_NAME = 40  # characters of what asks


class Server:
    """Listens at a path of the file system, and again where something removes it."""

    def __init__(self, path: Path, handler: Handler) -> None:
        self.path = path
        self._handler = handler
        self._bound: BoundSocket | None = None
        self._listening: asyncio.Server | None = None
        self._watching: asyncio.Task[None] | None = None
        self._conversations: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen. Raises ControlError if that is not possible at this path."""
        await self._listen()
        self._watching = asyncio.create_task(self._watch())

    def close(self) -> None:
        """Listens no more and ends every conversation; a second call does nothing."""
        if self._watching is not None:
            self._watching.cancel()
        for conversation in self._conversations:
            conversation.cancel()
        self._close_socket()

    async def _listen(self) -> None:
        try:
            client.private_folder(self.path.parent)
            bound = BoundSocket(self.path, _BACKLOG)
        except OSError as error:
            raise client.ControlError(
                f"{self.path}: can't listen there ({error.strerror})"
            ) from error
        self._close_socket()
        self._bound = bound
        self._listening = await asyncio.start_unix_server(
            self._begin, sock=bound.socket, limit=LIMIT
        )

    def _close_socket(self) -> None:
        if self._listening is not None:
            self._listening.close()
        if self._bound is not None:
            self._bound.close()

    async def _watch(self) -> None:
        """Cleaners of /tmp may remove a socket that still listens."""
        while True:
            await asyncio.sleep(WATCH)
            if self._bound is not None and not self._bound.is_in_place():
                with contextlib.suppress(client.ControlError):  # tried again after the next look
                    await self._listen()

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
                answer = {**await self._answer(line), "protocol": client.PROTOCOL}
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        except OSError:
            pass  # the client has gone
        finally:
            writer.close()

    async def _answer(self, line: bytes) -> Answer:
        try:
            request, by = _decode(line)
            return await self._handler(request, by)
        except RefusedError as error:
            return {"error": str(error)}
        except Exception as error:  # noqa: BLE001 - one bad request must not end the engine
            text = f"the engine failed at this request: {type(error).__name__}: {error}"
            context = {"message": text, "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)
            return {"error": text}


def _decode(line: bytes) -> tuple[Request, str]:
    """The request of a line, and what asks. Raises RefusedError."""
    try:
        message = json.loads(line)
    except ValueError:
        message = None
    if not isinstance(message, dict):
        raise RefusedError(f"a request is one JSON object on a line of up to {LIMIT} bytes")
    if message.get("protocol") != client.PROTOCOL:
        raise RefusedError(
            "this engine is of another version of tuitune than the command; use the engine's, or "
            f"end the engine with `kill {os.getpid()}` (its trials save and leave) and go on with "
            "this one"
        )
    body = message.get("request")
    name = body.get("do") if isinstance(body, dict) else None
    try:
        return msgspec.convert(body, _kind(name)), plain(str(message.get("by", "")))[:_LONGEST_NAME]
    except msgspec.ValidationError as error:
        raise RefusedError(f"this engine can't read the request {name}: {error}") from error


def _kind(name: Any) -> type[Request]:
    """The request's class. Raises RefusedError for one that is neither built in nor installed."""
    if isinstance(name, str) and name in _REQUESTS:
        return _REQUESTS[name]
    try:
        found = plugins.find(plugins.REQUESTS, str(name), _REQUESTS)
    except plugins.PluginError as error:
        raise RefusedError(f"this engine knows no such request: {error}") from error
    if not (isinstance(found, type) and issubclass(found, Request)):
        raise RefusedError(
            f"this engine knows no such request: {name} is not a subclass of Request"
        )
    return found


async def _read(reader: asyncio.StreamReader) -> bytes | None:
    """One line; b"" for one that is too long, None at the end."""
    try:
        line = await reader.readline()
    except ValueError:
        return b""
    return line if line.endswith(b"\n") else None
