"""What [space] says: nested tables, constraints, distributions, weights, and their mistakes."""

from __future__ import annotations

import pytest

from tuitune.core.space import Choice, Fixed, FloatRange, IntRange
from tuitune.studyfile import StudyFileError, load
from tuitune.studyfile.changes import changes

HEAD = """
[objective]
metric = "loss"
mode = "min"
[trial]
command = ["train", "{opt.lr}", ["{opt.momentum}"]]
"""


@pytest.fixture
def read(tmp_path):
    def load_space(space, search="", *, head=HEAD, overrides=()):
        file = tmp_path / "study.toml"
        file.write_text(f"{head}\n[space]\n{space}\n[search]\n{search}\n")
        return load(file, overrides=overrides)

    return load_space


def problems(read, space, search=""):
    with pytest.raises(StudyFileError) as caught:
        read(space, search, head=HEAD.replace('"{opt.lr}", ["{opt.momentum}"]', ""))
    return [words.partition("study.toml: ")[2] for words in caught.value.problems]


NESTED = """
constraints = ["width * opt.lr <= 20", "opt.name == 'sgd' or opt.lr < 0.1"]
width = [16, 32]
[space.opt]
lr = { low = 0.001, high = 1.0, log = true }
name = ["sgd", "adam"]
momentum = { low = 0.5, high = 0.9, when = { opt.name = "sgd" } }
sched.kind = "cosine"
sched.warmup = { low = 0, high = 9, when = { "opt.name" = ["adam"] } }
"""


def test_nested_tables_are_dotted_names(read):
    spec = read(
        NESTED,
        'points = [{ width = 16, opt.lr = 0.01, opt = { name = "sgd" } }]'.replace(
            "opt = { name", "opt.name"
        ).replace(" } }]", " }]"),
    )
    names = ["width", "opt.lr", "opt.name", "opt.momentum", "opt.sched.kind", "opt.sched.warmup"]
    assert [p.name for p in spec.space.parameters] == names
    assert spec.space.in_tables == set(names[1:])
    assert spec.space.by_name["opt.momentum"].when == {"opt.name": ("sgd",)}
    assert spec.space.by_name["opt.sched.warmup"].when == {"opt.name": ("adam",)}
    assert spec.space.by_name["opt.sched.kind"] == Fixed("opt.sched.kind", "cosine")
    assert spec.search.points == ({"width": 16, "opt.lr": 0.01, "opt.name": "sgd"},)
    assert len(spec.space.rules) == 2


def test_one_parameter_of_a_table_is_set_on_the_command_line(read):
    spec = read(NESTED, overrides=["space.opt.lr=0.01", "space.constraints=[]"])
    assert spec.space.by_name["opt.lr"] == Fixed("opt.lr", 0.01)
    assert spec.space.constraints == ()


def test_a_quoted_name_with_a_dot_stays_one_name(read):
    spec = read('"opt.lr" = [0.1, 0.2]\n"opt.momentum" = 0.5')
    assert spec.space.in_tables == frozenset()
    assert spec.space.nested({"opt.lr": 0.1}) == {"opt.lr": 0.1}


