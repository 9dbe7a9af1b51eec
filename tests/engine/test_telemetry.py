"""What an engine samples of its machine while trials run."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from workshop import Workshop, wait_until

from tuitune.core.placement.host import HostResources
from tuitune.devices.host_sampler import HostSampler
from tuitune.store.reader import Reader

BUSY = """
import time

def train(trial):
    end = time.monotonic() + 1000
    while time.monotonic() < end:
        trial.report(loss=sum(range(20_000)))
"""


def test_a_study_is_sampled_while_it_runs(workshop: Workshop):
    engine = workshop.start(workshop.study(BUSY, trials=1), "--no-ui")
    path = workshop.folder() / "study.db"
    wait_until(lambda: (workshop.folder() / "study.toml").exists() and path.exists(), "the study")

    def busy() -> bool:
        reader = Reader.open(path)
        found = reader.samples()
        reader.close()
        return bool(found) and (found[-1].trials_cpu or 0.0) > 0.05

    wait_until(busy, "a busy trial")
    reader = Reader.open(path)
    sample = reader.samples()[-1]
    reader.close()
    assert (sample.device, sample.kind, sample.trials) == ("host", "host", (0,))
    (used,) = sample.usage
    assert (used.trial, used.processes) == (0, 1)
    assert (used.memory or 0) > 1 << 20
    assert (used.cpu or 0.0) > 0
    assert sample.slots_used == 0.5
    assert sample.slots is not None
    assert sample.slots >= 0.5
    assert 0 < (sample.memory_used or 0) < (sample.memory_total or 0)
    assert 0 <= (sample.utilisation or 0) <= 1
    assert 0 <= (sample.disk_free or 0) <= 1
    engine.kill()


def test_a_trials_own_children_count_and_what_is_gone_does_not():
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'while True: pass'])"
    trial = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    try:
        sampler = HostSampler(HostResources(2.0, 10**9), Path.cwd())
        children = Path(f"/proc/{trial.pid}/task/{trial.pid}/children")
        (child,) = wait_until(lambda: children.read_text().split(), "its child")
        assert sampler.sample(time.time(), {7: trial.pid}, 1.0).trials_cpu is None

        def spent() -> bool:
            return (sampler.sample(time.time(), {7: trial.pid}, 1.0).trials_cpu or 0.0) > 0.01

        wait_until(spent, "its child's work")
        assert sampler.sample(time.time(), {7: int(child)}, 1.0).trials == (7,)
    finally:
        os.killpg(trial.pid, 9)
        trial.wait()
    gone = sampler.sample(time.time(), {7: trial.pid}, 1.0)
    assert gone.trials_cpu == 0.0
