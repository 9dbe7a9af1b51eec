"""Every code block of every page is run, read or parsed, unless it is `text`: output."""

from __future__ import annotations

import ast
import json
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import tomli_w
from pages import PAGES, ROOT, Block, all_blocks, blocks_of
from workshop import Workshop

import tuitune
from tuitune.cli.main import commands
from tuitune.studyfile import load
from tuitune.studyfile.hints import KEYS
from tuitune.trial.api import Trial
from tuitune.ui.configuration import read_configuration

LANGUAGES = {"python", "toml", "sh", "bash", "yaml", "json", "text"}
# Pages whose Python blocks run in a test of their own; those of the others are fragments.
RUN = {
    "from-other-tuners.md": "tests/integrations/test_other_tuners.py",
    "from-python.md": "tests/docs/test_from_python.py",
    "integrations.md": "tests/integrations/test_integrations_guide.py",
    "start.md": "tests/docs/test_code_blocks.py",
    "training-code.md": "tests/docs/test_training_code.py",
}
SMALLEST: dict[str, Any] = {
    "objective": {"metric": "val_loss", "mode": "min"},
    "trial": {"target": "train.py:train"},
    "space": {"lr": {"low": 0.1, "high": 1.0}, "x": [1, 2]},
}
CALL = re.compile(r"`((?:TUITUNE_\w+=\S+ )?tuitune [^`]*)`")
ENDS = {"&&", "||", ";", "|", "&"}  # of a command in a shell


def test_every_block_says_what_it_is():
    unknown = [str(block) for block in all_blocks() if block.language not in LANGUAGES]
    assert unknown == []


# --- TOML ----------------------------------------------------------------------------------------


def merged(document: dict[str, Any]) -> dict[str, Any]:
    """A part of a study file, with what is missing of the smallest one."""
    if not set(document) & set(KEYS):  # keys alone are those of [trial]
        document = {"trial": document}
    whole = {name: {**SMALLEST.get(name, {}), **document.get(name, {})} for name in KEYS}
    if "objective" in document and "trial" not in document:
        whole["objective"] = document["objective"]
    if "command" in whole["trial"]:
        whole["trial"].pop("target", None)
        words = str([whole["trial"]["command"], whole["trial"].get("env", {})])
        for name in re.findall(r"(?<!\{)\{([A-Za-z_]\w*)(?:!\w+)?\}(?!\})", words):
            whole["space"].setdefault(name, [1, 2])
        if not whole["trial"].get("metrics", {}).get(whole["objective"]["metric"]):
            metrics = list(whole["trial"].get("metrics", {}))
            whole["objective"] = {"metric": metrics[-1] if metrics else "val_loss", "mode": "min"}
    elif whole["trial"].get("metrics") or whole["trial"].get("saves"):
        whole["trial"] = {**whole["trial"], "command": ["python", "train.py"]}
        del whole["trial"]["target"]
    return {name: table for name, table in whole.items() if table}


@pytest.mark.parametrize("block", all_blocks("toml"), ids=str)
def test_a_toml_block_is_read(block: Block, tmp_path: Path):
    document = tomllib.loads(block.code)
    if "project" in document:
        return
    if set(document) <= {"theme", "panes", "keys"}:
        document.pop("panes", None)  # of installed packages
        read_configuration(tomli_w.dumps(document))
        return
    file = tmp_path / "study.toml"
    file.write_text(tomli_w.dumps(merged(document)))
    spec = load(file, check_target=False)
    assert spec.space.parameters


# --- shells --------------------------------------------------------------------------------------


def calls(line: str) -> Iterator[list[str]]:
    """The arguments of each call of tuitune on a line of a shell."""
    found: list[str] | None = None
    lexer = shlex.shlex(line, posix=True, punctuation_chars="&|;")
    lexer.whitespace_split = True
    for word in lexer:
        if word in ENDS:
            if found is not None:
                yield found
            found = None
        elif found is not None:
            found.append(word)
        elif word == "tuitune" or word.endswith("/tuitune"):
            found = []
    if found is not None:
        yield found


