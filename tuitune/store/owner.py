"""The claim on a study: one engine at a time, on one machine."""

import errno
import fcntl
import os
import socket
import time
from pathlib import Path

import msgspec

from tuitune.ipc import files
from tuitune.store.errors import HeldError, StoreError

LOCK = ".lock"
ROW = ".owner"
_PID_NAMESPACE = "/proc/self/ns/pid"
_FRESH = 60.0  # s: engines write a heartbeat every 10 s
_UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


class Owner(msgspec.Struct, frozen=True):
    """The engine that runs a study."""

    host: str
    boot: str  # the kernel's boot id: the same for every container of a machine
    pid: int
    started: int  # the process's start, in clock ticks since boot (proc_pid_stat(5), field 22)
    since: float  # Unix seconds
    heartbeat: float  # Unix seconds
    pids: str = ""  # the namespace of its process id, which is a container's own


class Claim:
    """A study folder held by this process, until `release` or its death.

    The lock belongs to an open file, so a forked child would hold it too; an executed one
    doesn't (the file closes on exec).
    """

    def __init__(self, folder: Path, lock: int, owner: Owner) -> None:
        self.folder = folder
        self.owner = owner
        self._lock = lock

    def beat(self) -> None:
        """Renew the heartbeat. Raises StoreError if another engine has taken the study."""
        found = read(self.folder)
        if found is not None and not _same(found, self.owner):
            raise StoreError(f"{self.folder}: the study was taken over by {_name(found)}")
        self.owner = msgspec.structs.replace(self.owner, heartbeat=time.time())
        _write(self.folder, self.owner)

    def release(self) -> None:
        """Give the folder up; a second call does nothing."""
        if self._lock < 0:
            return
        found = read(self.folder)
        if found is not None and _same(found, self.owner):
            (self.folder / ROW).unlink(missing_ok=True)
        os.close(self._lock)
        self._lock = -1


def claim(folder: Path, *, steal: bool = False) -> Claim:
    """Make this process the study's engine.

    Raises StoreError if there is another, or may be one on a machine that can't be asked; `steal`
    takes the study from such a machine, never from a process that lives on this one.
    """
    lock = _lock(folder, steal=steal)
    try:
        if not steal:
            _refuse_foreign(folder)
        now = time.time()
        pid = os.getpid()
        started = start_of(pid) or 0
        owner = Owner(
            socket.gethostname(), files.boot_id(), pid, started, now, now, _pid_namespace()
        )
        _write(folder, owner)
    except BaseException:
        os.close(lock)
        raise
    return Claim(folder, lock, owner)


def read(folder: Path) -> Owner | None:
    """The engine that holds this study, or died with it; None if it was released."""
    try:
        text = (folder / ROW).read_bytes()
    except OSError:
        return None
    try:
        return msgspec.json.decode(text, type=Owner)
    except msgspec.MsgspecError:
        return None  # engines replace the file atomically, so no engine wrote this


def running(folder: Path) -> Owner | None:
    """The engine that runs this study now; None if there is none.

    One on another machine, or in a container, counts while its heartbeats are recent.
    """
    found = read(folder)
    return found if found is not None and _seems_alive(found) else None


def out_of_reach(folder: Path) -> str:
    """Why this study's engine can't be asked from here, and what to do; empty if it can be."""
    found = running(folder)
    if found is None or is_alive(found):
        return ""
    return f"its engine runs on {found.host}, out of reach from here; use the command there"


def is_alive(owner: Owner) -> bool | None:
    """Whether this engine lives; None if it can't be seen: on another machine, in a container."""
    if is_of_this_kernel(owner):
        if owner.pids not in ("", _pid_namespace()):
            return None
        return start_of(owner.pid) == owner.started
    return False if owner.host == socket.gethostname() else None


def is_of_this_kernel(owner: Owner) -> bool:
    """Whether it runs, or ran, under this kernel: then the study's lock tells if it lives."""
    return owner.boot == files.boot_id()


def _seems_alive(owner: Owner) -> bool:
    alive = is_alive(owner)
    return abs(time.time() - owner.heartbeat) < _FRESH if alive is None else alive


def _pid_namespace() -> str:
    try:
        return os.readlink(_PID_NAMESPACE)  # noqa: PTH115 - it is not a path
    except OSError:
        return ""


def start_of(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None if it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def _refuse_foreign(folder: Path) -> None:
    found = read(folder)
    if found is not None and _is_foreign(found):
        raise _refusal(folder, found)


def _is_foreign(found: Owner) -> bool:
    """Whether neither its process nor its lock can tell if it lives."""
    return is_alive(found) is None and not is_of_this_kernel(found)


def _lock(folder: Path, *, steal: bool) -> int:
    path = folder / LOCK
    while True:
        try:
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(f"{path}: can't be written ({error.strerror})") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            found = read(folder)
            if error.errno in _UNSUPPORTED:
                return _without_lock(folder, path, found)
            if not (steal and found is not None and _is_foreign(found)):
                raise _refusal(folder, found) from error
            path.unlink(missing_ok=True)  # a new file has no lock; the old owner sees it by its row
            continue
        if files.is_at(path, lock):
            return lock
        os.close(lock)  # it was replaced between open and lock


def _without_lock(folder: Path, path: Path, found: Owner | None) -> int:
    """Claims the study on a file system without locks, where the row alone decides."""
    if found is not None and not _is_foreign(found) and _seems_alive(found):
        raise _refusal(folder, found)
    return os.open(path, os.O_RDWR | os.O_CLOEXEC)


def _refusal(folder: Path, found: Owner | None) -> StoreError:
    if found is None or is_alive(found) is False:
        return HeldError(f"{folder}: another process holds {LOCK}; end it, then try again")
    if _is_foreign(found):
        ago = max(0, round(time.time() - found.heartbeat))
        return StoreError(
            f"{folder}: the study belongs to {_name(found)}, last seen {ago} s ago; check that "
            f"no engine runs there, then take it over with --steal"
        )
    return HeldError(
        f"{folder}: {_name(found)} runs this study; stop it first with `tuitune stop {folder.name}`"
    )


def _name(owner: Owner) -> str:
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(owner.since))
    return f"the engine on {owner.host} (process {owner.pid}, since {since})"


def _same(one: Owner, other: Owner) -> bool:
    return (one.boot, one.pid, one.started, one.since) == (
        other.boot,
        other.pid,
        other.started,
        other.since,
    )


def _write(folder: Path, owner: Owner) -> None:
    path = folder / ROW
    try:
        files.replace_file(path, msgspec.json.encode(owner))
    except OSError as error:
        raise StoreError(f"{path}: can't be written ({error.strerror})") from error
