"""A process of its own that looks at the GPUs, since NVML may hang or crash whoever asks it.

It writes a JSON object a line: {"reading": index} before it touches a device, then a Snapshot.
A byte on its input asks for one at once; the end of its input ends it.
"""

from __future__ import annotations

import os
import select
import sys
import time
from typing import TYPE_CHECKING

import msgspec

from tuitune.core.placement.snapshots import RETRY, Reading, Snapshot
from tuitune.devices.nvml import Nvml, NvmlError
from tuitune.ipc.process_tree import die_with_parent

if TYPE_CHECKING:
    from collections.abc import Collection

PERIOD = 1.0  # s; a driver's own window is up to a second


def main() -> None:
    """The process's whole life; argv: its parent's pid, the indices to leave alone."""
    die_with_parent(int(sys.argv[1]))
    skip = {int(index) for index in sys.argv[2:]}
    try:
        while _sample(skip):
            pass
    except BrokenPipeError:
        os._exit(0)


def _sample(skip: Collection[int]) -> bool:
    """Look until NVML fails; False once nobody wants it any more."""
    try:
        nvml = Nvml(skip)
        while True:
            began = time.monotonic()
            _say(nvml.read(lambda index: _say(Reading(index))))
            if not _wait(PERIOD - (time.monotonic() - began)):
                return False
    except NvmlError as error:
        _say(Snapshot(problem=str(error), absent=error.absent))
        return _wait(RETRY)


def _wait(seconds: float) -> bool:
    """Until that long has passed or somebody asks; False where nobody ever will."""
    ready, _, _ = select.select([0], [], [], max(0.0, seconds))
    return not ready or bool(os.read(0, 4096))


def _say(what: Snapshot | Reading) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(what) + b"\n")
    sys.stdout.buffer.flush()
