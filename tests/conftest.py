"""Fixtures that every room's tests may use."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from nvml_world import World, build
from warm import Warm
from workshop import Workshop

os.environ.pop("TUITUNE_RUNS", None)  # whoever runs the tests keeps studies there
# before numpy is loaded: many threads of many test processes on few cores wait for each other
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warm]:
    made = Warm(tmp_path_factory.mktemp("warm"))
    yield made
    made.close()


@pytest.fixture
def workshop(tmp_path: Path, warm: Warm) -> Iterator[Workshop]:
    made = Workshop(tmp_path.resolve(), warm)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def python_of_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """`python` in a command is a user's own environment; here that of the tests."""
    here = Path(sys.executable).parent
    monkeypatch.setenv("PATH", f"{here}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture(scope="session")
def shims(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders with a libnvidia-ml.so.1: of a driver of today, of one before 510, and of none."""
    root = tmp_path_factory.mktemp("nvml")
    alone = build(root / "alone")
    (alone / "libnvidia-ml.so.1").write_bytes(b"")  # it hides the machine's, and can't be loaded
    return {"new": build(root / "new"), "old": build(root / "old", "-DOLD_DRIVER"), "alone": alone}


@pytest.fixture
def world(tmp_path: Path, shims: dict[str, Path]) -> World:
    """A machine with GPUs that are none: NVIDIA's own binding talks to a shim."""
    return World(tmp_path / "world.txt", shims["new"]).write()


settings.register_profile("any-machine", deadline=None)  # a busy machine fails nothing
# .ci/run draws the same examples each time, so that a change fails by what it changes
settings.register_profile("same-examples", settings.get_profile("any-machine"), derandomize=True)
settings.load_profile("any-machine")
