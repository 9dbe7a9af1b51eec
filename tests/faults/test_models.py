"""A study whose configurations come from a model, as real processes, and the model's death."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from workshop import Workshop, wait_until

from tuitune.core.search.start import START
from tuitune.ipc.process_tree import tagged

TRAIN = """
import time

def train(trial):
    x = trial.config["x"]
    for epoch in range(9):
        time.sleep(0.02)
        trial.report(epoch=epoch + 1, loss=(x - 0.3) ** 2 + 1 / (epoch + 1))
"""


def study(
    workshop: Workshop, method: str, trials: int, more: str = "", name: str = "study"
) -> Path:
    file = workshop.study(TRAIN, more, trials=trials, name=name)
    file.write_text(file.read_text().replace('method = "random"', f'method = "{method}"'))
    return file


def models(workshop: Workshop) -> list[int]:
    """The processes of models that are there."""
    found = []
    for pid in tagged(str(workshop.folder())):
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if b"tuitune.model_process" in line:
            found.append(pid)
    return found


def modelled(workshop: Workshop) -> int:
    return sum(trial["origin"] in ("bayes", "tpe") for trial in workshop.trials())


@pytest.mark.parametrize("method", ["bayes", "tpe"])
def test_a_study_with_a_model_ends_and_leaves_nothing_behind(workshop: Workshop, method: str):
    more = '[pruning]\nmethod = "asha"\nresource = "epoch"\nmax = 9\n'
    done = workshop.run(study(workshop, method, 16, more), "--no-ui")
    assert done.returncode == 0, done.stdout + done.stderr
    origins = [trial["origin"] for trial in workshop.trials()]
    assert origins[:START] == ["sobol start"] * START
    assert set(origins[START:]) <= {method, "exploration", "sobol start"}
    assert method in origins
    assert not workshop.left_over()
    why = workshop.run("show", "study", "--why", origins.index(method)).stdout
    assert "proposed: " in why


def test_a_study_shorter_than_its_start_needs_no_model(workshop: Workshop):
    assert workshop.run(study(workshop, "bayes", START), "--no-ui").returncode == 0
    log = workshop.folder() / "engine.log"
    assert {trial["origin"] for trial in workshop.trials()} == {"sobol start"}
    assert not log.read_text()


def test_a_model_that_is_killed_is_started_again_and_then_done_without(workshop: Workshop):
    """36 trials of 0.2 s, two at once: both deaths come well before the last of them is asked."""
    engine = workshop.start(study(workshop, "tpe", 36), "--no-ui", "--json")
    begun = workshop.folder() / "study.toml"  # the last thing that a study needs to be one
    wait_until(lambda: begun.exists() and modelled(workshop), "a proposal of the model")
    for _ in range(2):
        (pid,) = wait_until(lambda: models(workshop), "a model's process")
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda pid=pid: pid not in models(workshop), "its end")
    engine.communicate(timeout=60)
    assert engine.returncode == 0
    trials = workshop.trials()
    assert [trial["state"] for trial in trials] == ["COMPLETE"] * 36
    fallen = [trial for trial in trials if trial["origin"] == "fallback"]
    assert fallen[-1] == trials[-1]
    assert "the model's process ended twice (SIGKILL)" in fallen[0]["why"]
    assert not workshop.left_over()


def test_a_killed_engine_takes_its_model_along_and_the_study_goes_on(workshop: Workshop):
    file = study(workshop, "bayes", 16)
    engine = workshop.start(file, "--no-ui")
    begun = workshop.folder() / "study.toml"  # the last thing that a study needs to be one
    wait_until(lambda: begun.exists() and models(workshop), "a model")
    wait_until(lambda: len(workshop.trials()) > START + 2, "proposals of the model")
    engine.kill()
    engine.wait()
    before = workshop.trials()
    wait_until(lambda: not models(workshop), "the end of the model")
    assert workshop.run(file, "--no-ui").returncode == 0
    after = workshop.trials()
    assert len(after) == 16
    for then, now in zip(before, after, strict=False):
        assert (then["config"], then["why"]) == (now["config"], now["why"])
    assert not workshop.left_over()
