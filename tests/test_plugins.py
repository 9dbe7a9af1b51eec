"""Entry points of installed packages: what is found, and what is said of what isn't."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from installed import toy_package, unpack

from tuitune import plugins
from tuitune.plugins import PluginError

if TYPE_CHECKING:
    from pathlib import Path

GROUP = "tuitune.searchers"
ENTRY_POINTS = f"""\
[{GROUP}]
sound = toy_plugin:THING
broken = toy_plugin_broken:THING
absent = toy_plugin_absent:THING
nameless = toy_plugin:NOTHING
leaving = toy_plugin_leaving:THING
"""


@pytest.fixture(autouse=True)
def _toy_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = toy_package(
        "toy_plugin",
        ENTRY_POINTS,
        toy_plugin="THING = ['a thing']\n",
        toy_plugin_broken="1 / 0\n",
        toy_plugin_leaving="raise SystemExit(3)\n",
    )
    unpack(files, tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))


def test_an_installed_object_is_found_by_name() -> None:
    assert plugins.find(GROUP, "sound") == ["a thing"]


def test_names_are_sorted_and_load_nothing() -> None:
    found = plugins.names(GROUP)

    assert [name for name in found if name in ENTRY_POINTS] == sorted(
        ["sound", "broken", "absent", "nameless", "leaving"]
    )
    assert "toy_plugin_broken" not in sys.modules


def test_a_wrong_name_lists_what_there_is() -> None:
    with pytest.raises(PluginError, match=r'no "sund"; there are random, .*sound \(installed\)'):
        plugins.find(GROUP, "sund", built_in=("random",))


def test_a_group_of_nobody_offers_none() -> None:
    with pytest.raises(PluginError, match='no "x"; there are none'):
        plugins.find("tuitune.nothing", "x")


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("broken", "ZeroDivisionError: division by zero"),
        ("absent", "ModuleNotFoundError: No module named 'toy_plugin_absent'"),
        ("nameless", "AttributeError: .*NOTHING"),
        ("leaving", "SystemExit: 3"),
    ],
)
def test_what_cannot_be_loaded_names_the_package_and_its_error(name: str, error: str) -> None:
    with pytest.raises(PluginError, match=rf"of the package toy-plugin can't be loaded: {error}"):
        plugins.find(GROUP, name)


def test_the_module_imports_no_metadata() -> None:
    code = "import sys, tuitune.plugins; print('importlib.metadata' in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert answer.stdout == "False\n"
