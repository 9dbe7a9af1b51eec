"""tuitune with shorter waits, for tests of what comes after them: hasty.py SECONDS WORD ..."""

from __future__ import annotations

import sys

from tuitune.__main__ import main
from tuitune.engine import disk
from tuitune.study import attempts


def shorten(seconds: float) -> None:
    for reason, grace in attempts.ASK_GRACE.items():
        attempts.ASK_GRACE[reason] = grace if grace == float("inf") else seconds
    attempts.TERM_GRACE = attempts.KILL_GRACE = disk.PERIOD = seconds


if __name__ == "__main__":
    shorten(float(sys.argv.pop(1)))
    main()
