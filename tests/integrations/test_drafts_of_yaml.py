"""Sweeps of Weights & Biases and configurations of hydra, read by the real PyYAML."""

from __future__ import annotations

import tomllib

import pytest
from packages import needs

from tuitune.drafts.script import DraftError
from tuitune.drafts.writing import draft
from tuitune.studyfile import load

needs("yaml")

SWEEP = """
program: train.py
method: random
run_cap: 7
metric: {name: val_loss, goal: minimize, target: 0.1}
early_terminate: {type: hyperband, max_iter: 27, s: 2, eta: 3}
parameters:
  lr: {distribution: log_uniform_values, min: 0.0001, max: 0.1}
  old: {distribution: log_uniform, min: -2, max: 0}
  layers: {min: 1, max: 4}
  width: {distribution: q_uniform, min: 8, max: 64, q: 8}
  rate: {min: 0.0, max: 1.0}
  drop: {distribution: normal, mu: 0.3, sigma: 0.1}
  scale: {distribution: q_log_normal, mu: 0, sigma: 1, q: 2}
  optimizer: {values: [adam, sgd, lion], probabilities: [0.7, 0.3, 0]}
  nesterov: {values: [true, false]}
  epochs: {value: 3}
  model: {parameters: {depth: {values: [1, 2]}}}
"""
LOGS = "import wandb\nrun = wandb.init()\nrun.log({'val_loss': run.config.lr})\n"
READS = (
    "import argparse\nargparse.ArgumentParser().add_argument('--lr')\nprint(f'val_loss: {x:.3f}')\n"
)


@pytest.fixture
def sweep(tmp_path):
    def write(text, program):
        (tmp_path / "train.py").write_text(program)
        (tmp_path / "sweep.yaml").write_text(text)
        (tmp_path / "sweep.toml").write_text(draft(tmp_path / "sweep.yaml"))
        return load(tmp_path / "sweep.toml")

    return write


def test_a_sweep_is_mapped_whole(sweep, tmp_path):
    spec = sweep(SWEEP, LOGS)
    assert spec.trial.command == ("python", "-m", "tuitune.integrations.wandb", "train.py")
    document = tomllib.loads((tmp_path / "sweep.toml").read_text())
    assert document["space"] == {
        "lr": {"low": 0.0001, "high": 0.1, "log": True},
        "old": {"low": 0.135335, "high": 1.0, "log": True},
        "layers": {"low": 1, "high": 4},
        "width": {"low": 8, "high": 64, "step": 8},
        "rate": {"low": 0.0, "high": 1.0},
        "drop": {"normal": [0.3, 0.1]},
        "scale": {"lognormal": [0, 1], "step": 2},
        "optimizer": {"choices": ["adam", "sgd"], "weights": [0.7, 0.3]},
        "nesterov": [True, False],
        "epochs": {"value": 3},
        "model.depth": [1, 2],
    }
    assert document["search"] == {"method": "random", "trials": 7}
    assert document["pruning"] == {"method": "asha", "min": 3, "max": 27, "reduction": 3}
    assert document["limits"] == {"target": 0.1}


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (
            "['${env}', '${interpreter}', '${program}', '${args}']",
            ("--lr={lr}", "--flag={flag!py}"),
        ),
        ("[python, '${program}', fit, '${args_no_hyphens}']", ("fit", "lr={lr}", "flag={flag!py}")),
        ("[python, '${program}', '${args_no_boolean_flags}']", ("--lr={lr}", ("--flag{flag!if}",))),
        ("[python, '${program}', -c, '${args_json_file}']", ("-c", "{trial.config}")),
    ],
)
def test_the_command_of_a_program_that_reads_a_command_line(sweep, command, words):
    parameters = "parameters: {lr: {values: [1, 2]}, flag: {values: [true, false]}}"
    spec = sweep(
        f"program: train.py\ncommand: {command}\nmetric: {{name: val_loss}}\n{parameters}", READS
    )
    assert spec.trial.command == ("python", "train.py", *words)


def test_numbers_and_words_as_people_write_them(tmp_path):
    (tmp_path / "train.py").write_text(READS)
    (tmp_path / "sweep.yaml").write_text(
        "program: train.py\ncommand: python ${program} ${args}\nmetric: {name: val_loss}\n"
        "early_terminate: {type: hyperband, min_iter: '3', eta: x}\n"
        "parameters: {lr: {min: 1e-5, max: 1e-1}, wd: {values: [1e-3, 0]}}"
    )
    document = tomllib.loads(draft(tmp_path / "sweep.yaml"))
    assert document["space"] == {"lr": {"low": 1e-5, "high": 0.1}, "wd": [0.001, 0]}
    assert document["trial"]["command"] == ["python", "train.py", "--lr={lr}", "--wd={wd}"]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ("{x: {value: {a b: 1}}}", "has a value that TOML can't express"),
        ("&a {x: {parameters: *a}}", "nested too deeply"),
    ],
)
def test_values_that_no_study_file_can_have(tmp_path, parameters, message):
    (tmp_path / "sweep.yaml").write_text(f"program: train.py\nparameters: {parameters}")
    with pytest.raises(DraftError, match=message):
        draft(tmp_path / "sweep.yaml")


def test_what_a_sweep_leaves_out_is_filled_in_or_guessed(sweep, tmp_path):
    spec = sweep("program: train.py\nmethod: grid\nparameters: {lr: {values: [0.1]}}", LOGS)
    assert (spec.objective.metric, spec.search.method) == ("val_loss", "grid")
    assert "# a guess: the sweep names no metric" in (tmp_path / "sweep.toml").read_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", "line 1: "),
        ("parameters: 3", "is not a W&B sweep: it has no parameters"),
        ("- 1", "is not a W&B sweep"),
    ],
)
def test_files_that_are_no_sweeps(tmp_path, text, message):
    (tmp_path / "sweep.yaml").write_text(text)
    with pytest.raises(DraftError) as caught:
        draft(tmp_path / "sweep.yaml")
    assert message in str(caught.value)


def test_hydra_reads_the_files_that_the_defaults_name(tmp_path):
    (tmp_path / "conf" / "optimizer").mkdir(parents=True)
    (tmp_path / "train.py").write_text(
        "import hydra\n@hydra.main(version_base=None, config_path='conf', config_name='config')\n"
        "def main(cfg):\n    print(f'val loss: {x:.3f}')\n"
    )
    (tmp_path / "conf" / "config.yaml").write_text(
        "defaults:\n  - optimizer: adam\n  - override hydra/job_logging: none\n  - _self_\n"
        "batch_size: 64\ntotal: ${batch_size}\nmodel: {dropout: 0.1, lr: 0.5}\ndata: ???\n"
    )
    (tmp_path / "conf" / "optimizer" / "adam.yaml").write_text("lr: 1e-3\nweight_decay: 0.0\n")
    (tmp_path / "train.toml").write_text(draft(tmp_path / "train.py", ["data=digits"]))
    assert load(tmp_path / "train.toml").trial.command[2:] == (
        "data=digits",
        "optimizer.lr={optimizer_lr}",
        "optimizer.weight_decay={weight_decay}",
        "batch_size={batch_size}",
        "model.dropout={dropout}",
        "model.lr={model_lr}",
        "hydra.run.dir={trial.folder}",
    )
