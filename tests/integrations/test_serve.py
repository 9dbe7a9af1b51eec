"""`tuitune serve`: the app of a study in a real browser, behind its token."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import browser
from packages import needs
from workshop import Workshop, gone, wait_until

from tuitune.ipc.process_tree import children

needs("textual_serve", "playwright")
pytestmark = pytest.mark.timeout(300)

CODE = """
import time
from pathlib import Path

def train(trial):
    for _ in range(100_000):
        trial.report(loss=trial.config["x"])
        time.sleep(0.05)
"""


class Served:
    """`tuitune serve` on a study, and the address that it has printed."""

    def __init__(self, workshop: Workshop, *words: str, study: str = "study") -> None:
        self.process = workshop.start("serve", study, *words)
        assert self.process.stdout is not None
        self.said = [self.process.stdout.readline(), self.process.stdout.readline()]
        self.address = re.findall(r"http://\S+/", self.said[0])[0]

    def apps(self) -> list[int]:
        return sorted(children(self.process.pid))


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    """With a study that runs, and never ends by itself."""
    made = Workshop(tmp_path_factory.mktemp("served"))
    made.start(made.study(CODE, trials=2), "--no-ui")
    wait_until((made.folder() / "trials/0001/output.log").exists, "the second trial")
    yield made
    made.close()


@pytest.fixture
def served(workshop: Workshop) -> Iterator[Served]:
    started = Served(workshop)
    yield started
    started.process.send_signal(signal.SIGTERM)
    started.process.wait(30)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as found:
        yield found


def opened(chromium: Any, address: str) -> tuple[Any, list[str]]:
    """A page with the app on it, and what it has loaded."""
    page = chromium.new_page(viewport={"width": 1200, "height": 700})
    loaded: list[str] = []
    page.on("request", lambda request: loaded.append(request.url))
    page.on("websocket", lambda socket: loaded.append(socket.url))
    page.goto(address)
    page.wait_for_selector("body.-first-byte", timeout=60_000)
    page.wait_for_selector(".xterm-helper-textarea:focus", state="attached")
    return page, loaded


def state(workshop: Workshop, trial: int) -> str:
    trials = workshop.trials()
    return str(trials[trial]["state"]) if trial < len(trials) else ""


def test_a_key_acts_on_the_study(workshop: Workshop, served: Served, chromium: Any):
    wait_until(lambda: {state(workshop, n) for n in (0, 1)} == {"RUNNING"})
    page, loaded = opened(chromium, served.address)
    page.keyboard.press("g")  # the cursor to the first line
    page.keyboard.press("p")
    wait_until(lambda: sorted(state(workshop, n) for n in (0, 1)) == ["PAUSED", "RUNNING"])

    def resumed() -> bool:
        page.keyboard.press("r")  # the app may not have seen the pause yet: then it does nothing
        page.wait_for_timeout(500)
        return {state(workshop, n) for n in (0, 1)} == {"RUNNING"}

    wait_until(resumed)
    ours = served.address.removeprefix("http")
    assert [url for url in loaded if not url.startswith((f"http{ours}", f"ws{ours}"))] == []
    assert any(url.startswith("ws") for url in loaded)
    page.close()


def test_the_app_fits_the_window_and_q_ends_it(served: Served, chromium: Any):
    page, _ = opened(chromium, served.address)
    page.set_viewport_size({"width": 700, "height": 400})
    width = "document.querySelector('.xterm-screen').getBoundingClientRect().width"
    wait_until(lambda: 600 < page.evaluate(width) <= 700)
    (app,) = served.apps()
    page.keyboard.press("q")
    page.wait_for_selector("#ended", state="visible")
    wait_until(lambda: gone(app))
    page.click("#ended a")
    page.wait_for_selector("body.-first-byte", timeout=60_000)
    page.close()


def refused(address: str, headers: dict[str, str] | None = None) -> int:
    request = urllib.request.Request(address, headers=headers or {})
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(request, timeout=30)
    return error.value.code


UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}


def test_nothing_is_answered_without_the_token(served: Served):
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{32}/", served.address)
    origin, token = served.address[:-34], served.address[-33:-1]
    for path in (
        "/",
        "/ws",
        "/static/js/textual.js",
        f"/{token[:-1]}/",
        f"/{token}x/ws",
        f"//{token}/",
    ):
        assert refused(origin + path, UPGRADE) == 403, path
    assert served.apps() == []
    with urllib.request.urlopen(f"{origin}/{token}", timeout=30) as answer:
        assert "textual-terminal" in answer.read().decode()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_apps_end_with_the_server(workshop: Workshop, chromium: Any, number: int):
    served = Served(workshop, "--readonly")
    page, _ = opened(chromium, served.address)
    (app,) = served.apps()
    assert b"--readonly" in Path(f"/proc/{app}/cmdline").read_bytes()
    os.kill(served.process.pid, number)
    assert served.process.wait(30) == (0 if number == signal.SIGTERM else -number)
    wait_until(lambda: gone(app))
    page.wait_for_selector("#ended", state="visible")
    page.close()
    assert workshop.engine() is not None


def test_what_can_not_be_served_is_said(workshop: Workshop, served: Served):
    port = re.findall(r":(\d+)/", served.address)[0]
    done = workshop.run("serve", "study", "--port", port)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"127.0.0.1 port {port}: Address already in use" in done.stderr
    done = workshop.run("serve", "nothing")
    assert (done.returncode, "no such study" in done.stderr) == (2, True)


def test_a_page_says_that_its_study_is_gone(workshop: Workshop, chromium: Any):
    folder = shutil.copytree(workshop.folder(), workshop.path / "runs/copy")
    served = Served(workshop, study="copy")
    shutil.rmtree(folder)
    page = chromium.new_page()
    page.goto(served.address)
    page.wait_for_selector("#ended", state="visible", timeout=60_000)
    page.close()
    served.process.terminate()
    assert "copy" in served.process.communicate(timeout=30)[0]


def test_an_open_address_is_warned_of(workshop: Workshop):
    served = Served(workshop, "--host", "0.0.0.0")
    served.process.send_signal(signal.SIGINT)
    assert served.process.wait(30) == 0
    assert "not encrypted" in served.said[1]


def test_without_textual_serve_it_says_what_to_install(workshop: Workshop):
    blocked = (
        "import sys; sys.modules['textual_serve'] = None; from tuitune.__main__ import main; main()"
    )
    command = [workshop.command()[0], "-c", blocked, "serve", "study"]
    done = subprocess.run(
        command,
        cwd=workshop.path,
        env=workshop.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "pip install textual-serve" in done.stderr) == (2, True), done.stderr
