"""The study files of the page about scripts tune such scripts, unchanged."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

from workshop import Workshop

PAGE = (Path(__file__).parents[2] / "docs" / "scripts.md").read_text()
FILES = dict(re.findall(r"<!-- (\S+) -->\n```toml\n(.*?)```", PAGE, re.DOTALL))


def run(workshop: Workshop, script: str) -> tuple[str, list[dict]]:
    """The study of this script as the page has it, with fewer trials: its output, its trials."""
    shutil.copy(Path(__file__).with_name("scripts") / script, workshop.path / script)
    file = workshop.write("study.toml", FILES[script])
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**workshop.environment, "PATH": path}
    short = ["--set", "search.trials=9", "--set", "trial.cpus=0.5"]
    for call in (["check", file], [file, "--no-ui", *short]):
        done = workshop.run(*call, env=environment)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "warning" not in done.stdout + done.stderr
    return done.stdout, workshop.trials()


def test_no_study_file_of_the_page_is_left_out():
    assert PAGE.count("```toml") == len(FILES) == 2


def test_a_script_that_can_not_continue_is_stopped_at_its_rungs(workshop: Workshop):
    output, trials = run(workshop, "main.py")
    assert "pruning style: stop" in output
    assert {trial["state"] for trial in trials} == {"COMPLETE", "PRUNED"}
    assert all(trial["value"] > 1000 for trial in trials)
    assert {trial["step"] for trial in trials if trial["state"] == "COMPLETE"} == {9}


def test_a_script_that_saves_is_promoted_from_there(workshop: Workshop):
    workshop.write("config/train_shakespeare_char.py", "eval_interval = 250\n")
    output, trials = run(workshop, "train.py")
    assert "pruning style: promote" in output
    assert {trial["state"] for trial in trials} == {"COMPLETE", "PRUNED"}
    logs = [(workshop.folder() / f"trials/{n:04d}/output.log").read_text() for n in range(9)]
    went_on = [log for log in logs if "Resuming training" in log]
    assert went_on
    for log in went_on:
        before, _, after = log.partition("Resuming training")
        steps = [int(step) for step in re.findall(r"step (\d+): train", before)]
        assert int(re.findall(r"step (\d+): train", after)[0]) in steps[-2:]