def test_distributions_weights_and_steps(read):
    spec = read(
        """
opt.lr = { lognormal = [-7, 1.0], high = 0.5 }
opt.momentum = { normal = [0.8, 0.05], high = 0.99 }
units = { normal = [64, 8], type = "int", step = 8 }
width = { low = 16, high = 512, log = true, step = 16 }
decay = { low = 0.05, high = 1.0, log = true, step = 0.05 }
batch = { choices = [64, 16, 32], weights = [1, 2, 3] }
"""
    )
    assert spec.space.parameters == (
        FloatRange("opt.lr", 1.67017e-05, 0.5, log=True, normal=(-7.0, 1.0)),
        FloatRange("opt.momentum", 0.6, 0.99, normal=(0.8, 0.05)),
        IntRange("units", 32, 96, step=8, normal=(64.0, 8.0)),
        IntRange("width", 16, 512, log=True, step=16),
        FloatRange("decay", 0.05, 1.0, log=True, step=0.05),
        Choice("batch", (16, 32, 64), ordered=True, weights=(2.0, 3.0, 1.0)),
    )


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ('constraints = "x < 1"\nx = [1, 2]', 'constraints = "x < 1": is text, not a list; write'),
        ("constraints = [3]\nx = [1, 2]", "constraints[0] = 3: is a whole number, not text"),
        ('constraints = ["x<2", "y<1"]\nx = [1, 2]', 'constraints[1] = "y<1": y: there is no such'),
        (
            'constraints = ["x < 1"]\nx = [1, 2]',
            'constraints[0] = "x < 1": no combination of x keeps it',
        ),
        (
            'constraints = ["x < y", "y < x"]\nx = [1, 2]\ny = [1, 2]',
            "constraints: no combination of x, y keeps constraints[0] and constraints[1]",
        ),
        ('[space.o]\nx = [1, 2]\nconstraints = ["o.x < 2"]', "belongs in [space] itself"),
        ('"o.x" = 3\n[space.o]\nx = [1, 2]', "[space] o.x = [1, 2]: is there twice"),
        ('[space.o]\n"a.b" = [1, 2]', "has a dot in a name"),
        ("y = [1, 2]\n[space.o]\nx = [1, 2]\nwhen = { y = 1 }", "in each parameter of the table"),
        ("[space.o]\na = 1\nb = 2", "a table of fixed values is { value = { … } }"),
        ("x = { values = [1, 2] }", "values: there is no such key; here it is choices"),
        ("x = { normal = [0, 1], log = true }", "log has no effect with normal"),
        ("x = { normal = [0, 1], likely = 0 }", "likely has no effect with normal"),
        (
            "x = { normal = 3 }",
            "normal is not two numbers; write normal = [mean, standard deviation]",
        ),
        ("x = { normal = [0, 0] }", "needs a standard deviation above 0"),
        ("x = { normal = [0, 1], low = 9 }", "leaves nothing from 9 to 4.0"),
        ("x = { normal = [0, 1], low = 8, high = 9 }", "next to nothing of this distribution"),
        ("x = { lognormal = [0, 1], low = 0.0 }", "above 0"),
        ("x = { lognormal = [700, 9] }", "reaches beyond all numbers"),
        ("x = { normal = [0, 1], step = 0 }", "is not a positive number"),
        ("x = { choices = [1, 2], weights = [1] }", "weights is not a list of 2 numbers"),
        ("x = { choices = [1, 2], weights = [1, 0] }", "the weight 0 is not a number above 0"),
        ("x = { choices = [1, 2], weights = [1, 2], likely = 1 }", "leave one of them out"),
        (
            "x = { low = 1, high = 8, log = true, powers_of = 2 }",
            "log and powers_of don't go together",
        ),
        ('x = "tune.randn(0, 1)"', "write { normal = [0, 1] }"),
    ],
)
def test_mistakes_of_the_space(read, space, words):
    found = problems(read, space)
    assert any(words in one for one in found), found


@pytest.mark.parametrize(
    ("points", "words"),
    [
        (
            "[{ a = 0.1, b = 0.2 }]",
            "points[0]: a = 0.1, b = 0.2: breaks the constraint a + b > 1.5",
        ),
        ("[{ a = 0.9 }, { a = 0.2 }]", "points[1]: no values of the other parameters were found"),
    ],
)
def test_points_keep_the_constraints(read, points, words):
    space = 'constraints = ["a + b > 1.5"]\na = { low = 0.0, high = 1.0 }\nb = { low = 0.0, high = 1.0 }'
    assert words in problems(read, space, f"points = {points}")[0]


def test_a_grid_of_too_many_combinations_or_of_none(read, monkeypatch):
    monkeypatch.setattr("tuitune.core.space.families.MOST_STEPS", 1000)  # for the sake of time
    many = 'constraints = ["a * b <= 1000"]\na = { low = 1, high = 1000 }\nb = { low = 1, high = 1000 }'
    assert "too many combinations of a, b" in problems(read, many, 'method = "grid"')[0]
    none = 'constraints = ["a > 0.6", "a < 0.7"]\na = { low = 0.0, high = 1.0 }'
    assert "no point keeps the constraints" in problems(read, none, 'method = "grid"')[0]


def test_constraints_may_change_within_a_study_and_parameters_may_not(read):
    before = read(NESTED)
    taken, refused = changes(before, read(NESTED, overrides=['space.constraints=["opt.lr < 0.5"]']))
    assert refused == []
    assert [change.key for change in taken] == ["[space] constraints"]
    assert not taken[0].is_setting
    _, refused = changes(before, read(NESTED, overrides=["space.width=[16, 64]"]))
    assert [change.key for change in refused] == ["[space] width"]
