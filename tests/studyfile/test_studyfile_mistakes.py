"""Each mistake in a study file is one problem, and says where it is and how it is mended."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from tuitune.messages.command import TRIAL_VALUES
from tuitune.studyfile import StudyFileError, load, load_whole
from tuitune.studyfile.problems import Problems
from tuitune.studyfile.reading import read_study

RIGHT = {
    "objective": 'metric = "loss"\nmode = "min"',
    "trial": 'target = "train.py:train"',
    "space": 'lr = { low = 0.1, high = 0.9 }\nopt = ["sgd", "adam"]\nn = { low = 1, high = 9 }',
}
CODE = """
import functools
def train(trial): ...
def draw(random, configuration): ...
async def later(trial): ...
def two(trial, extra): ...
def named(trial, *, extra): ...
def none(): ...
made = functools.partial(two, extra=1)
if True:
    def inner(trial, extra=1): ...
"""


@pytest.fixture
def problems(tmp_path, monkeypatch):
    """A function that gives the problems of a right file with these tables in place of its own."""
    (tmp_path / "train.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)

    def read(overrides=(), top="", **tables):
        merged = {name: text for name, text in {**RIGHT, **tables}.items() if text is not None}
        text = "\n".join(f"[{name}]\n{said}\n" for name, said in merged.items())
        (tmp_path / "s.toml").write_text(f"{top}\n{text}")
        with pytest.raises(StudyFileError) as caught:
            load("s.toml", overrides=overrides)
        assert str(caught.value) == "\n".join(caught.value.problems)
        assert not any("\n" in problem for problem in caught.value.problems)
        return caught.value.problems

    return read


# What the file says, and all that is then said of it.
TABLES = [
    # unknown words
    ({"objective": RIGHT["objective"] + '\nvalu = "best"'}, '[objective] valu = "best": there is no such key; did you mean value?'),
    ({"serch": "trials = 3"}, "serch: there is no such table; did you mean [search]?"),
    ({"zebra": "x = 3"}, "zebra: there is no such table; there are: study, objective, trial, space, search, pruning, limits, devices, notify, log"),
    ({"search": "Trials = 3"}, "[search] Trials = 3: there is no such key; did you mean trials?"),
    ({"search": "max = 3"}, "[search] max = 3: there is no such key here; it belongs in [pruning]"),
    ({"study": "zebra = 3"}, "[study] zebra = 3: there is no such key; there are: name"),
    ({"study": "concurency = 3"}, "[study] concurency = 3: there is no such key; did you mean concurrency in [search]?"),
    # words of Ray Tune and Optuna
    ({"search": "num_samples = 3"}, "[search] num_samples = 3: there is no such key; here it is trials in [search]"),
    ({"search": "n_trials = 3"}, "[search] n_trials = 3: there is no such key; here it is trials in [search]"),
    ({"search": "max_concurrent_trials = 3"}, "[search] max_concurrent_trials = 3: there is no such key; here it is concurrency in [search]"),
    ({"pruning": 'method = "asha"\nmax = 9\ngrace_period = 3'}, "[pruning] grace_period = 3: there is no such key; here it is min in [pruning]"),
    ({"pruning": 'method = "asha"\nmax_t = 3'}, "[pruning] max_t = 3: there is no such key; here it is max in [pruning]"),
    ({"pruning": 'method = "asha"\nmax = 9\nreduction_factor = 3'}, "[pruning] reduction_factor = 3: there is no such key; here it is reduction in [pruning]"),
    ({"objective": 'metric = "loss"\ndirection = "minimize"'}, '[objective] direction = "minimize": there is no such key; here it is mode = "min" or "max" in [objective]'),
    ({"param_space": "lr = 3"}, "param_space: there is no such table; here it is the table [space]"),
    ({"limits": "time_budget_s = 3"}, '[limits] time_budget_s = 3: there is no such key; here it is time in [limits], as "4h" or "90s"'),
    ({"trial": RIGHT["trial"] + "\nresources_per_trial = { cpu = 2 }"}, "[trial] resources_per_trial = { cpu = 2 }: there is no such key; here it is gpus, cpus and memory in [trial]"),
    # what must be there
    ({"objective": None}, '[objective]: is missing; write [objective] with metric = "val_loss" and mode = "min"'),
    ({"objective": 'mode = "min"'}, '[objective] metric: is missing; write metric = "val_loss"'),
    ({"objective": 'metric = "x"'}, '[objective] mode: is missing; write mode = "min" or "max"'),
    ({"objective": 'metrc = "x"\nmode = "min"'}, '[objective] metrc = "x": there is no such key; did you mean metric?'),
    ({"trial": None}, '[trial]: is missing; write [trial] with target = "train.py:train", or a command'),
    ({"trial": ""}, '[trial] target: is missing; write target = "train.py:train", or a command'),
    ({"trial": 'comand = ["a"]'}, '[trial] comand = ["a"]: there is no such key; did you mean command?'),
    ({"trial": RIGHT["trial"] + '\ncommand = ["a"]'}, '[trial] command = ["a"]: is set together with target, and a trial runs only one; remove one of them'),
    ({"space": None}, "[space]: is missing; write [space] with the parameters to search"),
    ({"space": ""}, "[space]: has no parameter; write lr = { low = …, high = … }, say"),
    ({"pruning": 'method = "asha"'}, "[pruning] max: is missing; write max = 27, the most that a trial may spend"),
    # types and values
    ({"objective": 'metric = 3\nmode = "min"'}, '[objective] metric = 3: is a whole number, not text; write metric = "3"'),
    ({"objective": 'metric = " "\nmode = "min"'}, '[objective] metric = " ": is empty; give it a value or leave the key out'),
    ({"objective": 'metric = "x"\nmode = "minimise"'}, '[objective] mode = "minimise": is unknown; did you mean "min"?'),
    ({"objective": 'metric = "x"\nmode = "up"'}, '[objective] mode = "up": is unknown; write "min" or "max"'),
    ({"objective": 'metric = "x"\nmode = 1'}, '[objective] mode = 1: is a whole number; write "min" or "max"'),
    ({"search": 'trials = "20"'}, '[search] trials = "20": is text, not a whole number; write trials = 20'),
    ({"search": "trials = 2.0"}, "[search] trials = 2.0: is a number, not a whole number; write trials = 2"),
    ({"search": "trials = true"}, "[search] trials = true: is true or false, not a whole number; write trials = 1, say"),
    ({"search": "trials = 0"}, "[search] trials = 0: is not a whole number of 1 or more; write trials = 1 or more"),
    ({"search": "seed = 99999999999999999999"}, "[search] seed = 99999999999999999999: is not a whole number of 0 or more; write seed = 0 or more"),
    ({"search": 'method = "HEBOSearch"'}, '[search] method = "HEBOSearch": is unknown; did you mean "bayes"?'),
    ({"search": 'learn_from = "runs/a"'}, '[search] learn_from = "runs/a": is not a list of studies; write learn_from = ["runs/cifar-1"], the folders or names of earlier ones, "auto", or [] for none'),
    ({"search": "learn_from = [1]"}, '[search] learn_from = [1]: is not a list of studies; write learn_from = ["runs/cifar-1"], the folders or names of earlier ones, "auto", or [] for none'),
    ({"search": 'method = "sobol"', "space": "x = { low = 1, high = 9, likely = 2 }"}, '[search] method = "sobol": does not use the likely values of x; use method = "bayes", or leave likely out'),
    ({"search": 'method = "bohb"\nlearn_from = ["a"]'}, '[search] learn_from = ["a"]: is not for method = "bohb", which learns from the trials of its own study alone; use method = "bayes"'),
    ({"search": 'method = "grid"\nlearn_from = ["a"]'}, '[search] learn_from = ["a"]: is not for method = "grid", which learns from no trial; use method = "bayes"'),
    ({"search": 'method = "sobal"'}, '[search] method = "sobal": is unknown; did you mean "sobol"?'),
    ({"search": 'method = "grid_search"'}, '[search] method = "grid_search": is unknown; did you mean "grid"?'),
    ({"search": 'method = "sobol"\nlevels = 3'}, '[search] levels = 3: is for method = "grid" alone, and this is "sobol"; leave it out, or use method = "grid"'),
    ({"search": 'method = "grid"\nlevels = 1'}, "[search] levels = 1: is not a whole number of 2 or more; write levels = 2 or more"),
    ({"pruning": 'method = "hyperband"'}, "[pruning] max: is missing; write max = 27, the most that a trial may spend"),
    ({"pruning": 'method = "hyperbandscheduler"\nmax = 9'}, '[pruning] method = "hyperbandscheduler": is unknown; did you mean "hyperband"?'),
    ({"pruning": 'method = "MedianStoppingRule"\nmax = 9'}, '[pruning] method = "MedianStoppingRule": is unknown; did you mean "median"?'),
    ({"pruning": 'method = "median"\nmax = 9\nstyle = "promote"'}, '[pruning] style = "promote": is not for method = "median", which stops trials for good; leave style out, or use method = "asha"'),
    ({"pruning": 'method = "median"\nmax = 9\nreduction = 4'}, '[pruning] reduction = 4: is not for method = "median", which has no rungs; leave it out, or use method = "asha"'),
    ({"pruning": "max = 9\nreduction = 4"}, '[pruning] reduction = 4: does nothing without a method; write method = "asha" too, or leave it out'),
    ({"trial": RIGHT["trial"] + "\n[trial.metrics]\nloss = 'loss=([0-9.]+)'"}, '[trial] metrics = { loss = "loss=([0-9.]+)" }: has patterns for what a command prints, and a target reports by itself, with trial.report(…); take [trial.metrics] out, or run a command in place of the target'),
    ({"trial": RIGHT["trial"] + "\nleave_within = 20"}, '[trial] leave_within = 20: is not a duration; write leave_within = "20s"'),
    ({"study": f'name = "{"n" * 300}"'}, f'[study] name = "{"n" * 77} …: has 300 bytes, and it names a folder; write 100 or less'),
    ({"pruning": 'method = "median"\nmax = 9\nbrackets = 2'}, '[pruning] brackets = 2: is not for method = "median", which has no rungs; leave it out'),
    ({"pruning": 'method = "hyperband"\nmax = 9\nbrackets = 2'}, '[pruning] brackets = 2: is not for method = "hyperband", which takes as many as its range holds; leave it out, or use method = "asha"'),
    ({"pruning": 'method = "asha"\nmax = 9\nbrackets = 4'}, "[pruning] brackets = 4: is more than min = 1 to max = 9 with reduction = 3 holds; write brackets = 3 or less"),
    ({"pruning": 'method = "asha"\nmax = 9\nstyle = "pause"'}, '[pruning] style = "pause": is unknown; write "auto" or "promote" or "stop"'),
    ({"pruning": 'method = "hyperband"\nmax = 9\nreduction = 1.001'}, "[pruning] reduction = 1.001: makes more than 100 brackets; write reduction = 3, say"),
    ({"pruning": 'method = "asha"\nmax = 9\nreduction = 1'}, "[pruning] reduction = 1: promotes every trial; write reduction = 3, say"),
    ({"pruning": 'method = "asha"\nmax = 9\nmin = 9'}, "[pruning] min = 9: leaves nothing to prune below max = 9; write a smaller min"),
    ({"limits": "time = 90"}, '[limits] time = 90: is not a duration; write time = "90s"'),
    ({"pruning": 'method = "asha"\nmax = 1'}, "[pruning] max = 1: leaves nothing to prune before the end; write a larger max"),
    ({"pruning": 'resource = "loss"'}, '[pruning] resource = "loss": is the metric; name the key that counts epochs or steps, or leave it out'),
    ({"limits": 'time = "2 hours"'}, '[limits] time = "2 hours": is not a duration; write time = "90s", "10m" or "1h30m"'),
    ({"limits": 'time = "0s"'}, '[limits] time = "0s": leaves no time at all; leave the key out for no limit'),
    ({"limits": "target = nan"}, "[limits] target = nan: is not finite; write a number or leave the key out"),
    ({"limits": 'target = "x"'}, '[limits] target = "x": is text, not a number; write target = 1, say'),
    ({"study": 'name = "a/b"'}, '[study] name = "a/b": can\'t name a folder; write a short one such as "cifar"'),
    ({"study": 'name = ".."'}, '[study] name = "..": can\'t name a folder; write a short one such as "cifar"'),
    ({"study": 'name = "x.toml"'}, '[study] name = "x.toml": can\'t name a folder; write a short one such as "cifar"'),
    ({"trial": RIGHT["trial"] + "\nmemory = 8"}, '[trial] memory = 8: is not a size; write memory = "8GB"'),
    ({"trial": RIGHT["trial"] + '\nmemory = "8G"'}, '[trial] memory = "8G": is not a size; write memory = "8GB", "512MB" or "8GiB"'),
    ({"trial": RIGHT["trial"] + "\ncpus = -1"}, "[trial] cpus = -1: is below 0; write cpus = 0 or more"),
    ({"trial": RIGHT["trial"] + "\ngpus = 1.5"}, "[trial] gpus = 1.5: is neither whole nor a fraction of one GPU; write 2 or 0.5, say"),
    ({"devices": "allow = 0"}, '[devices] allow = 0: is a whole number, not a list; write allow = [0, 1], or UUIDs: allow = ["GPU-5a1c"]'),
    ({"devices": "allow = []"}, "[devices] allow = []: allows no GPU; leave it out for all, or set gpus = 0 in [trial]"),
    ({"devices": 'allow = ["cuda:0"]'}, "[devices] allow = [\"cuda:0\"]: names GPUs by nvidia-smi's number or by UUID; write allow = [0, 1], or UUIDs: allow = [\"GPU-5a1c\"]"),
    ({"devices": "share = 1"}, "[devices] share = 1: is a whole number; write share = true or share = false"),
    ({"devices": "leave_free = -1"}, "[devices] leave_free = -1: is not a whole number of 0 or more; write leave_free = 0 or more"),
    ({"devices": 'on_foreign = "kill"'}, '[devices] on_foreign = "kill": is unknown; write "drain" or "pause" or "park" or "ignore"'),
    ({"devices": 'on_foreign = "park"', "trial": 'command = ["a"]'}, '[devices] on_foreign = "park": parks a function of Python, and a command may be any number of processes; write on_foreign = "pause"'),
    ({"trial": 'target = "train.py:train"\ngpus = 2\npause = "park"'}, '[trial] pause = "park": parks a trial on one GPU, and this one has several; write pause = "save"'),
    ({"devices": "yield_to = 'anna'"}, '[devices] yield_to = "anna": is text, not a list; write yield_to = ["anna"]'),
    ({"devices": "yield_to = [7]"}, '[devices] yield_to = [7]: has the logins of users; write yield_to = ["anna"]'),
    ({"notify": 'command = "mail anna"'}, '[notify] command = "mail anna": is text, not a list of words; write command = ["mail", "-s", "tuitune", "anna"]'),
    ({"notify": "command = []"}, '[notify] command = []: is to be a program and its arguments, all of them text; write command = ["mail", "-s", "tuitune", "anna"]'),
    ({"devices": "max_gpus = -1"}, "[devices] max_gpus = -1: is not a whole number of 0 or more; write max_gpus = 0 or more"),
    ({"devices": "hours = 8"}, '[devices] hours = 8: is a whole number, not a table; write hours = { "22-08" = 8, "08-22" = 2 }'),
    ({"devices": 'hours = { "22-25" = 8 }'}, '[devices] hours = { 22-25 = 8 }: "22-25" is not a part of a day; write hours = { "22-08" = 8, "08-22" = 2 }'),
    ({"devices": 'hours = { "8-8" = 8 }'}, '[devices] hours = { 8-8 = 8 }: "8-8" is not a part of a day; write hours = { "22-08" = 8, "08-22" = 2 }'),
    ({"devices": 'hours = { "8-9" = 0.5 }'}, '[devices] hours = { 8-9 = 0.5 }: "8-9" = 0.5 is not a number of GPUs; write hours = { "22-08" = 8, "08-22" = 2 }'),
    ({"devices": 'hours = { "22-08" = 8, "07:30-22" = 2 }'}, '[devices] hours = { 22-08 = 8, 07:30-22 = 2 }: "22-08" and "07:30-22" overlap; let one end where the other starts'),
    ({"trial": RIGHT["trial"] + '\ngpus = "all"'}, '[trial] gpus = "all": is text; write gpus = 1, a fraction such as 0.5, or "auto"'),
    ({"trial": RIGHT["trial"] + "\nenv = { A = 1 }"}, '[trial.env] A = 1: is a whole number, not text; write A = "1"'),
    ({"trial": RIGHT["trial"] + '\nenv = { "A=B" = "1" }'}, '[trial.env] A=B = "1": can\'t be a variable of the environment; write NAME = "text"'),
    ({"trial": RIGHT["trial"] + "\nenv = 1"}, '[trial] env = 1: is a whole number, not a table; write env = { name = "text" }'),
    ({"trial": RIGHT["trial"] + "\ncwd = 3"}, '[trial] cwd = 3: is a whole number, not text; write cwd = "3"'),
    ({"trial": RIGHT["trial"] + '\ncwd = " "'}, '[trial] cwd = " ": is empty; give it a value or leave the key out'),
]  # fmt: skip


@pytest.mark.parametrize(("tables", "said"), TABLES)
def test_a_mistake_in_a_table(problems, tables, said):
    assert problems(**tables) == [f"s.toml: {said}"]


def test_keys_outside_their_table(problems):
    assert problems(top="trials = 3\n[[search]]") == [
        "s.toml: trials = 3: is outside its table; it belongs in [search]",
        "s.toml: search = [{  }]: is a list, not a table; write [search] on a line",
    ]


# What a parameter says, and what is then said of it.
PARAMETERS = [
    ("{ low = 0, high = 1 }", "could mean two things; write { low = 0.0, high = 1.0 } for all between, or [0, 1] for one of the two"),
    ("{ low = 3, high = 1 }", "is empty: low is above high; write low = 1, high = 3"),
    ("{ low = 3, high = 3 }", "holds one value only; write x = 3"),
    ("{ low = 0.0, high = 1, log = true }", "a log scale needs low above 0; write a small low such as 1e-6, or leave log out"),
    ("{ low = 1, high = 9, powers_of = 3, step = 2 }", "step and powers_of don't go together; leave step or powers_of out"),
    ("{ low = 1, high = 9, log = 1 }", "log is a whole number; write log = true or log = false"),
    ("{ low = 1 }", "has no high end; write high = …"),
    ("{ high = 1 }", "has no low end; write low = … with high"),
    ('{ low = "1", high = 2 }', "low is text, not a number; write low = 1, say"),
    ("{ low = 1, high = inf }", "high is infinite; write the largest value that is worth a trial"),
    ("{ low = -inf, high = 1 }", "low is infinite; write the smallest value that is worth a trial"),
    ("{ low = nan, high = 1 }", "low is nan, which is not a number; write low = 0.1, say"),
    ("{ low = 1, high = 99999999999999999999 }", "high has more than 64 bits; write it as a float: high = 1e+20"),
    ("{ low = 1, high = 9, step = 0 }", "step = 0 is not a positive number; write a step above 0"),
    ("{ low = 1, high = 9, step = 9 }", "step is wider than the range, which leaves one value; write a step below 8"),
    ("{ low = 1, high = 9, step = 0.5 }", "steps of 0.5 need ends that aren't whole; write low = 1.0, high = 9.0"),
    ('{ low = 1, high = 9, step = "a" }', "step is text, not a number; write step = 1, say"),
    ("{ low = 0.0, high = 1e300, step = 1.0 }", "has too many steps to count; write a larger step or leave it out"),
    ("{ low = 3, high = 8, powers_of = 2 }", "low = 3 is not a power of 2; write low = 4"),
    ("{ low = 0, high = 8, powers_of = 2 }", "powers are above 0; write low = 1 or a smaller power of 2"),
    ("{ low = 1, high = 8, powers_of = 1 }", "powers_of = 1 is not a base; write a whole number of 2 or more"),
    ('{ low = 1, high = 8, type = "loguniform" }', '"loguniform" is not a type; write { low = 1, high = 8, log = true, type = "float" }'),
    ('{ low = 1, high = 8, type = "real" }', '"real" is not a type; write type = "int" or "float", or leave it out'),
    ('{ low = 1.5, high = 8, type = "int" }', 'type = "int" needs whole ends; write whole ones or leave type out'),
    ("[]", "is an empty list; give it the values to choose from"),
    ("[1, 2, 1.0]", "has 1.0 twice; leave one of them out"),
    ("{ choices = 3 }", "choices is a whole number, not a list; write choices = [1, 2, 3]"),
    ("{ choices = [1], low = 3 }", "low has no effect with choices; leave one of them out"),
    ("{ value = 1, log = true }", "log has no effect with value; leave one of them out"),
    ("{}", "has no values; write { low = …, high = … }, a list, { value = … } or { sample = … }"),
    ("2020-01-01", 'is a date or time, which trials don\'t get; write it as text, in "quotes"'),
    ("[1, 2020-01-01]", '2020-01-01 is a date or time, which trials don\'t get; write it as text, in "quotes"'),
    ("nan", "is not a number, so never equal to itself"),
    ("99999999999999999999", "has more than 64 bits; write it as a float or as text"),
    ("{ sample = 3 }", 'sample is a whole number, not text; write sample = "file.py:function"'),
    ('{ sample = "train.py:drew" }', "train.py has no function drew; did you mean draw?"),
    ('{ sample = "train.py:train" }', "train in train.py can't be called with a random.Random and the configuration alone; write def train(random, configuration)"),
    ("{ low = 1, high = 3, hihg = 4 }", "hihg: there is no such key; did you mean high?"),
    ("{ min = 1, high = 3 }", "min: there is no such key; here it is low"),
    ("{ low = 1, high = 3, q = 4 }", "q: there is no such key; here it is step"),
    ("{ loguniform = [1e-4, 0.1] }", 'loguniform: there is no such key; here it is { low = 0.0001, high = 0.1, log = true, type = "float" }'),
    ('"tune.loguniform(1e-4, 1e-1)"', 'is text, so every trial would get it as it is; write { low = 1e-4, high = 1e-1, log = true, type = "float" }'),
    ('"tune.choice([1, 2])"', "is text, so every trial would get it as it is; write a list: [1, 2, 3]"),
    ('"trial.suggest_int(\'x\', 1, 9)"', "is text, so every trial would get it as it is; write { low = …, high = … }, both ends included"),
    ("{ value = 1, when = { optt = 3 } }", "when names optt, which is not a parameter; did you mean opt?"),
    ('{ value = 1, when = { opt = "sdg" } }', 'opt is never "sdg"; did you mean "sgd"?'),
    ("{ value = 1, when = { opt = 3 } }", 'opt is never 3; write one of "sgd", "adam"'),
    ("{ value = 1, when = { n = 10 } }", "n is never 10; write one of its values, 1, say"),
    ("{ value = 1, when = { opt = [] } }", "when gives opt no value; name one or take it out"),
    ("{ value = 1, when = { lr = 0.5 } }", "when names lr, which takes any value between two ends; name a parameter with countable values, or give that one a step"),
    ("{ value = 1, when = 3 }", "when is a whole number; write when = { parameter = value }"),
    ("{ value = 1, likely = 1 }", "likely has no effect with value; leave one of them out"),
    ("{ low = 1, high = 9, likely = 10 }", "likely = 10 is not within 1 to 9; write one of its values, or leave likely out"),
    ("{ low = 1, high = 9, likely = [2, 2.5] }", "likely = 2.5 is not a whole number; write one of its values, or leave likely out"),
    ("{ low = 1, high = 9, likely = [4, 2] }", "likely has its low end above its high one; write likely = [2, 4]"),
    ("{ low = 1, high = 9, likely = [2, 3, 4] }", "likely is one value, or [low, high] of those that are likely; write likely = [2, 4], say"),
    ("{ low = 1, high = 9, likely = [] }", "likely is an empty list; write likely = 1, say, or leave it out"),
    ('{ choices = ["a", "b"], likely = "c" }', 'likely = "c" is not "a" or "b"; write one of its values, or leave likely out'),
    ("{ value = 1, when = { x = 1 } }", "its when is part of a cycle: x needs x; remove one of these conditions"),
]  # fmt: skip


@pytest.mark.parametrize(("said", "words"), PARAMETERS)
def test_a_mistake_in_a_parameter(problems, said, words):
    found = problems(space=f"{RIGHT['space']}\nx = {said}")
    assert len(found) == 1
    assert found[0].startswith("s.toml: [space] x = ")
    assert found[0].endswith(f": {words}")


NOT_BEFOREHAND = (
    "when names s, which is sampled: its value is not known beforehand; "
    "use it in the sampling function of this parameter instead"
)


def test_conditions_can_not_rest_on_sampled_fixed_or_broken_parameters(problems):
    space = """
        s = { sample = "train.py:draw" }
        f = 3
        broken = { low = 2, high = 1 }
        a = { value = 1, when = { s = 1 } }
        b = { value = 1, when = { f = 4 } }
        c = { value = 1, when = { broken = 4 } }
        d = { value = 1, when = { e = 1 } }
        e = { value = 1, when = { d = 1 } }
    """
    words = [problem.partition("}: ")[2].rpartition("}: ")[2] for problem in problems(space=space)]
    assert words == [
        "is empty: low is above high; write low = 1, high = 2",
        NOT_BEFOREHAND,
        "f is never 4; it is always 3",
        "its when is part of a cycle: d needs e needs d; remove one of these conditions",
    ]


def test_names_that_could_not_stand_in_a_command(problems):
    (found,) = problems(space='"a b" = 1')
    assert found.endswith("can't be a parameter's name; use letters, digits, _, - and .")


@pytest.mark.parametrize("name", ["trial", '"trial.folder"'])
def test_a_parameter_is_not_called_as_a_trials_own_values_are(problems, name):
    (found,) = problems(space=f"{name} = 1")
    assert found.endswith("trial's own values; write another name, such as trial_")


def test_variables_name_what_a_trial_has(problems):
    env = """env = { A = "{trial.fold}", B = "{lr!pi}", C = '{"x": {y}} {{trial.x}}', D = ["a"] }"""
    found = problems(trial=f"{RIGHT['trial']}\n{env}")
    there = ", ".join(f"{{{name}}}" for name in TRIAL_VALUES)
    assert [words.partition(": ")[2] for words in found] == [
        '[trial.env] D = ["a"]: is a list, not text; write D = "a"',
        f'[trial.env] A = "{{trial.fold}}": {{trial.fold}} is not a value of a trial; there are: {there}',
        '[trial.env] B = "{lr!pi}": {lr!pi} has a spelling that there is not; there are: {lr!py}, {lr!json}, {lr!int}, {lr!yn}, {lr!if}',
    ]


def test_points(problems):
    points = '[3, { oppt = 1 }, { lr = 2 }, { opt = "x" }, { broken = 7 }, { s = nan }]'
    space = f'{RIGHT["space"]}\nbroken = []\ns = {{ sample = "train.py:draw" }}'
    assert problems(space=space, search=f"points = {points}") == [
        "s.toml: [space] broken = []: is an empty list; give it the values to choose from",
        "s.toml: [search] points[0] = 3: is a whole number; write { name = value }",
        "s.toml: [search] points[1]: oppt: there is no such parameter; did you mean opt?",
        "s.toml: [search] points[2]: lr = 2: is not within 0.1 to 0.9",
        's.toml: [search] points[3]: opt = "x": is not "sgd" or "adam"',
        "s.toml: [search] points[5]: s is not a number, so never equal to itself",
    ]
    points = "[{ brokn = 1, lr = 2, s = nan, zebra = 3 }]"
    assert problems(space=space, search=f"points = {points}")[1:] == [
        "s.toml: [search] points[0]: brokn: there is no such parameter; did you mean broken?",
        "s.toml: [search] points[0]: zebra: there is no such parameter; there are: lr, opt, n, broken, s",
        "s.toml: [search] points[0]: lr = 2: is not within 0.1 to 0.9",
        "s.toml: [search] points[0]: s is not a number, so never equal to itself",
    ]
    (found,) = problems(search="points = 3")
    assert found.endswith(
        "points = 3: is a whole number, not a list; write points = [{ lr = 0.01 }]"
    )


def test_grids_that_can_not_be_gone_over(problems):
    (found,) = problems(space='s = { sample = "train.py:draw" }', search='method = "grid"')
    assert "can't go over s, which a function samples" in found
    wide = "a = { low = 1, high = 5000 }\nb = { low = 1, high = 5000 }"
    (found,) = problems(space=wide, search='method = "grid"')
    assert "makes a grid of 25,000,000 points; write trials = 1000" in found
    (found,) = problems(space="a = { low = 1, high = 1000000000 }", search='method = "grid"')
    assert "more than 10,000,000 values of a; give it a step" in found


# --- targets and commands ---------------------------------------------------------------------

TARGETS = [
    ("train", 'names no file; write "file.py:function", as in "train.py:train"'),
    ("my.train", 'names no file; write "file.py:function", as in "my.py:train"'),
    ("train.py", 'names no function; write "train.py:train", say'),
    ("train.py:", 'is not "file.py:function" or "package.module:function"; write one'),
    ("src/train:train", 'names a file without its ending; write "src/train.py:train"'),
    ("my-code:train", "my-code is neither a .py file nor a module's name; write one"),
    ("tarin.py:train", "did you mean train.py?"),
    ("train.py:trian", "train.py has no function trian; did you mean train?"),
    ("train.py:zebra", "train.py has no function zebra; there are: train, draw, two, named, none, inner"),
    ("train.py:later", "later in train.py is async; write it as a plain function"),
    ("train.py:two", "two in train.py can't be called with the trial alone; write def two(trial)"),
    ("train.py:named", "named in train.py can't be called with the trial alone; write def named(trial)"),
    ("train.py:none", "none in train.py can't be called with the trial alone; write def none(trial)"),
    ("no_such_module_at_all:train", 'there is no module no_such_module_at_all, neither next to the study file nor installed; write the file instead, as in "train.py:function"'),
    ("json.nothing:train", "there is no module json.nothing, neither next to"),
    ("json.decoder:train", "decoder.py has no function train"),
    ("broken.py:train", "broken.py, line 2: "),
    ("nul.py:train", "null bytes"),
]  # fmt: skip


@pytest.mark.parametrize(("target", "words"), TARGETS)
def test_a_target_that_is_not_there(problems, tmp_path, target, words):
    (tmp_path / "broken.py").write_text("x = 1\ndef train(:\n")
    (tmp_path / "nul.py").write_bytes(b"x = 1\0")
    (found,) = problems(trial=f'target = "{target}"')
    assert found.startswith(f's.toml: [trial] target = "{target}": ')
    assert words in found


@pytest.mark.parametrize(
    "target",
    [
        "train.py:made",
        "train.py:inner",
        "train:train",
        "package.part:train",
        "package:anything",
        "star.py:anything",
        "lazy.py:anything",
        "json:dumps",
        "math:sqrt",
        "imported.py:train",
    ],
)
def test_a_target_that_is_there_or_may_be(tmp_path, target):
    (tmp_path / "train.py").write_text(CODE)
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("from os import *\n")
    (tmp_path / "package" / "part.py").write_text("class train:\n    pass\n")
    (tmp_path / "star.py").write_text("try:\n    from os.path import *\nexcept ImportError: ...\n")
    (tmp_path / "lazy.py").write_text("def __getattr__(name): ...\n")
    (tmp_path / "imported.py").write_text("from train import train\n")
    text = "\n".join(f"[{name}]\n{said}" for name, said in RIGHT.items())
    file = tmp_path / "s.toml"
    file.write_text(text.replace("train.py:train", target))
    assert load(file).trial.target == target


def test_without_a_look_at_the_target_only_its_form_counts(tmp_path):
    text = "\n".join(f"[{name}]\n{said}" for name, said in RIGHT.items())
    (tmp_path / "s.toml").write_text(text + '\nx = { sample = "gone.py:draw" }')
    assert load(tmp_path / "s.toml", check_target=False).trial.target == "train.py:train"
    (tmp_path / "s.toml").write_text(text.replace("train.py:train", "train"))
    with pytest.raises(StudyFileError, match="names no file"):
        load(tmp_path / "s.toml", check_target=False)


COMMANDS = [
    ('"python train.py --lr {lr}"', 'is text, not a list; write ["python", "train.py", "--lr", "{lr}"]'),
    ("[]", 'names no program; write ["python", "train.py"], say'),
    ("3", 'is a whole number; write ["python", "train.py", "--lr", "{lr}"]'),
    ('["a", 3]', '3 is a whole number, not text; write "3"'),
    ('["a", ["b", ["c"]]]', '["c"] is a list, not text; write "c"'),
    ('["a", ["b", ["c", "d"]]]', '["c", "d"] is a list, not text; write "[\\"c\\", \\"d\\"]"'),
    ('["a", "{lrr}"]', "{lrr} names no parameter; did you mean lr? (write {{ for the character {)"),
    ('["a", "{lr"]', '"{lr" has a lone {; write {{ for the character'),
    ('["a", "{lr}}"]', '"{lr}}" has a lone }; write }} for the character'),
    ('["a", "{momentum}"]', '{momentum} isn\'t in every configuration; put it in a list of its own, which is left out with it: ["--momentum", "{momentum}"]'),
    ('["a", "{trial.checkpoint}"]', '{trial.checkpoint} isn\'t there when a trial begins; put it in a list of its own, which is left out with it: ["--resume", "{trial.checkpoint}"]'),
    ('["a", "--new{opt!if}"]', '{opt!if} leaves out the list that it stands in, and it stands in none; write ["--opt{opt!if}"]'),
    ('["a", "{trial.fold}"]', "{trial.fold} is not a value of a trial; there are: {trial.folder}, {trial.number}, {trial.seed}, {trial.config}, {trial.checkpoint}, {trial.gpus}"),
    ('["a", "{trial}"]', "{trial} names no parameter; there are: lr, opt, n, momentum (write {{ for the character {)"),
    ('["a", "{lr!python}"]', "{lr!python} has a spelling that there is not; there are: {lr!py}, {lr!json}, {lr!int}, {lr!yn}, {lr!if}"),
    ('["a", "{lr!}"]', "{lr!} has a spelling that there is not; there are: {lr!py}, {lr!json}, {lr!int}, {lr!yn}, {lr!if}"),
    ('["a", "{lr!int}"]', "{lr!int}: lr is never true, false or a whole number; write {lr}"),
    ('["a", "{opt!yn}"]', "{opt!yn}: opt is never true or false; write {opt}"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("saves", "words"),
    [
        ("/tmp/a.pt", "is not a path below the trial's folder; write \"last.ckpt\" or \"out/*.pt\", say"),
        ("a/../../b.pt", "is not a path below the trial's folder; write \"last.ckpt\" or \"out/*.pt\", say"),
        ("{x}.pt", "is not a path below the trial's folder; write \"last.ckpt\" or \"out/*.pt\", say"),
        ("checkpoints/*.pt", "is in tuitune's own folder checkpoints; let the program write to another one, such as {trial.folder}/out, and write \"out/*.ckpt\", say"),
        ("*", 'is what tuitune writes itself, too; write what no other file is called, as "*.pt"'),
    ],
)  # fmt: skip
def test_what_a_command_can_not_save(problems, saves, words):
    (found,) = problems(trial=f'command = ["a"]\nsaves = "{saves}"')
    assert found == f's.toml: [trial] saves = "{saves}": {words}'


def test_a_target_saves_by_itself(problems):
    (found,) = problems(trial=f'{RIGHT["trial"]}\nsaves = "last.ckpt"')
    assert found.endswith("take it out, or run a command in place of the target")


@pytest.mark.parametrize(("command", "words"), COMMANDS)
def test_a_command_that_can_not_run(problems, command, words):
    space = f'{RIGHT["space"]}\nmomentum = {{ low = 0.5, high = 0.9, when = {{ opt = "sgd" }} }}'
    (found,) = problems(space=space, trial=f"command = {command}")
    assert found.startswith("s.toml: [trial] command = ")
    assert found.endswith(words)


def test_patterns(problems):
    trial = 'command = ["a"]\n[trial.metrics]\nloss = "loss=.*"\nacc = "acc=(.*"\nmany = "(a)(b)"\nn = 1'
    assert problems(trial=trial) == [
        's.toml: [trial.metrics] n = 1: is a whole number, not text; write n = "1"',
        's.toml: [trial.metrics] loss = "loss=.*": has 0 groups; put ( ) around the number alone, (?: ) elsewhere',
        's.toml: [trial.metrics] acc = "acc=(.*": is not a pattern: missing ), unterminated subpattern at position 4; correct it',
        's.toml: [trial.metrics] many = "(a)(b)": has 2 groups; put ( ) around the number alone, (?: ) elsewhere',
    ]
    trial = 'command = ["a"]\n[trial.metrics]\nacc = "acc=(.*)"'
    assert problems(trial=trial, pruning='resource = "epoch"') == [
        "s.toml: [trial.metrics]: there is no pattern for loss, the metric in [objective]; add loss = 'loss=([0-9.]+)'",
        "s.toml: [trial.metrics]: there is no pattern for epoch, the resource in [pruning]; add epoch = 'epoch=([0-9.]+)'",
    ]


# --- the file as a whole ----------------------------------------------------------------------

TEN = """
[study]
name = "a/b"
[objective]
metric = "loss"
mode = "minimize"
[trial]
target = "train.py:trian"
timeout = 90
[space]
lr = { low = 1e-1, high = 1e-4, log = true }
width = { low = 0, high = 1 }
momentum = { low = 0.5, high = 0.9, when = { optimzer = "sgd" } }
optimizer = ["sgd", "adam"]
[search]
n_trials = 100
points = [{ optimizer = "sdg" }]
[prunning]
method = "asha"
"""


def test_ten_mistakes_are_ten_problems(tmp_path, monkeypatch):
    (tmp_path / "train.py").write_text(CODE)
    (tmp_path / "ten.toml").write_text(TEN)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StudyFileError) as caught:
        load("ten.toml")
    places = [
        problem.split(" = ")[0].removeprefix("ten.toml: ") for problem in caught.value.problems
    ]
    assert sorted(places) == sorted(
        [
            "[study] name",
            "[objective] mode",
            "[trial] target",
            "[trial] timeout",
            "[space] lr",
            "[space] width",
            "[space] momentum",
            "[search] n_trials",
            "[search] points[0]: optimizer",
            "prunning: there is no such table; did you mean [pruning]?",
        ]
    )
    assert len(str(caught.value).splitlines()) == 10
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ten.toml", "train.py"]


SYNTAX = [
    ("[space]\nlr = 1 2", "line 2, column 8"),
    ("[space]\nlr = True", "write true"),
    ("[space]\nx = None", "write no key at all for none"),
    ("[space]\nopt = sgd", 'text must be in "quotes"'),
    ("[space]\nlr = 1\nlr = 2", "Cannot overwrite a value"),
    ("[space", "this is not TOML"),
    ("x = '''", "this is not TOML"),
]


@pytest.mark.parametrize(("text", "words"), SYNTAX)
def test_broken_toml_is_one_problem_with_its_place(tmp_path, monkeypatch, text, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.toml").write_text(text)
    with pytest.raises(StudyFileError) as caught:
        load("s.toml")
    (found,) = caught.value.problems
    assert found.startswith("s.toml: ")
    assert words in found


@pytest.mark.parametrize("value", ["9" * 5000, "0x" + "f" * 5000, "[" * 5000 + "]" * 5000])
def test_values_beyond_all_bounds(tmp_path, value):
    text = "\n".join(f"[{name}]\n{said}" for name, said in RIGHT.items())
    file = tmp_path / "s.toml"
    file.write_text(f"{text}\nx = {value}\n")
    for overrides in ([], [f"space.opt={value}"]):
        with pytest.raises(StudyFileError) as caught:
            load(file, overrides=overrides, check_target=False)
        assert all(len(problem) < 400 for problem in caught.value.problems)


def test_files_that_can_not_be_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cifar.toml").write_bytes(b"name = '\xff'")
    for name, words in [
        ("cifra.toml", "there is no such file; did you mean cifar.toml?"),
        ("zebra", "there is no such file; name an existing one"),
        (".", "is a folder; name a study file in it"),
        ("cifar.toml", "byte 8 is not UTF-8; save the file as UTF-8"),
    ]:
        with pytest.raises(StudyFileError) as caught:
            load(name)
        assert caught.value.problems == [f"{name}: {words}"]


def test_overrides_are_held_to_the_same_rules(problems):
    said = [
        "search.trials=many",
        "space.lr.hihg=3",
        "trial.env.A=1",
        "limts.time=1h",
        "trials",
        "trials=3",
        "objective.mode.x=1",
        "search.points=[{ lr = 3 }]",
    ]
    assert problems(overrides=said) == [
        "--set trials: is not of the form table.key=value; write --set search.trials=20, say",
        "--set trials=3: is not of the form table.key=value; write --set search.trials=20, say",
        "--set objective.mode.x=1: mode is not a table in the file; set mode itself",
        "s.toml: limts: there is no such table; did you mean [limits]?",
        "--set: [space] lr = { low = 0.1, high = 0.9, hihg = 3 }: hihg: there is no such key; did you mean high?",
        '--set: [trial.env] A = 1: is a whole number, not text; write A = "1"',
        '--set: [search] trials = "many": is text, not a whole number; write trials = 1, say',
    ]
    with pytest.raises(StudyFileError):
        load_whole("s.toml", overrides=["trials"])


TOML_VALUES = st.recursive(
    st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.dates()
    | st.sampled_from(["min", "asha", "grid", "train.py:train", "2h", "8GB"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["low", "high", "log", "step", "powers_of", "type", "choices"])
                      | st.sampled_from(["ordered", "value", "sample", "when", "x", "lr", ""]),
                      inner, max_size=4),
    max_leaves=6,
)  # fmt: skip


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "study",
                "objective",
                "trial",
                "space",
                "search",
                "pruning",
                "limits",
                "devices",
                "notify",
                "log",
                "z",
            ]
        ),
        TOML_VALUES
        | st.dictionaries(
            st.sampled_from(
                [
                    "name",
                    "metric",
                    "mode",
                    "value",
                    "target",
                    "command",
                    "gpus",
                    "cpus",
                    "memory",
                    "retries",
                    "timeout",
                    "env",
                    "metrics",
                    "checkpoint_every",
                    "method",
                    "trials",
                    "seed",
                    "points",
                    "levels",
                    "resource",
                    "min",
                    "max",
                    "reduction",
                    "allow",
                    "share",
                    "lr",
                ]
            ),
            TOML_VALUES,
            max_size=5,
        ),
        max_size=7,
    )
)
def test_no_document_is_too_odd_to_be_read(document):
    problems = Problems("s.toml")
    spec = read_study(document, Path("/nowhere/s.toml"), problems, check_target=False)
    if not problems.found:
        assert spec.objective.metric
        assert spec.space.parameters


def test_messages_shorten_long_values_and_keep_to_one_line():
    problems = Problems("s.toml")
    problems.add("space", "x", "a\nb" + "c" * 200, "is long")
    assert problems.found[0].startswith('s.toml: [space] x = "a\\nbccc')
    assert len(problems.found[0]) < 120


def test_a_name_that_is_an_escape_code_steers_no_terminal():
    told = str(StudyFileError(["[space] x\x1b]0;OWNED\x07: no name", "\x1b[2J"]))
    assert told.replace("\n", "").isprintable()
    assert len(told.splitlines()) == 2


@pytest.mark.parametrize(
    "said",
    [
        "low = nan, high = 1.0",
        "low = nan, high = 1",
        "low = nan, high = 0.0",
        "low = nan, high = -7",
        "low = nan, high = 1e-9, log = true",
        'low = nan, high = 9.0, type = "int"',
        "low = nan, high = 1024, powers_of = 2",
        "low = 5.0, high = nan",
        "low = -1e300, high = nan",
        "low = 1, high = nan, powers_of = 2",
        "low = 64, high = nan, powers_of = 2",
    ],
)
def test_the_end_proposed_in_place_of_nan_is_accepted(problems, tmp_path, said):
    (problem,) = problems(space=f"x = {{ {said} }}")
    end = problem.partition("; write ")[2].removesuffix(", say")
    key = end.partition(" ")[0]
    assert f"{key} = nan" in said
    text = (tmp_path / "s.toml").read_text()
    (tmp_path / "s.toml").write_text(text.replace(f"{key} = nan", end))
    load("s.toml")


COMMAND = 'command = ["python", "train.py"{}]'
FILL = "x" * 200_000


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"trial": COMMAND.format(r', "a\u0000b"')}, "contains a NUL character"),
        ({"trial": COMMAND.format(r', ["a\u0000b"]')}, "contains a NUL character"),
        ({"trial": COMMAND.format(f', "{FILL}"')}, "an argument may have at most 131071"),
        (
            {
                "trial": COMMAND.format(', "{lr}{a}{a}"'),
                "space": f'{RIGHT["space"]}\na = "{FILL[:70_000]}"',
            },
            "an argument may have at most 131071",
        ),
        (
            {"trial": COMMAND.format(""), "space": f'{RIGHT["space"]}\na = ["b", "{FILL}"]'},
            "[space] a: its values have up to 200002 bytes",
        ),
        (
            {"trial": f'{RIGHT["trial"]}\n[trial.env]\nA = "{FILL}"'},
            "the 131071 bytes that the system takes",
        ),
        ({"trial": f'{RIGHT["trial"]}\n[trial.env]\nA = "a\\u0000b"'}, "can't be a variable"),
        ({"trial": f'{RIGHT["trial"]}\nmemory = "9000000TB"'}, "is too large"),
        ({"limits": f'disk_free = "{"9" * 400}TB"'}, "is too large"),
        ({"limits": f'time = "{"9" * 400}s"'}, "is not a duration"),
        (
            {"pruning": 'method = "asha"\nmax = 81\nreduction = 1.0000000000000002'},
            "makes more than 20,000 rungs; write reduction = 3, say",
        ),
        (
            {"pruning": 'method = "hyperband"\nmax = 9223372036854775807\nreduction = 1.00001'},
            "makes more than 20,000 rungs; write reduction = 3, say",
        ),
    ],
)
def test_what_no_trial_could_be_given_is_refused(problems, tables, words):
    (problem,) = problems(**tables)
    assert words in problem


@pytest.mark.parametrize(
    "top", ["[space.a" + ".a" * 5000 + "]\nb = 1", "a" + ".a" * 5000 + " = 1", f"a = {'[' * 200}"]
)
def test_a_document_too_deep_is_one_problem(tmp_path, top):
    (tmp_path / "s.toml").write_text(top + "]" * 200 * top.endswith("["))
    for read in (load, load_whole):
        with pytest.raises(StudyFileError, match="more than 100 nested tables or lists") as caught:
            read(tmp_path / "s.toml")
        assert len(caught.value.problems) == 1
