"""Every example of the page about Python runs, with a study named digits there."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest
from workshop import Workshop

PAGE = (Path(__file__).parents[2] / "docs" / "from-python.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
CODE = """
def train(trial):
    for epoch in range(1, trial.max_resource + 1):
        trial.report(epoch=epoch, loss=trial.config["x"] / epoch)
"""
PRUNING = '\n[pruning]\nresource = "epoch"\nmax = 2\n'


def name_of(code: str) -> str:
    return "-".join(re.findall(r"^## (.*)$", PAGE.partition(code)[0], re.MULTILINE)[-1].split())


@pytest.mark.parametrize("code", PYTHON, ids=name_of)
def test_an_example_runs(workshop: Workshop, code: str):
    if "to_pandas" in code and importlib.util.find_spec("pandas") is None:
        pytest.skip("not installed: pandas")
    if "digits" in code:  # of a study that is there
        done = workshop.run(workshop.study(CODE, PRUNING, name="digits"), "--no-ui")
        assert done.returncode == 0, done.stderr
    done = workshop.call([sys.executable, str(workshop.write("example.py", code))])
    assert done.returncode == 0, done.stderr
    if "debug" in code:
        assert done.stdout.count("report ") == 3 + 2
    else:
        assert done.stdout


def test_a_script_takes_the_configuration_that_the_variable_names(workshop: Workshop):
    workshop.write(
        "train.py",
        "import tuitune\ntrial = tuitune.current(config={'x': 1})\nprint(trial.config, trial.max_resource)",
    )
    (command,) = re.findall(r"```sh\n(TUITUNE_CONFIG=\S+) python -m pdb train.py\n```", PAGE)
    path = command.partition("=")[2]
    environment = {**workshop.environment, "TUITUNE_CONFIG": path}
    script = [sys.executable, "train.py"]
    assert (
        f"{path}: the configuration can't be read" in workshop.call(script, env=environment).stderr
    )
    for text, words in (("[1]", "is an object, {...}, not list"), ("{", "is not JSON")):
        workshop.write(path, text)
        assert words in workshop.call(script, env=environment).stderr
    workshop.write(path, '{"x": 0.25}')
    assert workshop.call(script, env=environment).stdout == "{'x': 0.25} 1\n"
    workshop.write("runs/digits/study.toml", "[pruning]\nmax = 81\n")
    assert workshop.call(script, env=environment).stdout == "{'x': 0.25} 81\n"
