"""Scripts and configuration files that say anything at all: a draft that loads, or one sentence."""

from __future__ import annotations

import builtins
import sys
import tempfile
import tomllib
import types
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from tuitune.drafts.script import DraftError
from tuitune.drafts.writing import draft
from tuitune.studyfile.problems import Problems
from tuitune.studyfile.reading import read_study

NAMES = st.sampled_from(
    ["lr", "batch_size", "epochs", "trial", "data", "opt.lr", "a b", "µ", "", "x"]
)
VALUES = st.sampled_from(
    [
        *("0", "1", "-1", "0.1", "1e-3", "1e400", "10**30", "2**70", "-0.0", "True", "None", "..."),
        *(
            "'sgd'",
            "''",
            "'{x}'",
            "'a\\nb'",
            "b'a'",
            "1j",
            "[]",
            "[1, 2]",
            "[0.1, None]",
            "(0.9, 0.999)",
        ),
        *("{'a': 1}", "{}", "{1: 2}", "lr", "LR * 2", "1 / 0", "float('nan')", "int('x')", "f(1)"),
        *(
            "lambda s: s.lower() == 'true'",
            "list(MODELS)",
            "MODELS.keys()",
            "print",
            "'x' * 3",
            "-'a'",
        ),
        *("[*a]", "f'{x}'", "x if y else z", "not 1", "float", "int", "str", "bool", "MISSING"),
    ]
)
WORDS = st.sampled_from(
    [
        *(
            "type",
            "default",
            "choices",
            "required",
            "nargs",
            "action",
            "dest",
            "help",
            "name",
            "low",
        ),
        *(
            "high",
            "log",
            "step",
            "config_name",
            "config_path",
            "version_base",
            "metavar",
            "min",
            "max",
        ),
    ]
)
KEYWORDS = st.dictionaries(WORDS, VALUES, max_size=4).map(
    lambda given: ", ".join(f"{name}={value}" for name, value in given.items())
)
TEXTS = NAMES.map(repr)
FLAGS = NAMES.map(lambda name: repr(f"--{name.replace(' ', '-')}"))


def call(name, *arguments):
    """Calls of a function with some of these arguments, and any keywords."""
    parts = st.tuples(*arguments, KEYWORDS).map(lambda found: ", ".join(filter(None, found)))
    return parts.map(lambda inside: f"{name}({inside})")


TYPES = st.sampled_from(
    [
        *(
            "int",
            "float",
            "bool",
            "str",
            "Optional[int]",
            "int | None",
            "list[int]",
            "Literal['a', 'b']",
        ),
        *(
            "Literal[1]",
            "Annotated[float, 3]",
            "Enum",
            "'int'",
            "dict[str, int]",
            "x.Y",
            "...",
            "3",
        ),
    ]
)
FIELDS = st.lists(st.tuples(NAMES.filter(str.isidentifier), TYPES, VALUES), min_size=1, max_size=4)


def class_of(decorator):
    return FIELDS.map(
        lambda fields: (
            f"{decorator}\nclass Args:\n"
            + "\n".join(f"    {name}: {kind} = {value}" for name, kind, value in fields)
        )
    )


def function_of(decorators):
    return st.tuples(st.lists(decorators, max_size=3), FIELDS).map(
        lambda pair: (
            "\n".join(f"@{decorator}" for decorator in pair[0])
            + "\ndef main("
            + ", ".join(f"{n}{i}: {k} = {v}" for i, (n, k, v) in enumerate(pair[1]))
            + "):\n    print(f'val loss: {0.5:.3f}')"
        )
    )


PIECES = st.one_of(
    call("p.add_argument", FLAGS),
    call("p.add_argument", FLAGS, TEXTS),
    call("parser.add_argument", TEXTS),
    call("sub.add_parser", TEXTS).map(lambda text: f"p = {text}"),
    call("p.set_defaults"),
    call("flags.DEFINE_float", TEXTS, VALUES, TEXTS),
    call("flags.DEFINE_enum", TEXTS, VALUES, VALUES),
    call("trial.suggest_float", TEXTS, VALUES, VALUES).map(
        lambda text: f"def objective(trial):\n    x = {text}\n    return x"
    ),
    call("trial.suggest_categorical", TEXTS, VALUES).map(
        lambda text: f"def objective(trial):\n    return {text}"
    ),
    call("tyro.cli", VALUES),
    call("fire.Fire", VALUES),
    call("store", TEXTS, VALUES),
    class_of("@dataclass"),
    class_of("@dataclass(frozen=True)"),
    function_of(call("click.option", FLAGS) | st.just("click.command()")),
    function_of(call("hydra.main")),
    function_of(st.just("app.command()")),
    st.tuples(NAMES.filter(str.isidentifier), VALUES).map(lambda pair: f"{pair[0]} = {pair[1]}"),
    st.just("exec(open('configurator.py').read())"),
    st.just("if __name__ == '__main__':\n    main()"),
    call("print", TEXTS, VALUES),
    call("wandb.log", VALUES),
)
IMPORTS = st.lists(
    st.sampled_from(
        [
            *(
                "argparse",
                "click",
                "typer",
                "fire",
                "hydra",
                "optuna",
                "tyro",
                "transformers",
                "torch",
            ),
            *("jsonargparse", "simple_parsing", "lightning", "absl", "wandb", "keras", "xgboost"),
        ]
    ),
    max_size=4,
).map(lambda names: "\n".join(f"import {name}" for name in names))
SCRIPTS = st.tuples(IMPORTS, st.lists(PIECES, min_size=1, max_size=6)).map(
    lambda pair: "\n".join([pair[0], *pair[1]])
)


