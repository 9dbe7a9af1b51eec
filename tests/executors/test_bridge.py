"""The process that speaks with Ray, where a part of it fails: a package that is not Ray plays it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from workshop import until

from tuitune.executors.ray.protocol import Connect
from tuitune.executors.ray.transport import RayTransport

NOT_RAY = {
    "__init__": """
class Context:
    address_info = {"address": "10.0.0.1:6379"}

def init(**_):
    return Context()

def nodes():
    return [{"NodeID": "n", "Alive": True, "NodeManagerHostname": "n", "Resources": {"CPU": 1}}]

def shutdown():
    pass
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


def test_a_mistake_in_it_is_told_and_it_is_started_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name, text in NOT_RAY.items():
        file = tmp_path / "not" / "ray" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "not"))
    monkeypatch.setenv("RAY_ADDRESS", "local")
    log, heard = tmp_path / "ray.log", Heard()
    connect = Connect("ray", 1.0, 0, 0, wants_gpus=False, most_cpus=None, log=str(log))

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
