"""Suggestions for unknown tables, keys and values, those of other tools among them."""

import re
from collections.abc import Iterable, Mapping

from tuitune.core.pruning.registry import PRUNERS
from tuitune.core.search.registry import SEARCHERS

SCRIPTS = (".py", ".sh", ".yaml", ".yml")  # ends of the names of files that `init` may read


def _by_name(groups: Mapping[str, str]) -> dict[str, str]:
    """What each name of another tool is here, from all names of each thing that there is here."""
    return {name: here for here, names in groups.items() for name in names.split()}


# Keys of Ray Tune and Optuna, lower case, and their equivalents in a study file.
_ELSEWHERE = _by_name(
    {
        "python in [trial]": "interpreter venv",
        "the table [space]": "config param_space parameters params search_space",
        "trials in [search]": "num_samples n_trials max_trials",
        "concurrency in [search]": "n_jobs max_concurrent max_concurrent_trials",
        "method in [search]": "search_alg searcher sampler algorithm",
        "points in [search]": "points_to_evaluate enqueue_trial",
        "learn_from in [search], with the earlier study's folder": "evaluated_rewards warm_start",
        "seed in [search]": "random_state random_seed random_search_seed",
        "method in [pruning]": "scheduler pruner",
        "min in [pruning]": "grace_period min_resource min_t",
        "max in [pruning]": "max_t max_resource max_epochs",
        "reduction in [pruning]": "reduction_factor eta",
        "resource in [pruning]": "time_attr",
        'mode = "min" or "max" in [objective]': "direction directions",
        "name in [study]": "study_name",
        "target in [trial]": "trainable objective_function function",
        "command in [trial]": "script program",
        "allow in [devices]": "cuda_visible_devices gpu_ids",
        "gpus in [trial]": "gpu num_gpus",
        "cpus in [trial]": "cpu num_cpus",
        "gpus, cpus and memory in [trial]": "resources resources_per_trial",
        "retries in [trial]": "max_failures max_retries",
        "checkpoint_every in [trial]": "checkpoint_freq checkpoint_frequency",
        "keep_checkpoints in [trial]": "num_to_keep",
        "env in [trial]": "environment env_vars",
        "cwd in [trial]": "working_dir workdir",
        'time in [limits], as "4h" or "90s"': "time_budget_s time_budget",
        "target in [limits] for a value, max in [pruning] for a length": "stop",
        "the option --runs: each study has a folder": "storage storage_path local_dir",
        "not needed: the same command resumes the study": "load_if_exists resume",
    }
)

# The same for the keys of one parameter.
_IN_PARAMETER = _by_name(
    {
        "low": "min lower minimum start from",
        "high": "max upper maximum stop to",
        "step": "q",
        "powers_of": "base",
        "log = true": "scale prior log_scale",
        "normal = [mean, standard deviation]": "mu mean sigma std",
        "lognormal = [mean, standard deviation], both of the natural logarithm": "log_normal",
        "weights": "probabilities probability probs p",
        "log = true, step = …, normal = […] or choices = […]": "distribution",
        "choices": "values categories options items",
        "when": "condition conditions if depends_on parent",
        "sample": "sampler sample_from",
        "likely": "default_value expected",
        "a point: points = [{ … }] in [search]": "default",
    }
)

_FLOATS = '{{ low = {0}, high = {1}, type = "float" }}'
_LOG_FLOATS = '{{ low = {0}, high = {1}, log = true, type = "float" }}'
_WHOLES = "{{ low = {0}, high = {1} }}, both ends included"
_LIST = "a list: [1, 2, 3]"
_NORMAL = "{{ normal = [{0}, {1}] }}"
_NORMAL_STEPS = "{{ normal = [{0}, {1}], step = … }}"
_LOGNORMAL = "{{ lognormal = [{0}, {1}] }}, both of the natural logarithm"

# How Ray Tune and Optuna name distributions.
_DISTRIBUTIONS = _by_name(
    {
        _FLOATS: "uniform suggest_float suggest_uniform",
        '{{ low = {0}, high = {1}, step = …, type = "float" }}': (
            "quniform suggest_discrete_uniform"
        ),
        _LOG_FLOATS: "loguniform log_uniform suggest_loguniform",
        '{{ low = {0}, high = {1}, log = true, step = …, type = "float" }}': "qloguniform",
        _WHOLES: "randint int_uniform suggest_int",
        "{{ low = {0}, high = {1}, step = … }}, both ends included": "qrandint",
        "{{ low = {0}, high = {1}, log = true }}, both ends included": "lograndint",
        "{{ low = {0}, high = {1}, log = true, step = … }}, both ends included": "qlograndint",
        _LIST: "choice categorical suggest_categorical",
        _LIST + ', with method = "grid" in [search]': "grid_search",
        _NORMAL: "randn normal",
        _NORMAL_STEPS: "qrandn q_normal qnormal",
        _LOGNORMAL: "log_normal lognormal",
        '{{ sample = "file.py:function" }}': "sample_from",
    }
)

_VALUES = _by_name(
    {
        "min": "minimize minimise minimum",
        "max": "maximize maximise maximum",
        "asha": (
            "successive_halving successivehalvingpruner ashascheduler asynchyperband "
            "asynchyperbandscheduler"
        ),
        "hyperband": "hb hyperbandpruner hyperbandscheduler",
        "median": "median_stopping medianpruner medianstoppingrule",
        "none": "fifo nop noppruner",
        "random": "random_search randomsampler basicvariantgenerator",
        "grid": "grid_search gridsampler",
        "sobol": "qmc qmcsampler",
        "tpe": "tpesampler optunasearch hyperoptsearch",
        "bohb": "tunebohb",
        "bayes": "gp gpsampler bayesian bayesopt bayesoptsearch axsearch hebosearch",
    }
)


# The tools of `tuitune.exporters.registry`, which loads more than the reader of a study file needs.
LOGS = ("tensorboard", "wandb", "mlflow", "optuna")

KEYS: dict[str, tuple[str, ...]] = {
    "study": ("name",),
    "objective": ("metric", "mode", "value"),
    "trial": (
        *("target", "command", "gpus", "cpus", "memory", "retries", "timeout", "leave_within"),
        *("checkpoint_every", "keep_checkpoints", "env", "cwd", "saves", "metrics"),
        *("pause", "python"),
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
    *("low", "high", "log", "step", "powers_of", "type", "normal", "lognormal", "choices"),
    *("ordered", "weights", "value", "sample", "when", "likely"),
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
