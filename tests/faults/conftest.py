"""A machine with GPUs, of words."""

from __future__ import annotations

from uuid import uuid4

import pytest
from nvml_world import World
from workshop import Workshop


@pytest.fixture
def shop(workshop: Workshop, world: World, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    """A workshop on a machine with GPUs."""
    for name, value in world.environment.items():
        monkeypatch.setenv(name, value)
    for name in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"):
        monkeypatch.delenv(name, raising=False)
    world.token = f"{uuid4().hex[:8]}-"
    return workshop
