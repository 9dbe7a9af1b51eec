"""Every row of the tables in from-other-tuners.md, tried with the tool that it comes from."""

from __future__ import annotations

import ast
import importlib
import inspect
import random
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import tomli_w
from packages import needs
from workshop import Workshop

import tuitune
from tuitune.core.pruning.registry import PRUNERS
from tuitune.core.spec import StudySpec
from tuitune.drafts.writing import draft
from tuitune.studyfile import load
from tuitune.trial.api import Trial

pytestmark = pytest.mark.timeout(300)  # ray and nni take seconds to import

PAGE = (Path(__file__).parents[2] / "docs" / "from-other-tuners.md").read_text(encoding="utf-8")
PACKAGES = {
    "Ray Tune": "ray",
    "Optuna": "optuna",
    "W&B sweeps": "yaml",
    "Syne Tune": "syne_tune",
    "NNI": "nni",
}
DRAWS = 1200
ALIKE = 0.08  # the largest distance of two distribution functions; of equal ones, 0.05 is rare
SMALLEST: dict[str, Any] = {
    "objective": {"metric": "val_loss", "mode": "min"},
    "trial": {"target": "train.py:train"},
    "space": {"lr": {"low": 0.001, "high": 1.0}},
}
SETTING = re.compile(r"\w+\.\w+ = ")


class Row(NamedTuple):
    """A row of a table: the code of another tool, and all code of its counterpart."""

    tool: str
    table: str  # the heading of its right column
    theirs: str
    ours: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.tool}: {self.theirs[:60]}"

    @property
    def value(self) -> Any:
        """The value of a parameter of [space]; None where the row is about something else."""
        try:
            value = tomllib.loads(f"x = {self.ours[0]}")["x"]
        except (tomllib.TOMLDecodeError, IndexError):
            return None
        return None if isinstance(value, dict) and "sample" in value else value


def rows() -> list[Row]:
    found = []
    for section in re.split(r"^## From ", PAGE, flags=re.MULTILINE)[1:]:
        tool, _, text = section.split("\n## ")[0].partition("\n")
        table = ""
        for line in text.splitlines():
            cells = re.fullmatch(r"\| (.*?) \| (.*) \|", line)
            if line.startswith("|---") or cells is None:
                continue
            theirs = re.match(r"`([^`]*)`", cells[1])
            if not re.search(r"^\|---", text.split(line)[1].lstrip("\n").split("\n")[0]):
                code = theirs[1] if theirs else ""
                found.append(Row(tool, table, code, tuple(re.findall(r"`([^`]*)`", cells[2]))))
            else:
                table = f"{cells[1]} -> {cells[2]}"
    return [row for row in found if row.theirs]


ROWS = rows()
SPACE = [row for row in ROWS if row.value is not None]
SETTINGS = [row for row in ROWS if any(map(SETTING.match, row.ours)) and row not in SPACE]
CODE = [row for row in ROWS if row.table.startswith("in the code")]


def test_every_row_is_of_a_known_kind():
    assert {row.tool for row in ROWS} == set(PACKAGES)
    assert min(len(SPACE), len(SETTINGS), len(CODE)) > 15
    others = {row.ours[0] for row in ROWS if row not in SPACE + SETTINGS + CODE and row.ours}
    words = {"[space.opt]", "constraints", "1 - x", "when", "runs/"}
    assert {one for one in others if not re.match(r"tuitune |\{ sample = ", one)} == words


def study_of(document: dict[str, Any], folder: Path) -> StudySpec:
    file = folder / "study.toml"
    merged = {name: SMALLEST.get(name, {}) | document.get(name, {}) for name in SMALLEST | document}
    if "command" in merged["trial"]:
        merged["trial"] = document["trial"]
    file.write_text(tomli_w.dumps(merged))
    return load(file, check_target=False)


def of(row: Row) -> None:
    needs(PACKAGES[row.tool])


# --- spaces --------------------------------------------------------------------------------------


