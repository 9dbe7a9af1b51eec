"""Begins an engine as the command does that opens the app: run by the tests, at a terminal or not.

`python begin.py FILE [KEY=VALUE...]`: prints the study's folder. HOLD: it stays until a signal ends
it. QUICK: how long an import may take to fail at once, in seconds. Exit status 2 with words where no
engine can begin.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from tuitune.cli import launch
from tuitune.cli.run_request import RunRequest
from tuitune.cli.startup_pipe import StartupTimeouts


def main(file: str, *overrides: str) -> int:
    timeouts = StartupTimeouts(early_failure=float(os.environ.get("QUICK", "0.15")))
    request = RunRequest(Path(file), Path("runs").absolute(), overrides, timeouts=timeouts)
    try:
        study = launch.begin_engine(request)
    except launch.PROBLEMS as error:
        print(error, file=sys.stderr)
        return 2
    print(study.path, flush=True)
    if os.environ.get("HOLD"):
        signal.pause()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
