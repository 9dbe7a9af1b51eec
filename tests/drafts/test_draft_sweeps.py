"""Sweeps of Weights & Biases as they are read, without their YAML file: any of them drafts."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from tuitune.drafts.option import Option
from tuitune.drafts.readers.sweeps import program_of, read_sweep
from tuitune.drafts.script import read_script
from tuitune.studyfile.problems import Problems
from tuitune.studyfile.space import read_space


def read(parameters: dict[str, Any], **sweep: Any):
    return read_sweep(
        {"program": "train.py", "parameters": parameters, **sweep}, None, takes_arguments=True
    )


def domain(entry: Any) -> Any:
    """A parameter's domain in the draft, as TOML reads it, and what is noted."""
    reading = read({"x": entry})
    (option,) = reading.options
    return tomllib.loads(f"x = {option.domain}")["x"]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"min": 1, "max": 4}, {"low": 1, "high": 4}),
        ({"min": 0, "max": 1}, {"low": 0, "high": 1, "type": "int"}),
        ({"min": 0.0, "max": 1.0}, {"low": 0.0, "high": 1.0}),
        ({"min": 1, "max": 4.0}, {"low": 1.0, "high": 4.0}),
        ({"min": "1e-5", "max": "1e-1"}, {"low": 1e-5, "high": 0.1}),
        ({"min": 3, "max": 3}, {"value": 3}),
        ({"min": 1, "max": 4, "distribution": "uniform"}, {"low": 1.0, "high": 4.0}),
        ({"min": 1, "max": 4, "distribution": "int_uniform"}, {"low": 1, "high": 4}),
        ({"min": 8, "max": 64, "distribution": "q_uniform", "q": 8}, {"low": 8, "high": 64, "step": 8}),
        ({"min": 8, "max": 64, "distribution": "q_uniform"}, {"low": 8, "high": 64}),
        ({"min": 0.0, "max": 1.0, "distribution": "q_uniform", "q": 0.25}, {"low": 0.0, "high": 1.0, "step": 0.25}),
        ({"min": 0.001, "max": 0.1, "distribution": "log_uniform_values"}, {"low": 0.001, "high": 0.1, "log": True}),
        ({"min": 1, "max": 100, "distribution": "q_log_uniform_values"}, {"low": 1, "high": 100, "log": True}),
        ({"min": -1, "max": 1, "distribution": "log_uniform"}, {"low": 0.367879, "high": 2.71828, "log": True}),
        ({"mu": 2, "sigma": 0.5, "distribution": "normal"}, {"normal": [2, 0.5]}),
        ({"distribution": "normal"}, {"normal": [0, 1]}),
        ({"mu": 2, "sigma": 1, "distribution": "log_normal"}, {"lognormal": [2, 1]}),
        ({"mu": 2, "sigma": 1, "distribution": "q_normal"}, {"normal": [2, 1], "step": 1}),
        ({"values": [1, 2, "three"]}, [1, 2, "three"]),
        ({"values": ["1e-3", "adam"]}, [0.001, "adam"]),
        ({"values": [None, 1]}, [1]),
        ({"values": ["a", "b"], "probabilities": [0.25, 0.75]}, {"choices": ["a", "b"], "weights": [0.25, 0.75]}),
        ({"values": ["a", "b"], "probabilities": [1, 0]}, {"choices": ["a"], "weights": [1]}),
        ({"values": ["a", "b"], "probabilities": [1]}, ["a", "b"]),
        ({"values": ["a", "b"], "probabilities": [None, 1]}, ["a", "b"]),
        ({"values": ["a", "b"], "probabilities": [0, -1]}, ["a", "b"]),
        ({"value": 3}, {"value": 3}),
        ({"value": "1e-3"}, {"value": 0.001}),
        ({"value": None}, "FILL-IN"),
        ({"distribution": "beta"}, "FILL-IN"),
        ({"min": 1}, "FILL-IN"),
    ],
)  # fmt: skip
def test_the_domain_of_a_parameter(entry: dict[str, Any], expected: Any) -> None:
    assert domain(entry) == expected


