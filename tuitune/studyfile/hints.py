"""Suggestions for unknown tables, keys and values, those of other tools among them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tuitune.core.pruning.registry import PRUNERS
from tuitune.core.search.registry import SEARCHERS

# Keys of Ray Tune and Optuna, lower case, and their equivalents in a study file.
_ELSEWHERE = {
    "interpreter": "python in [trial]",
    "venv": "python in [trial]",
    "config": "the table [space]",
    "param_space": "the table [space]",
    "parameters": "the table [space]",
    "params": "the table [space]",
    "search_space": "the table [space]",
    "num_samples": "trials in [search]",
    "n_trials": "trials in [search]",
    "max_trials": "trials in [search]",
    "n_jobs": "concurrency in [search]",
    "max_concurrent": "concurrency in [search]",
    "max_concurrent_trials": "concurrency in [search]",
    "search_alg": "method in [search]",
    "searcher": "method in [search]",
    "sampler": "method in [search]",
    "algorithm": "method in [search]",
    "points_to_evaluate": "points in [search]",
    "enqueue_trial": "points in [search]",
    "evaluated_rewards": "learn_from in [search], with the earlier study's folder",
    "warm_start": "learn_from in [search], with the earlier study's folder",
    "random_state": "seed in [search]",
    "random_seed": "seed in [search]",
    "random_search_seed": "seed in [search]",
    "scheduler": "method in [pruning]",
    "pruner": "method in [pruning]",
    "grace_period": "min in [pruning]",
    "min_resource": "min in [pruning]",
    "min_t": "min in [pruning]",
    "max_t": "max in [pruning]",
    "max_resource": "max in [pruning]",
    "max_epochs": "max in [pruning]",
    "reduction_factor": "reduction in [pruning]",
    "eta": "reduction in [pruning]",
    "time_attr": "resource in [pruning]",
    "direction": 'mode = "min" or "max" in [objective]',
    "directions": 'mode = "min" or "max" in [objective]',
    "study_name": "name in [study]",
    "trainable": "target in [trial]",
    "objective_function": "target in [trial]",
    "function": "target in [trial]",
    "script": "command in [trial]",
    "program": "command in [trial]",
    "cuda_visible_devices": "allow in [devices]",
    "gpu_ids": "allow in [devices]",
    "gpu": "gpus in [trial]",
    "num_gpus": "gpus in [trial]",
    "cpu": "cpus in [trial]",
    "num_cpus": "cpus in [trial]",
    "resources": "gpus, cpus and memory in [trial]",
    "resources_per_trial": "gpus, cpus and memory in [trial]",
    "max_failures": "retries in [trial]",
    "max_retries": "retries in [trial]",
    "checkpoint_freq": "checkpoint_every in [trial]",
    "checkpoint_frequency": "checkpoint_every in [trial]",
    "num_to_keep": "keep_checkpoints in [trial]",
    "environment": "env in [trial]",
    "env_vars": "env in [trial]",
    "working_dir": "cwd in [trial]",
    "workdir": "cwd in [trial]",
    "time_budget_s": 'time in [limits], as "4h" or "90s"',
    "time_budget": 'time in [limits], as "4h" or "90s"',
    "stop": "target in [limits] for a value, max in [pruning] for a length",
    "storage": "the option --runs: each study has a folder",
    "storage_path": "the option --runs: each study has a folder",
    "local_dir": "the option --runs: each study has a folder",
    "load_if_exists": "not needed: the same command resumes the study",
    "resume": "not needed: the same command resumes the study",
}

# The same for the keys of one parameter.
_IN_PARAMETER = {
    "min": "low",
    "lower": "low",
    "minimum": "low",
    "start": "low",
    "from": "low",
    "max": "high",
    "upper": "high",
    "maximum": "high",
    "stop": "high",
    "to": "high",
    "q": "step",
    "base": "powers_of",
    "scale": "log = true",
    "prior": "log = true",
    "mu": "normal = [mean, standard deviation]",
    "mean": "normal = [mean, standard deviation]",
    "sigma": "normal = [mean, standard deviation]",
    "std": "normal = [mean, standard deviation]",
    "log_normal": "lognormal = [mean, standard deviation], both of the natural logarithm",
    "probabilities": "weights",
    "probability": "weights",
    "probs": "weights",
    "p": "weights",
    "log_scale": "log = true",
    "distribution": "log = true, step = …, normal = […] or choices = […]",
    "values": "choices",
    "categories": "choices",
    "options": "choices",
    "items": "choices",
    "condition": "when",
    "conditions": "when",
    "if": "when",
    "depends_on": "when",
    "parent": "when",
    "sampler": "sample",
    "sample_from": "sample",
    "default_value": "likely",
    "expected": "likely",
    "default": "a point: points = [{ … }] in [search]",
}

_FLOATS = '{{ low = {0}, high = {1}, type = "float" }}'
_LOG_FLOATS = '{{ low = {0}, high = {1}, log = true, type = "float" }}'
_WHOLES = "{{ low = {0}, high = {1} }}, both ends included"
_LIST = "a list: [1, 2, 3]"
_NORMAL = "{{ normal = [{0}, {1}] }}"
_NORMAL_STEPS = "{{ normal = [{0}, {1}], step = … }}"
_LOGNORMAL = "{{ lognormal = [{0}, {1}] }}, both of the natural logarithm"

# How Ray Tune and Optuna name distributions.
_DISTRIBUTIONS = {
    "uniform": _FLOATS,
    "quniform": '{{ low = {0}, high = {1}, step = …, type = "float" }}',
    "loguniform": _LOG_FLOATS,
    "log_uniform": _LOG_FLOATS,
    "qloguniform": '{{ low = {0}, high = {1}, log = true, step = …, type = "float" }}',
    "randint": _WHOLES,
    "int_uniform": _WHOLES,
    "qrandint": "{{ low = {0}, high = {1}, step = … }}, both ends included",
    "lograndint": "{{ low = {0}, high = {1}, log = true }}, both ends included",
    "qlograndint": "{{ low = {0}, high = {1}, log = true, step = … }}, both ends included",
    "choice": _LIST,
    "categorical": _LIST,
    "grid_search": _LIST + ', with method = "grid" in [search]',
    "randn": _NORMAL,
    "normal": _NORMAL,
    "qrandn": _NORMAL_STEPS,
    "q_normal": _NORMAL_STEPS,
    "qnormal": _NORMAL_STEPS,
    "log_normal": _LOGNORMAL,
    "lognormal": _LOGNORMAL,
    "sample_from": '{{ sample = "file.py:function" }}',
    "suggest_float": _FLOATS,
    "suggest_uniform": _FLOATS,
    "suggest_loguniform": _LOG_FLOATS,
    "suggest_int": _WHOLES,
    "suggest_categorical": _LIST,
    "suggest_discrete_uniform": '{{ low = {0}, high = {1}, step = …, type = "float" }}',
}

_VALUES = {
    "minimize": "min",
    "minimise": "min",
    "minimum": "min",
    "maximize": "max",
    "maximise": "max",
    "maximum": "max",
    "successive_halving": "asha",
    "successivehalvingpruner": "asha",
    "ashascheduler": "asha",
    "asynchyperband": "asha",
    "asynchyperbandscheduler": "asha",
    "hb": "hyperband",
    "hyperbandpruner": "hyperband",
    "hyperbandscheduler": "hyperband",
    "median_stopping": "median",
    "medianpruner": "median",
    "medianstoppingrule": "median",
    "fifo": "none",
    "nop": "none",
    "noppruner": "none",
    "random_search": "random",
    "randomsampler": "random",
    "basicvariantgenerator": "random",
    "grid_search": "grid",
    "gridsampler": "grid",
    "qmc": "sobol",
    "qmcsampler": "sobol",
    "tpesampler": "tpe",
    "optunasearch": "tpe",
    "hyperoptsearch": "tpe",
    "tunebohb": "bohb",
    "gp": "bayes",
    "gpsampler": "bayes",
    "bayesian": "bayes",
    "bayesopt": "bayes",
    "bayesoptsearch": "bayes",
    "axsearch": "bayes",
    "hebosearch": "bayes",
}


# The tools of `tuitune.exporters.registry`, which loads more than the reader of a study file needs.
LOGS = ("tensorboard", "wandb", "mlflow", "optuna")

KEYS: dict[str, tuple[str, ...]] = {
    "study": ("name",),
    "objective": ("metric", "mode", "value"),
    "trial": (
        "target",
        "command",
        "gpus",
        "cpus",
        "memory",
        "retries",
        "timeout",
        "leave_within",
        "checkpoint_every",
        "keep_checkpoints",
        "env",
        "cwd",
        "saves",
        "metrics",
        "pause",
        "python",
    ),
    "space": (),
    "search": (
        *("method", "trials", "seed", "concurrency", "points", "learn_from", "from"),
        *(option.key for kind in SEARCHERS.values() for option in kind.options),
    ),
    "pruning": (
        *("method", "resource", "min", "max", "reduction", "style", "brackets"),
        *(option.key for kind in PRUNERS.values() for option in kind.options),
    ),
    "limits": ("time", "target", "disk_free"),
    "devices": ("allow", "leave_free", "share", "on_foreign", "yield_to", "max_gpus", "hours"),
    "notify": ("command",),
    "log": ("to", *LOGS),
}

# The keys that decide what kind of parameter it is.
PARAMETER_KINDS = ("choices", "value", "sample", "normal", "lognormal", "low")
PARAMETER_KEYS = (
    "low",
    "high",
    "log",
    "step",
    "powers_of",
    "type",
    "normal",
    "lognormal",
    "choices",
    "ordered",
    "weights",
    "value",
    "sample",
    "when",
    "likely",
)

# Compiled only for a message, not at each start.
_CALL = r"(?s)(?:\w+\.)*(\w+)\((?:\s*(-?[\d.e+-]+)\s*,\s*(-?[\d.e+-]+))?.*"

_PLACE = r"(\w+)\b.* in \[(\w+)\]"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is most similar; None where none is."""
    import difflib  # noqa: PLC0415 - only for a message

    by_lower = {name.lower(): name for name in known}
    found = difflib.get_close_matches(word.lower().replace("-", "_"), by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown word: the most similar one, or all."""
    names = list(known)
    near = nearest(word, names)
    return f"did you mean {near}?" if near else f"there are: {', '.join(names) or 'none'}"


def unknown_key(table: str, key: str) -> str:
    """What to do about a key that its table does not have."""
    plain = key.lower().replace("-", "_")
    if plain in KEYS[table]:
        return f"there is no such key; did you mean {plain}?"
    if plain in _ELSEWHERE:
        return f"there is no such key; here it is {_ELSEWHERE[plain]}"
    homes = [name for name, keys in KEYS.items() if plain in keys]
    if homes:
        return f"there is no such key here; it belongs in {' or '.join(f'[{h}]' for h in homes)}"
    if nearest(key, KEYS[table]) is None:
        places = {name: home for home, keys in KEYS.items() for name in keys}
        near = nearest(key, places)
        if near is not None:
            return f"there is no such key; did you mean {near} in [{places[near]}]?"
    return f"there is no such key; {did_you_mean(key, KEYS[table])}"


def meant(table: str, key: str) -> tuple[str, str] | None:
    """The (table, key) that an unknown key most likely means; None where unclear."""
    plain = key.lower().replace("-", "_")
    elsewhere = re.match(_PLACE, _ELSEWHERE.get(plain, ""))
    if elsewhere:
        return elsewhere[2], elsewhere[1]
    for home in (table, *KEYS):
        if plain in KEYS.get(home, ()):
            return home, plain
    near = nearest(key, KEYS.get(table, ()))
    return (table, near) if near else None


def unknown_table(name: str) -> str:
    """What to do about an unknown table, or a key outside all tables."""
    plain = name.lower().replace("-", "_")
    if plain in _ELSEWHERE:
        return f"there is no such table; here it is {_ELSEWHERE[plain]}"
    homes = [table for table, keys in KEYS.items() if plain in keys]
    if homes:
        return f"is outside its table; it belongs in {' or '.join(f'[{h}]' for h in homes)}"
    near = nearest(name, KEYS)
    return "there is no such table; " + (
        f"did you mean [{near}]?" if near else f"there are: {', '.join(KEYS)}"
    )


def unknown_in_parameter(key: str, value: object) -> str:
    """What to do about a key that no parameter has."""
    plain = key.lower().replace("-", "_")
    if plain in _IN_PARAMETER:
        return f"{key}: there is no such key; here it is {_IN_PARAMETER[plain]}"
    ends = value if isinstance(value, list) else []
    as_here = distribution(plain, [str(end) for end in ends])
    if as_here:
        return f"{key}: there is no such key; here it is {as_here}"
    return f"{key}: there is no such key; {did_you_mean(key, PARAMETER_KEYS)}"


def is_hinted(key: str, value: object) -> bool:
    """Whether a key is one of a parameter in other tools, with a list as its value."""
    plain = key.lower().replace("-", "_")
    return plain in _IN_PARAMETER or (isinstance(value, list) and bool(distribution(plain, [])))


def distribution(word: str, ends: list[str]) -> str:
    """A distribution of Ray Tune or Optuna as a study file writes it; empty for other words."""
    template = _DISTRIBUTIONS.get(word.lower(), "")
    low, high = ends if len(ends) == 2 else ("…", "…")
    return template.format(low, high)


def called(text: str) -> str:
    """`distribution` for text such as "tune.loguniform(1e-4, 1e-1)"."""
    call = re.fullmatch(_CALL, text) if "(" in text else None
    return distribution(call[1], [end for end in call.groups()[1:] if end]) if call else ""


def unknown_value(value: str, known: Iterable[str]) -> str:
    """The end of a message about a word that is not one of the allowed ones."""
    names = list(known)
    meant = _VALUES.get(value.lower())
    if meant not in names:
        meant = nearest(value, names)
    there = " or ".join(f'"{name}"' for name in names)
    return f'did you mean "{meant}"?' if meant else f"write {there}"
