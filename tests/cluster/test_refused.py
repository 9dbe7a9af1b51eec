"""Clusters that can't run a study: exit status 2, one line with the mend, none of Ray's words."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from clusters import another
from workshop import wait_until

pytestmark = pytest.mark.timeout(180)

UNSHARE = ("unshare", "--mount", *(() if os.geteuid() == 0 else ("--map-root-user",)))
QUICK = "def train(trial): trial.report(loss=1.0)"


def refused(shop: Any, where: str, *words: object, **environment: str) -> str:
    """What a study of `shop.study` is refused with."""
    command = ("study.toml", "--no-ui", "--on", where, *words)
    run = shop.run(*command, env={**shop.environment, **environment})
    assert run.returncode == 2, run.stdout + run.stderr
    said = [line for line in run.stderr.splitlines() if not line.startswith("study: ")]
    assert len(said) == 1, run.stderr
    assert "Traceback" not in run.stderr
    return said[0]


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("dask", "write ray, or HOST:PORT"),
        ("ray://127.0.0.1:10001", "run this on a node"),
        ("127.0.0.1:1", "no Ray cluster answers at 127.0.0.1:1"),
    ],
)
def test_what_is_no_cluster(shop, where: str, words: str):
    shop.study(QUICK)
    assert words in refused(shop, where)
    assert not (shop.folder() / "study.db").exists()


def test_one_that_takes_connections_and_does_not_answer(shop):
    shop.study(QUICK)
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        where = "{}:{}".format(*server.getsockname())
        assert f"no Ray cluster answers at {where} within 10 s" in refused(shop, where)


def test_a_cluster_with_a_token_is_joined_as_ray_does_and_a_refusal_is_told(shop):
    import ray  # noqa: PLC0415 - only where it is installed

    shop.study(QUICK, "gpus = 0", trials=1)
    shop.write("home/.ray/auth_token", "0123456789abcdef" * 4)
    shop.write(
        "alone.sh",
        """
        ray start --head --port=0 --num-cpus=1 --include-dashboard=false --disable-usage-stats &&
        tuitune study.toml --no-ui --on ray &&
        RAY_AUTH_MODE=disabled tuitune study.toml --no-ui --on ray --set search.trials=2
        """,
    )
    home, bin_folder = shop.path / "home", Path(sys.executable).parent
    run = subprocess.run(  # other clusters of this machine are not seen there, and all ends with it
        [*UNSHARE, "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "alone.sh"],
        cwd=shop.path,
        env={**shop.environment, "HOME": str(home), "PATH": f"{bin_folder}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 complete" in run.stdout, run.stdout + run.stderr
    if hasattr(ray.exceptions, "AuthenticationError"):  # else Ray knows no tokens yet
        assert run.returncode == 2
        assert "asks for a token that is not given here: set RAY_AUTH_MODE=token" in run.stderr


def test_several_clusters_here_and_an_address_of_ray_client(shop):
    shop.study(QUICK)
    with subprocess.Popen(
        ["raylet --gcs-address=127.0.0.1:7", "60"],
        executable="/bin/sleep",
    ) as other:
        try:
            said = refused(shop, "ray")
        finally:
            other.kill()
    assert "several Ray clusters run on this machine: name one by --on" in said
    assert shop.where in said
    said = refused(shop, "ray", RAY_ADDRESS="ray://127.0.0.1:10001")
    assert "Ray Client is not used" in said


def test_what_no_node_has(shop, machine):
    shop.study(QUICK)
    for setting, words in (
        ("gpus=16", "gpus = 16: the largest node has 2, and a trial stays on one node"),
        ("cpus=64", "cpus = 64: the largest node has 2,"),
        ("memory=9TB", "memory = 9000 GB: the largest node has "),
    ):
        assert words in refused(shop, shop.where, "--set", f"trial.{setting}")
    said = refused(shop, shop.where, "--gpus", 1, "--allow", "GPU-none")
    assert "[devices] allow: there is no GPU GPU-none" in said
    assert machine.gpus[0]["uuid"] in said


def test_other_versions(shop, cluster):
    shop.study(QUICK)
    with another(shop) as tell:
        before = tell("ray 2.40.0")
        try:
            said = refused(shop, shop.where)
        finally:
            tell(f"ray {before}")
    assert f"has Ray 2.40.0 and Python {sys.version.split()[0]}, and here are Ray {before}" in said
    old = shop.path / "old" / "tuitune-9.9.dist-info"
    old.mkdir(parents=True)
    (old / "METADATA").write_text("Metadata-Version: 2.1\nName: tuitune\nVersion: 9.9\n")
    node = cluster.add_node(num_cpus=3, env_vars={"PYTHONPATH": str(old.parent)})
    try:
        said = refused(shop, shop.where, "--set", "trial.cpus=3")
    finally:
        cluster.remove_node(node)
    assert "it has tuitune 9.9, and here is " in said


def test_nodes_where_tuitune_does_not_run(shop, cluster):
    shop.study(QUICK)
    shop.write("other/tuitune/__init__.py", "")
    node = cluster.add_node(num_cpus=3, env_vars={"PYTHONPATH": str(shop.path / "other")})
    try:
        said = refused(shop, shop.where, "--set", "trial.cpus=3")
    finally:
        cluster.remove_node(node)
    why = "tuitune does not run there (ModuleNotFoundError: No module named 'tuitune.executors')"
    assert f"{why}; more is in ray.log" in said


def test_a_study_that_runs_elsewhere(shop):
    shop.study("import time\ndef train(trial): trial.report(loss=1.0); time.sleep(60)")
    engine = shop.start("study.toml", "--no-ui")
    shop.running(2)
    said = refused(shop, shop.where)
    assert f"--on {shop.where}: study runs on this machine now: `tuitune stop study`" in said
    engine.kill()


def test_a_cluster_whose_room_others_hold_is_waited_for_and_said_who_holds_it(shop):
    with another(shop, 2, 2) as tell:
        engine = shop.begin(trials=6)
        said = iter(engine.stdout.readline, "")
        line = next(line for line in said if "its room is held by" in line)
        assert "occupant.py" in line
        wait_until(lambda: tell("groups") == "1", "the wish for a node")
    shop.running(4)
    with another(shop) as tell:
        wait_until(lambda: tell("groups") == "1", "the wish for a node, as two trials wait")
        shop.finish(engine)
        wait_until(lambda: tell("groups") == "0", "its end")
