"""Where are the sockets of a study's engine, so that whoever asks it finds them?

In a folder of /tmp that only this user may enter, and not in $XDG_RUNTIME_DIR: logind removes
that one when its user logs out, and engines outlive that.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from tuitune.control.client import ControlError, private_folder

PLACE = ".sockets"  # in the study folder: which folder that is, and of whose sockets it tells
TMP = Path("/tmp")  # noqa: S108 - what is used of it is made for us, or checked


def choose_place(folder: Path) -> None:
    """Find a folder for the sockets of this study's engine, and note it in the study folder.

    Where another user has taken the usual one's name it is one whose name nobody could foresee.
    Raises ControlError where there is none, or nothing can be noted.
    """
    try:
        place = private_folder(_usual())
    except ControlError:
        place = _unforeseen()
    aside = folder / f"{PLACE}.{os.getpid()}"
    try:
        aside.write_text(f"{_identity(folder)}\n{place / _digest(folder)}\n", encoding="utf-8")
        aside.replace(folder / PLACE)
    except OSError as error:
        raise ControlError(f"{aside}: can't be written ({error.strerror})") from error


def leave_place(folder: Path) -> None:
    """The engine has ended, and its sockets are gone."""
    with contextlib.suppress(OSError):
        noted = _noted(folder)
        if noted is None:
            return
        (folder / PLACE).unlink()
        if noted.parent != _usual():
            noted.parent.rmdir()


def socket_path(folder: Path, kind: str) -> Path:
    """Of this study's engine: short, since a Unix socket's path has 107 bytes at most."""
    stem = _noted(folder) or _usual() / _digest(folder)
    return stem.with_name(f"{stem.name}.{kind}")


def _noted(folder: Path) -> Path | None:
    """Where its engine says that its sockets are; None where none says so, as in a copy."""
    try:
        identity, stem = (folder / PLACE).read_text(encoding="utf-8").splitlines()
        return Path(stem) if identity == _identity(folder) else None
    except (OSError, ValueError):
        return None


def _identity(folder: Path) -> str:
    status = folder.stat()
    return f"{status.st_dev}:{status.st_ino}"


def _digest(folder: Path) -> str:
    import hashlib  # noqa: PLC0415 - it loads OpenSSL: only who has no engine's note pays

    return hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]


def _usual() -> Path:
    return TMP / f"tuitune-{os.getuid()}"


def _unforeseen() -> Path:
    import tempfile  # noqa: PLC0415 - as rare as somebody who takes our folder's name

    try:
        return Path(tempfile.mkdtemp(prefix=f"tuitune-{os.getuid()}-", dir=TMP))
    except OSError as error:
        raise ControlError(f"{TMP}: can't hold sockets ({error.strerror})") from error
