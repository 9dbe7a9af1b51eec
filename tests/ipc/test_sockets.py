"""A socket at a path: who may connect, and what becomes of the path."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tuitune.ipc.sockets import BoundSocket, is_own


@pytest.fixture
def path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tuitune-") as short:  # sockets have short paths
        yield Path(short, "a.sock")


def connect(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(str(path))
    return connection


def test_only_this_user_may_connect_and_is_known_at_the_other_end(path):
    bound = BoundSocket(path, backlog=1)
    assert path.stat().st_mode & 0o777 == 0o600
    with connect(path) as ours, bound.socket.accept()[0] as theirs:
        assert is_own(ours)
        assert is_own(theirs)
    bound.close()
    assert list(path.parent.iterdir()) == []


def test_a_dead_processs_socket_is_replaced(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(path))
    bound = BoundSocket(path, backlog=1)
    connect(path).close()
    bound.close()


def test_a_path_that_another_has_taken_is_left_to_it(path):
    first = BoundSocket(path, backlog=1)
    assert first.is_in_place()
    second = BoundSocket(path, backlog=1)
    assert not first.is_in_place()
    first.close()
    assert second.is_in_place()
    path.unlink()
    assert not second.is_in_place()
    second.close()
