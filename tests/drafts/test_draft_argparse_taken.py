"""Drafted commands beside argparse itself: the script's own parser takes them, with those values."""

from __future__ import annotations

import argparse
import contextlib
import io
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest
from hypothesis import assume, given, settings, strategies as st

from tuitune.core.space import Choice
from tuitune.drafts.script import DraftError
from tuitune.drafts.writing import draft
from tuitune.messages.command import fill_command, trial_values
from tuitune.studyfile import StudyFileError, load
from tuitune.studyfile.fill_ins import FILL_IN

NUMBERS = {
    "lr": (0.001, 0.1, 1e-5),
    "weight-decay": (0.0, 1e-4),
    "momentum": (0.9,),
    "batch_size": (32, 24),
    "hidden-dim": (64, 256),
    "n-layers": (2, 3),
    "dropout": (0.0, 0.1),
    "warmup-steps": (100,),
    "gamma": (0.99, 0.7),
    "label_smoothing": (0.1,),
    "epochs": (10, 3),
    "seed": (0, 42),
    "zeta": (1.5, 7),
}
CHOICES = {
    "optimizer": ("sgd", "adam"),
    "activation": ("relu", "gelu", "tanh"),
    "device": ("cpu", "cuda"),
    "norm": ("layer", "batch", "none"),
}
SWITCHES = ("nesterov", "no-bias", "amsgrad", "verbose", "use-layer-norm", "fp16")
TEXTS = ("output-dir", "save_dir", "name", "data", "log-file")


@dataclass(frozen=True)
class Added:
    """One call of add_argument: its flags, and its keywords as code."""

    flags: tuple[str, ...]
    given: dict[str, str] = field(default_factory=dict)

    @property
    def code(self) -> str:
        words = [repr(flag) for flag in self.flags]
        words += [f"{name}={value}" for name, value in self.given.items()]
        return f"add_argument({', '.join(words)})"

    @property
    def name(self) -> str:
        return self.flags[-1].lstrip("-")


@st.composite
def numbers(draw):
    name = draw(st.sampled_from(sorted(NUMBERS)))
    default = draw(st.sampled_from(NUMBERS[name]))
    given = {}
    if draw(st.integers(0, 4)):
        given["default"] = repr(default)
    elif draw(st.booleans()):
        given["required"] = "True"
    whole = isinstance(default, int)
    given["type"] = draw(st.sampled_from(["int", "float"])) if whole else "float"
    if draw(st.integers(0, 9)) == 0:
        given["help"] = repr("a {number} of 100%%")
    return Added((f"--{name}",), given)


@st.composite
def chosen(draw):
    name = draw(st.sampled_from(sorted(CHOICES)))
    values = CHOICES[name]
    given = {"choices": repr(draw(st.sampled_from([list, tuple]))(values))}
    if draw(st.booleans()):
        given["default"] = repr(draw(st.sampled_from(values)))
    return Added((f"--{name}",), given)


@st.composite
def switches(draw):
    name = draw(st.sampled_from(SWITCHES))
    action = draw(
        st.sampled_from(["'store_true'", "'store_false'", "argparse.BooleanOptionalAction"])
    )
    return Added((f"--{name}",), {"action": action})


@st.composite
def texts(draw):
    name = draw(st.sampled_from(TEXTS))
    if draw(st.integers(0, 3)) == 0:
        return Added((name,), draw(st.sampled_from([{}, {"nargs": "'?'"}, {"nargs": "'*'"}])))
    given = draw(
        st.sampled_from([{}, {"default": "'runs/{x}'"}, {"default": "'out.pt'"}, {"type": "str"}])
    )
    return Added((f"--{name}",), given)


