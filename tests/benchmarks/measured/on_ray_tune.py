"""Ray Tune with trials that do as little as `light`: `python on_ray_tune.py ADDRESS TRIALS TORCH(0|1)`."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from ray import init, tune

ADDRESS, TRIALS, TORCH = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "1"
MARKS = os.environ["BENCH_MARKS"]


def train(_config: object) -> None:
    with Path(MARKS).open("a") as marks:
        marks.write(json.dumps({"event": "trial", "time": time.time()}) + "\n")
    if TORCH:
        import torch  # noqa: PLC0415 - each trial is a process of its own

        torch.zeros(1)
    tune.report({"loss": 1.0})


init(address=ADDRESS, log_to_driver=False, logging_level="ERROR")
space = {"x": tune.uniform(0.0, 1.0)}
config = tune.TuneConfig(num_samples=TRIALS, max_concurrent_trials=2)
each = tune.with_resources(train, {"cpu": 1})
tune.Tuner(each, param_space=space, tune_config=config).fit()
