"""The nodes of a Ray cluster as the bridge sees them; modules made by the tests play Ray."""

from __future__ import annotations

import importlib
import sys
import time
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from tuitune.executors.ray.protocol import Connect

MADE_OF_RAY = ("cluster", "joining")
PARTS = ("", "util", "util.placement_group", "exceptions", "_private", "_private.state", "_private.services")  # fmt: skip
GB = 1e9


class Ray:
    """What a cluster would answer; and this project's modules that are loaded with it."""

    def __init__(self) -> None:
        self.nodes: list[dict[str, Any]] = []
        self.free: dict[str, dict[str, float]] = {}
        self.draining: dict[str, int] = {}
        self.actors: dict[str, dict[str, Any]] = {}
        self.jobs: list[dict[str, Any]] = []
        self.groups: dict[int, tuple[list[dict[str, float]], str]] = {}
        self.found: set[str] = set()
        self.cluster: Any = None
        self.joining: Any = None

    def add(self, key: str, host: str = "gpu", *, alive: bool = True, **resources: float) -> None:
        resources = resources or {"CPU": 8.0}
        about = {"NodeID": key, "Alive": alive, "NodeManagerHostname": host, "Resources": resources}
        self.nodes.append(about)
        self.free[key] = dict(resources)

    def seen(self, key: str) -> Any:
        return next(one for one in self.cluster.look() if one.key == key)


def modules_of(ray: Ray) -> dict[str, ModuleType]:
    made = {name: ModuleType(f"ray.{name}".rstrip(".")) for name in PARTS}

    def placed(bundles: list[dict[str, float]]) -> int:
        ray.groups[len(ray.groups)] = bundles, "PENDING"
        return len(ray.groups) - 1

    own = SimpleNamespace(get_job_id=lambda: "own")
    made[""].__dict__.update(
        nodes=lambda: ray.nodes, __version__="2.40.0", get_runtime_context=lambda: own
    )
    made["util"].__dict__.update(
        placement_group=placed,
        placement_group_table=lambda group: {"state": ray.groups[group][1]},
        remove_placement_group=ray.groups.pop,
    )
    made["util.placement_group"].__dict__.update(PlacementGroup=int)
    made["exceptions"].__dict__.update(RayError=RuntimeError)
    made["_private.state"].__dict__.update(
        available_resources_per_node=lambda: ray.free,
        state=SimpleNamespace(get_draining_nodes=lambda: ray.draining),
    )
    made["_private.services"].__dict__.update(find_gcs_addresses=lambda: ray.found)
    made["_private"].__dict__.update(
        state=SimpleNamespace(actors=lambda: ray.actors, jobs=lambda: ray.jobs)
    )
    return {f"ray.{name}".rstrip("."): module for name, module in made.items()}


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Ray:
    return world(monkeypatch)


def world(monkeypatch: pytest.MonkeyPatch) -> Ray:
    made = Ray()
    for name, module in modules_of(made).items():
        monkeypatch.setitem(sys.modules, name, module)
    for name in MADE_OF_RAY:
        monkeypatch.delitem(sys.modules, f"tuitune.executors.ray.{name}", raising=False)
    for name in MADE_OF_RAY:
        setattr(made, name, importlib.import_module(f"tuitune.executors.ray.{name}"))
        monkeypatch.delitem(sys.modules, f"tuitune.executors.ray.{name}")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    return made


def connect(cpus: float = 1.0, memory: int = 0, gpus: int = 0, *, wants: bool = False) -> Connect:
    return Connect("ray", cpus, memory, gpus, wants_gpus=wants, most_cpus=None, log="/log")


# --- nodes -------------------------------------------------------------------------------------


def test_nodes_that_live_are_seen_with_what_is_free(ray: Ray) -> None:
    ray.add("a", CPU=8.0, GPU=2.0)
    ray.add("b", alive=False)
    ray.add("c", "cpu")
    ray.free = {"a": {"CPU": 3.0}}
    first, second = ray.cluster.look()
    assert (first.key, first.host, first.resources) == ("a", "gpu", {"CPU": 8.0, "GPU": 2.0})
    assert (first.free, first.drains) == ({"CPU": 3.0}, "")
    assert (second.key, second.free) == ("c", {})  # all of it is held
    assert ray.cluster.is_alive("a")
    assert not ray.cluster.is_alive("b")
    assert not ray.cluster.is_alive("d")


def test_a_node_that_drains_says_when_it_leaves(ray: Ray) -> None:
    ray.add("a")
    ray.draining = {"a": 0}
    assert ray.seen("a").drains == "it leaves the cluster"
    ray.draining = {"a": int(time.time() * 1000) - 5000}
    assert ray.seen("a").drains == "it leaves the cluster"
    ray.draining = {"a": int(time.time() * 1000) + 3_600_000}
    words = ray.seen("a").drains.split()
    assert words[:5] == ["it", "leaves", "the", "cluster", "in"]
    assert 3000 < int(words[5]) <= 3600


