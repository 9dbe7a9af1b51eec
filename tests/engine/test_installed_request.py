"""A request of an installed package is sent to a running engine, which does what its class says."""

from __future__ import annotations

from pathlib import Path

from installed import python_with, toy_package
from workshop import Workshop, wait_until

from tuitune.control import ControlError, request, socket_path
from tuitune.control.requests import Pause

TOY = """
from tuitune.control.requests import RefusedError, Request


class CountRunning(Request, frozen=True, tag="count_running"):
    at_least: int = 0

    async def handle(self, engine, by):
        running = len(engine.study.state.running)
        if running < self.at_least:
            raise RefusedError(f"only {running} run")
        return {"running": running, "by": by}
"""
FILES = toy_package(
    "toy_request",
    "[tuitune.requests]\ncount_running = toy_request:CountRunning\n",
    toy_request=TOY,
)
ASK = """
import sys
from pathlib import Path
from toy_request import CountRunning
from tuitune.control import request, socket_path

path = socket_path(Path(sys.argv[1]), "control")
print(request(path, CountRunning(), timeout=20, by="toy"))
print(request(path, CountRunning(at_least=99), timeout=20))
"""
CODE = """
import time

def train(trial):
    for step in range(100_000):
        time.sleep(0.02)
        trial.report(step=step + 1, loss=trial.config["x"])
"""


def is_answering(workshop: Workshop) -> bool:
    try:
        answer = request(socket_path(workshop.folder(), "control"), Pause(), timeout=5)
    except (ControlError, OSError):
        return False
    return "error" not in answer


def test_it_is_understood_and_may_refuse(workshop: Workshop, tmp_path: Path):
    python = python_with(tmp_path / "venv", FILES)
    engine = workshop.start(workshop.study(CODE, trials=2), "--no-ui", python=python)
    wait_until(lambda: is_answering(workshop), "an engine")
    asked = workshop.call([python, "-c", ASK, str(workshop.folder())])
    answered, refused = asked.stdout.splitlines()
    assert answered in {f"{{'running': {n}, 'by': 'toy'}}" for n in (0, 1, 2)}, asked.stderr
    assert refused.startswith("{'error': 'only "), refused
    engine.terminate()
    engine.communicate(timeout=60)


def test_without_the_package_the_engine_says_what_there_is(workshop: Workshop, tmp_path: Path):
    python = python_with(tmp_path / "venv", FILES)
    engine = workshop.start(workshop.study(CODE, trials=2), "--no-ui")
    wait_until(lambda: is_answering(workshop), "an engine")
    asked = workshop.call([python, "-c", ASK, str(workshop.folder())])
    assert "knows no such request" in asked.stdout, asked.stderr
    assert "stop, kill, undo_kill" in asked.stdout
    engine.terminate()
    engine.communicate(timeout=60)
