"""Locks on GPUs, one for each UUID, between the studies and the users of a machine.

The kernel drops a lock when the process that holds it dies, so that none is ever left behind.
"""

import contextlib
import fcntl
import os
from collections.abc import Mapping
from pathlib import Path

from tuitune.ipc.files import is_at

FOLDER = "TUITUNE_LOCKS"  # names another folder, such as one that containers share
_FOLDERS = (Path("/dev/shm"), Path("/tmp"))  # noqa: S108 - where all users of a machine meet


class LocksError(Exception):
    """There is no folder for locks; str() says why, and what to do."""


def lock_folder(environment: Mapping[str, str]) -> Path:
    """The folder with the locks of all studies on this machine. Raises LocksError."""
    named = environment.get(FOLDER)
    for folder in [Path(named)] if named else _FOLDERS:
        if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
            return folder
    if named:
        remedy = "name a folder that all studies of this machine may write to, or unset it"
        raise LocksError(f"{FOLDER}={named}: the locks of GPUs can't be kept there; {remedy}")
    places = " and ".join(map(str, _FOLDERS))
    remedy = f"let {FOLDER} name a folder that all studies of this machine may write to"
    raise LocksError(f"the locks of GPUs can't be kept, as {places} can't be written; {remedy}")


class Locks:
    """Locks that this study holds. `who` is shown to others, such as "study cifar of anna"."""

    def __init__(self, who: str, folder: Path) -> None:
        self._who = who
        self._folder = folder
        self._held: dict[str, int] = {}

    @property
    def folder(self) -> Path:
        """Where the locks are."""
        return self._folder

    def __contains__(self, uuid: object) -> bool:
        return uuid in self._held

    def take(self, uuid: str) -> str:
        """Lock a GPU. Returns "" if that worked, else who holds it, or the error."""
        if uuid in self._held:
            return ""
        path = self._path(uuid)
        try:
            lock = self._open(path)
        except OSError as error:
            return f"its lock can't be opened: {error}"
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(lock, 200, 0).decode("utf-8", "replace").strip()
            os.close(lock)
            return holder or "another study"
        if not is_at(path, lock):  # its earlier holder has removed the file meanwhile
            os.close(lock)
            return self.take(uuid)
        with contextlib.suppress(OSError):  # the lock counts, not its text
            os.ftruncate(lock, 0)
            os.pwrite(lock, self._who.encode(), 0)
        self._held[uuid] = lock
        return ""

    def drop(self, uuid: str) -> None:
        """Release a lock, if it is held."""
        if (lock := self._held.pop(uuid, None)) is not None:
            path = self._path(uuid)
            with contextlib.suppress(OSError):  # it may be another user's file
                if is_at(path, lock):
                    path.unlink()
            os.close(lock)

    def close(self) -> None:
        """Release all locks."""
        for uuid in list(self._held):
            self.drop(uuid)

    def _path(self, uuid: str) -> Path:
        return self._folder / f"tuitune-{uuid}.lock"

    def _open(self, path: Path) -> int:
        """Without O_CREAT if it exists: the kernel refuses that for others' files in /tmp."""
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            return os.open(path, flags)
        except FileNotFoundError:
            lock = os.open(path, flags | os.O_CREAT, 0o666)
            with contextlib.suppress(OSError):
                os.fchmod(lock, 0o666)  # whatever the umask: others must be able to take it, too
            return lock
