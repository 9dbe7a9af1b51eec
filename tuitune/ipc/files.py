"""Files that several processes use: replaced whole, told apart, and outdated by a restart."""

from __future__ import annotations

import os
import socket
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def replace_file(path: Path, content: str | bytes) -> None:
    """Write a file so that readers see the old one or the new one. Raises OSError.

    Text is written as UTF-8.
    """
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    aside.write_bytes(content.encode() if isinstance(content, str) else content)
    aside.replace(path)


def size_of(path: Path) -> int:
    """Its bytes; 0 where it is not there or can't be asked for."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def is_at(path: Path, file: int) -> bool:
    """Whether an open file is still the one at this path."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file))
    except OSError:
        return False


def boot_id() -> str:
    """Differs for each start of the machine; the host's name where that can't be read."""
    try:
        return _BOOT_ID.read_text(encoding="utf-8").strip()
    except OSError:  # a sandbox without it
        return socket.gethostname()