def ray_draws(code: str) -> Sequence[Any]:
    from ray import tune

    domain = eval(code, {"tune": tune})
    if isinstance(domain, dict):  # a grid
        return domain["grid_search"] * (DRAWS // len(domain["grid_search"]))
    return domain.sample(size=DRAWS, random_state=np.random.default_rng(0))


def optuna_draws(code: str) -> Sequence[Any]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    return [eval(code, {"trial": study.ask()}) for _ in range(DRAWS)]


def wandb_draws(code: str) -> Sequence[Any]:
    needs("sweeps")
    import yaml
    from sweeps import next_run

    np.random.seed(0)  # noqa: NPY002 - sweeps draws from the global generator
    parameter = yaml.safe_load(code)
    sweep = {"method": "random", "parameters": {"x": parameter}}
    drawn = [next_run(sweep, []) for _ in range(DRAWS)]
    return [run.config["x"]["value"] for run in drawn if run is not None]


def syne_draws(code: str) -> Sequence[Any]:
    from syne_tune import config_space

    return eval(code, vars(config_space)).sample(size=DRAWS, random_state=np.random.RandomState(0))


def nni_draws(code: str) -> Sequence[Any]:
    from nni.algorithms.hpo.random_tuner import suggest
    from nni.common.hpo_utils import deformat_parameters, format_search_space

    space = format_search_space({"x": ast.literal_eval(code)})
    drawn = np.random.default_rng(0)
    return [deformat_parameters(suggest(drawn, space), space)["x"] for _ in range(DRAWS)]


DRAWN: dict[str, Callable[[str], Sequence[Any]]] = {
    "Ray Tune": ray_draws,
    "Optuna": optuna_draws,
    "W&B sweeps": wandb_draws,
    "Syne Tune": syne_draws,
    "NNI": nni_draws,
}


def our_draws(spec: StudySpec, name: str) -> list[Any]:
    drawn = random.Random(0)
    points = [spec.space.draw(drawn) for _ in range(DRAWS)]
    configurations = [spec.space.configuration(point) for point in points if point is not None]
    return [config[name] for config in configurations if name in config]


def assert_alike(theirs: Sequence[Any], ours: Sequence[Any]) -> None:
    """The same values about as often: two samples of some thousand."""
    theirs = [value.item() if hasattr(value, "item") else value for value in theirs]
    if not all(isinstance(value, int | float) for value in theirs):
        assert set(theirs) == set(ours)
        for value in set(theirs):
            share = Counter(theirs)[value] / len(theirs)
            assert abs(share - Counter(ours)[value] / len(ours)) < ALIKE
        return
    samples = [np.sort(np.round(sample, 9)) for sample in (theirs, ours)]
    assert (samples[0] % 1 == 0).all() == (samples[1] % 1 == 0).all()
    places = np.unique(np.concatenate(samples))
    below = [np.searchsorted(one, places, side="right") / len(one) for one in samples]
    assert np.abs(below[0] - below[1]).max() < ALIKE


@pytest.mark.parametrize("row", SPACE, ids=str)
def test_a_parameter_draws_the_same(row: Row, tmp_path: Path):
    of(row)
    spec = study_of({"space": {"x": row.value}}, tmp_path)
    assert_alike(DRAWN[row.tool](row.theirs), our_draws(spec, "x"))


# --- settings ------------------------------------------------------------------------------------


@cache
def names_of(tool: str) -> dict[str, Any]:
    """What the code of a tool's tables may name."""
    modules = {
        "Ray Tune": ("ray.tune", "ray.tune.schedulers", "ray.tune.search.basic_variant"),
        "Optuna": (),
        "Syne Tune": ("syne_tune", "syne_tune.optimizer.baselines", "syne_tune.backend"),
        "NNI": ("nni.experiment.config",),
    }[tool]
    names: dict[str, Any] = dict.fromkeys(("space", "train", "objective", "function", "checkpoint"))
    for module in modules:
        names |= vars(importlib.import_module(module))
    if tool == "Ray Tune":
        import ray
        from ray import tune
        from ray.tune.search.optuna import OptunaSearch

        names |= {"ray": ray, "tune": tune, "OptunaSearch": OptunaSearch}
    elif tool == "Optuna":
        import optuna

        names |= {"optuna": optuna, "study": optuna.create_study()}
        names["trial"] = names["study"].ask()
    elif tool == "NNI":
        import nni

        names["nni"] = nni
    return names


def bound(code: str, names: dict[str, Any]) -> None:
    """The called function is there, and takes these arguments; it is not called."""
    call = ast.parse(code, mode="eval").body
    if not isinstance(call, ast.Call):
        eval(code, names)
        return
    function = eval(ast.unparse(call.func), names)
    arguments = [eval(ast.unparse(one), names) for one in call.args]
    keywords = {one.arg: eval(ast.unparse(one.value), names) for one in call.keywords if one.arg}
    inspect.signature(function).bind_partial(*arguments, **keywords)


def rungs_of(spec: StudySpec) -> list[list[int]]:
    kind = PRUNERS[spec.pruning.method]
    return [list(steps) for steps in kind.make(spec.pruning, spec.objective.mode).plan.steps]


@pytest.mark.parametrize("row", SETTINGS, ids=str)
def test_a_setting_is_understood_on_both_sides(row: Row, tmp_path: Path):
    of(row)
    text = "\n".join(one for one in row.ours if SETTING.match(one))
    spec = study_of(tomllib.loads(text), tmp_path)
    if row.tool == "W&B sweeps":
        assert_drafted(row, spec, tmp_path)
        return
    names = names_of(row.tool)
    bound(row.theirs, names)
    if row.theirs.startswith("ExperimentConfig"):
        eval(row.theirs, names)  # it takes any keyword, and then refuses unknown ones
    if row.theirs.startswith("ASHA"):
        assert_same_rungs(eval(row.theirs, names | {"space": one_parameter(row.tool)}), spec)


def one_parameter(tool: str) -> dict[str, Any]:
    if tool == "Ray Tune":
        return {}
    from syne_tune.config_space import uniform

    return {"lr": uniform(0.0, 1.0)}


def assert_same_rungs(scheduler: Any, spec: StudySpec) -> None:
    brackets = getattr(scheduler, "_brackets", None) or scheduler.brackets
    rungs = [getattr(bracket, "_rungs", None) or bracket.rungs for bracket in brackets]
    steps = [sorted(step for step, _ in of_bracket) for of_bracket in rungs]
    below = [[step for step in one if step < spec.pruning.max] for one in steps]
    assert below == rungs_of(spec)


def assert_drafted(row: Row, ours: StudySpec, folder: Path) -> None:
    """The draft of a sweep with this line has what the right column says."""
    (folder / "train.py").write_text("import wandb\n")
    sweep = folder / "sweep.yaml"
    lines = ["parameters: {lr: {min: 0.0, max: 1.0}}", "program: train.py", row.theirs]
    if "metric" not in row.theirs:
        lines.append("metric: {name: val_loss, goal: minimize}")
    sweep.write_text("\n".join(lines))
    text = draft(sweep)
    (folder / "drafted.toml").write_text(text)
    drafted = tomllib.loads(text)
    for one in row.ours:
        if SETTING.match(one):
            (table, keys), *_ = tomllib.loads(one).items()
            for key, value in keys.items():
                default = {"reduction": 3, "method": "bayes"}.get(key)
                assert drafted.get(table, {}).get(key, default) == value, text
    assert load(folder / "drafted.toml", check_target=False).objective == ours.objective


# --- code ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", CODE, ids=str)
def test_code_names_what_is_there(row: Row):
    for code in row.ours:
        for owner, name in re.findall(r"\b(trial|tuitune)\.(\w+)", code):
            assert hasattr(Trial if owner == "trial" else tuitune, name), code
    of(row)
    if row.tool == "W&B sweeps":
        import wandb

        assert hasattr(wandb, row.theirs.removeprefix("wandb."))
    elif row.theirs.startswith("raise "):
        eval(row.theirs.removeprefix("raise "), names_of(row.tool))
    elif "best_trial" in row.theirs:
        assert hasattr(type(names_of(row.tool)["study"]), "best_trial")
    elif "get_context()" in row.theirs:
        assert hasattr(names_of(row.tool)["TuneContext"], row.theirs.split(".")[-1].strip("()"))
    else:
        bound(row.theirs, names_of(row.tool))


def test_what_has_no_counterpart_is_there_elsewhere():
    needs("ray", "syne_tune")
    from ray.tune.schedulers import PopulationBasedTraining, ResourceChangingScheduler
    from syne_tune.optimizer.schedulers import multiobjective, pbt

    assert PopulationBasedTraining.__name__ in PAGE
    assert ResourceChangingScheduler.__name__ in PAGE
    assert pbt.PopulationBasedTraining
    assert multiobjective.MultiObjectiveRegularizedEvolution.__name__ in PAGE


# --- the study side by side ----------------------------------------------------------------------

MODEL = "def train_one_epoch(config, epoch):\n    return config['lr'] * config['layers'] / epoch\n"


def block(heading: str, language: str) -> str:
    section = PAGE.split(f"\n### {heading}\n")[1].split("\n## ")[0].split("\n### ")[0]
    (found,) = re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)
    return str(found)


