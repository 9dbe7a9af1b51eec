"""Processes that carry a tag, or descend from this one, end to the last."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from workshop import gone

import tuitune
from tuitune.ipc import process_tree

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(tuitune.__file__).parents[1])}


def test_a_sweep_ends_what_carries_the_tag_and_nothing_else(tmp_path):
    def sleeper(tag):
        return subprocess.Popen(["sleep", "600"], env={**os.environ, "TUITUNE_STUDY": tag})

    ours, others = sleeper(str(tmp_path)), sleeper(f"{tmp_path}-2")
    try:
        assert process_tree.tagged(str(tmp_path)) == {ours.pid}
        assert process_tree.sweep(str(tmp_path))
        assert gone(ours.pid)
        assert not gone(others.pid)
        assert process_tree.sweep(str(tmp_path))
    finally:
        for process in (ours, others):
            process.kill()
            process.wait()


DESCENDANTS = """
import os, time
from tuitune.ipc import process_tree as processes
processes.adopt_orphans()
for depth in range(3):
    if os.fork() == 0:
        os.setsid()
        for _ in range(depth):
            if os.fork():
                break
        time.sleep(600)
assert not processes.is_childless()
print(len(processes.children(os.getpid())), processes.end_descendants(), processes.is_childless())
"""


def test_descendants_end_to_the_last():
    done = subprocess.run(
        [sys.executable, "-c", DESCENDANTS],
        capture_output=True,
        text=True,
        check=True,
        env=ENVIRONMENT,
    )
    assert done.stdout == "3 True True\n"


def test_children_are_found_without_the_kernels_list(monkeypatch):
    child = subprocess.Popen(["sleep", "600"])
    try:
        assert child.pid in process_tree.children(os.getpid())
        monkeypatch.setattr(process_tree, "_names", _only_proc)
        assert child.pid in process_tree.children(os.getpid())
    finally:
        child.kill()
        child.wait()


def _only_proc(path):
    if path != "/proc":
        raise FileNotFoundError
    return [entry.name for entry in Path(path).iterdir()]
