"""Where logind would end a study's engine at logout, it starts in a scope of its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tuitune.cli import launch
from tuitune.cli.launch import SCOPE, SessionScope, scope


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with systemd whose logind ends what users leave behind."""
    root = tmp_path / "root"
    (root / "run/systemd/system").mkdir(parents=True)
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text("0::/user.slice/user-1000.slice/session-3.scope\n")
    tools = tmp_path / "bin"
    tools.mkdir()
    tool(tools, "busctl", "echo 'b true'")
    tool(tools, "systemd-run", "exit 1")
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    monkeypatch.setattr(launch, "_user", lambda: "ann")
    return root


def tool(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_without_linger_a_scope_and_what_is_missing(root: Path):
    assert scope(root) == SessionScope(SCOPE, launch.WORDS)
    assert "enable-linger" in launch.WORDS


def test_with_linger_a_scope_and_nothing_to_say(root: Path):
    (root / "var/lib/systemd/linger").mkdir(parents=True)
    (root / "var/lib/systemd/linger/ann").touch()
    assert scope(root) == SessionScope(SCOPE, "")


def test_where_no_user_manager_is_only_words(root: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert scope(root) == SessionScope((), launch.WORDS)


@pytest.mark.parametrize("answer", ["echo 'b false'", "exit 1", "echo"])
def test_where_nothing_is_killed_nothing_is_needed(root: Path, tmp_path: Path, answer: str):
    tool(tmp_path / "bin", "busctl", answer)
    assert scope(root) == SessionScope()


def test_outside_a_session_and_as_root_and_without_systemd(
    root: Path, monkeypatch: pytest.MonkeyPatch
):
    (root / "proc/self/cgroup").write_text("0::/user.slice/user@1000.service/tmux.scope\n")
    assert scope(root) == SessionScope()
    (root / "proc/self/cgroup").write_text("0::/user.slice/session-3.scope\n")
    monkeypatch.setattr(os, "getuid", lambda: 0)
    assert scope(root) == SessionScope()
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    (root / "run/systemd/system").rmdir()
    assert scope(root) == SessionScope()