@pytest.mark.parametrize(
    ("entry", "note"),
    [
        ({"values": [None, 1]}, "x: null is not a value in TOML; it is left out of the choices."),
        ({"value": None}, "x: null is not a value in TOML: FILL-IN."),
        ({"min": 1}, "x has neither values nor min and max: FILL-IN."),
        (7, "x is not a table in the sweep; it is left out."),
        (
            {"min": 1.0, "max": 2.0, "distribution": "inv_log_uniform_values"},
            "x: inv_log_uniform_values is not kept; it is log_uniform here.",
        ),
    ],
)
def test_what_is_not_kept_is_noted(entry: Any, note: str) -> None:
    assert read({"x": entry}).notes == (note,)


def test_nested_parameters_have_dotted_names() -> None:
    reading = read(
        {"model": {"parameters": {"depth": {"values": [1, 2]}, "act": {"value": "relu"}}}}
    )
    assert [option.name for option in reading.options] == ["model.depth", "model.act"]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (None, ("python", "train.py")),
        (["${env}", "python3", "${program}", "${args}"], ("python3", "train.py")),
        ("python ${program} --out '{here}' ${args}", ("python", "train.py", "--out", "{{here}}")),
        (["${program}", "${args_json_file}"], ("train.py", "{trial.config}")),
        (["${program}", "${envvar:HOME}", "${args}"], ("train.py", "FILL-IN")),
        (["${program}", "${args_json}"], ("train.py",)),
        (["srun", 4, "${program}"], ("srun", "4", "train.py")),
    ],
)
def test_the_words_before_the_options(command: Any, words: tuple[str, ...]) -> None:
    reading = read({}, **({} if command is None else {"command": command}))
    assert reading.command == words


@pytest.mark.parametrize("word", ["${args_json}", "${envvar:HOME}"])
def test_words_that_a_study_file_has_nothing_for_are_noted(word: str) -> None:
    (note,) = read({}, command=["${program}", word]).notes
    assert note.startswith(word)


@pytest.mark.parametrize(
    ("form", "words", "switch"),
    [
        ("${args}", ("--x={}",), None),
        ("${args_no_hyphens}", ("x={}",), None),
        ("${args_no_boolean_flags}", (), ("--x", "")),
    ],
)
def test_booleans_are_written_as_the_sweep_writes_them(form: str, words: Any, switch: Any) -> None:
    reading = read({"x": {"values": [True, False]}}, command=["${program}", form])
    (option,) = reading.options
    assert option.kind == "bool"
    assert option.switch == switch
    assert option.boolean == ("" if switch else "!py")
    assert len(option.words) == len(words)


@pytest.mark.parametrize(
    ("sweep", "metric", "mode"),
    [
        ({"metric": {"name": "acc", "goal": "maximize"}}, "acc", "max"),
        ({"metric": {"name": "loss", "goal": "minimize"}}, "loss", "min"),
        ({"metric": {"name": "loss"}}, "loss", "min"),
        ({"metric": {"goal": "maximize"}}, "FILL-IN", "min"),
        ({"metric": "loss"}, "FILL-IN", "min"),
        ({}, "FILL-IN", "min"),
    ],
)
def test_the_metric_of_a_sweep(sweep: dict[str, Any], metric: str, mode: str) -> None:
    objective = read({}, **sweep).objective
    assert (objective.metric, objective.mode) == (metric, mode)


