"""The machine's clock is set while a study runs: nothing is due sooner or later than it was."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from workshop import Workshop, wait_until

from tuitune.control import request, socket_path
from tuitune.control.requests import Kill
from tuitune.engine.monitors import ClockSteps

SOURCE = Path(__file__).parents[1] / "clock_shim.c"
# its next report, at which it would hear that it is killed, never comes
CODE = """
import time

def train(trial):
    trial.report(loss=trial.config["x"])
    time.sleep(3600)
"""


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    library = tmp_path_factory.mktemp("clock") / "clock.so"
    command = ["gcc", "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"]
    subprocess.run(command, check=True)
    return library


def test_less_than_a_second_is_no_step_and_a_step_is_told_once():
    wall, steady = [1000.0], [5.0]
    steps = ClockSteps(lambda: wall[0], lambda: steady[0])
    wall[0], steady[0] = 1010.3, 15.0
    assert steps() == 0.0
    wall[0] -= 3600.0
    assert steps() == pytest.approx(-3599.7)
    assert steps() == 0.0


@pytest.mark.parametrize("by", [-3600, 3600])
def test_a_kill_goes_its_way_while_the_clock_is_set(workshop: Workshop, shim: Path, by: int):
    clock = workshop.write("clock", "0")
    environment = {**workshop.environment, "LD_PRELOAD": str(shim), "CLOCK_SHIM": str(clock)}
    engine = workshop.start(workshop.study(CODE, trials=1), "--no-ui", env=environment)
    wait_until((workshop.path / "runs" / "study" / "study.toml").exists, "the study")
    wait_until(lambda: any(t["value"] for t in workshop.trials()), "the trial's report")
    aside = workshop.write("clock.new", str(by))
    assert request(socket_path(workshop.folder(), "control"), Kill((0,)), timeout=20)["done"] == [0]
    aside.replace(clock)
    wait_until(lambda: workshop.trials()[0]["state"] == "KILLED", "the end of the trial")
    (trial,) = workshop.trials()
    assert 0 <= trial["ended"] - trial["started"] < 60
    output, _ = engine.communicate(timeout=60)
    assert f"the clock was set {'back' if by < 0 else 'forward'} by 1h00m" in output
    assert "can't be shown" not in output
