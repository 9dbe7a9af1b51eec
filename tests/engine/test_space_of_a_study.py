"""A study whose space has nested tables and constraints, from its file to its export, and on from there."""

from __future__ import annotations

import csv
import io
import json

from workshop import Workshop

CODE = """
def train(trial):
    opt = trial.config["opt"]
    opt["lr"] += 1  # a copy: it changes nothing
    assert set(opt) == {"name", "lr", "decay"} and "opt.lr" not in trial.config
    trial.report(loss=trial.config["opt"]["lr"] + trial.config["x"] + len(opt["name"]))

def decay(random, config):
    assert set(config["opt"]) == {"name", "lr"}
    return config["opt"]["lr"] / 2
"""
SPACE = """
[space.opt]
name = ["sgd", "adam"]
lr = { low = 1e-4, high = 1.0, log = true }
decay = { sample = "study_train.py:decay" }
"""


def test_tables_reach_the_trial_and_constraints_may_change(workshop: Workshop):
    file = workshop.study(CODE, SPACE, trials=3)
    file.write_text(file.read_text().replace("[space]", '[space]\nconstraints = ["opt.lr <= x"]'))
    done = workshop.run(file, "--no-ui")
    assert done.returncode == 0, done.stdout + done.stderr
    narrower = "--set", 'space.constraints=["opt.lr <= 0.01 * x", "opt.name == \'adam\'"]'
    done = workshop.run(file, "--no-ui", "--trials", 6, *narrower)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (
        'constraints: was ["opt.lr <= x"], is ["opt.lr <= 0.01 * x", ' in done.stdout + done.stderr
    )

    trials = workshop.trials()
    assert [trial["state"] for trial in trials] == ["COMPLETE"] * 6
    configs = [trial["config"] for trial in trials]
    assert all(c["opt.decay"] == c["opt.lr"] / 2 and c["opt.lr"] <= c["x"] for c in configs)
    assert all(c["opt.lr"] <= 0.01 * c["x"] and c["opt.name"] == "adam" for c in configs[3:])
    kept = json.loads((workshop.folder() / "trials" / "0004" / "config.json").read_text())
    first = configs[4]
    names = ["name", "lr", "decay"]
    assert kept == {"x": first["x"], "opt": {name: first[f"opt.{name}"] for name in names}}
    rows = list(csv.DictReader(io.StringIO(workshop.run("export", "study").stdout)))
    assert float(rows[4]["opt.lr"]) == first["opt.lr"]
