"""What right study files say."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import tomllib

import pytest
from hypothesis import given, strategies as st

from tuitune.core.space import Choice, Fixed, FloatRange, IntRange, PowerRange, Sampled
from tuitune.core.spec import Limits, Objective, PruningSpec, SearchSpec, TrialSpec
from tuitune.studyfile import StudyFileError, load, load_whole
from tuitune.studyfile.hints import KEYS, LOGS, PARAMETER_KEYS
from tuitune.studyfile.table import seconds, size

WHOLE = """
[study]
name = "cifar"

[objective]
metric = "val_accuracy"
mode   = "max"
value  = "last"

[trial]
target   = "cifar.py:train"
gpus     = 1
cpus     = 2
memory   = "8GB"
retries  = 1
timeout  = "2h"
leave_within = "2m"
checkpoint_every = "10m"
keep_checkpoints = "best"
pause            = "save"
env      = { WANDB_MODE = "offline" }

[space]
lr           = { low = 1e-4, high = 1e-1, log = true, likely = 3e-3 }
l1           = { low = 4, high = 256, powers_of = 2 }
weight_decay = { low = 0.0, high = 0.3, step = 0.05 }
layers       = { low = 1, high = 6 }
batch_size   = [2, 4, 8, 16]
optimizer    = ["sgd", "adamw"]
augment      = { choices = ["a", "b", "c"], ordered = true }
betas        = { value = [0.9, 0.999] }
momentum     = { low = 0.5, high = 0.99, when = { optimizer = "sgd" } }
l2           = { sample = "cifar.py:sample_l2" }
noise        = { normal = [0.1, 0.02] }
scale        = { lognormal = [0.0, 0.5] }
pooling      = { choices = ["max", "mean"], weights = [3, 1] }
dropout      = 0.1

[search]
method      = "bayes"
learn_from  = ["runs/cifar-1"]
trials      = 100
seed        = 0
concurrency = 8
points      = [{ lr = 0.01, optimizer = "sgd" }]

[pruning]
method    = "asha"
resource  = "epoch"
min       = 1
max       = 27
reduction = 3
style     = "auto"
brackets  = 1

[limits]
disk_free = "20GB"
time   = "4h"
target = 0.95

[devices]
allow      = [0, "GPU-5a1c"]
leave_free = 1
share      = false
on_foreign = "drain"
yield_to   = ["anna"]
max_gpus   = 4
hours      = { "22-08" = 8, "8:15-22" = 2 }

[notify]
command = ["mail", "-s", "study", "anna"]

