"""The log of a trial on another node: the engine is asked to fetch what is shown."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from workshop import wait_until

from tuitune.control import requests
from tuitune.store.rows import TrialRow
from tuitune.ui import services


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Any:
    rows = {
        0: TrialRow(0, "RUNNING", {}, pid=7, node="gpu-07"),
        1: TrialRow(1, "RUNNING", {}, pid=8),
        2: TrialRow(2, "COMPLETE", {}, node="gpu-07"),
    }
    asked: list[requests.Request] = []
    monkeypatch.setattr(services, "asked", lambda _, message: asked.append(message) or {})
    app = SimpleNamespace(snapshot=SimpleNamespace(folder=Path("/s"), row=rows.get))
    found = services.Services(None, app, None, None, None)
    yield SimpleNamespace(follow=found.follow_log, asked=asked)
    found.close()


def test_what_a_live_trial_prints_elsewhere_is_asked_for_once_a_second(made: Any):
    made.follow(0)
    made.follow(0)
    wait_until(lambda: made.asked)
    assert made.asked == [requests.FollowLog(0)]


@pytest.mark.parametrize("trial", [1, 2, 3, None])
def test_nothing_is_asked_for_a_trial_of_this_machine_or_one_that_has_ended(made: Any, trial: Any):
    made.follow(trial)
    made.follow(0)
    wait_until(lambda: made.asked)
    assert made.asked == [requests.FollowLog(0)]
