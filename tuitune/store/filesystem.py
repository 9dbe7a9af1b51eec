"""On what kind of file system does a path lie?"""

from __future__ import annotations

import os
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
NETWORK = frozenset(
    (
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "lustre",
        "gpfs",
        "beegfs",
        "ceph",
        "afs",
        "9p",
        "panfs",
    )
)


def is_file(path: Path) -> bool:
    """Whether there is one; not where the path can't be looked at: too long, or not allowed."""
    try:
        return path.is_file()
    except OSError:
        return False


def kind(path: Path, mounts: str | None = None) -> str:
    """The type of file system that `path` lies on, "" where it can't be told.

    `mounts` is the text of /proc/self/mountinfo (proc_pid_mountinfo(5)).
    """
    if mounts is None:
        try:
            mounts = os.fsdecode(MOUNTS.read_bytes())
        except OSError:
            return ""
    target = str(path.resolve())
    found, length = "", -1
    for line in mounts.splitlines():
        left, _, right = line.partition(" - ")
        fields = left.split(" ")
        if len(fields) < 5 or not right:
            continue
        point = _unescaped(fields[4])
        # the later of two mounts on one point hides the earlier one
        if _holds(point, target) and len(point) >= length:
            found, length = right.split(" ")[0], len(point)
    return found


def is_network(path: Path) -> bool:
    """Whether several machines may see this path, so that SQLite's WAL must not be used."""
    name = kind(path)
    return name in NETWORK or name.startswith("fuse.")


def _holds(point: str, target: str) -> bool:
    return target == point or target.startswith(point.rstrip("/") + "/")


def _unescaped(point: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        point = point.replace(code, character)
    return point