def test_nodes_of_one_host_are_told_apart_and_keep_their_names(ray: Ray) -> None:
    names = ray.cluster.Names()
    for key in "abc":
        ray.add(key)
    assert names.of("a" * 20) == "a" * 8
    assert [names.name(ray.seen(key)) for key in "abc"] == ["gpu", "gpu-2", "gpu-3"]
    assert [names.name(ray.seen(key)) for key in "cba"] == ["gpu-3", "gpu-2", "gpu"]
    assert names.of("b") == "gpu-2"


def test_the_name_of_a_node_that_has_died_is_given_to_the_next(ray: Ray) -> None:
    names = ray.cluster.Names()
    ray.add("a")
    ray.add("b")
    assert [names.name(ray.seen(key)) for key in "ab"] == ["gpu", "gpu-2"]
    ray.nodes[0]["Alive"] = False
    ray.add("c")
    assert names.name(ray.seen("c")) == "gpu"
    assert names.of("a") == "gpu"  # as it was called while it lived
    ray.add("d")
    assert names.name(ray.seen("d")) == "gpu-3"


@settings(max_examples=50)
@given(st.lists(st.sampled_from(["gpu", "gpu-2", "gpu-2-2", 0, 1, 2]), min_size=1, max_size=25))
def test_no_two_nodes_that_live_have_one_name(moves) -> None:
    """moves: the host of a node that joins, or which of those that live dies."""
    with pytest.MonkeyPatch.context() as patch:
        made = world(patch)
        names = made.cluster.Names()
        for key, move in enumerate(moves):
            if isinstance(move, str):
                made.add(str(key), move)
            else:
                del made.nodes[move : move + 1]
            for one in made.cluster.look():
                names.name(one)
            living = [names.of(one.key) for one in made.cluster.look()]
            assert len(set(living)) == len(living)


# --- room --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("there", "needs", "is_enough"),
    [
        ({"CPU": 1.0}, connect(), True),
        ({"CPU": 0.5}, connect(0.5), False),  # an agent takes a whole one
        ({"CPU": 8.0}, connect(8.0), True),
        ({"CPU": 8.0}, connect(8.5), False),
        ({"CPU": 8.0, "memory": 2 * GB}, connect(memory=int(2 * GB)), True),
        ({"CPU": 8.0, "memory": 2 * GB}, connect(memory=int(2 * GB) + 1), False),
        ({"CPU": 8.0}, connect(gpus=1), False),
        ({"CPU": 8.0, "GPU": 1.0}, connect(gpus=1), True),
        ({}, connect(), False),
    ],
)
def test_a_trial_needs_all_of_its_parts_on_one_node(ray: Ray, there, needs, is_enough) -> None:
    assert ray.cluster.fits(there, needs) is is_enough


def test_what_a_node_lacks_is_said_in_its_units(ray: Ray) -> None:
    ray.add("a", CPU=2.0, memory=1.5 * GB)
    words = ray.cluster.why_unused(ray.seen("a"), connect(4.0, int(3 * GB), 1))
    assert words == (
        "it has 2 CPUs, a trial has 4; 1.5 GB of memory, a trial has 3; 0 GPUs, a trial has 1"
    )


def test_programs_that_hold_a_node_are_named_and_our_own_is_not(ray: Ray) -> None:
    def job(name: str) -> dict[str, Any]:
        return {"JobID": name, "Entrypoint": f"python {name}.py", "DriverPid": 7, "DriverIPAddress": "10.0.0.1"}  # fmt: skip

    def actor(job: str, node: str, state: str = "ALIVE") -> dict[str, Any]:
        return {"JobID": job, "State": state, "Address": {"NodeID": node}}

    ray.add("a")
    ray.jobs = [job("own"), job("theirs"), job("dead"), job("far")]
    assert ray.cluster.why_unused(ray.seen("a"), connect()) == "others use what it has"
    ray.actors = {
        "1": actor("own", "a"), "2": actor("theirs", "a"), "3": actor("theirs", "a"),
        "4": actor("dead", "a", "DEAD"), "5": actor("far", "b"),
    }  # fmt: skip
    held = "`python theirs.py` (pid 7 on 10.0.0.1)"
    assert ray.cluster.holders("a") == [held]
    assert ray.cluster.why_unused(ray.seen("a"), connect()) == f"its room is held by {held}"


