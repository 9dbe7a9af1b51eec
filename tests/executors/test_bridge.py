"""The process that speaks with Ray, where a part of it fails: a package that is not Ray plays it."""

from __future__ import annotations

import asyncio
import select
from pathlib import Path

import pytest
from workshop import PATIENCE, until

from tuitune.executors.ray.protocol import Connect, encoded
from tuitune.executors.ray.transport import RayTransport
from tuitune.ipc import child

NOT_RAY = {
    "__init__": """
class Context:
    address_info = {"address": "10.0.0.1:6379"}

def init(**_):
    return Context()

def nodes():
    return [{"NodeID": "n", "Alive": True, "NodeManagerHostname": "n", "Resources": {"CPU": 1}}]

def shutdown():
    print("Ray has been shut down")
""",
    "exceptions": "RayError = ActorUnavailableError = RayActorError = RayTaskError = OSError",
    "util/__init__": "placement_group = placement_group_table = remove_placement_group = dict",
    "util/scheduling_strategies": "NodeAffinitySchedulingStrategy = None",
    "_private/__init__": "",
    "_private/state": "state = None\ndef available_resources_per_node(): return {}['CPU']",
}


class Heard:
    """What the engine's executor would be told."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.why = ""

    def broken(self, why: str) -> None:
        self.why = why


@pytest.fixture
def connect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Connect:
    for name, text in NOT_RAY.items():
        file = tmp_path / "not" / "ray" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "not"))
    monkeypatch.setenv("RAY_ADDRESS", "local")
    log = str(tmp_path / "ray.log")
    return Connect("ray", 1.0, 0, 0, wants_gpus=False, most_cpus=None, log=log)


def test_a_mistake_in_it_is_told_and_it_is_started_once_more(connect: Connect):
    log, heard = Path(connect.log), Heard()

    async def run() -> None:
        transport = RayTransport(connect, log, heard.notes.append)
        await transport.open(heard)
        await until(lambda: heard.why)
        await transport.close()

    asyncio.run(run())
    assert heard.why == "the connection to Ray was lost twice"
    runs = "runs on a Ray cluster of its own at 10.0.0.1:6379"
    failed = f"the process that speaks with Ray has failed (KeyError: 'CPU'); see {log}"
    assert heard.notes == [runs, failed, runs, failed]
    assert "Traceback" in log.read_text()


def test_it_ends_in_order_when_the_engine_is_gone_before_it_has_read_all(
    connect: Connect, tmp_path: Path
):
    head_that_does_not_answer = (
        "import threading\navailable_resources_per_node = threading.Event().wait"
    )
    (tmp_path / "not/ray/_private/state.py").write_text(
        f"{head_that_does_not_answer}\nstate = None\n"
    )
    process, connection = child.start("executors.ray.bridge", log=Path(connect.log))
    with connection:
        connection.sendall(encoded(connect))
        assert select.select([connection], [], [], PATIENCE)[0]
    process.wait(PATIENCE)
    log = Path(connect.log).read_text()
    assert "Traceback" not in log
    assert log.splitlines()[-1] == "Ray has been shut down"
    assert process.returncode == 0
