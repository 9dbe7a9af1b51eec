"""Scripts that take no arguments and objectives of Optuna: drafted and run as they are."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from workshop import Workshop

from tuitune.integrations import constants

pytestmark = pytest.mark.usefixtures("python_of_the_tests")

CONSTANTS = """
import pickle
import sys
LR = 0.01
HALF = LR / 2
class Model: pass
assert sys.argv == ["train.py"], sys.argv
pickle.dumps(Model())
if __name__ == "__main__":
    print(f"val loss: {HALF:.6f}")
"""
OBJECTIVE = """
import optuna
def objective(trial):
    lr = trial.suggest_float("lr", 0.001, 0.1, log=True)
    kind = trial.suggest_categorical("kind", ["a", "b"])
    for step in range(2):
        trial.report(lr, step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return lr if kind == "a" else 2 * lr
if __name__ == "__main__":
    optuna.create_study().optimize(objective, n_trials=2)
"""


def run(workshop: Workshop) -> list[dict]:
    drafted = workshop.run("init", "train.py")
    assert drafted.returncode == 0, drafted.stderr
    done = workshop.run("train.toml", "--no-ui", "--trials", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    return workshop.trials("train")


def test_constants_at_the_top_of_a_script(workshop: Workshop):
    script = workshop.write("train.py", CONSTANTS)
    for trial in run(workshop):
        assert trial["value"] == pytest.approx(trial["config"]["LR"] / 2, abs=1e-6)
    assert "LR = 0.01" in script.read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train.py", "RATE=1"], "train.py has no constant RATE at its top"),
        (["train.py", "RATE"], "RATE is not of the form NAME=VALUE"),
        (["gone.py"], "gone.py can't be read"),
        ([], "usage: "),
    ],
)
def test_what_the_runner_of_constants_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(CONSTANTS)
    monkeypatch.setattr(sys, "argv", ["constants", *words])
    with pytest.raises(SystemExit) as caught:
        constants.main()
    assert message in str(caught.value)


def test_an_objective_of_optuna(workshop: Workshop):
    workshop.write("optuna.py", "class TrialPruned(Exception): pass\n")  # it is only imported
    workshop.write("train.py", OBJECTIVE)
    for trial in run(workshop):
        lr, kind = trial["config"]["lr"], trial["config"]["kind"]
        assert trial["value"] == pytest.approx(lr if kind == "a" else 2 * lr)
