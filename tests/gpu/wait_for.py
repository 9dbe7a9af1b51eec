"""wait_for.py running|engine FOLDER SECONDS: until a trial of the study runs; its engine's process id."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tuitune.core.events import TrialState
from tuitune.store import owner
from tuitune.store.errors import StoreError
from tuitune.store.folder import DATABASE
from tuitune.store.reader import Reader


def is_running(folder: Path) -> bool:
    """Whether a trial of this study has a process."""
    try:
        reader = Reader.open(folder / DATABASE)
    except StoreError:
        return False
    try:
        return any(row.state == TrialState.RUNNING and row.pid for row in reader.trials())
    finally:
        reader.close()


def main() -> None:
    what, folder, seconds = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        engine = owner.running(folder)
        if engine is not None and (what == "engine" or is_running(folder)):
            print(engine.pid)
            return
        time.sleep(0.05)
    sys.exit(1)


if __name__ == "__main__":
    main()
