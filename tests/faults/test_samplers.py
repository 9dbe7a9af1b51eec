"""A study's own sampler that fails: its trial fails in words, and nothing that reads the study breaks."""

from __future__ import annotations

import csv
import io
import json

import pytest
from workshop import Workshop, wait_until

CODE = """
import os, time

def train(trial):
    trial.report(loss=trial.config["x"] + trial.config["width"])

def width(random, config):
    {body}
"""
SPACE = """
[space.width]
sample = "study_train.py:width"
"""
RUBBISH = {
    "raises": ("raise KeyError('depth')", "KeyError: 'depth'"),
    "None": ("return None", "returned None"),
    "None within": ("return [1, None]", "returned None"),
    "long whole number": ("return 10 ** 30", "a whole number of more than 64 bits"),
    "half a pair": ("return 'a\\ud800'", "half of a surrogate pair"),
    "half a pair as a key": ("return {'\\udc00': 1}", "half of a surrogate pair"),
    "NaN": ("return float('nan')", "returned NaN"),
    "object": ("return object()", "a value of type object"),
    "deep": ("value = []\n    for _ in range(900): value = [value]\n    return value", "nested"),
    "bottomless": ("value = []\n    value.append(value)\n    return value", "value of type list"),
    "long": ("return 'x' * 200_000", "200,002 characters"),
    "bytes": ("return b'x'", "a value of type bytes"),
    "dies": ("os._exit(3)", "exit status 3"),
}


def write(workshop: Workshop, body: str, trials: int = 20):
    file = workshop.study(CODE.replace("{body}", body), trials=trials)
    file.write_text(file.read_text() + SPACE)
    return file


@pytest.mark.parametrize("how", RUBBISH)
def test_a_sampler_that_always_fails_halts_the_study_in_words(workshop: Workshop, how: str):
    body, words = RUBBISH[how]
    done = workshop.run(write(workshop, body), "--no-ui")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "a parameter can't be sampled: width (study_train.py:width): " in done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert [trial["state"] for trial in workshop.trials()] == ["FAILED"] * 3
    assert words in workshop.trials()[0]["error"]


def test_one_failure_costs_one_trial_and_nothing_that_reads_it_breaks(workshop: Workshop):
    body = "return 1 if os.path.exists('failed') else open('failed', 'w').fail"
    file = write(workshop, body, trials=8)
    assert workshop.run("check", file).returncode == 0
    done = workshop.run(file, "--no-ui")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "#0  failed" in done.stdout
    assert "7 complete" in done.stdout
    first, second = workshop.trials()[:2]
    assert (first["state"], first["config"], first["attempts"]) == (
        "FAILED",
        {"x": first["config"]["x"]},
        0,
    )
    assert second["config"]["width"] == 1
    for words in (("show", "study"), ("show", "study", "--why", 0), ("ls",), ("simulate", "study")):
        shown = workshop.run(*words)
        assert (shown.returncode, shown.stderr) == (0, ""), words
    rows = list(csv.DictReader(io.StringIO(workshop.run("export", "study").stdout)))
    assert len(rows) == 8
    assert [row["width"] for row in rows[:2]] == ["", "1"]
    assert len(json.loads(workshop.run("export", "study", "--to", "json").stdout)) == 8
    again = workshop.run(file, "--no-ui", "--trials", 10)
    assert again.returncode == 0, again.stdout + again.stderr


@pytest.mark.parametrize("method", ["bayes", "tpe"])
def test_a_model_goes_on_beside_it(workshop: Workshop, method: str):
    body = "return 1 if os.path.exists('failed') else open('failed', 'w').fail"
    file = write(workshop, body, trials=14)
    done = workshop.run(file, "--no-ui", "--set", f"search.method={method}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "without a model" not in json.dumps(workshop.trials())
    assert "13 complete" in done.stdout


def test_one_that_never_returns(workshop: Workshop):
    workshop.waits = 0.1
    done = workshop.run(write(workshop, "time.sleep(1000)"), "--no-ui")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "width (study_train.py:width): no value after 1 s" in done.stderr
    waiting = "still waiting for the value of a sampled parameter: width by study_train.py:width"
    assert done.stdout.count(waiting) == 1
    assert workshop.left_over() == []


def test_a_hand_is_answered_in_words(workshop: Workshop):
    body = "return 1 if config['x'] != 0.5 else None"
    file = write(workshop, body, trials=2)
    file.write_text(file.read_text().replace("trials = 2", "trials = 1"))
    code = (workshop.path / "study_train.py").read_text()
    hold = "while not os.path.exists('go'): time.sleep(0.01)\n    trial.report"
    (workshop.path / "study_train.py").write_text(code.replace("trial.report", hold))
    engine = workshop.start(file, "--no-ui")
    wait_until((workshop.folder() / "trials/0000/output.log").exists, "trial 0")
    added = workshop.run("add", "study", "x=0.5")
    assert added.returncode == 2
    assert "width (study_train.py:width): returned None" in added.stderr
    assert workshop.run("add", "study", "x=0.25").returncode == 0
    (workshop.path / "go").touch()
    assert engine.wait(60) == 0
    assert [t["state"] for t in workshop.trials()] == ["COMPLETE"] * 2


def test_what_was_never_whole_is_not_taken_up_again(workshop: Workshop):
    body = "return 1 if os.path.exists('failed') else open('failed', 'w').fail"
    file = write(workshop, body, trials=2)
    code = (workshop.path / "study_train.py").read_text()
    hold = "while not os.path.exists('go'): time.sleep(0.01)\n    trial.report"
    (workshop.path / "study_train.py").write_text(code.replace("trial.report", hold))
    engine = workshop.start(file, "--no-ui")
    wait_until((workshop.folder() / "trials/0001/output.log").exists, "trial 1")
    refused = workshop.run("retry", "study", 0)
    assert refused.returncode == 2
    assert "#0 lacks a sampled parameter: `tuitune add" in refused.stderr
    assert workshop.run("add", "study", "--like", 0).returncode == 0
    (workshop.path / "go").touch()
    assert engine.wait(60) == 0
    assert [t["state"] for t in workshop.trials()] == ["FAILED", "COMPLETE", "COMPLETE"]
