"""Sweeps of Weights & Biases: their YAML file, mapped whole."""

import math
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from tuitune.core.space import is_number, spell
from tuitune.drafts import option, printed, yaml_files
from tuitune.drafts.option import VALUE, Objective, Option, Reading, escaped
from tuitune.drafts.script import DraftError, Script
from tuitune.studyfile.fill_ins import FILL_IN

_RUNNER = ("python", "-m", "tuitune.integrations.wandb")
_DEFAULT = ("${env}", "${interpreter}", "${program}", "${args}")
_ARGS = {
    "${args}": "--{name}=" + VALUE,
    "${args_no_hyphens}": "{name}=" + VALUE,
    "${args_no_boolean_flags}": "--{name}=" + VALUE,
}


def load_sweep(file: Path) -> dict[str, Any]:
    """The content of a sweep's file. Raises DraftError."""
    sweep = yaml_files.read_yaml(file)
    if not isinstance(sweep, dict) or not isinstance(sweep.get("parameters"), dict):
        raise DraftError(
            f"{file} is not a W&B sweep: it has no parameters. Name a sweep or a Python script."
        )
    return sweep


def program_of(sweep: dict[str, Any], folder: Path) -> Path | None:
    """The Python program of a sweep, where it is in the folder of the sweep's file."""
    program = sweep.get("program")
    path = folder / program if isinstance(program, str) else None
    return path if path is not None and path.suffix == ".py" and path.is_file() else None


def read_sweep(sweep: dict[str, Any], script: Script | None, *, takes_arguments: bool) -> Reading:
    """A sweep and its program, where that could be read.

    A program that imports wandb gets its parameters as wandb.config, and reports what it logs, by
    `tuitune.integrations.wandb`. takes_arguments: whether it reads a command line, too.
    """
    program = str(sweep.get("program") or "")
    given = sweep.get("command") or _DEFAULT
    command = shlex.split(given) if isinstance(given, str) else [str(word) for word in given]
    notes: list[str] = []
    options = list(_parameters(sweep["parameters"], "", notes))
    logs = script is not None and "wandb" in script.imported
    words = tuple(_words(command, program, notes, logs=logs))
    form = next((form for word, form in _ARGS.items() if word in command), None)
    if takes_arguments and form is not None:
        flags = "${args_no_boolean_flags}" in command
        options = [_written(option, form, flags=flags) for option in options]
    given_metric = sweep.get("metric")
    metric = given_metric if isinstance(given_metric, dict) else {}
    goal = "max" if str(metric.get("goal", "minimize")).startswith("max") else "min"
    objective = Objective(metric=str(metric.get("name")), mode=goal, why="the sweep's metric")
    if "name" not in metric:
        guess, goal = (printed.logged(script) if script else None) or (FILL_IN, "min")
        objective = Objective(metric=guess, mode=goal, why="a guess: the sweep names no metric")
    return Reading(
        source="a W&B sweep",
        command=words,
        options=tuple(options),
        notes=tuple(notes),
        objective=objective,
        reports_itself=logs,
        keeps_names=logs,
        tables=tuple(_tables(sweep, metric)),
    )


def _words(command: list[str], program: str, notes: list[str], *, logs: bool) -> Iterator[str]:
    """The words of a sweep's command, without those of its parameters."""
    known = {"${program}": [program], "${env}": [], "${interpreter}": ["python"]}
    if logs:
        known["${interpreter}"] = [*_RUNNER]
    for word in command:
        if word in known:
            yield from map(escaped, known[word])
        elif word == "${args_json_file}":
            yield "{trial.config}"
        elif word.startswith("${args"):
            if word not in _ARGS:
                notes.append(f"{word} of the sweep's command is not kept: write it by hand.")
        elif word.startswith("${envvar:"):
            notes.append(f"{word} of the sweep's command is FILL-IN: write the variable's value.")
            yield FILL_IN
        else:
            yield escaped(word)


def _written(option: Option, form: str, *, flags: bool) -> Option:
    """The option with its words; booleans of ${args_no_boolean_flags} are bare flags."""
    if option.kind == "bool" and flags:
        return replace(option, switch=(f"--{option.name}", ""))
    words = (form.replace("{name}", option.name),)
    return replace(option, words=words, boolean="!py")  # W&B writes booleans as Python does


def _parameters(content: dict[str, Any], prefix: str, notes: list[str]) -> Iterator[Option]:
    for key, entry in content.items():
        path = f"{prefix}{key}"
        if not isinstance(entry, dict):
            notes.append(f"{path} is not a table in the sweep; it is left out.")
        elif isinstance(entry.get("parameters"), dict):
            yield from _parameters(entry["parameters"], f"{path}.", notes)
        else:
            plain = {name: _numbers(value) for name, value in entry.items()}
            domain = _domain(path, plain, notes)
            values = plain.get("values") or [plain.get("value")]
            boolean = all(isinstance(value, bool) for value in values) and "min" not in plain
            yield Option(name=path, domain=domain, said=path, kind="bool" if boolean else "")