@pytest.mark.parametrize(
    ("sweep", "expected"),
    [
        ({"method": "grid"}, {"search": {"method": "grid"}}),
        ({"method": "random", "run_cap": 7}, {"search": {"method": "random", "trials": 7}}),
        ({"method": "bayes"}, {"search": {"method": "bayes", "trials": 50}}),
        ({"method": "unheard of", "run_cap": 0}, {"search": {"method": "bayes", "trials": 50}}),
        (
            {"run_cap": 9, "early_terminate": {"type": "hyperband", "max_iter": 27, "s": 3}},
            {
                "search": {"method": "bayes", "trials": 9},
                "pruning": {"method": "asha", "min": 1, "max": 27, "reduction": 3},
            },
        ),
        (
            {"run_cap": 9, "early_terminate": {"type": "hyperband", "min_iter": 3, "eta": 2}},
            {
                "search": {"method": "bayes", "trials": 9},
                "pruning": {"method": "asha", "min": 3, "max": 24, "reduction": 2},
            },
        ),
        ({"run_cap": 9, "early_terminate": {"type": "other"}}, {"search": {"method": "bayes", "trials": 9}}),
        ({"run_cap": 9, "early_terminate": 3}, {"search": {"method": "bayes", "trials": 9}}),
        (
            {"run_cap": 9, "metric": {"name": "loss", "target": 0.1}},
            {"search": {"method": "bayes", "trials": 9}, "limits": {"target": 0.1}},
        ),
    ],
)  # fmt: skip
def test_search_pruning_and_limits(sweep: dict[str, Any], expected: dict[str, Any]) -> None:
    found = tomllib.loads("\n".join(read({}, **sweep).tables))
    if "pruning" in expected and "method" not in expected["pruning"]:
        expected["pruning"]["method"] = "asha"
    assert found == expected


def test_a_program_that_logs_to_wandb_keeps_its_names(tmp_path) -> None:
    (tmp_path / "train.py").write_text(
        "import wandb\nrun = wandb.init()\nrun.log({'val_acc': run.config['lr']})\n"
    )
    script = read_script(tmp_path / "train.py")
    sweep = {"program": "train.py", "parameters": {"lr": {"values": [0.1]}}}
    reading = read_sweep(sweep, script, takes_arguments=False)
    assert reading.reports_itself
    assert reading.keeps_names
    assert reading.command == ("python", "-m", "tuitune.integrations.wandb", "train.py")
    assert (reading.objective.metric, reading.objective.mode) == ("val_acc", "max")
    assert reading.options[0].words == ()


def test_the_program_is_looked_for_beside_the_sweep(tmp_path) -> None:
    (tmp_path / "train.py").write_text("")
    (tmp_path / "train.sh").write_text("")
    assert program_of({"program": "train.py"}, tmp_path) == tmp_path / "train.py"
    for other in ("missing.py", "train.sh", 3, None):
        assert program_of({"program": other}, tmp_path) is None


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-1000, 1000)
    | st.floats(-1e6, 1e6)
    | st.sampled_from(["adam", "1e-3", "a b"])
)
KEYS = st.sampled_from(
    [
        "min",
        "max",
        "values",
        "value",
        "mu",
        "sigma",
        "q",
        "probabilities",
        "distribution",
        "parameters",
    ]
)
FORMS = st.sampled_from(
    [
        "uniform",
        "int_uniform",
        "q_uniform",
        "normal",
        "log_uniform_values",
        "inv_log_uniform",
        "constant",
    ]
)


@st.composite
def entries(draw: st.DrawFn, depth: int = 1) -> Any:
    made: dict[str, Any] = {}
    for key in draw(st.lists(KEYS, max_size=4, unique=True)):
        if key == "distribution":
            made[key] = draw(FORMS)
        elif key == "parameters":
            made[key] = {"inner": draw(entries(depth - 1))} if depth else {}
        elif key in ("values", "probabilities"):
            made[key] = draw(st.lists(SCALARS, min_size=1, max_size=3))
        else:
            made[key] = draw(SCALARS)
    return made


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(["lr", "model", "n"]), entries() | SCALARS, max_size=3))
def test_whatever_a_sweep_holds_its_draft_is_toml(parameters: dict[str, Any]) -> None:
    reading = read(parameters)
    lines = "\n".join(f'"{option.name}" = {option.domain}' for option in reading.options)
    space = tomllib.loads(lines)
    assert len(space) == len(reading.options)
    assert all(isinstance(option, Option) for option in reading.options)


@given(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6), FORMS)
def test_a_range_of_a_sweep_is_a_range_of_a_study(one: float, other: float, form: str) -> None:
    low, high = sorted((one, other))
    if high < low * 1.01 or form == "normal" or (form == "int_uniform" and high - low < 2):
        return
    content = {"x": domain({"min": low, "max": high, "distribution": form})}
    problems = Problems("study.toml")
    space, _ = read_space(content, None, problems, here=False)
    assert problems.found == []
    assert [parameter.name for parameter in space.parameters] == ["x"]
