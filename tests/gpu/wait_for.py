"""wait_for.py running|reported|parked|engine FOLDER SECONDS: until a trial of the study is so.

Prints the process id of the study's engine.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tuitune.core.events import TrialState
from tuitune.store import owner
from tuitune.store.errors import StoreError
from tuitune.store.folder import DATABASE
from tuitune.store.reader import Reader


def is_so(what: str, folder: Path) -> bool:
    """Whether a trial of this study runs, has reported, or is parked."""
    try:
        reader = Reader.open(folder / DATABASE)
    except StoreError:
        return False
    try:
        rows = reader.trials()
        if what == "parked":
            return any(row.is_parked and "holds no slot" in row.note for row in rows)
        running = [row for row in rows if row.state == TrialState.RUNNING and row.pid]
        return any(what == "running" or row.step for row in running)
    finally:
        reader.close()


def main() -> None:
    what, folder, seconds = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        engine = owner.running(folder)
        if engine is not None and (what == "engine" or is_so(what, folder)):
            print(engine.pid)
            return
        time.sleep(0.05)
    sys.exit(1)


if __name__ == "__main__":
    main()
