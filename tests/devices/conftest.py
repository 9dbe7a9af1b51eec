"""NVIDIA's own binding, in this process, on the tests' library."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator

import pynvml
import pytest
from nvml_world import World


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[World], None]]:
    """Lets the binding in this process talk to a world."""

    def load(world: World) -> None:
        monkeypatch.setenv("NVML_WORLD", str(world.file))
        monkeypatch.setattr(
            pynvml, "nvmlLib", ctypes.CDLL(str(world.library / "libnvidia-ml.so.1"))
        )
        pynvml._nvmlGetFunctionPointer_cache.clear()

    yield load
    pynvml._nvmlGetFunctionPointer_cache.clear()
