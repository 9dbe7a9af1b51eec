"""`tuitune serve` under requests that no browser sends: nobody without the token gets anything."""

from __future__ import annotations

import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from packages import needs
from stored_study import finished, store
from workshop import Workshop

from tuitune.store.rows import StudyRow

needs("textual_serve")


class Served:
    """`tuitune serve` on a stored study; raw requests to it."""

    def __init__(self, workshop: Workshop) -> None:
        self.process = workshop.start("serve", "runs/study", "--readonly")
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        split = urlsplit(re.findall(r"http://\S+/", said)[0])
        self.token = split.path.strip("/")
        self.place = split.hostname, split.port

    def ask(self, start: str, *headers: str) -> tuple[int, str]:
        """The status and the whole answer to a request that begins with this line."""
        lines = [start, f"Host: {self.place[0]}", "Connection: close", *headers, "", ""]
        with socket.create_connection(self.place, timeout=30) as peer:
            peer.sendall("\r\n".join(lines).encode("latin-1"))
            answer = b""
            while chunk := peer.recv(65536):
                answer += chunk
        text = answer.decode("latin-1")
        return int(text.split()[1]), text


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    workshop = Workshop(tmp_path_factory.mktemp("attacked").resolve())
    journal = store(workshop.path / "runs" / "study")
    journal.write([], [finished(0)], StudyRow(finished=True, complete=True))
    journal.close()
    made = Served(workshop)
    yield made
    made.process.send_signal(signal.SIGTERM)
    printed = made.process.communicate(timeout=30)[0]
    workshop.close()
    assert "Traceback" not in printed


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "//",
        "/ws",
        "/static/js/textual.js",
        "/wrong/",
        "/wrong/{token}/",
        "//{token}/",
        "/{token}x/",
        "/{short}/",
        "/%7b/",
        "/%ff%fe/",
        "/%00/",
        "/../{token}/",
        "/wrong/../{token}",
        "/?{token}",
        "/;{token}/",
        "/xxxxxxxxxx" * 300,
        "/%C3%A9/",
    ],
)
def test_no_address_without_the_token_is_answered(served: Served, path: str) -> None:
    token = served.token
    status, text = served.ask(f"GET {path.format(token=token, short=token[:-1])} HTTP/1.1")
    assert status in {400, 403, 404}
    assert token not in text.partition("\r\n\r\n")[2]
    assert "terminal" not in text


@pytest.mark.parametrize("start", ["OPTIONS * HTTP/1.1", "CONNECT a:1 HTTP/1.1", "POST / HTTP/1.1", "HEAD /wrong/ HTTP/1.1", "DELETE /wrong HTTP/1.1"])  # fmt: skip
def test_no_other_method_gets_past_it(served: Served, start: str) -> None:
    assert served.ask(start)[0] in {400, 403, 405}


def test_a_socket_of_the_app_needs_the_token_too(served: Served) -> None:
    upgrade = (
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
    )
    assert served.ask("GET /wrong/ws HTTP/1.1", *upgrade)[0] == 403
    assert served.ask("GET /ws HTTP/1.1", *upgrade)[0] == 403


@pytest.mark.parametrize("path", ["static/../../../etc/passwd", "static/%2e%2e/%2e%2e/server.py", "static//etc/passwd", "static/"])  # fmt: skip
def test_no_other_file_is_served(served: Served, path: str) -> None:
    status, text = served.ask(f"GET /{served.token}/{path} HTTP/1.1")
    assert status in {400, 403, 404}
    assert "root:" not in text


@pytest.mark.parametrize(
    "size",
    ["12", "0", "41", "-1", "x", "", "9" * 5000, "%C2%B2", "%FF", "12%0a"],
    ids=lambda size: size[:8],
)
def test_a_size_of_letters_that_is_none_is_the_usual_one(served: Served, size: str) -> None:
    status, text = served.ask(f"GET /{served.token}/?fontsize={size} HTTP/1.1")
    assert status == 200
    assert f'data-font-size="{12 if size == "12" else 16}"' in text
    assert "X-Frame-Options: DENY" in text
    assert "default-src 'self'" in text


def test_a_host_that_is_made_up_can_not_leave_its_attribute(served: Served) -> None:
    status, text = served.ask(
        f"GET /{served.token}/ HTTP/1.1", 'X-Forwarded-Proto: https"><script>'
    )
    assert status == 200
    assert '"><script>' not in text.partition("<body>")[2]


def test_a_port_that_is_taken_is_refused_with_the_mend(served: Served, tmp_path: Path) -> None:
    workshop = Workshop(tmp_path)
    journal = store(tmp_path / "runs" / "study")
    journal.write([], [finished(0)], StudyRow(finished=True, complete=True))
    journal.close()
    refused = workshop.run("serve", "runs/study", "--port", served.place[1])
    assert refused.returncode == 2
    assert refused.stderr.strip() == (
        f"127.0.0.1 port {served.place[1]}: Address already in use; give another one by --host or --port"
    )
