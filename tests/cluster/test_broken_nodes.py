"""A cluster whose parts are killed with real signals: what is lost, and what goes on."""

from __future__ import annotations

import os
import signal

import pytest
from workshop import gone, wait_until

from tuitune.core import events as ev

pytestmark = pytest.mark.timeout(180)


def test_trials_of_a_killed_agent_go_on_from_their_checkpoints_without_a_retry(shop):
    engine = shop.begin(trials=4)
    shop.running(4)
    wait_until(lambda: all(trial["step"] > 3 for trial in shop.trials()), "some steps")
    assert shop.run("pause", "study", 0, 1, 2, 3).returncode == 0  # so that all have a checkpoint
    wait_until(lambda: {t["state"] for t in shop.trials()} == {"PAUSED"}, "the pause")
    assert shop.run("resume", "study", 0, 1, 2, 3).returncode == 0
    wait_until(lambda: all(len(shop.ran(n)) == 2 for n in range(4)), "the second attempts")
    agent = next(iter(shop.agents()))
    lost = [n for n in range(4) if _parents(int(shop.ran(n)[-1][1])) & {agent}]
    assert lost
    os.kill(agent, signal.SIGKILL)
    wait_until(lambda: all(len(shop.ran(n)) == 3 for n in lost), "the next attempts")
    shop.running(4)
    assert all(int(shop.ran(n)[2][0]) > 1 for n in lost)
    exits = [fact for fact in shop.facts(ev.Exited) if fact.lost]
    assert sorted(fact.trial for fact in exits) == lost
    assert not any(fact.crashed for fact in shop.facts(ev.Settled))
    shop.finish(engine)


def test_trials_of_a_killed_raylet_go_on_on_another_node(shop, cluster):
    node = cluster.add_node(num_cpus=2)
    try:
        engine = shop.begin(trials=6)
        trials = shop.running(6)
        name = _name_of(shop, node)
        lost = [trial["trial"] for trial in trials if trial["node"] == name]
        assert len(lost) == 2
    finally:
        cluster.remove_node(node, allow_graceful=False)
    wait_until(lambda: any(n.node.lost for n in shop.facts(ev.NodeChanged)), "the news")
    wait_until(lambda: all(gone(int(shop.ran(n)[0][1])) for n in lost), "the end of its trials")
    assert shop.run("kill", "study", *set(range(6)).difference(lost)).returncode == 0
    wait_until(lambda: all(len(shop.ran(n)) == 2 for n in lost), "their next attempts")
    assert name not in {shop.trials()[n]["node"] for n in lost}
    shop.finish(engine)


def test_nothing_outlives_an_engine_that_is_killed_and_the_same_command_goes_on(shop):
    engine = shop.begin()
    shop.running(4)
    pids = [int(shop.ran(n)[0][1]) for n in range(4)]
    engine.kill()
    engine.wait()
    wait_until(lambda: not shop.agents() and not shop.bridges(), "the end of all agents")
    wait_until(lambda: all(map(gone, pids)), "the end of all trials")
    engine = shop.again()
    wait_until(lambda: all(len(shop.ran(n)) == 2 for n in range(4)), "the next attempts")
    shop.finish(engine)
    assert not [*shop.folder().glob(".nodes-*")]


def test_a_bridge_that_is_killed_is_started_again_and_no_trial_runs_twice(shop):
    engine = shop.begin()
    shop.running(4)
    pids = [int(shop.ran(n)[0][1]) for n in range(4)]
    os.kill(next(iter(shop.bridges())), signal.SIGKILL)
    wait_until(lambda: all(map(gone, pids)), "the end of all trials")
    wait_until(lambda: all(len(shop.ran(n)) == 2 for n in range(4)), "the next attempts")
    assert sorted(fact.trial for fact in shop.facts(ev.Exited)) == [0, 1, 2, 3]
    shop.finish(engine)


def _parents(pid: int) -> set[int]:
    found: set[int] = set()
    while pid > 1:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
            pid = int(file.read().rpartition(")")[2].split()[1])
        found.add(pid)
    return found


def _name_of(shop, node) -> str:
    """The name that the study has for this raylet's node."""
    raylet = node.all_processes["raylet"][0].process.pid
    for pid, command in shop.agents().items():
        if raylet in _parents(pid):  # its last word is the agent's name: the node's, and a number
            return command.rstrip("\0").rpartition("\0")[2].rpartition("-")[0]
    raise AssertionError("no agent is on that node")