@pytest.fixture
def ours(workshop: Workshop) -> StudySpec:
    workshop.write("model.py", MODEL)
    workshop.write("train.py", block("tuitune", "python"))
    return load(workshop.write("study.toml", block("tuitune", "toml")))


def test_the_study_runs(workshop: Workshop, ours: StudySpec):
    done = workshop.run("study.toml", "--no-ui", "--set", "search.trials=4")
    assert done.returncode == 0, done.stderr
    assert {trial["state"] for trial in workshop.trials()} == {"COMPLETE", "PRUNED"}


def assert_same_space(drafted: StudySpec, ours: StudySpec, theirs: dict[str, list[Any]]) -> None:
    """The draft's space is that of the page, and both draw what the other tool draws."""
    assert {one.name for one in drafted.space.parameters} == set(theirs)
    for name, values in theirs.items():
        assert_alike(values, our_draws(drafted, name))
        assert_alike(values, our_draws(ours, name))


@pytest.mark.usefixtures("python_of_the_tests")
def test_the_objective_runs_in_optuna_and_as_it_was_drafted(workshop: Workshop, ours: StudySpec):
    needs("optuna")
    script = workshop.write("objective.py", block("Optuna", "python"))
    few = workshop.write("few.py", script.read_text().replace("n_trials=50", "n_trials=3"))
    done = workshop.call([sys.executable, str(few)])
    assert done.returncode == 0, done.stderr
    assert "layers" in done.stdout
    drafted = load(workshop.write("objective.toml", draft(script)))
    assert drafted.search.trials == ours.search.trials == 50
    theirs = {
        name: list(optuna_draws(code))
        for name, code in (
            ("lr", 'trial.suggest_float("lr", 1e-4, 1e-1, log=True)'),
            ("layers", 'trial.suggest_categorical("layers", [2, 4, 8])'),
        )
    }
    assert_same_space(drafted, ours, theirs)
    done = workshop.run("objective.toml", "--no-ui", "--set", "search.trials=3")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.usefixtures("python_of_the_tests")
def test_the_sweep_runs_as_it_was_drafted(workshop: Workshop, ours: StudySpec):
    needs("wandb", "yaml")
    workshop.write("train.py", block("A sweep of W&B", "python"))
    sweep = workshop.write("sweep.yaml", block("A sweep of W&B", "yaml"))
    drafted = load(workshop.write("sweep.toml", draft(sweep)))
    assert drafted.objective == ours.objective
    assert drafted.search.trials == ours.search.trials
    done = workshop.run("sweep.toml", "--no-ui", "--set", "search.trials=2", timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    needs("sweeps")
    import yaml

    parameters = yaml.safe_load(sweep.read_text())["parameters"]
    theirs = {name: list(wandb_draws(str(value))) for name, value in parameters.items()}
    assert_same_space(drafted, ours, theirs)


def test_the_tuner_of_ray_is_made(workshop: Workshop, ours: StudySpec):
    needs("ray")
    workshop.write("tuner.py", block("Ray Tune", "python"))
    text = "import runpy; print(type(runpy.run_path('tuner.py', run_name='x')['tune'].Tuner))"
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=workshop.path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
