"""GPUs of AMD, which are counted and not measured: a trial has them whole."""

import importlib.util
import os
import re
from collections.abc import Mapping
from pathlib import Path

from tuitune.core.placement.snapshots import GpuSample, Snapshot

PREFIX = "AMD-"
_NODES = Path("/sys/class/kfd/kfd/topology/nodes")
_DEVICE = Path("/dev/kfd")
_SIMDS = r"(?m)^simd_count [1-9]"
_VISIBLE = ("HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES")
_BUILT_FOR_ROCM = r"(?m)^hip\b.*=\s*['\"]"
LIMITS = (
    "nothing of them is measured: each trial has its own, whole, and what others do there is not "
    "seen"
)


def count(nodes: Path = _NODES, device: Path = _DEVICE) -> int:
    """The GPUs of AMD that this user may compute on, by the kernel's driver."""
    if not os.access(device, os.R_OK | os.W_OK):
        return 0
    found = 0
    for properties in nodes.glob("*/properties"):
        try:
            found += bool(
                re.search(_SIMDS, properties.read_text(encoding="ascii", errors="replace"))
            )
        except OSError:
            continue
    return found


def snapshot(number: int, environment: Mapping[str, str]) -> Snapshot:
    """A snapshot of so many GPUs, or of those that the environment names."""
    named = next((environment[name] for name in _VISIBLE if name in environment), None)
    words = map(str, range(number)) if named is None else map(str.strip, named.split(","))
    devices = tuple(
        GpuSample(
            f"{PREFIX}{word}",
            int(word) if word.isdigit() else place,
            "AMD GPU",
            mode="exclusive",
            processes=None,
        )
        for place, word in enumerate(filter(None, words))
    )
    if not devices:
        return Snapshot(problem="the environment hides all GPUs of AMD", absent=True)
    return Snapshot(devices, unmeasured=LIMITS)


def torch_uses_rocm() -> bool:
    """Whether the torch of this interpreter is built for ROCm; it is not imported."""
    spec = importlib.util.find_spec("torch")
    for folder in () if spec is None else spec.submodule_search_locations or ():
        try:
            text = Path(folder, "version.py").read_text(encoding="utf-8")
        except OSError:
            continue
        return re.search(_BUILT_FOR_ROCM, text) is not None
    return False
