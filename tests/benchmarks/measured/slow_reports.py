"""A trial that reports every two seconds until its study is stopped."""

from __future__ import annotations

import itertools
import time

import light


def train(trial) -> None:
    light.mark("trial")
    for step in itertools.count(1):
        trial.report(step=step, loss=1 / step)
        time.sleep(2.0)
