"""tuitune with shorter waits, for tests of what comes after them: hasty.py SECONDS WORD ..."""

from __future__ import annotations

import sys
from functools import partial

from tuitune.__main__ import main
from tuitune.cli import run
from tuitune.core.study import leaving
from tuitune.engine.ports import Timeouts as EngineTimeouts
from tuitune.executors import registry
from tuitune.executors.local.executor import LocalExecutor
from tuitune.executors.local.zygote_client import Timeouts
from tuitune.executors.remote import executor as remote
from tuitune.executors.remote.executor import NodesExecutor


def shorten(seconds: float) -> None:
    for reason, grace in leaving.ASK_GRACE.items():
        leaving.ASK_GRACE[reason] = grace if grace == float("inf") else seconds
    leaving.LEAST_LEAVE = leaving.AFTER_SAVE = leaving.EXIT_GRACE = seconds
    leaving.TERM_GRACE = leaving.KILL_GRACE = seconds
    waits = EngineTimeouts(
        heartbeat=seconds,
        disk=seconds,
        first_retry=seconds,
        longest_retry=seconds,
        slow_sampler=seconds,
    )
    run.Opening = partial(run.Opening, timeouts=waits)
    timeouts = Timeouts(sample=10 * seconds)
    registry.EXECUTORS["local"] = partial(LocalExecutor, timeouts=timeouts)
    remote.NodesExecutor = partial(NodesExecutor, lease=seconds, lost=1.5 * seconds)


if __name__ == "__main__":
    shorten(float(sys.argv.pop(1)))
    main()
