"""Telemetry is kept in full for minutes, thinned for a day, and then forgotten."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from tuitune.core.placement.snapshots import DeviceSample
from tuitune.store.journal import Journal
from tuitune.store.reader import Reader

if TYPE_CHECKING:
    from pathlib import Path

DAY = 86400


def sample(time: float, device: str = "host") -> DeviceSample:
    return DeviceSample(time, device, "host", "a machine", utilisation=0.5)


def test_a_sample_comes_back_as_it_was_taken(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path / "study.db", "loss")
    gpu = DeviceSample(
        1.0, "GPU-1", "gpu", "H100", 0, 0.5, 10, 80, 61.0, 300.0, 700.0, (3, 4), ("pid 1 a",), "no"
    )
    journal.sample([sample(1.0), gpu])
    reader = Reader.open(tmp_path / "study.db")
    assert reader.samples() == [gpu, sample(1.0)]
    assert reader.samples(since=1.0) == []
    reader.close()
    journal.close()


def test_what_grows_old_is_thinned_and_then_dropped(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path / "study.db", "loss")
    start = 1_000_000
    for second in range(3600):
        journal.sample([sample(start + second, "host"), sample(start + second, "GPU-1")])
    reader = Reader.open(tmp_path / "study.db")
    now = start + 3599
    for device in ("host", "GPU-1"):
        times = [s.time for s in reader.samples() if s.device == device]
        fine = [time for time in times if time > now - 600]
        assert fine == [float(now - 599 + n) for n in range(600)]
        old = [time for time in times if time <= now - 660]
        assert 45 <= len(old) <= 60
        gaps = {b - a for a, b in pairwise(old)}
        assert gaps == {60.0}
    journal.sample([sample(start + DAY + 1800)])
    left = [s.time for s in reader.samples()]
    assert min(left) >= start + 1800
    assert len(left) < 80
    reader.close()
    journal.close()


def test_samples_are_no_facts(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path / "study.db", "loss")
    reader = Reader.open(tmp_path / "study.db")
    seq = reader.changes().seq
    journal.sample([sample(1.0)])
    assert journal.seq == 0
    assert not reader.changes(seq)
    assert list(journal.history()) == []
    reader.close()
    journal.close()
