"""Nodes that see neither the study's folder nor its code: what a trial goes on from elsewhere."""

from __future__ import annotations

import contextlib
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import toy_storage
from clusters import QUICK
from installed import toy_package, unpack
from workshop import wait_until

from tuitune import control
from tuitune.control.requests import FollowLog
from tuitune.core import events as ev
from tuitune.store.errors import StoreError
from tuitune.store.reader import Reader

pytestmark = pytest.mark.timeout(180)

CODE = """
import time
from helper import written

def train(trial):
    first = 1
    if trial.resume_path:
        first = int((trial.resume_path / "step").read_text()) + 1
    print("begins with", first, flush=True)
    for step in range(first, 10_000):
        trial.report(epoch=step, loss=1 / step, save=lambda folder: written(folder, step))
        time.sleep(0.05)
"""
HELPER = 'def written(folder, step): (folder / "step").write_text(str(step))\n'
_CPUS = 6  # of each of these nodes: no other has as many as a trial here needs
_OWN = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")


class BlindNodes:
    """Raylets with processes and mounts of their own, which end as a machine does."""

    def __init__(self, address: str, hidden: Path, place: Path) -> None:
        self._address = address
        self._hidden = hidden
        self._place = place
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, packages: Path) -> None:
        """One more, which has joined; two that start at once take the same names of sockets."""
        number = len(self.started)
        program = shlex.quote(str(Path(sys.executable).with_name("ray")))
        ray = f"{program} start --address={self._address} --num-cpus={_CPUS} --block"
        script = (
            f"mount -t tmpfs none {shlex.quote(str(self._hidden))} || exit 9\n"
            f"export XDG_STATE_HOME={shlex.quote(str(self._place / f'state-{number}'))}\n"
            f"export PYTHONPATH={shlex.quote(str(packages))}\n"
            f"exec {ray} --object-store-memory=80000000 --disable-usage-stats\n"
        )
        log = self._place / f"raylet-{number}.log"
        with log.open("wb") as file:
            command = [*_OWN, "sh", "-c", script]
            process = subprocess.Popen(command, stdout=file, stderr=file)
        self.started.append(process)

        def has_joined() -> bool:
            assert process.poll() is None, log.read_text()
            return "Ray runtime started" in log.read_text()

        wait_until(has_joined, "the node")

    def kill(self, number: int) -> None:
        self.started[number].kill()
        self.started[number].wait()

    def close(self) -> None:
        for node in self.started:
            node.kill()
            node.wait()


@pytest.fixture
def nodes(shop: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BlindNodes]:
    if subprocess.run([*_OWN, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no process may have mounts of its own here")
    made = BlindNodes(shop.where, shop.path, tmp_path_factory.mktemp("nodes"))
    try:
        yield made
    finally:
        made.close()


def test_a_paused_trial_goes_on_elsewhere_when_its_node_has_died(
    shop: Any, nodes: BlindNodes, tmp_path_factory: pytest.TempPathFactory, monkeypatch: Any
):
    place = tmp_path_factory.mktemp("storage")
    packages = place / "packages"
    packages.mkdir()
    unpack(toy_package("toy_storage", toy_storage.ENTRY_POINTS), packages)
    (packages / "toy_storage.py").write_text(Path(toy_storage.__file__).read_text())
    shop.waits = QUICK
    monkeypatch.setenv("PYTHONPATH", str(packages))
    monkeypatch.setenv(toy_storage.BEHAVIOUR, str(place / "behaviour"))
    toy_storage.tell("")
    nodes.start(packages)

    shop.write("helper.py", HELPER)
    for name in ("lacking", "path", "url"):
        shop.study(CODE, "gpus = 0", trials=1, name=name)
        text = (shop.path / f"{name}.toml").read_text()
        text = text.replace("concurrency = 2", "concurrency = 1").replace("cpus = 0.5", "cpus = 3")
        (shop.path / f"{name}.toml").write_text(text)
    (shop.path / "kept").mkdir()
    (place / "kept").mkdir()

    run = shop.run("lacking.toml", "--no-ui", "--on", shop.where, "--storage", shop.path / "kept")
    assert run.returncode == 2, run.stderr
    (words,) = [line for line in run.stderr.splitlines() if "--storage" in line]
    assert "name a folder that all nodes have" in words
    assert "Traceback" not in run.stderr
    assert "raylet" not in run.stderr

    places = {"path": str(place / "kept"), "url": f"toy://{place}/toy"}
    for name, storage in places.items():
        shop.start(f"{name}.toml", "--no-ui", "--on", shop.where, "--storage", storage)
    for name in places:
        wait_until(lambda name=name: _step(shop, name) > 3, f"the trial of {name}")
        control.request(control.socket_path(shop.folder(name), "control"), FollowLog(0), 10.0)
        log = shop.folder(name) / "trials" / "0000" / "output.log"
        wait_until(log.exists, "its log")  # as the app asks for it
        assert shop.run("pause", name, 0).returncode == 0
    for name in places:
        wait_until(lambda name=name: shop.trials(name)[0]["state"] == "PAUSED", "the pause")
    nodes.start(packages)
    for name in places:
        wait_until(lambda name=name: _changes(shop, name, lost=False), "the second node")
    nodes.kill(0)
    for name in places:
        wait_until(lambda name=name: _changes(shop, name, lost=True), "the news of the lost node")
        assert shop.run("resume", name, 0).returncode == 0
    for name in places:
        wait_until(lambda name=name: len(_facts(shop, name, ev.Started)) == 2, "the next attempt")
        first, second = _facts(shop, name, ev.Started)
        assert second.node != first.node
        assert second.resumed_from == _facts(shop, name, ev.Checkpointed)[0].step
        assert shop.run("stop", name).returncode == 0
    for process in shop.started:
        process.communicate(timeout=60)
    for name in places:
        log = (shop.folder(name) / "trials" / "0000" / "output.log").read_text()
        resumed = _facts(shop, name, ev.Started)[1].resumed_from
        assert log == f"begins with 1\nbegins with {resumed + 1}\n"


def _facts(shop: Any, name: str, kind: type) -> list[Any]:
    reader = Reader.open(shop.folder(name) / "study.db")
    try:
        return [fact for _, fact in reader.facts() if isinstance(fact, kind)]
    finally:
        reader.close()


def _step(shop: Any, name: str) -> int:
    with contextlib.suppress(StoreError, IndexError, TypeError):
        return shop.trials(name)[0]["step"] or 0
    return 0


def _changes(shop: Any, name: str, *, lost: bool) -> bool:
    """Whether a node is lost, or another one has joined."""
    return any(fact.node.lost == lost for fact in _facts(shop, name, ev.NodeChanged))
