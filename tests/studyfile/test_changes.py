from __future__ import annotations

from pathlib import Path

import pytest

from tuitune.studyfile import load
from tuitune.studyfile.changes import changes

TEXT = """
[objective]
metric = "loss"
mode = "min"
[trial]
target = "package.module:train"
[space]
x = { low = 0.0, high = 1.0 }
[search]
points = [{ x = 0.5 }]
"""


def read(tmp_path: Path, *overrides: str):
    file = tmp_path / "study.toml"
    file.write_text(TEXT)
    return load(file, overrides=overrides, check_target=False)


@pytest.mark.parametrize(
    "override",
    [
        "search.trials=7",
        "search.concurrency=3",
        "trial.cpus=2",
        'trial.memory="1GB"',
        "trial.retries=2",
        'trial.timeout="1h"',
        'trial.env={A="b"}',
        'limits.time="1h"',
        "limits.target=0.5",
        "search.points=[{x=0.5}, {x=0.7}]",
    ],
)
def test_what_a_study_may_change_while_it_goes_on(tmp_path, override):
    taken, refused = changes(read(tmp_path), read(tmp_path, override))
    assert refused == []
    assert len(taken) == 1


@pytest.mark.parametrize(
    "override",
    [
        'objective.metric="accuracy"',
        'objective.mode="max"',
        "space.x={low=0.0, high=2.0}",
        "space.y={low=0.0, high=2.0}",
        'search.method="random"',
        "search.seed=1",
        "search.points=[{x=0.6}]",
        'trial.target="package.other:train"',
    ],
)
def test_what_makes_it_another_study(tmp_path, override):
    taken, refused = changes(read(tmp_path), read(tmp_path, override))
    assert taken == []
    assert len(refused) == 1
    assert "was" in str(refused[0])


def test_nothing_differs_from_itself(tmp_path):
    assert changes(read(tmp_path), read(tmp_path)) == ([], [])
