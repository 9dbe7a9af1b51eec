"""The pages about commands and keys are what the program's tables say; the site has every page."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from tuitune.cli.main import commands

DOCS = Path(__file__).parents[2] / "docs"


def script(name: str) -> ModuleType:
    found = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["commands.md", "keys.md"])
def test_a_page_is_made_from_the_tables(name: str):
    made = script("reference").PAGES[name]()
    assert (DOCS / name).read_text() == made, "run python docs/reference.py, which writes it"


def test_the_diagrams_are_those_that_the_script_draws():
    for name, draw in script("diagrams").PICTURES.items():
        words = re.findall(r"<text[^>]*>([^<]*)", draw())
        assert words == re.findall(r"<text[^>]*>([^<]*)", (DOCS / name).read_text()), name


@pytest.mark.parametrize("picture", sorted(DOCS.glob("*.svg")), ids=lambda one: one.name)
def test_a_picture_loads_nothing(picture: Path):
    assert not re.search(r"""url\(["']?(?:https?:)?//|href=["']https?:""", picture.read_text())


def test_the_site_has_every_page():
    listed = re.findall(r": (\S+\.md)$", (DOCS.parent / "mkdocs.yml").read_text(), re.MULTILINE)
    pages = {page.name for page in DOCS.glob("*.md")}
    assert sorted(listed) == sorted(pages | {"CONTRIBUTING.md", "CHANGELOG.md"})


def test_the_variables_that_options_read_are_on_the_page():
    page = (DOCS / "commands.md").read_text()
    read = {
        (option.envvar, option.opts[0])
        for command in commands.commands.values()
        for option in command.params
        if isinstance(option.envvar, str)
    }
    assert read == {("TUITUNE_RUNS", "--runs"), ("TUITUNE_THEME", "--theme")}
    for variable, option in read:
        assert re.search(rf"`{variable}` \| .*`{option}`", page), variable
