"""Unix sockets at paths of the file system, and the check of who is at the other end."""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path

_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid: SO_PEERCRED in unix(7)


def is_own(peer: socket.socket) -> bool:
    """Whether the process at the other end is this user's, or root's."""
    return _credentials(peer)[1] in (os.getuid(), 0)


def process_of(peer: socket.socket) -> int:
    """The id of the process that has connected, or that listens at the other end."""
    return _credentials(peer)[0]


def _credentials(peer: socket.socket) -> tuple[int, int, int]:
    raw = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, gid = _CREDENTIALS.unpack(raw)
    return pid, uid, gid


class BoundSocket:
    """A listening socket at a path that only this user may connect to."""

    def __init__(self, path: Path, backlog: int) -> None:
        """Replaces what a dead process has left at the path. Raises OSError."""
        self.path = path
        # Bound under another name first: a client meets the old socket, or the complete new one
        aside = path.with_name(f"{path.name}.{os.getpid()}")
        aside.unlink(missing_ok=True)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.socket.setblocking(False)  # noqa: FBT003
            self.socket.bind(str(aside))
            aside.chmod(0o600)
            self.socket.listen(backlog)
            self._inode = aside.lstat().st_ino
            aside.replace(path)
        except BaseException:
            self.socket.close()
            raise

    def is_in_place(self) -> bool:
        """Whether the path still leads here: cleaners of /tmp remove sockets that are in use."""
        try:
            return os.lstat(self.path).st_ino == self._inode
        except OSError:
            return False

    def close(self) -> None:
        """Remove the path, unless another has taken it, and listen no more."""
        if self.is_in_place():
            self.path.unlink(missing_ok=True)
        self.socket.close()