[log]
to     = ["tensorboard", "mlflow"]
mlflow = "http://tracking:5000"
"""

SMALL = """
[objective]
metric = "loss"
mode = "min"
[trial]
target = "train.py:train"
"""


@pytest.fixture
def study(tmp_path):
    """A function that loads a study file of this text, beside a target that is there."""
    code = "def train(trial): ...\ndef sample_l2(random, configuration): ...\n"
    (tmp_path / "train.py").write_text(code)
    (tmp_path / "cifar.py").write_text(code)

    def write(text, name="study.toml", **options):
        (tmp_path / name).write_text(textwrap.dedent(text))
        return load(tmp_path / name, **options)

    return write


def parameter(study, said):
    return study(f"{SMALL}[space]\nother = [1, 2]\nx = {said}\n").space.by_name["x"]


def test_everything_that_a_study_file_can_say(study, tmp_path):
    spec = study(WHOLE)
    assert spec.name == "cifar"
    assert spec.file == str(tmp_path / "study.toml")
    assert spec.objective == Objective("val_accuracy", "max", "last")
    assert spec.trial == TrialSpec(
        target="cifar.py:train",
        gpus=1.0,
        cpus=2.0,
        memory=8 * 10**9,
        retries=1,
        timeout=7200.0,
        leave_within=120.0,
        env={"WANDB_MODE": "offline"},
    )
    assert spec.space.parameters == (
        FloatRange("lr", 1e-4, 1e-1, log=True, likely=(3e-3,)),
        PowerRange("l1", 4, 256, 2),
        FloatRange("weight_decay", 0.0, 0.3, step=0.05),
        IntRange("layers", 1, 6),
        Choice("batch_size", (2, 4, 8, 16), ordered=True),
        Choice("optimizer", ("sgd", "adamw"), ordered=False),
        Choice("augment", ("a", "b", "c"), ordered=True),
        Fixed("betas", [0.9, 0.999]),
        FloatRange("momentum", 0.5, 0.99, when={"optimizer": ("sgd",)}),
        Sampled("l2", "cifar.py:sample_l2"),
        FloatRange("noise", 0.02, 0.18, normal=(0.1, 0.02)),
        FloatRange("scale", 0.135335, 7.38906, log=True, normal=(0.0, 0.5)),
        Choice("pooling", ("max", "mean"), weights=(3.0, 1.0)),
        Fixed("dropout", 0.1),
    )
    points = ({"lr": 0.01, "optimizer": "sgd"},)
    assert spec.search == SearchSpec(concurrency=8, points=points, learn_from=("runs/cifar-1",))
    assert spec.pruning == PruningSpec("asha", "epoch", max=27)
    assert spec.limits == Limits(time=14400.0, target=0.95, disk_free=20_000_000_000)


@pytest.mark.parametrize(
    ("said", "read"),
    [
        (
            'method = "asha"\nmax = 9\nstyle = "promote"',
            PruningSpec("asha", max=9, style="promote"),
        ),
        ('method = "asha"\nmax = 9\nbrackets = 3', PruningSpec("asha", max=9, brackets=3)),
        ('method = "hyperband"\nmax = 9', PruningSpec("hyperband", max=9)),
        (
            'method = "hyperband"\nmax = 9\nstyle = "stop"',
            PruningSpec("hyperband", max=9, style="stop"),
        ),
        ('method = "median"\nmin = 3\nmax = 9', PruningSpec("median", min=3, max=9)),
        ('method = "median"\nmax = 9\nstyle = "stop"', PruningSpec("median", max=9, style="stop")),
    ],
)
def test_every_pruner_is_read(study, said, read):
    assert study(f"{SMALL}[space]\nlr = [0.1, 0.2]\n[pruning]\n{said}\n").pruning == read


def test_what_is_left_out_has_its_default(study):
    spec = study(f"{SMALL}[space]\nlr = [0.1, 0.2]\n", name="small.toml")
    assert spec.name == "small"
    assert spec.trial == TrialSpec(target="train.py:train")
    assert (spec.search, spec.pruning, spec.limits) == (SearchSpec(), PruningSpec(), Limits())


def test_a_study_loads_from_a_relative_path_and_as_text(study, tmp_path, monkeypatch):
    study(WHOLE)
    monkeypatch.chdir(tmp_path)
    assert load("study.toml").file == str(tmp_path / "study.toml")


def test_the_list_of_keys_is_what_the_example_says(study):
    study(WHOLE)
    document = tomllib.loads(WHOLE)
    for table, keys in KEYS.items():
        if table != "space":
            others = {"from", "command", "metrics", "levels", "cwd", "saves", "python", *LOGS}
            assert set(document[table]) | others >= set(keys), table
    said = {key for value in document["space"].values() if isinstance(value, dict) for key in value}
    assert said | {"type"} == set(PARAMETER_KEYS)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("{ low = 0.0, high = 1 }", FloatRange("x", 0.0, 1.0)),
        ('{ low = 0, high = 1, type = "float" }', FloatRange("x", 0.0, 1.0)),
        ('{ low = 0, high = 1, type = "int" }', IntRange("x", 0, 1)),
        ('{ low = 1.0, high = 4.0, type = "int" }', IntRange("x", 1, 4)),
        ("{ low = 1, high = 1000, log = true }", IntRange("x", 1, 1000, log=True)),
        ("{ low = 1, high = 9, step = 2 }", IntRange("x", 1, 9, step=2)),
        ("{ low = 1, high = 9, log = false, step = 2 }", IntRange("x", 1, 9, step=2)),
        ("{ low = 0.001, high = 10.0, powers_of = 10 }", PowerRange("x", 0.001, 10.0, 10)),
        ('{ low = 1, high = 8, powers_of = 2, type = "float" }', PowerRange("x", 1.0, 8.0, 2)),
        ("[16, 2, 8]", Choice("x", (2, 8, 16), ordered=True)),
        ("{ choices = [16, 2], ordered = true }", Choice("x", (16, 2), ordered=True)),
        ("{ choices = [16, 2], ordered = false }", Choice("x", (16, 2), ordered=False)),
        ("[true, false]", Choice("x", (True, False))),
        ("[[1, 2], [3, 4]]", Choice("x", ([1, 2], [3, 4]))),
        ("[0.5, inf]", Choice("x", (0.5, float("inf")), ordered=True)),
        ('"sgd"', Fixed("x", "sgd")),
        ("true", Fixed("x", value=True)),
        ("{ value = { a = 1 } }", Fixed("x", {"a": 1})),
        ("{ low = 1, high = 3, when = { other = 2 } }", IntRange("x", 1, 3, when={"other": (2,)})),
        ("{ value = 1, when = { other = [1, 2.0] } }", Fixed("x", 1, when={"other": (1, 2)})),
    ],
)
def test_parameters(study, said, expected):
    found = parameter(study, said)
    assert found == expected
    assert repr(found) == repr(expected)  # 1 == 1.0, but not for a trial


def test_conditions_on_every_kind_of_parent(study):
    spec = study(
        SMALL
        + """
        [space]
        child = { low = 1, high = 3, when = { pair = [1, 2], fixed = 7, whole = [3, 5], power = 8 } }
        pair = [[1, 2], [3, 4]]
        fixed = 7
        whole = { low = 1, high = 9, when = { flag = true } }
        power = { low = 2, high = 8, powers_of = 2 }
        flag = [true, false]
        """
    )
    when = {"pair": ([1, 2],), "fixed": (7,), "whole": (3, 5), "power": (8,)}
    assert spec.space.by_name["child"].when == when
    # whole is 3 or 5 when flag is true; 2 pairs, 3 powers, a child of 3 values
    assert spec.space.size == 2 * 3 * (9 + 1) + 2 * (3 - 1)


def test_points_take_the_types_of_the_space(study):
    spec = study(
        SMALL
        + """
        [space]
        lr = { low = 0.0, high = 2.0 }
        n = { low = 1, high = 9 }
        f = 3
        s = { sample = "train.py:sample_l2" }
        [search]
        points = [{ n = 3.0, lr = 1, s = "drawn" }, {}]
        """
    )
    assert repr(spec.search.points) == "({'lr': 1.0, 'n': 3, 's': 'drawn'}, {})"


def test_a_grid_is_as_long_as_it_is(study):
    grid = """
        [space]
        lr = { low = 1e-4, high = 1e-1, log = true }
        opt = ["sgd", "adam"]
        momentum = { low = 0.5, high = 0.9, when = { opt = "sgd" } }
        [search]
        method = "grid"
        levels = 4
    """
    assert study(SMALL + grid).search.trials == 4 * (4 + 1)
    assert study(f"{SMALL}{grid}\n        trials = 3\n").search.trials == 3


def test_a_command_with_groups_and_braces(study):
    spec = study(
        """
        [objective]
        metric = "loss"
        mode = "min"
        [trial]
        command = ["sh", "-c", "echo {{{lr}}}", ["--momentum", "{momentum}"]]
        gpus = "auto"
        cpus = 0.5
        checkpoint_every = "0s"
        [trial.metrics]
        loss = 'loss=(\\S+)'
        [space]
        lr = [1, 2]
        momentum = { low = 0.5, high = 0.9, when = { lr = 1 } }
        """
    )
    assert spec.trial.command == ("sh", "-c", "echo {{{lr}}}", ("--momentum", "{momentum}"))
    assert (spec.trial.gpus, spec.trial.cpus, spec.trial.checkpoint_every) == ("auto", 0.5, 0.0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", 90),
        ("10m", 600),
        ("2h", 7200),
        ("1d", 86400),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("1h 30m", 5400),
        ("0s", 0),
        ("", None),
        ("90", None),
        ("h", None),
        ("-1h", None),
        ("2 hours", None),
    ],
)
def test_durations(text, expected):
    assert seconds(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8GB", 8 * 10**9),
        ("512MB", 512 * 10**6),
        ("8GiB", 8 * 2**30),
        ("1.5 TB", 1500 * 10**9),
        ("64kB", 64000),
        ("12B", 12),
        ("8", None),
        ("8G", None),
        ("GB", None),
    ],
)
def test_sizes(text, expected):
    assert size(text) == expected


@given(st.text(alphabet="0123456789.hmsdGiB ", max_size=12))
def test_no_text_is_too_odd_to_be_a_duration_or_a_size(text):
    found = seconds(text)
    assert found is None or found >= 0
    assert size(text) is None or size(text) >= 0


def test_byte_order_marks_are_read_over(tmp_path):
    file = tmp_path / "study.toml"
    file.write_bytes(b"\xef\xbb\xbf" + f"{SMALL}[space]\nx = [1]\n".encode())
    assert load(file, check_target=False).space.size == 1


def test_reading_imports_nothing_heavy(tmp_path):
    (tmp_path / "study.toml").write_text(f"{SMALL}[space]\nx = [1]\n")
    (tmp_path / "train.py").write_text("def train(trial): ...")
    code = (
        "import sys; from tuitune.studyfile import load; load(sys.argv[1]);"
        "print(sorted({'difflib', 'shlex', 'asyncio', 'click', 'numpy'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "study.toml")]
    out = subprocess.run(command, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_a_target_is_never_imported(study, tmp_path):
    (tmp_path / "train.py").write_text("raise SystemExit(9)\ndef train(trial): ...\n")
    (tmp_path / "study.toml").write_text(f"{SMALL}[space]\nx = [1]\n")
    assert load(tmp_path / "study.toml").trial.target == "train.py:train"


# --- overrides ---------------------------------------------------------------------------------


def test_overrides_are_toml_or_else_text(study, tmp_path):
    study(WHOLE)
    overrides = [
        "search.trials=20",
        "study.name=my run",
        "trial.timeout=90s",
        "space.lr.low=1e-3",
        'space.optimizer=["sgd"]',
        "space.new={ value = 3 }",
        "limits.target = 0.5",
        'trial.env."A.B"=x=y',
    ]
    spec = load(tmp_path / "study.toml", overrides=overrides)
    assert (spec.search.trials, spec.name, spec.trial.timeout) == (20, "my run", 90.0)
    assert spec.space.by_name["lr"] == FloatRange("lr", 1e-3, 1e-1, log=True, likely=(3e-3,))
    assert spec.space.by_name["optimizer"] == Choice("optimizer", ("sgd",))
    assert spec.space.by_name["new"] == Fixed("new", 3)
    assert spec.limits.target == 0.5
    assert spec.trial.env == {"WANDB_MODE": "offline", "A.B": "x=y"}


def test_the_document_as_run_has_the_overrides(study, tmp_path):
    study(WHOLE)
    overrides = ["search.trials=20", "limits.time=1h"]
    _, document = load_whole(tmp_path / "study.toml", overrides=overrides)
    assert document["search"]["trials"] == 20
    assert document["limits"]["time"] == "1h"
    assert document["space"]["dropout"] == 0.1


@pytest.mark.parametrize(
    ("said", "likely"),
    [
        ("{ low = 1e-4, high = 1.0, log = true, likely = 1e-2 }", (1e-2,)),
        ("{ low = 1e-4, high = 1.0, likely = [1e-3, 1] }", (1e-3, 1.0)),
        ("{ low = 1, high = 9, likely = [3, 3] }", (3,)),
        ("{ low = 4, high = 64, powers_of = 2, likely = 16 }", (16,)),
        ('{ choices = ["a", "b", "c"], likely = "b" }', ("b",)),
        ('{ choices = ["a", "b", "c"], likely = ["c", "a"] }', ("c", "a")),
        ("{ choices = [[1, 2], [3, 4]], likely = [1, 2] }", ([1, 2],)),
    ],
)
def test_what_is_likely(study, said, likely):
    found = parameter(study, said).likely
    assert found == likely
    assert [type(value) for value in found] == [type(value) for value in likely]


UNUSED = f"""{SMALL}
metrics = {{ loss = 'loss=([0-9.]+)' }}
[space]
x = [1, 2]
[search]
levels = 4
[pruning]
method = "median"
max = 9
reduction = 4
"""


def test_a_study_that_is_there_already_may_say_what_means_nothing(study):
    """It was begun when that was let pass, and goes on once its file no longer says it."""
    with pytest.raises(StudyFileError) as caught:
        study(UNUSED)
    assert len(caught.value.problems) == 3
    there = study(UNUSED, check_target=False)
    without = "\n".join(
        line
        for line in UNUSED.splitlines()
        if line.split(" ")[0] not in ("metrics", "levels", "reduction")
    )
    assert study(without) == there


def test_what_set_has_made_meaningless_may_stay_in_the_file(study):
    text = f'{SMALL}[space]\nx = [1, 2]\n[search]\nmethod = "grid"\nlevels = 4\n'
    assert study(text, overrides=["search.method=random"]).search.options == {}
    with pytest.raises(StudyFileError, match="levels = 3"):
        study(text, overrides=["search.method=random", "search.levels=3"])
