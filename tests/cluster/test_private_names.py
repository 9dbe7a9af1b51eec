"""What of Ray is used that Ray may change without a word: each name, where Ray has no public one.

To be run with the oldest Ray of pyproject.toml, and with the newest.
"""

from __future__ import annotations

import importlib
import re
from operator import attrgetter
from pathlib import Path

import pytest

import tuitune.executors.ray

pytest.importorskip("ray", reason="Ray is not installed: pip install '.[test-cluster]'")

NAMES = {
    "ray._private.services": {"find_gcs_addresses"},  # public: finds one, and tells of no others
    "ray._private.state": {  # public: only where the cluster has a dashboard
        "available_resources_per_node",
        "state.get_draining_nodes",
        "actors",
        "jobs",
    },
    "ray._raylet": {"GcsClient"},  # public: waits for ever, and tells no reason
}


@pytest.mark.parametrize(("module", "name"), [(m, n) for m in NAMES for n in NAMES[m]])
def test_ray_still_has_it(module: str, name: str) -> None:
    assert callable(attrgetter(name)(importlib.import_module(module)))


def test_no_others_are_imported() -> None:
    files = Path(tuitune.executors.ray.__file__).parent.glob("*.py")
    lines = [line.strip() for file in files for line in file.read_text().splitlines()]
    found = [
        line.partition("  #")[0] for line in lines if re.match(r"(from|import) ray\b.*\b_", line)
    ]
    assert sorted(found) == [
        "from ray import _raylet",
        "from ray._private import state",
        "from ray._private.services import find_gcs_addresses",
        "from ray._private.state import available_resources_per_node, state",
    ]
