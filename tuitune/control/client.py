"""What does an engine answer?"""

from __future__ import annotations

import json
import os
import socket
import stat
import struct
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

CREDENTIALS = struct.Struct("3i")  # pid, uid, gid: SO_PEERCRED in unix(7)
CHUNK = 65536  # bytes


class ControlError(Exception):
    """No answer, or no safe way to ask; the text says why and the mend."""


def private_folder(folder: Path) -> Path:
    """Makes the folder where it's missing; raises ControlError unless it's this user's alone."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
        own = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
        if own and status.st_mode & 0o077:
            folder.chmod(0o700)
    except OSError as error:
        raise ControlError(f"{folder}: can't hold sockets ({error.strerror})") from error
    if not own:
        raise ControlError(f"{folder}: it is a link or another user's; have it removed")
    return folder


def request(path: Path, message: dict[str, Any], timeout: float) -> dict[str, Any]:
    """What the engine at this socket answers within `timeout` seconds. Raises ControlError."""
    deadline = time.monotonic() + timeout
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
            peer.settimeout(timeout)
            peer.connect(str(path))
            trusted = is_own(peer)
            line = _ask(peer, message, deadline) if trusted else b""
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise ControlError("no engine answers: it ended, or runs on another machine") from error
    except TimeoutError as error:
        raise ControlError(f"its engine gave no answer within {timeout:g} s") from error
    except OSError as error:
        raise ControlError(f"its engine can't be asked ({error.strerror or error})") from error
    if not trusted:
        raise ControlError(f"{path}: another user listens there; have it removed")
    return _answer(line)


def is_own(peer: socket.socket) -> bool:
    """Whether the process at the other end is this user's, or root's."""
    raw = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    _, uid, _ = CREDENTIALS.unpack(raw)
    return uid in (os.getuid(), 0)


def _ask(peer: socket.socket, message: dict[str, Any], deadline: float) -> bytes:
    """The line that comes back; without its end where the other end hung up."""
    peer.sendall(json.dumps(message).encode() + b"\n")
    chunks: list[bytes] = []
    while not chunks or b"\n" not in chunks[-1]:
        peer.settimeout(max(deadline - time.monotonic(), 1e-3))
        chunk = peer.recv(CHUNK)
        if not chunk:
            break
        chunks.append(chunk)
    return b"".join(chunks)


def _answer(line: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(line)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise ControlError("its engine ended before it had answered")
    return answer