OTHERS = st.sampled_from(
    [
        Added(("--version",), {"action": "'version'", "version": "'1'"}),
        Added(("--milestones",), {"nargs": "'+'", "type": "int", "default": "[3, 5]"}),
        Added(("--betas",), {"nargs": "2", "type": "float", "default": "(0.9, 0.999)"}),
        Added(("-v",), {"action": "'count'", "default": "0"}),
        Added(("--tag",), {"action": "'append'"}),
        Added(("-b", "--bs"), {"type": "int", "default": "16"}),
        Added(("--wd", "--wdecay"), {"type": "float", "default": "1e-3", "dest": "'decay'"}),
    ]
)
ADDED = st.lists(
    numbers() | chosen() | switches() | texts() | OTHERS,
    min_size=1,
    max_size=7,
    unique_by=lambda added: added.name.replace("-", "_").removeprefix("no_"),
)


def script_of(added, groups):
    """The script's text; groups: in which of its argument groups each option is."""
    lines = ["import argparse", "parser = argparse.ArgumentParser()"]
    lines += [f"group{n} = parser.add_argument_group('g{n}')" for n in range(max(groups) + 1)]
    for one, group in zip(added, groups, strict=True):
        lines.append(f"{'parser' if group == 0 else f'group{group}'}.{one.code}")
    return "\n".join([*lines, "def main():", "    print(f'val loss: {0.5:.3f}')"])


def parser_of(text) -> argparse.ArgumentParser:
    names: dict[str, object] = {}
    exec(compile(text, "train.py", "exec"), names)
    return names["parser"]


def parsed(parser, words):
    """What the script would get; fails where it would print its usage and end."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return vars(parser.parse_args(words))
    except SystemExit:
        raise AssertionError((words, said.getvalue())) from None


def drafted(text, arguments=()):
    """(the draft, its study with each place to fill in written as 1); assumes that there is one."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "train.py"
        script.write_text(text)
        try:
            found = draft(script, arguments)
        except DraftError as error:
            assume("no option that init knows a range for" not in str(error))
            raise
        file = Path(folder) / "train.toml"
        file.write_text(found)
        if FILL_IN in found:
            with pytest.raises(StudyFileError) as caught:
                load(file)
            problems = caught.value.problems
            assert all("write what the program is to get" in problem for problem in problems)
        file.write_text(found.replace(FILL_IN, "1"))
        return found, load(file)


def groups_for(added):
    return st.lists(st.integers(0, 1), min_size=len(added), max_size=len(added))


@settings(max_examples=30)
@given(st.data(), ADDED, st.randoms(use_true_random=False))
def test_the_parser_takes_every_configuration_of_the_drafted_space(data, added, random: Random):
    text = script_of(added, data.draw(groups_for(added)))
    _, spec = drafted(text)
    parser = parser_of(text)
    by_default = parsed(parser, words_for_needed(parser))
    for _ in range(3):
        point = [random.random() for _ in spec.space.searched]
        config = spec.space.configuration(point)
        own = trial_values("/studies/runs/7", 7, 1, 0, None)
        words = fill_command(spec.trial.command, {**config, **own})
        assert words[:2] == ["python", "train.py"]
        found = parsed(parser, words[2:])
        for name, value in config.items():
            assert came_through(found, name, value), (name, value, found)
        changed = {name for name in found if found[name] != by_default[name]}
        assert changed <= {*config, *written(spec, config), "decay", "betas", "bias"}


def words_for_needed(parser):
    """The fewest words that the parser takes."""
    words = []
    for action in parser._actions:
        if action.required:
            value = str(next(iter(action.choices))) if action.choices else "1"
            words += [action.option_strings[0], value] if action.option_strings else [value]
    return words


def written(spec, config):
    """Options that the command gives a value which is not searched: folders, and what was filled in."""
    names = set()
    for part in spec.trial.command[2:]:
        for word in [part] if isinstance(part, str) else part:
            if word.startswith("--") and not any(f"{{{name}" in word for name in config):
                names.add(word.lstrip("-").partition("=")[0].replace("-", "_"))
    return {*names, *TEXTS, *(name.removeprefix("no_") for name in names)}


