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
        'trial.leave_within="2m"',
        'trial.env={A="b"}',
        'limits.time="1h"',
        "limits.target=0.5",
        "devices.max_gpus=2",
        'devices.hours={ "22-08" = 8 }',
        'devices.yield_to=["anna"]',
        'notify.command=["mail", "anna"]',
        'log.to=["optuna"]',
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


def test_changes_are_told_as_a_study_file_says_it(tmp_path):
    likely = "space.y={low=1, high=8, likely=2}"
    overrides = ("space.x=[0.5, 1]", likely, "limits.target=0.5", "trial.memory=8GB")
    overrides += ('devices.hours={ "22-08:30" = 8, "12-13" = 1 }',)
    taken, refused = changes(read(tmp_path), read(tmp_path, *overrides))
    assert [str(change) for change in (*taken, *refused)] == [
        "[trial] memory: was not set, is 8 GB",
        "[limits] target: was not set, is 0.5",
        "[devices] hours: was not set, is 22:00-08:30: 8 GPUs, 12:00-13:00: 1 GPU",
        "[space] x: was 0.0 to 1.0, is one of 0.5, 1 (ordered)",
        "[space] y: was absent, is 1 to 8, whole, likely 2",
    ]
