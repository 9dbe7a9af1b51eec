"""A Ray cluster of three raylets on this machine, one of which has GPUs, for all tests here."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import workshop
from clusters import LEAN
from nvml_world import World, build
from warm import Warm
from workshop import Workshop, gone, wait_until

from tuitune.ipc import process_tree
from tuitune.store.errors import StoreError

CODE = """
import os, time
from pathlib import Path

HERE = Path(__file__).parent

def train(trial):
    def save(folder):
        (folder / "step").write_text(str(step))

    first = 1
    if trial.resume_path:
        first = int((Path(trial.resume_path) / "step").read_text()) + 1
    with (HERE / f"ran-{trial.number}").open("a") as file:
        file.write(f"{first} {os.getpid()} {os.environ.get('CUDA_VISIBLE_DEVICES', '')}\\n")
    for step in range(first, 10_000 if trial.config["x"] >= 0 else 4):
        trial.report(epoch=step, loss=trial.config["x"] + 1 / step, save=save)
        time.sleep(0.05)
        if (HERE / "end").exists():
            return
"""


workshop.PATIENCE = 120.0  # a study starts a dozen processes, three of which load Ray

_SESSION = "TESTS_OF_A_CLUSTER"


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A driver with two GPUs, in the environment of every raylet."""
    folder = tmp_path_factory.mktemp("machine")
    world = World(folder / "world.txt", build(folder / "nvml"), token=f"{uuid4().hex[:8]}-")
    before = dict(os.environ)
    os.environ.update(world.with_gpus(2).environment)
    os.environ["XDG_STATE_HOME"] = str(folder / "state")
    os.environ[_SESSION] = uuid4().hex  # so that processes of other runs are told from these
    # hundreds of processes start here: each would compile the same modules
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    yield world
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def cluster(machine: World) -> Iterator[Any]:
    pytest.importorskip("ray", reason="Ray is not installed: pip install '.[test-cluster]'")
    from ray.cluster_utils import Cluster  # noqa: PLC0415 - only where it is installed

    made = Cluster()
    # The head, which is never killed. It asks more often whether a node lives, which a busy one has
    # as long as ever to answer: only one that is gone is found out sooner.
    often = {"health_check_period_ms": 500}
    made.add_node(num_cpus=0, _system_config=often, **LEAN)
    made.add_node(num_cpus=2)
    made.add_node(num_cpus=2, num_gpus=2)
    yield made
    with contextlib.suppress(Exception):
        made.shutdown()


class ClusterShop(Workshop):
    """A workshop whose studies run on the cluster."""

    where = ""

    def begin(
        self, more: str = "gpus = 0", *, trials: int = 4, name: str = "study", code: str = CODE
    ) -> Any:
        """The command that runs the study; it goes on until `finish`, or is killed."""
        self.study(code, more, trials=trials, name=name)
        text = (self.path / f"{name}.toml").read_text().replace("concurrency = 2", "")
        (self.path / f"{name}.toml").write_text(text.replace("cpus = 0.5", "cpus = 1"))
        return self.again(name)

    def again(self, name: str = "study") -> Any:
        return self.start(f"{name}.toml", "--no-ui", "--on", self.where)

    def ran(self, trial: int) -> list[list[str]]:
        """Of each attempt of a trial: its first step, its process, its GPUs."""
        file = self.path / f"ran-{trial}"
        return [line.split(" ") for line in file.read_text().splitlines()] if file.exists() else []

    def running(self, count: int) -> list[dict[str, Any]]:
        """The trials, once so many of them have reported."""

        def found() -> list[dict[str, Any]]:
            with contextlib.suppress(StoreError):  # it has not begun
                trials = [t for t in self.trials() if t["state"] == "RUNNING" and t["step"]]
                return trials if len(trials) >= count else []
            return []

        return wait_until(found, f"{count} running trials")

    def finish(self, process: Any, status: int = 0) -> str:
        """Let all trials return; what the command has printed."""
        self.write("end", "")
        output, _ = process.communicate(timeout=60)
        assert process.returncode == status, output
        return output

    def agents(self) -> dict[int, str]:
        """The processes of all agents of these tests, with their command lines."""
        return self._processes("engine.agent")

    def agents_on(self, node: str) -> list[int]:
        """Those of a node: their last word is its name, and a number."""
        words = {pid: line.rstrip("\0").rpartition("\0")[2] for pid, line in self.agents().items()}
        return [pid for pid, name in words.items() if name.rpartition("-")[0] == node]

    def bridges(self) -> dict[int, str]:
        return self._processes("executors.ray.bridge")

    @staticmethod
    def _processes(module: str) -> dict[int, str]:
        start = f"from tuitune.{module} import main"
        own = f"{_SESSION}={os.environ[_SESSION]}"
        found = {}
        for pid in process_tree.processes():
            with contextlib.suppress(OSError):
                folder = Path(f"/proc/{pid}")
                line = (folder / "cmdline").read_bytes().decode(errors="replace")
                if start in line and not gone(pid):
                    environment = (folder / "environ").read_bytes().decode(errors="replace")
                    if own in environment.split("\0"):
                        found[pid] = line
        return found


@pytest.fixture
def shop(cluster: Any, warm: Warm, tmp_path: Path) -> Iterator[ClusterShop]:
    made = ClusterShop(tmp_path.resolve(), warm)
    made.where = cluster.address
    try:
        yield made
    finally:
        made.close()
    wait_until(lambda: not made.agents(), "the end of all agents")