def parse(words: list[str]) -> None:
    """As the program reads its arguments; click.UsageError for what it would refuse."""
    first = next((i for i, word in enumerate(words) if not word.startswith("-")), None)
    if first is not None and (words[first].endswith(".toml") or words[first] == "FILE"):
        words = [*words[:first], "run", *words[first:]]
    if words in ([], ["STUDY"]):
        return
    name, command, rest = commands.resolve_command(click.Context(commands), words)
    assert command is not None
    if not rest:  # the name of a command
        return
    with command.make_context(name, rest, parent=click.Context(commands)):
        pass


def parsed(line: str) -> None:
    for words in calls(line):
        # numbers stand for trials and seeds in prose
        parse([re.sub(r"^N$", "7", word) for word in words if word not in ("…", "...")])


@pytest.mark.parametrize("block", all_blocks("sh", "bash"), ids=str)
def test_a_shell_block_is_one_and_its_calls_are_understood(block: Block):
    done = subprocess.run(
        ["bash", "-n"], input=block.code, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for line in block.code.replace("\\\n", " ").splitlines():
        if "tuitune" in line and not line.startswith("#"):
            parsed(line)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_calls_in_the_text_are_understood(page: Path):
    text = re.sub(r"^ *```.*?^ *```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for call in CALL.findall(text):
        if re.search(r"COMMAND|\[OPTIONS\]|^tuitune \{", call):  # a form, a report
            continue
        try:
            parsed(call)
        except (click.UsageError, ValueError) as error:
            pytest.fail(f"{call}: {error}")


# --- Python, JSON, YAML --------------------------------------------------------------------------


def test_the_tests_that_run_blocks_are_there():
    for page, test in RUN.items():
        assert page in (ROOT / test).read_text(), test


@pytest.mark.parametrize("block", all_blocks("python"), ids=str)
def test_a_python_block_names_only_what_is_there(block: Block):
    for node in ast.walk(ast.parse(block.code)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id == "tuitune":
                assert hasattr(tuitune, node.attr), node.attr
            elif node.value.id == "trial" and block.page.name not in RUN:
                assert hasattr(Trial, node.attr), node.attr


class Anything:
    """What a fragment takes for granted: a model, a library."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __getattr__(self, name: str) -> Anything:
        return self

    def __call__(self, *_: Any, **__: Any) -> Anything:
        return self


FRAGMENTS = [block for block in all_blocks("python") if block.page.name not in RUN]


@pytest.mark.parametrize("block", FRAGMENTS, ids=str)
def test_a_fragment_runs_with_what_it_takes_for_granted(
    block: Block, capsys: pytest.CaptureFixture[str]
):
    trial = tuitune.debug({"lr": 0.1, "layers": 2}, max_resource=3)
    names: dict[str, Any] = {
        "Model": Anything,
        "load": Anything(),
        "loss": 0.5,
        "torch": Anything(),
        "train_one_epoch": lambda _: 0.5,
        "trial": trial,
    }
    exec(block.code, names)
    if "train" in names:
        names["train"](trial)
    assert "val_loss=0.5" in capsys.readouterr().out


@pytest.mark.parametrize("block", all_blocks("json", "yaml"), ids=str)
def test_data_is_read(block: Block):
    if block.language == "json":
        json.loads(block.code)
    else:
        pytest.importorskip("yaml").safe_load(block.code)


def test_the_first_study_is_run_as_its_page_has_it(workshop: Workshop):
    page = ROOT / "docs" / "start.md"
    (code,), (study,) = blocks_of(page, "python"), blocks_of(page, "toml")
    workshop.write("train.py", code.code)
    workshop.write("first.toml", study.code)
    done = workshop.run("first.toml", "--no-ui", "--set", "search.trials=6")
    assert done.returncode == 0, done.stderr
    assert {trial["state"] for trial in workshop.trials("first")} == {"COMPLETE", "PRUNED"}
    for line in blocks_of(page, "sh")[-1].code.splitlines():
        words = shlex.split(line.replace("28", "2"), comments=True)
        shown = workshop.run(*words[1:])
        assert shown.returncode == 0, shown.stderr