def _numbers(value: Any) -> Any:
    return (
        [yaml_files.number(item) for item in value]
        if isinstance(value, list)
        else yaml_files.number(value)
    )


def _domain(path: str, entry: dict[str, Any], notes: list[str]) -> str:
    if "value" in entry:
        return _fixed(path, entry["value"], notes)
    if isinstance(entry.get("values"), list):
        return _choice(path, entry, notes)
    form = str(entry.get("distribution") or "")
    if form.endswith("normal"):
        return _normal(entry, form)
    return _range(path, entry, form, notes)


def _choice(path: str, entry: dict[str, Any], notes: list[str]) -> str:
    values = [value for value in entry["values"] if value is not None]
    if len(values) < len(entry["values"]):
        notes.append(f"{path}: null is not a value in TOML; it is left out of the choices.")
    weights = entry.get("probabilities")
    if not isinstance(weights, list) or len(weights) != len(values):
        return spell(values)
    if not all(is_number(weight) for weight in weights) or not any(w > 0 for w in weights):
        notes.append(f"{path}: its probabilities are left out, since none can be drawn by them.")
        return spell(values)
    drawn = [pair for pair in zip(values, weights, strict=True) if pair[1] > 0]
    values, weights = [value for value, _ in drawn], [weight for _, weight in drawn]
    return f"{{ choices = {spell(values)}, weights = {spell(weights)} }}"


def _range(path: str, entry: dict[str, Any], form: str, notes: list[str]) -> str:
    low, high = entry.get("min"), entry.get("max")
    if not isinstance(low, int | float) or not isinstance(high, int | float):
        notes.append(f"{path} has neither values nor min and max: FILL-IN.")
        return spell(FILL_IN)
    if form in ("log_uniform", "q_log_uniform"):  # its ends are exponents of e
        low, high = float(f"{math.exp(low):.6g}"), float(f"{math.exp(high):.6g}")
    if form.startswith("inv_log"):
        notes.append(f"{path}: {form} is not kept; it is log_uniform here.")
    ints = isinstance(low, int) and isinstance(high, int) and not isinstance(low, bool)
    whole = form == "int_uniform" or (ints and form in ("", "q_uniform", "q_log_uniform_values"))
    step = entry.get("q", 1 if form.startswith("q_") else None)
    if low == high:
        return f"{{ value = {spell(low)} }}"
    if step is not None and step > high - low:
        notes.append(f"{path}: q = {step} is wider than the range; it is left out.")
        step = None
    return option.number_domain(low, high, whole=whole, log="log" in form, step=step)


def _fixed(path: str, value: Any, notes: list[str]) -> str:
    if value is None:
        notes.append(f"{path}: null is not a value in TOML: FILL-IN.")
        return spell(FILL_IN)
    return f"{{ value = {spell(value)} }}"


def _normal(entry: dict[str, Any], form: str) -> str:
    """A normal distribution, or that of the logarithm, in steps with a q_ before its name."""
    key = "lognormal" if "log" in form else "normal"
    text = f"{{ {key} = {spell([entry.get('mu', 0), entry.get('sigma', 1)])}"
    if form.startswith("q_"):
        text += f", step = {spell(entry.get('q', 1))}"
    return text + " }"


def _tables(sweep: dict[str, Any], metric: dict[str, Any]) -> Iterator[str]:
    """[search], [pruning] and [limits] of a sweep."""
    method = sweep.get("method") if sweep.get("method") in ("grid", "random") else "bayes"
    yield from ("[search]", f'method = "{method}"')
    cap = sweep.get("run_cap")
    if isinstance(cap, int) and cap > 0:
        yield f"trials = {cap}"
    elif method != "grid":
        yield "trials = 50  # the sweep has no run_cap"
    yield from _pruning(sweep.get("early_terminate"))
    target = metric.get("target")
    if isinstance(target, int | float):
        yield from ("", "[limits]", f"target = {spell(target)}")


def _pruning(stop: Any) -> Iterator[str]:
    """Hyperband of W&B: brackets at min_iter * eta^k, or at max_iter / eta^k for s brackets."""
    if not isinstance(stop, dict) or stop.get("type", "hyperband") != "hyperband":
        return
    stop = {name: value for name, value in stop.items() if isinstance(value, int)}
    eta = max(stop.get("eta", 3), 2)
    yield from ("", "[pruning]", 'method = "asha"')
    if "max_iter" in stop:
        brackets = min(max(stop.get("s", 1), 1), 20)
        lowest = max(stop["max_iter"] // eta**brackets, 1)
        yield from (f"min = {lowest}", f"max = {stop['max_iter']}", f"reduction = {eta}")
    elif "min_iter" in stop:
        top = stop["min_iter"] * eta**3
        yield f"min = {stop['min_iter']}"
        yield f"max = {top}  # a guess: how many times a whole trial logs the metric"
        yield f"reduction = {eta}"
