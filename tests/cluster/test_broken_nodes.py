"""A cluster whose parts are killed with real signals: what is lost, and what goes on."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from clusters import LEAN, QUICK, another, parents
from workshop import gone, wait_until

from tuitune.core import events as ev
from tuitune.ipc import process_tree

pytestmark = pytest.mark.timeout(180)

# Beside a trial works a process in a session of its own, which ends by nothing but a kill.
BESIDE = """
import os, subprocess, time
from pathlib import Path

HERE = Path(__file__).parent

def lives(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except OSError:
        return False

def train(trial):
    file = HERE / f"ran-{trial.number}"
    before = file.read_text().split() if file.exists() else []
    if any(map(lives, before)):
        (HERE / "two-at-once").touch()
    beside = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    with file.open("a") as ran:
        ran.write(f"{os.getpid()} {beside.pid}\\n")
    for step in range(1, 10_000):
        trial.report(epoch=step, loss=1 / step)
        time.sleep(0.05)
        if (HERE / "end").exists():
            return
"""


def test_trials_of_a_killed_agent_go_on_from_their_checkpoints_without_a_retry(shop):
    engine = shop.begin(trials=4)
    shop.running(4)
    wait_until(lambda: all(trial["step"] > 3 for trial in shop.trials()), "some steps")
    assert shop.run("pause", "study", 0, 1, 2, 3).returncode == 0  # so that all have a checkpoint
    wait_until(lambda: {t["state"] for t in shop.trials()} == {"PAUSED"}, "the pause")
    assert shop.run("resume", "study", 0, 1, 2, 3).returncode == 0
    wait_until(lambda: all(len(shop.ran(n)) == 2 for n in range(4)), "the second attempts")
    agent = next(iter(shop.agents()))
    lost = [n for n in range(4) if parents(int(shop.ran(n)[-1][1])) & {agent}]
    assert lost
    os.kill(agent, signal.SIGKILL)
    wait_until(lambda: all(len(shop.ran(n)) == 3 for n in lost), "the next attempts")
    shop.running(4)
    assert all(int(shop.ran(n)[2][0]) > 1 for n in lost)
    exits = [fact for fact in shop.facts(ev.Exited) if fact.lost]
    assert sorted(fact.trial for fact in exits) == lost
    assert not any(fact.crashed for fact in shop.facts(ev.Settled))
    shop.finish(engine)


def test_all_of_an_agent_that_stands_still_has_ended_when_its_trials_start_elsewhere(shop):
    engine = shop.begin(trials=2, code=BESIDE)
    node = shop.running(2)[0]["node"]
    (agent,) = shop.agents_on(node)
    lost = [trial["trial"] for trial in shop.trials() if trial["node"] == node]
    pids = [int(pid) for n in lost for pid in shop.ran(n)[0]]
    os.kill(agent, signal.SIGSTOP)
    wait_until(lambda: all(len(shop.ran(n)) == 2 for n in lost), "their next attempts")
    with contextlib.suppress(ProcessLookupError):
        os.kill(agent, signal.SIGCONT)
    assert all(map(gone, pids))
    shop.finish(engine)
    assert not (shop.path / "two-at-once").exists()
    assert [trial["state"] for trial in shop.trials()] == ["COMPLETE"] * 2


def test_no_report_is_lost_with_an_agent_that_is_cut_off_while_its_trials_save(shop):
    engine = shop.begin("gpus = 0\ncheckpoint_every = '0s'", trials=4)
    shop.running(4)
    agent = next(iter(shop.agents()))
    lost = [n for n in range(4) if parents(int(shop.ran(n)[-1][1])) & {agent}]
    os.kill(agent, signal.SIGSTOP)  # its trials go on, and save
    wait_until(lambda: all(len(shop.ran(n)) == 2 for n in lost), "the next attempts")
    shop.running(4)
    shop.finish(engine)
    assert all(int(shop.ran(n)[1][0]) > 1 for n in lost)  # not from the start
    for trial in range(4):
        steps = {fact.step for fact in shop.facts(ev.Reported) if fact.trial == trial}
        assert sorted(steps) == list(range(1, max(steps) + 1))


def test_a_node_that_joins_is_used_and_trials_of_a_killed_raylet_go_on_on_another(shop, cluster):
    shop.waits = QUICK
    engine = shop.begin(trials=6)
    shop.running(4)
    node = cluster.add_node(num_cpus=2)  # it is used as soon as it has joined
    try:
        trials = shop.running(6)
        name = _name_of(shop, node, trials)
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


def test_a_node_that_is_drained_is_left_by_its_trials_which_save_first(shop, cluster):
    node = cluster.add_node(num_cpus=2)
    try:
        engine = shop.begin(trials=6)
        name = _name_of(shop, node, shop.running(6))
        there = [trial["trial"] for trial in shop.trials() if trial["node"] == name]
        assert there
        assert shop.run("kill", "study", *set(range(6)).difference(there)).returncode == 0
        with another(shop) as tell:
            assert tell(f"drain {node.node_id}") == "True"
        wait_until(lambda: all(len(shop.ran(n)) == 2 for n in there), "their next attempts")
    finally:
        cluster.remove_node(node)
    assert all(int(shop.ran(n)[1][0]) > 1 for n in there)
    assert not any(fact.lost for fact in shop.facts(ev.Exited))
    assert name not in {trial["node"] for trial in shop.running(len(there))}
    shop.finish(engine)


def test_a_node_whose_agents_keep_dying_is_set_aside(shop):
    engine = shop.begin(trials=4)
    shop.running(4)
    node = shop.trials()[0]["node"]
    for _ in range(3):
        agent = wait_until(lambda: shop.agents_on(node), "its agent")[0]
        os.kill(agent, signal.SIGKILL)
        wait_until(lambda agent=agent: agent not in shop.agents_on(node), "its end")
    line = next(line for line in iter(engine.stdout.readline, "") if "is not used" in line)
    why = "as 3 agents in a row have ended there (SIGKILL); more is in ray.log"
    assert f"node {node} is not used: it is set aside for 5 minutes, {why}" in line
    assert shop.run("kill", "study", 0, 1, 2, 3).returncode == 0
    shop.finish(engine, status=1)


def test_a_study_whose_head_dies_is_halted_and_goes_on_on_a_new_cluster(shop):
    shop.waits = QUICK
    quick = {"RAY_gcs_rpc_server_reconnect_timeout_s": "5"}
    with small_cluster(shop, quick) as made:
        engine = shop.begin(trials=2)
        shop.running(2)
        before = [trial["step"] for trial in shop.trials()]
        made.head_node.all_processes["gcs_server"][0].process.kill()
        wait_until(lambda: all(t["step"] > before[t["trial"]] + 20 for t in shop.trials()), "steps")
        output, _ = engine.communicate(timeout=60)
        assert engine.returncode == 1, output
        assert "the connection to Ray was lost: no Ray cluster answers at" in output
        assert "Traceback" not in output
        old = shop.where
        wait_until(lambda: not shop.agents(), "the end of all agents")
    with small_cluster(shop, {}):
        engine = shop.again()
        wait_until(lambda: all(len(shop.ran(n)) == 2 for n in range(2)), "the next attempts")
        output = shop.finish(engine)
    assert f"ran on Ray at {old} before, now on Ray at {shop.where}" in output


def test_a_cluster_of_its_own_ends_with_the_study_also_when_the_engine_is_killed(shop, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "local")  # others may have clusters here
    shop.where = "ray"
    engine = shop.begin(trials=2)
    shop.running(2)
    (bridge,) = shop.bridges()
    started = [pid for pid in process_tree.processes() if bridge in parents(pid)]
    assert len(started) > 3
    engine.kill()
    wait_until(lambda: all(map(gone, started)), "the end of its cluster")
    engine = shop.again()
    wait_until(lambda: all(len(shop.ran(n)) == 2 for n in range(2)), "the next attempts")
    (bridge,) = shop.bridges()
    started = [pid for pid in process_tree.processes() if bridge in parents(pid)]
    output = shop.finish(engine)
    assert "runs on a Ray cluster of its own at " in output
    wait_until(lambda: all(map(gone, started)), "the end of its cluster")


@contextmanager
def small_cluster(shop: Any, environment: dict[str, str]) -> Iterator[Any]:
    """Another cluster, of one node; the shop's studies run there."""
    from ray.cluster_utils import Cluster  # noqa: PLC0415 - only where it is installed

    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        made = Cluster()
        made.add_node(num_cpus=2, **LEAN)
        shop.where = made.address
        try:
            yield made
        finally:
            with contextlib.suppress(Exception):
                made.shutdown()


def _name_of(shop: Any, node: Any, trials: Any) -> str:
    """The name that the study has for this raylet's node, on which some of the trials are."""
    raylet = node.all_processes["raylet"][0].process.pid
    names = {trial["node"] for trial in trials}
    return next(n for n in names if any(raylet in parents(pid) for pid in shop.agents_on(n)))