@pytest.mark.parametrize(
    ("needs", "has_gpus", "bundle"),
    [
        (connect(0.5), False, {"CPU": 1.0}),
        (connect(4.0, int(GB)), True, {"CPU": 4.0, "memory": GB}),
        (connect(gpus=2), True, {"CPU": 1.0, "GPU": 2.0}),
        (connect(wants=True), True, {"CPU": 1.0, "GPU": 1.0}),
        (connect(wants=True), False, {"CPU": 1.0}),
    ],
)
def test_a_group_of_a_trials_size_is_asked_for(ray: Ray, needs, has_gpus, bundle) -> None:
    demand = ray.cluster.Demand(needs, has_gpus=has_gpus)
    assert not demand.is_met()
    demand.renew(True)
    assert ray.groups == {0: ([bundle], "PENDING")}
    assert not demand.is_met()
    ray.groups[0] = [bundle], "CREATED"
    assert demand.is_met()
    assert ray.groups == {}  # it gives the room back
    assert not demand.is_met()


# --- joining -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "variable", "address"),
    [
        ("10.0.0.1:6379", "10.0.0.2:6379", "10.0.0.1:6379"),
        ("ray", "10.0.0.2:6379", "10.0.0.2:6379"),
        ("ray", "local", None),
        ("ray", "", None),
        ("ray", "auto", None),
    ],
)
def test_the_cluster_is_named_by_the_command_or_by_rays_own_variable(
    ray: Ray, monkeypatch, where, variable, address
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", variable)
    assert ray.joining.address_of(where) == address


def test_the_only_cluster_of_this_machine_is_meant_and_of_several_one_is_to_be_named(
    ray: Ray,
) -> None:
    assert ray.joining.address_of("ray") is None
    ray.found = {"10.0.0.1:6379"}
    assert ray.joining.address_of("ray") == "10.0.0.1:6379"
    ray.found = {"10.0.0.2:1", "10.0.0.1:1"}
    with pytest.raises(ray.joining.CannotJoinError, match=r"--on, 10\.0\.0\.1:1 or 10\.0\.0\.2:1"):
        ray.joining.address_of("ray")


def test_a_client_address_of_the_environment_is_refused(ray: Ray, monkeypatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "ray://head:10001")
    with pytest.raises(ray.joining.CannotJoinError, match="Ray Client is not used"):
        ray.joining.address_of("ray")
    assert ray.joining.address_of("head:6379") == "head:6379"


# --- nodes that are tried again later ----------------------------------------------------------


def test_a_node_where_no_agent_could_start_is_tried_again_after_ten_seconds(ray: Ray) -> None:
    deaths = ray.cluster.Deaths()
    assert deaths.may_try("a", 100.0)
    assert deaths.may_try("a", 100.0)
    deaths.tried("a", 100.0)
    assert not deaths.may_try("a", 109.9)
    assert deaths.may_try("b", 105.0)
    assert deaths.may_try("a", 110.0)
    deaths.tried("a", 110.0)
    assert not deaths.may_try("a", 119.0)


def test_who_holds_a_node_is_asked_every_ten_seconds(ray: Ray) -> None:
    explained = ray.cluster.Explained()
    assert explained.is_due("a", 100.0)
    assert not explained.is_due("a", 100.0)
    assert not explained.is_due("a", 109.9)
    assert explained.is_due("b", 105.0)
    assert explained.is_due("a", 110.0)
    assert not explained.is_due("a", 119.0)


def test_a_node_whose_agent_has_ended_is_free_at_once(ray: Ray) -> None:
    deaths = ray.cluster.Deaths()
    deaths.tried("a", 0.0)
    assert not deaths.may_try("a", 1.0)
    assert not deaths.ended("a", 1.0, failed=False)
    assert deaths.may_try("a", 1.0)
    deaths.tried("a", 1.0)
    assert not deaths.ended("a", 2.0, failed=True)
    assert deaths.may_try("a", 2.0)


def test_a_node_is_set_aside_after_some_deaths_in_a_row_alone(ray: Ray) -> None:
    deaths = ray.cluster.Deaths()
    for turn in range(2 * ray.cluster.MOST):
        assert not deaths.ended("a", float(turn), failed=True)
        if turn % 2:
            deaths.ended("a", float(turn), failed=False)
    found = [deaths.ended("a", 50.0, failed=True) for _ in range(ray.cluster.MOST)]
    assert found == [False] * (ray.cluster.MOST - 1) + [True]
    assert not deaths.may_try("a", 349.9)
    assert deaths.may_try("b", 60.0)
    assert deaths.may_try("a", 350.0)
    assert not deaths.ended("a", 351.0, failed=True)  # counted from the start again


@settings(max_examples=50)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.booleans()), max_size=40))
def test_no_node_is_set_aside_for_what_happens_on_another(deaths_told) -> None:
    with pytest.MonkeyPatch.context() as patch:
        ray = world(patch)
    together, alone = ray.cluster.Deaths(), {"a": ray.cluster.Deaths(), "b": ray.cluster.Deaths()}
    for turn, (node, failed) in enumerate(deaths_told):
        now = 1000.0 * turn
        assert together.may_try(node, now) == alone[node].may_try(node, now)
        aside = together.ended(node, now, failed=failed)
        assert aside == alone[node].ended(node, now, failed=failed)
        assert together.may_try(node, now + 1.0) is not aside
