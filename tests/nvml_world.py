"""The world that the tests' libnvidia-ml.so.1 speaks of, written so that it is never half there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).with_name("nvml_shim.c")
GB = 1024  # MiB


def build(folder: Path, *flags: str) -> Path:
    """The folder with a library made of the shim; the compiler's own words where it can't be."""
    folder.mkdir(parents=True, exist_ok=True)
    library = folder / "libnvidia-ml.so.1"
    options = ["-shared", "-fPIC", "-O1", *flags]
    subprocess.run(["gcc", *options, "-o", library, SOURCE], check=True)
    shutil.copy(library, folder / "libcuda.so.1")
    return folder


@dataclass
class World:
    """Change it, then `write` it."""

    file: Path
    library: Path  # the folder of the shim
    token: str = ""  # in all UUIDs: locks on GPUs are the machine's, and other tests run on it
    driver: dict[str, Any] = field(default_factory=lambda: {"version": "575.57.08"})
    gpus: list[dict[str, Any]] = field(default_factory=list)
    migs: list[dict[str, Any]] = field(default_factory=list)
    processes: list[dict[str, Any]] = field(default_factory=list)
    links: list[dict[str, Any]] = field(default_factory=list)
    users: dict[str, Any] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return {"LD_LIBRARY_PATH": str(self.library), "NVML_WORLD": str(self.file)}

    def with_gpus(self, count: int, **more: Any) -> World:
        usual = {"name": "NVIDIA_A100", "total": 80 * GB, "used": 10, "reserved": 500}
        usual |= {"util": 0, "temp": 30, "power": 60, "limit": 400}
        self.gpus = [{"uuid": f"GPU-{self.token}{i}", **usual, **more} for i in range(count)]
        return self.write()

    @contextmanager
    def somebody_on(self, gpu: int, memory: int) -> Iterator[int]:
        """A process that is not ours, alone on the GPUs, with MiB of this one; its pid.

        It ends here; the world lists it until that is written anew.
        """
        stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
        try:
            self.processes = [{"gpu": gpu, "pid": stranger.pid, "memory": memory}]
            self.write()
            yield stranger.pid
        finally:
            stranger.kill()
            stranger.wait()

    def is_read_again(self) -> bool:
        """Whether the newest process that reads the GPUs has read all of them, and goes on."""
        file = self.file.with_name(f"{self.file.name}.readings")
        pids = file.read_text().split() if file.exists() else []
        return pids.count(pids[-1]) > 1 if pids else False

    def write(self) -> World:
        kinds = {"driver": [self.driver], "gpu": self.gpus, "mig": self.migs}
        kinds |= {"process": self.processes, "link": self.links}
        kinds |= {"users": [self.users] if self.users else []}
        lines = [
            " ".join([kind, *(f"{key}={value}" for key, value in item.items())])
            for kind, items in kinds.items()
            for item in items
        ]
        aside = self.file.with_suffix(".new")
        aside.write_text("\n".join(lines) + "\n")
        os.replace(aside, self.file)  # noqa: PTH105
        return self
