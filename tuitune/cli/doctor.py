"""What is this machine like, and what stands in the way?"""

from __future__ import annotations

import os
from pathlib import Path

from tuitune.cli.gpus import line
from tuitune.devices.doctor import Finding, findings
from tuitune.devices.host import host_room
from tuitune.devices.watchdog import look
from tuitune.messages.text import plain
from tuitune.store.schema import is_network

SIGNS = {"ok": "ok   ", "note": "note ", "wrong": "wrong"}


def examine() -> int:
    """0, or 1 where something is wrong."""
    seen, room = look(), host_room()
    found = [
        Finding("ok", "CPUs", f"{room.cpus:g} slots, {room.memory / 1e9:.1f} GB of memory"),
        *findings(seen, os.environ),
        _folder(Path.cwd()),
    ]
    for finding in found:
        print(plain(f"{SIGNS[finding.how]}  {finding.what}: {finding.text}"))
        if finding.what == "GPUs":
            for device in seen.devices:
                print(plain(f"         {line(device)}"))
    return int(any(finding.how == "wrong" for finding in found))


def _folder(path: Path) -> Finding:
    if is_network(path):
        words = f"{path} is on a network: studies here are slower; --runs DIR keeps them elsewhere"
        return Finding("note", "folder", words)
    return Finding("ok", "folder", f"{path} is on a disk of this machine")