def came_through(found, name, value):
    """Whether a searched value is what the script gets under the option's own name."""
    if name in ("beta1", "beta2"):
        return value in found["betas"]
    if isinstance(value, str) and value.startswith("--"):  # the word for true, or that for false
        bare = value.removeprefix("--").replace("-", "_")
        return found.get(bare) is True or found[bare.removeprefix("no_")] is False
    if isinstance(value, bool):
        own = found.get(name, found.get(name.removeprefix("no_")))
        return isinstance(own, bool)
    return float(found[name]) == float(value) if is_number(value) else found[name] == value


def is_number(value):
    return isinstance(value, int | float)


@settings(max_examples=40)
@given(ADDED)
def test_both_values_of_a_switch_are_reached(added):
    _, spec = drafted(script_of(added, [0] * len(added)))
    parser = parser_of(script_of(added, [0] * len(added)))
    own = trial_values("/studies/runs/7", 7, 1, 0, None)
    middle = spec.space.configuration([0.5] * len(spec.space.searched))
    for parameter in spec.space.searched:
        if not isinstance(parameter, Choice):
            continue
        seen = []
        for value in parameter.values:
            words = fill_command(spec.trial.command, {**middle, parameter.name: value, **own})
            seen.append(parsed(parser, words[2:]))
        assert len({str(one) for one in seen}) == len(parameter.values)


@settings(max_examples=40)
@given(ADDED, st.data())
def test_what_the_user_gives_stays_and_is_not_searched(added, data):
    optional = [
        one for one in added if one.flags[-1].startswith("--") and "action" not in one.given
    ]
    assume(optional)
    given_one = data.draw(st.sampled_from(optional))
    value = given_one.given.get("default", "'1'").strip("'")
    if "choices" in given_one.given:
        value = CHOICES[given_one.name][0]
    assume("nargs" not in given_one.given)
    arguments = [given_one.flags[-1], value]
    text = script_of(added, [0] * len(added))
    _, spec = drafted(text, arguments)
    command = [
        word for part in spec.trial.command for word in ([part] if isinstance(part, str) else part)
    ]
    assert command.count(given_one.flags[-1]) == 1
    place = command.index(given_one.flags[-1])
    assert command[place + 1] == value.replace("{", "{{").replace("}", "}}")
    assert not any(f"{{{p.name}" in command[place + 1] for p in spec.space.searched)


@settings(max_examples=30)
@given(ADDED, st.sampled_from(["train", "fit", "run"]))
def test_of_subcommands_the_one_that_trains_gets_the_options(added, name):
    lines = ["import argparse", "parser = argparse.ArgumentParser()"]
    lines += ["sub = parser.add_subparsers(dest='what')", "other = sub.add_parser('export')"]
    lines += ["other.add_argument('--dropout', type=float, default=0.5)"]
    lines += [f"own = sub.add_parser('{name}')", *(f"own.{one.code}" for one in added)]
    text = "\n".join([*lines, "def main():", "    print(f'val loss: {0.5:.3f}')"])
    _, spec = drafted(text)
    config = spec.space.configuration([0.5] * len(spec.space.searched))
    own = trial_values("/studies/runs/7", 7, 1, 0, None)
    words = fill_command(spec.trial.command, {**config, **own})
    assert words[2] == name
    assert parsed(parser_of(text), words[2:])["what"] == name


@settings(max_examples=40)
@given(ADDED)
def test_what_keeps_its_default_is_named_in_a_comment(added):
    """Each option is in the command, in a comment, or one that argparse itself ends with."""
    text, _ = drafted(script_of(added, [0] * len(added)))
    for one in added:
        if one.given.get("action") == "'version'":
            continue
        flag = next((flag for flag in one.flags if flag.startswith("--")), one.flags[0])
        assert flag in text or one.flags == (one.name,)
