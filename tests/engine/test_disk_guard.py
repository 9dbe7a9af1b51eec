"""How much of a disk must be free for a trial to be launched."""

from __future__ import annotations

import pytest

from tuitune.engine.monitors import FreeSpace

GB = 10**9


@pytest.mark.parametrize(
    ("free", "total", "least", "low"),
    [
        (400 * GB, 10_000 * GB, None, False),  # 4 % of a large disk is plenty
        (4 * GB, 10_000 * GB, None, True),
        (4 * GB, 50 * GB, None, False),  # 8 %
        (1 * GB, 50 * GB, None, True),
        (1 * GB, 50 * GB, 0, False),
        (0, 50 * GB, 0, False),
        (19 * GB, 50 * GB, 20 * GB, True),
        (21 * GB, 50 * GB, 20 * GB, False),
        (1 * GB, 50 * GB, GB // 2, False),
    ],
)
def test_the_least_that_must_be_free(free: int, total: int, least: int | None, low: bool):
    assert FreeSpace(free, free / total).is_low(least) is low
