"""What the guides name is there: files, folders, names of the code, groups of entry points."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tuitune import plugins

ROOT = Path(__file__).parents[2]
GUIDES = [ROOT / "CONTRIBUTING.md", ROOT / "docs" / "architecture.md"]
FOLDERS = [p.name for p in (ROOT / "tuitune").iterdir() if (p / "__init__.py").exists()]
PLACE = re.compile(rf"`((?:tuitune|tests|{'|'.join(FOLDERS)})/[\w/.]+)`")
NAME = re.compile(r"`([A-Z]\w{4,})`")
OF_THE_READER = {"NAME"}


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_every_place_that_a_guide_names_exists(guide: Path):
    places = [place for place in PLACE.findall(guide.read_text()) if "NAME" not in place]
    assert places
    for place in places:
        known = (ROOT / place, ROOT / "tuitune" / place, ROOT / "tuitune" / f"{place}.py")
        assert any(path.exists() for path in known), place


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_every_class_and_table_that_a_guide_names_is_defined(guide: Path):
    code = "\n".join(path.read_text() for path in (ROOT / "tuitune").rglob("*.py"))
    for name in set(NAME.findall(guide.read_text())) - OF_THE_READER:
        assert re.search(rf"^(class )?{name}\b", code, re.MULTILINE), name


def test_the_groups_of_entry_points_are_those_that_are_read():
    groups = set(re.findall(r"^\| `(tuitune\.\w+)`", GUIDES[0].read_text(), re.MULTILINE))
    known = {value for name, value in vars(plugins).items() if name.isupper()}
    assert groups == {value for value in known if isinstance(value, str)}


def test_each_folder_of_the_package_is_in_the_table():
    table = set(re.findall(r"^\| `(\w+)` \|", GUIDES[1].read_text(), re.MULTILINE))
    assert table == set(FOLDERS)
