"""What the tests on a cluster share."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LEAN = {"include_dashboard": False, "include_log_monitor": False, "no_monitor": True}  # of a head
QUICK = 4.0  # s of a lease, and of other waits, in tests that are not about how long they are


def parents(pid: int) -> set[int]:
    """All ancestors of a process; none where it has ended."""
    found: set[int] = set()
    try:
        while pid > 1:
            text = Path(f"/proc/{pid}/stat").read_text()
            pid = int(text.rpartition(")")[2].split()[1])
            found.add(pid)
    except OSError:
        return set()
    return found


@contextmanager
def another(shop: Any, *holds: float) -> Iterator[Any]:
    """Another program on the cluster, see `occupant`: a function that tells it a command."""
    file = Path(__file__).with_name("occupant.py")
    process = subprocess.Popen(
        [sys.executable, file, shop.where, *map(str, holds)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def tell(command: str) -> str:
        process.stdin.write(f"{command}\n")
        process.stdin.flush()
        return process.stdout.readline().strip()

    try:
        assert process.stdout.readline() == "ready\n"
        yield tell
    finally:
        process.stdin.close()
        process.wait(30)
        process.stdout.close()