def drafted(name, text, arguments=(), **others):
    """The draft of a file with this text, beside other files; None where there is none."""
    with tempfile.TemporaryDirectory() as folder:
        for other, said in others.items():
            (Path(folder) / other.replace("_yaml", ".yaml")).write_text(said)
        file = Path(folder) / name
        file.write_text(text)
        try:
            found = draft(file, arguments)
        except DraftError as error:
            said = str(error)
        else:
            return found
        assert "\n" not in said.strip()
        assert str(file) in said or "init" in said or folder in said
        return None


def check(found, text):
    """A draft is a study file with no problem but what it leaves to be filled in."""
    document = tomllib.loads(found)
    problems = Problems("train.toml")
    read_study(document, Path("/nowhere/train.toml"), problems, check_target=False)
    other = [one for one in problems.found if "FILL-IN" not in one]  # left to be filled in
    if "suggest_" in text:  # the script's own range may be none, as from 1 to 0
        assert all(one.startswith("train.toml: [space] ") for one in other), found
    else:
        assert other == [], found
    assert document["space"]


@settings(max_examples=50)
@given(SCRIPTS, st.lists(st.sampled_from(["--lr", "--lr=3", "x", "-b", "lr=1", "{x}"]), max_size=2))
def test_any_script_is_drafted_or_refused_in_a_sentence(text, arguments):
    try:
        compile(text, "train.py", "exec")
    except SyntaxError:
        return
    found = drafted("train.py", text, arguments)
    if found is not None:
        check(found, text)


def test_a_draft_by_constants_may_say_suggest_too():
    text = "lr = 0\ndef objective(trial):\n    x = trial.suggest_float('lr', 0, 0)\n    return x"
    check(drafted("train.py", text), text)


@settings(max_examples=30)
@given(SCRIPTS, st.data())
def test_a_script_that_is_cut_off_anywhere_is_drafted_or_refused(text, data):
    cut = text[: data.draw(st.integers(0, len(text)))]
    found = drafted("train.py", cut)
    if found is not None:
        check(found, text)


@settings(max_examples=40)
@given(SCRIPTS)
def test_a_draft_does_not_depend_on_how_often_it_is_made(text):
    try:
        compile(text, "train.py", "exec")
    except SyntaxError:
        return
    one, other = drafted("train.py", text), drafted("train.py", text)
    assert one == other


@given(st.binary(max_size=60))
def test_any_bytes_are_drafted_or_refused(content):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "train.py"
        file.write_bytes(content)
        with pytest.raises(DraftError):
            draft(file)


# --- YAML, as a loader has read it ----------------------------------------------------------------

CONTENT = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.floats()
    | st.sampled_from(["???", "${x}", "a", "1e-3"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["lr", "model", "defaults", "dropout", "hydra", 1, None, "a b", "x.y"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
HYDRA = """
import hydra
@hydra.main(config_path=None, config_name="config")
def main(cfg):
    print(f"val loss: {0.5:.3f}")
"""


class Loader(types.ModuleType):
    """Stands for PyYAML, which reads what the test has chosen, or raises it."""

    class YAMLError(Exception):
        pass

    def __init__(self, content):
        super().__init__("yaml")
        self.content = content

    def safe_load(self, text):
        if isinstance(self.content, builtins.BaseException):
            raise self.content
        return self.content


@pytest.fixture
def loaded(monkeypatch):
    return lambda content: monkeypatch.setitem(sys.modules, "yaml", Loader(content))


@settings(max_examples=30)
@given(content=CONTENT)
def test_whatever_a_configuration_of_hydra_holds(content):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "yaml", Loader(content))
        found = drafted("train.py", HYDRA, config_yaml="x")
    if found is not None:
        check(found, HYDRA)


SWEEPS = st.fixed_dictionaries(
    {
        "parameters": st.dictionaries(
            st.sampled_from(["lr", "a b", 1, "x.y"]),
            CONTENT
            | st.dictionaries(
                st.sampled_from(["min", "max", "value", "values", "distribution", "q", "mu"]),
                CONTENT,
                max_size=4,
            ),
            max_size=3,
        )
    },
    optional={
        "metric": CONTENT,
        "method": CONTENT,
        "run_cap": CONTENT,
        "command": CONTENT | st.sampled_from(["python 'x", "${program} ${args}", ["${envvar:A}"]]),
        "program": CONTENT | st.just("../train.py"),
        "early_terminate": CONTENT
        | st.dictionaries(st.sampled_from(["type", "min_iter", "max_iter", "s", "eta"]), CONTENT),
    },
)


@settings(max_examples=50)
@given(content=SWEEPS | CONTENT)
def test_whatever_a_sweep_holds(content):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "yaml", Loader(content))
        found = drafted("sweep.yaml", "x")
    assert found is None or tomllib.loads(found)["space"]


@pytest.mark.parametrize(
    "error",
    [
        ValueError("month must be in 1..12"),  # of 2024-99-99
        ValueError("invalid literal for int() with base 2: ''"),  # of 0b_
        KeyError("maybe"),  # of !!bool maybe
        AttributeError("'NoneType' object has no attribute 'groupdict'"),  # of !!timestamp x
        Loader.YAMLError("while scanning"),
        RecursionError(),
    ],
)
def test_what_a_loader_of_yaml_fails_at_is_a_sentence(loaded, error):
    loaded(error)
    assert drafted("train.py", HYDRA, config_yaml="x") is None
