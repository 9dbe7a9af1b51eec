"""What an engine samples of its GPUs, begun by a command and with no terminal, as readers find it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from nvml_world import World
from workshop import Workshop, wait_until

from tuitune.core import events as ev
from tuitune.core.placement.snapshots import DeviceSample
from tuitune.messages.reasons import reason_words
from tuitune.store.reader import Reader

BEGIN = Path(__file__).with_name("begin.py")
CODE = """
import os, time
from pathlib import Path

def train(trial):
    gpu = os.environ["CUDA_VISIBLE_DEVICES"].rpartition("-")[2]
    line = f"process gpu={gpu} pid={os.getpid()} memory=2000 live=1\\n"
    descriptor = os.open(os.environ["NVML_WORLD"] + ".live", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, line.encode())
    os.close(descriptor)
    while not Path("go").exists():
        trial.report(loss=1.0)
        time.sleep(0.05)
"""


@pytest.fixture
def engine(
    workshop: Workshop, world: World, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., None]]:
    """Begins a detached engine on a machine with GPUs, and sees it to its end."""
    for name, value in world.environment.items():
        monkeypatch.setenv(name, value)
    for name in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"):
        monkeypatch.delenv(name, raising=False)
    world.token = f"{uuid4().hex[:8]}-"

    def begin(more: str, trials: int) -> None:
        file = workshop.study(CODE, more, trials=trials)
        done = workshop.call([sys.executable, str(BEGIN), str(file)], timeout=60)
        assert done.returncode == 0, done.stderr

    yield begin
    (workshop.path / "go").touch()
    wait_until(lambda: workshop.engine() is None, "the engine's end")
    assert workshop.left_over() == []


def newest(workshop: Workshop) -> dict[int | None, DeviceSample]:
    reader = Reader.open(workshop.folder() / "study.db")
    try:
        return {sample.index: sample for sample in reader.samples() if sample.kind == "gpu"}
    finally:
        reader.close()


def until(workshop: Workshop, index: int, what: Callable[[DeviceSample], object]) -> DeviceSample:
    def found() -> DeviceSample | None:
        sample = newest(workshop).get(index)
        return sample if sample is not None and what(sample) else None

    sample = wait_until(found, "such a sample")
    assert isinstance(sample, DeviceSample)
    return sample


def test_a_gpu_is_sampled_with_its_trials_and_how_they_share_it(
    workshop: Workshop, world: World, engine: Callable[..., None]
):
    world.with_gpus(1, util=37)
    engine('gpus = "auto"', 1)
    packed = "1 x 2.0 of 80 GiB"  # its memory is seen a moment after the trial itself
    sample = until(workshop, 0, lambda s: reason_words(s.packed) == packed and s.trials)
    assert (sample.device, sample.trials) == (f"GPU-{world.token}0", (0,))
    assert (sample.utilisation, sample.temperature, sample.power) == (0.37, 30, 60)
    assert (sample.power_limit, sample.note, sample.foreign) == (400, "", ())
    assert (sample.memory_used or 0) > 2000 << 20
    (used,) = sample.usage
    assert (used.trial, used.processes) == (0, 1)
    assert (used.memory or 0) > 1000 << 20


def test_who_else_comes_is_sampled_and_journalled_once(
    workshop: Workshop, world: World, engine: Callable[..., None]
):
    world.with_gpus(2)
    engine("gpus = 1", 2)
    until(workshop, 1, lambda s: s.trials)
    with world.somebody_on(1, 3000) as pid:
        sample = until(workshop, 1, lambda s: s.foreign)
        assert f"(pid {pid}, 2.9 GiB)" in sample.foreign[0]
        assert sample.note == "nothing more starts"
        assert len(sample.trials) == 1  # it is drained, and not thrown out
        world.processes[0]["memory"] = 5000
        world.write()
        until(workshop, 1, lambda s: s.foreign and "4.9 GiB" in s.foreign[0])
        world.processes = []
        world.write()
        until(workshop, 1, lambda s: not s.foreign)
        reader = Reader.open(workshop.folder() / "study.db")
        facts = [fact for _, fact in reader.newest(100) if isinstance(fact, ev.NodeChanged)]
        told = [words for fact in facts if (words := reason_words(fact.why))]
        reader.close()
        assert len([words for words in told if f"(pid {pid}" in words]) == 1
