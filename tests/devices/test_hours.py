"""How many GPUs a study may use by the time of day."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import assume, given, strategies as st

from tuitune.core.events import Gpu, Settings
from tuitune.core.placement.hours import Allowance, Window, allowance, most_ever, overlap
from tuitune.devices.locks import Locks
from tuitune.engine.leases import Leases, allowed_now
from tuitune.messages import text
from tuitune.messages.reasons import reason_words

NIGHT, DAY = Window(22 * 60, 8 * 60, 8), Window(8 * 60, 22 * 60, 2)
SETTINGS = Settings(9, None, 1.0, None, 0, None, None, None, 1.0)
MINUTES = range(24 * 60)
TIMES = st.integers(0, 24 * 60 - 1)
WINDOWS = st.builds(Window, TIMES, TIMES, st.integers(0, 8)).filter(lambda w: w.start != w.end)


def test_a_window_past_midnight_and_one_by_day():
    both = (NIGHT, DAY)
    found = [allowance(None, both, 60 * hour) for hour in (0, 7, 8, 21, 22)]
    assert [one.gpus for one in found] == [8, 8, 2, 2, 8]
    assert text.allowance(found[0]) == "8 GPUs at most until 08:00"
    assert text.allowance(allowance(1, (NIGHT,), 600)) == "1 GPU at most until 22:00"
    assert text.allowance(allowance(None, (NIGHT,), 600)) == "all GPUs until 22:00"
    assert text.allowance(allowance(None, (), 600)) == ""
    assert allowance(9, (Window(0, 24 * 60, 3),), 600) == Allowance(3)


@given(one=WINDOWS, other=WINDOWS)
def test_windows_overlap_where_they_have_a_minute_in_common(one: Window, other: Window):
    common = any(one.has(minute) and other.has(minute) for minute in MINUTES)
    assert (overlap([one, other]) is not None) == common


@given(windows=st.lists(WINDOWS, max_size=3), most=st.none() | st.integers(0, 8), minute=TIMES)
def test_an_allowance_holds_until_it_says(windows: list[Window], most: int | None, minute: int):
    assume(overlap(windows) is None)
    found = allowance(most, windows, minute)
    counts = [allowance(most, windows, m).gpus for m in MINUTES]
    assert most_ever(most, windows) == (None if None in counts else max(c or 0 for c in counts))
    assert (found.until is None) == (not windows)
    while found.until is not None and minute != found.until:
        assert counts[minute] == found.gpus
        minute = (minute + 1) % len(MINUTES)


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("berlin")
def test_it_is_the_clock_on_the_wall_that_counts_also_when_it_is_set():
    settings = msgspec.structs.replace(SETTINGS, hours=(Window(2 * 60, 4 * 60, 1),), max_gpus=5)

    def at(*utc: int) -> int | None:
        return allowed_now(settings, datetime(*utc, tzinfo=UTC).timestamp()).gpus  # type: ignore[arg-type]

    assert [at(2026, 1, 5, hour) for hour in (0, 1, 2, 3)] == [5, 1, 1, 5]
    assert [at(2026, 3, 29, hour) for hour in (0, 1, 2)] == [5, 1, 5]  # 3:00 follows 1:59
    assert [at(2026, 10, 25, hour) for hour in (0, 1, 2, 3)] == [1, 1, 1, 5]  # 2:00 comes twice
    assert [at(2026, 1, 5, 1), at(2026, 1, 4, 12), at(2026, 1, 5, 2)] == [1, 5, 1]


class Scene:
    """Leases of four GPUs, in this second."""

    def __init__(self, folder: Path, leave_free: int = 0) -> None:
        self.locks = Locks("study s of anna", folder)
        self.settings = SETTINGS
        self.leases = Leases(self.locks, leave_free, lambda: self.settings, lambda: 0.0)
        self.homes, self.suspects = set[str](), set[str]()
        self.gpus = [Gpu(f"g{i}", i, "A100", 1) for i in range(4)]

    def renew(self, most: int | None, **began: float) -> dict[str, str]:
        """The obstacles, where there are some; in capitals where trials are to leave."""
        self.settings = msgspec.structs.replace(SETTINGS, max_gpus=most)
        found = self.leases.renew(self.gpus, began, self.homes, self.suspects)
        words = [(gpu, reason_words(gpu.obstacle)) for gpu in found if gpu.obstacle]
        return {gpu.uuid: why.upper() if gpu.claimed else why for gpu, why in words}


def test_fewer_gpus_are_those_on_which_trials_began_first(tmp_path: Path):
    scene = Scene(tmp_path)
    assert scene.renew(None) == {}
    words = "2 GPUS AT MOST"
    assert scene.renew(2, g0=5.0, g1=3.0, g2=4.0) == {"g0": words, "g3": words}
    assert sorted(scene.locks._held) == ["g0", "g1", "g2"]  # until its trial has left
    assert scene.renew(2, g1=3.0, g2=4.0) == {"g0": words, "g3": words}
    assert sorted(scene.locks._held) == ["g1", "g2"]
    assert scene.renew(0, g1=3.0).keys() == {"g0", "g1", "g2", "g3"}
    assert sorted(scene.locks._held) == ["g1"]
    assert scene.renew(None, g1=3.0) == {}


def test_a_gpu_that_trials_still_have_to_leave_counts(tmp_path: Path):
    scene = Scene(tmp_path)
    scene.gpus[0] = Gpu("g0", 0, "A100", 1, "bob's", foreign=True)
    assert scene.renew(2, g0=1.0, g1=2.0).keys() == {"g0", "g2", "g3"}
    assert scene.renew(2, g1=2.0).keys() == {"g0", "g2"}


def test_what_is_left_free_is_not_given_up(tmp_path: Path):
    scene = Scene(tmp_path, leave_free=1)
    assert scene.renew(3, g0=1.0) == {"g1": "left free for others"}
    assert scene.renew(9, g0=1.0) == {"g1": "left free for others"}


def test_the_gpu_that_is_wanted_back_is_taken_first_and_one_that_fails_trials_last(tmp_path: Path):
    scene = Scene(tmp_path)
    scene.renew(1)
    assert sorted(scene.locks._held) == ["g3"]
    scene.homes = {"g1"}
    scene.renew(1)
    assert sorted(scene.locks._held) == ["g1"]
    scene.suspects = {"g1"}
    scene.renew(1)
    assert sorted(scene.locks._held) == ["g3"]
    scene.renew(1, g1=1.0)  # a trial is there
    assert "g1" in scene.locks._held


def test_a_gpu_beyond_the_trials_at_a_time_is_told_from_one_that_is_left_to_others(tmp_path: Path):
    scene = Scene(tmp_path, leave_free=1)
    scene.settings = msgspec.structs.replace(SETTINGS, concurrency=1)
    words = [reason_words(gpu.obstacle) for gpu in scene.leases.renew(scene.gpus, {})]
    assert words == ["not needed for so few trials at a time"] * 3 + [""]
