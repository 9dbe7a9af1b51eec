"""The process that speaks with Ray, where a part of it fails: a package that is not Ray plays it."""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from pathlib import Path

import pytest
from workshop import PATIENCE, until

from tuitune.executors.ray.protocol import Connect, encoded
from tuitune.executors.ray.transport import RayTransport
from tuitune.executors.remote.transport import Room
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
    "exceptions": """
class RayError(Exception): pass
class RayActorError(RayError): actor_init_failed = False
class RayTaskError(RayError): pass
class ActorUnavailableError(RayActorError): pass
""",
    "util/__init__": """
def placement_group(bundles): return "a group"
def placement_group_table(group): return {"state": "PENDING"}
def remove_placement_group(group): pass
""",
    "util/scheduling_strategies": "def NodeAffinitySchedulingStrategy(*_, **__): pass",
    "_private/__init__": "",
    "_private/state": "state = None\ndef available_resources_per_node(): return {}['CPU']",
}

STATE = """
class state:
    get_draining_nodes = dict

def available_resources_per_node():
    return {"n": {"CPU": 1.0}}
"""

# An actor whose calls give these one after the other, errors by being raised.
ACTOR = """
import asyncio
from types import SimpleNamespace

from ray import exceptions
from tuitune.executors.ray import actor
from tuitune.ipc.frames import frame

class Actor:
    starts, pulls = [STARTS], [PULLS]

    def __init__(self):
        self.start = SimpleNamespace(remote=lambda *_: self._next(self.starts))
        self.pull = SimpleNamespace(remote=lambda _: self._next(self.pulls))

    async def _next(self, found):
        if not found:
            await asyncio.Event().wait()
        if isinstance(found[0], Exception):
            raise found.pop(0)
        return found.pop(0)

def init(**_):
    from tuitune.executors.ray import bridge, cluster

    cluster._AGAIN = bridge._LOOK = 0.0  # nodes are tried again at once
    return Context()

def remote(_):
    return SimpleNamespace(options=lambda **_: SimpleNamespace(remote=Actor))

def kill(_):
    pass
"""


def an_actor(starts: str, pulls: str = "") -> str:
    return NOT_RAY["__init__"] + ACTOR.replace("STARTS", starts).replace("PULLS", pulls)


class Heard:
    """What the engine's executor would be told."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.frames: list[bytes] = []
        self.why = ""

    def joined(self, agent: str, room: Room) -> None:
        self.agent = agent

    def came(self, agent: str, frame: bytes) -> None:
        assert agent == self.agent
        self.frames.append(frame)

    def broken(self, why: str) -> None:
        self.why = why


def write_ray(folder: Path, **modules: str) -> None:
    for name, text in (NOT_RAY | modules).items():
        file = folder / "not" / "ray" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def run_until(connect: Connect, heard: Heard, condition: Callable[[], object]) -> None:
    async def run() -> None:
        transport = RayTransport(connect, Path(connect.log), heard.notes.append)
        await transport.open(heard)
        await until(condition)
        await transport.close()

    asyncio.run(run())


@pytest.fixture
def connect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Connect:
    write_ray(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "not"))
    monkeypatch.setenv("RAY_ADDRESS", "local")
    log = str(tmp_path / "ray.log")
    return Connect("ray", 1.0, 0, 0, wants_gpus=False, most_cpus=None, log=log)


def test_a_mistake_in_it_is_told_and_it_is_started_once_more(connect: Connect):
    log, heard = Path(connect.log), Heard()
    run_until(connect, heard, lambda: heard.why)
    assert heard.why == "the connection to Ray was lost twice"
    runs = "runs on a Ray cluster of its own at 10.0.0.1:6379"
    failed = f"the process that speaks with Ray has failed (KeyError: 'CPU'); see {log}"
    assert heard.notes == [runs, failed, runs, failed]
    assert "Traceback" in log.read_text()


def test_it_ends_in_order_when_the_engine_is_gone_before_it_has_read_all(
    connect: Connect, tmp_path: Path
):
    waits = "import threading\nstate = None\navailable_resources_per_node = threading.Event().wait"
    write_ray(tmp_path, **{"_private/state": waits})  # a head that does not answer
    process, connection = child.start("executors.ray.bridge", log=Path(connect.log))
    with connection:
        connection.sendall(encoded(connect))
        assert select.select([connection], [], [], PATIENCE)[0]
    process.wait(PATIENCE)
    log = Path(connect.log).read_text()
    assert "Traceback" not in log
    assert log.splitlines()[-1] == "Ray has been shut down"
    assert process.returncode == 0


def test_what_an_agent_has_said_is_asked_for_again_where_ray_has_lost_it(
    connect: Connect, tmp_path: Path
):
    lost = 'exceptions.RayError("the object is lost"), frame(b"here")'
    modules = {"__init__": an_actor("actor.version()", lost), "_private/state": STATE}
    write_ray(tmp_path, **modules)
    heard = Heard()
    run_until(connect, heard, lambda: heard.frames or heard.why)
    assert heard.frames == [b"here"]
    assert not heard.why
    assert len(heard.notes) == 1


def test_why_agents_die_at_their_start_is_told_once_in_words(connect: Connect, tmp_path: Path):
    dies = 'exceptions.RayActorError("worker exit type: SYSTEM_ERROR")'
    starts = an_actor(f"{dies}, {dies}, actor.version()", 'frame(b"here")')
    write_ray(tmp_path, **{"__init__": starts, "_private/state": STATE})
    heard = Heard()
    run_until(connect, heard, lambda: heard.frames or heard.why)
    words = "its agent could not start (its process has died); more is in ray.log"
    assert heard.notes[1:] == [f"node n is not used: {words}"]
    assert Path(connect.log).read_text().count("SYSTEM_ERROR") == 2
