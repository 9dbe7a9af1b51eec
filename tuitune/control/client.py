"""Asking a running engine over its control socket, and where the sockets of a study's engine are.

They are in a folder of /tmp that only this user may enter, and not in $XDG_RUNTIME_DIR: logind
removes that one when its user logs out, and engines outlive that.
"""

import contextlib
import json
import os
import socket
import stat
import time
from pathlib import Path
from typing import Any

import msgspec

from tuitune.control.requests import Answer, Request
from tuitune.ipc.files import replace_file
from tuitune.ipc.sockets import is_own, process_of

PROTOCOL = 2  # of requests and answers; the first had no number
_CHUNK = 65536  # bytes


class ControlError(Exception):
    """No answer, or no safe way to ask; str() says why, and what to do."""


def private_folder(folder: Path) -> Path:
    """Make the folder if it is missing. Raises ControlError if it is not this user's alone."""
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


def request(path: Path, message: Request, timeout: float, by: str = "command") -> Answer:
    """Ask the engine at this socket, and wait `timeout` seconds at most; `by`: what asks.

    Raises ControlError: no engine, no answer in time, one of another version.
    """
    deadline = time.monotonic() + timeout
    body = {"protocol": PROTOCOL, "by": by, "request": msgspec.to_builtins(message)}
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
            peer.settimeout(timeout)
            peer.connect(str(path))
            trusted, process = is_own(peer), process_of(peer)
            line = _ask(peer, body, deadline) if trusted else b""
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise ControlError("no engine answers: it ended, or runs on another machine") from error
    except TimeoutError as error:
        raise ControlError(f"its engine gave no answer within {timeout:g} s") from error
    except OSError as error:
        raise ControlError(f"its engine can't be asked ({error.strerror or error})") from error
    if not trusted:
        raise ControlError(f"{path}: another user listens there; have it removed")
    return _answer(line, process)


def _ask(peer: socket.socket, message: dict[str, Any], deadline: float) -> bytes:
    """The answer's line; without a line end if the peer has closed the connection."""
    peer.sendall(json.dumps(message).encode() + b"\n")
    chunks: list[bytes] = []
    while not chunks or b"\n" not in chunks[-1]:
        peer.settimeout(max(deadline - time.monotonic(), 1e-3))
        chunk = peer.recv(_CHUNK)
        if not chunk:
            break
        chunks.append(chunk)
    return b"".join(chunks)


def _answer(line: bytes, process: int) -> Answer:
    try:
        answer = json.loads(line)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise ControlError("its engine ended before it had answered")
    if answer.pop("protocol", None) != PROTOCOL:
        raise ControlError(
            "its engine is of another version of tuitune, and did nothing; use the command of that "
            f"version, or end the engine with `kill {process}` (its trials save and leave) and go "
            "on with this one"
        )
    return answer


_PLACE = ".sockets"  # in the study folder: its identity, and where its sockets are
_TMP = Path("/tmp")  # noqa: S108 - our folder in it is made by us, or checked


def choose_place(folder: Path) -> None:
    """Find a folder for the sockets of this study's engine, and note it in the study folder.

    If another user has taken the usual name, the folder has a random one.
    Raises ControlError if no folder can be made, or the note can't be written.
    """
    try:
        place = private_folder(_usual())
    except ControlError:
        place = _random_place()
    note = folder / _PLACE
    try:
        replace_file(note, f"{_identity(folder)}\n{place / _digest(folder)}\n")
    except OSError as error:
        raise ControlError(f"{note}: can't be written ({error.strerror})") from error


def leave_place(folder: Path) -> None:
    """Remove the note of an engine that has ended, and a folder made for it alone."""
    with contextlib.suppress(OSError):
        noted = _noted(folder)
        if noted is None:
            return
        (folder / _PLACE).unlink()
        if noted.parent != _usual():
            noted.parent.rmdir()


def socket_path(folder: Path, kind: str) -> Path:
    """The path of an engine's socket: short, as a Unix socket's may have 107 bytes at most."""
    stem = _noted(folder) or _usual() / _digest(folder)
    return stem.with_name(f"{stem.name}.{kind}")


def _noted(folder: Path) -> Path | None:
    """Where the engine noted its sockets; None without a note, as in a copy of the folder."""
    try:
        identity, stem = (folder / _PLACE).read_text(encoding="utf-8").splitlines()
        return Path(stem) if identity == _identity(folder) else None
    except (OSError, ValueError):
        return None


def _identity(folder: Path) -> str:
    status = folder.stat()
    return f"{status.st_dev}:{status.st_ino}"


def _digest(folder: Path) -> str:
    import hashlib  # noqa: PLC0415 - it loads OpenSSL: not needed with an engine's note

    return hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]


def _usual() -> Path:
    return _TMP / f"tuitune-{os.getuid()}"


def _random_place() -> Path:
    import tempfile  # noqa: PLC0415 - needed only if another user has taken our name

    try:
        return Path(tempfile.mkdtemp(prefix=f"tuitune-{os.getuid()}-", dir=_TMP))
    except OSError as error:
        raise ControlError(
            f"{_TMP}: can't hold sockets ({error.strerror}); make it a folder that you may write"
        ) from error
