"""Where `serve` listens, and the address that it prints for a browser."""

from __future__ import annotations

import socket

import pytest

from tuitune.cli.serve import Place


@pytest.mark.parametrize(
    ("host", "is_loopback", "is_every"),
    [
        ("127.0.0.1", True, False),
        ("127.8.8.8", True, False),
        ("localhost", True, False),
        ("::1", True, False),
        ("0.0.0.0", False, True),
        ("::", False, True),
        ("10.0.0.1", False, False),
        ("gpu-07.example.org", False, False),
        ("localhost.example.org", False, False),
        ("", False, False),
    ],
)
def test_who_can_reach_it(host: str, is_loopback: bool, is_every: bool) -> None:
    place = Place(host, 0)
    assert (place.is_loopback, place.is_every) == (is_loopback, is_every)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000/abc/"),
        ("::1", "http://[::1]:8000/abc/"),
        ("gpu-07", "http://gpu-07:8000/abc/"),
        ("0.0.0.0", f"http://{socket.gethostname()}:8000/abc/"),
        ("::", f"http://{socket.gethostname()}:8000/abc/"),
    ],
)
def test_the_address_is_one_that_a_browser_can_open(host: str, address: str) -> None:
    assert Place(host, 0).address(8000, "abc") == address
