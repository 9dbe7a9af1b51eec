"""Makes the studies of this folder: with the tuitune of an earlier version, and only with that.

    python tests/yesterday/make.py VERSION PYTHON [NAME ...]

PYTHON is an interpreter whose `python -m tuitune` is the version that VERSION names (the commit
it was checked out from). Each study runs in a folder of its own, is left in the state that its
name tells, and is kept as VERSION/NAME.tar.gz, with what its own version showed of it beside it:
VERSION/NAME.json holds the answers of `show --json`, `export --to json` and `export --to csv`.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS))

import nvml_world  # noqa: E402 - the tests' own, which needs no tuitune

PATIENCE = 60.0  # s
# Which process of which machine ran it, and what SQLite makes anew.
LEFT_OUT = {".lock", ".owner", ".sockets", "study.db-shm"}
SAVES = """
import json, os, sys, time

def train(trial):
    path = trial.resume_path
    start = json.loads((path / "state.json").read_text())["step"] if path else 0
    for step in range(start, trial.max_resource):
        time.sleep(float(os.environ.get("STEP", "0.02")))
        loss = (trial.config["x"] - 0.3) ** 2 + 1 / (step + 1)
        trial.report(step=step + 1, loss=loss, start=start,
                     save=lambda folder: (folder / "state.json").write_text(
                         json.dumps({"step": step + 1})))
"""
REPORTS = """
import os, time

def train(trial):
    for step in range(trial.max_resource):
        time.sleep(float(os.environ.get("STEP", "0.02")))
        trial.report(step=step + 1, loss=(trial.config["x"] - 0.3) ** 2 + 1 / (step + 1))
"""
PROGRAM = """
import json, os, sys, time

x = float(sys.argv[1])
for step in range(9):
    time.sleep(float(os.environ.get("STEP", "0.02")))
    print("tuitune", json.dumps({"step": step + 1, "loss": (x - 0.3) ** 2 + 1 / (step + 1)}),
          flush=True)
"""
ASHA = '[pruning]\nmethod = "asha"\nresource = "step"\nmax = 9\n'
FOLLOWS = """\
[objective]
metric = "loss"
mode = "min"
[space]
x = {{ low = 0.0, high = 1.0 }}
width = [8, 16, 32]
[search]
{search}
concurrency = 2
seed = 1
[trial]
{trial}
cpus = 0.5
retries = 3
{more}
"""


class Place:
    """A folder with one study in it, and the command of an earlier version."""

    def __init__(self, path: Path, python: str, environment: dict[str, str]) -> None:
        self.path = path
        self._python = python
        self._environment = {
            **os.environ,
            "XDG_STATE_HOME": str(path.parent / "state"),
            "NO_COLOR": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "STEP": "0.1",
            **environment,
        }

    def study(self, name: str, code: str, search: str, more: str, trial: str = "") -> None:
        (self.path / "train.py").write_text(code.lstrip())
        trial = trial or 'target = "train.py:train"\ncheckpoint_every = "0s"'
        text = FOLLOWS.format(search=search, trial=trial, more=more)
        (self.path / f"{name}.toml").write_text(text)

    def call(self, *words: object) -> str:
        done = self._done(*words)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    def end(self, *words: object) -> int:
        return self._done(*words).returncode

    def start(self, *words: object) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._command(*words), cwd=self.path, env=self._environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def trials(self, name: str) -> list[dict[str, Any]]:
        done = self._done("show", name, "--json")
        return json.loads(done.stdout)["trials"] if done.returncode == 0 else []

    def until(self, name: str, condition: Callable[[list[dict[str, Any]]], Any]) -> None:
        end = time.monotonic() + PATIENCE
        while not condition(self.trials(name)):
            assert time.monotonic() < end, self.trials(name)
            time.sleep(0.05)

    def _command(self, *words: object) -> list[str]:
        return [self._python, "-m", "tuitune", *map(str, words)]

    def _done(self, *words: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._command(*words), cwd=self.path, env=self._environment, capture_output=True,
            text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip


def random(trials: int) -> str:
    return f'method = "random"\ntrials = {trials}'


def states(trials: list[dict[str, Any]]) -> list[str]:
    return [trial["state"] for trial in trials]


def finished(place: Place, name: str) -> None:
    place.study(name, SAVES, random(6), ASHA)
    place.call(f"{name}.toml", "--no-ui")


def promoting(place: Place, name: str) -> None:
    """Stopped while trials wait at rungs, to be promoted."""
    place.study(name, SAVES, random(12), ASHA + 'style = "promote"\n')
    engine = place.start(f"{name}.toml", "--no-ui")
    place.until(name, lambda trials: states(trials).count("PAUSED") > 2 and len(trials) > 6)
    place.call("stop", name)
    engine.wait()


def stopping(place: Place, name: str) -> None:
    """Stopped with trials that cannot save: what ran is lost."""
    place.study(name, REPORTS, random(12), ASHA + 'style = "stop"\n')
    engine = place.start(f"{name}.toml", "--no-ui")
    place.until(name, lambda trials: states(trials).count("PRUNED") > 2)
    place.call("stop", name)
    engine.wait()


def acted_on(place: Place, name: str) -> None:
    """One trial paused by a person, one killed, one added, and settings changed."""
    more = '[pruning]\nresource = "step"\nmax = 300\n'
    place.study(name, SAVES, random(3), more)
    engine = place.start(f"{name}.toml", "--no-ui")
    place.until(name, lambda trials: sum(bool(t["step"] and t["step"] > 2) for t in trials) == 2)
    place.call("pause", name, 0)
    place.call("kill", name, 1)
    place.until(name, lambda trials: states(trials)[:2] == ["PAUSED", "KILLED"])
    place.call("add", name, "x=0.25")
    place.call("set", name, "search.trials=4")
    place.until(name, lambda trials: any(t["step"] and t["trial"] > 1 for t in trials))
    place.call("stop", name)
    engine.wait()


def struck(place: Place, name: str) -> None:
    """Its engine was killed with SIGKILL while trials ran; the write-ahead log is as it left it."""
    more = '[pruning]\nresource = "step"\nmax = 60\n'
    place.study(name, SAVES, random(4), more)
    engine = place.start(f"{name}.toml", "--no-ui")
    place.until(name, lambda trials: sum(bool(t["step"] and t["step"] > 5) for t in trials) > 1)
    engine.kill()
    engine.wait()


def on_gpus(place: Place, name: str) -> None:
    """On two GPUs of the shim, stopped while trials hold them."""
    more = ASHA + 'style = "promote"\n'
    place.study(name, SAVES, random(6), more, 'target = "train.py:train"\ngpus = 1\n'
                'checkpoint_every = "0s"')  # fmt: skip
    engine = place.start(f"{name}.toml", "--no-ui")
    place.until(name, lambda trials: states(trials).count("RUNNING") == 2 and len(trials) > 3)
    place.call("stop", name)
    engine.wait()


def learning(place: Place, name: str) -> None:
    """Learns from an earlier study, which is gone since."""
    place.study("earlier", SAVES, random(8), ASHA)
    place.call("earlier.toml", "--no-ui")
    search = 'method = "tpe"\ntrials = 3\nlearn_from = ["runs/earlier"]'
    place.study(name, SAVES, search, ASHA)
    assert place.end(f"{name}.toml", "--no-ui") in {0, 1}  # 1: no trial is complete
    subprocess.run(["rm", "-r", place.path / "runs" / "earlier", place.path / "earlier.toml"],
                   check=True)  # fmt: skip


def program(place: Place, name: str) -> None:
    """Trials are programs; stopped before all have run."""
    trial = 'command = ["python3", "train.py", "{x}"]'
    place.study(name, PROGRAM, random(6), ASHA, trial)
    engine = place.start(f"{name}.toml", "--no-ui")
    place.until(name, lambda trials: states(trials).count("COMPLETE") > 0)
    place.call("stop", name)
    engine.wait()


STUDIES = {
    "finished": finished,
    "promoting": promoting,
    "stopping": stopping,
    "acted-on": acted_on,
    "struck": struck,
    "on-gpus": on_gpus,
    "learning": learning,
    "program": program,
}


def pack(folder: Path, file: Path) -> None:
    """The same bytes for the same files, but for the times that the study holds."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.name not in LEFT_OUT:
                archive.add(path, path.relative_to(folder), filter=nobodys)
    file.write_bytes(gzip.compress(raw.getvalue(), 9, mtime=0))


def nobodys(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mtime = 0
    return info


def make(name: str, version: str, python: str) -> None:
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root, "work")
        folder.mkdir()
        library = nvml_world.build(Path(root, "shim"))
        world = nvml_world.World(Path(root, "world.txt"), library, f"{version}-").with_gpus(2)
        place = Place(folder, python, world.environment if name == "on-gpus" else {})
        STUDIES[name](place, name)
        time.sleep(0.5)  # until the processes of a killed engine's trials are gone
        shown = {
            "show": json.loads(place.call("show", name, "--json")),
            "json": json.loads(place.call("export", name, "--to", "json")),
            "csv": place.call("export", name, "--to", "csv"),
        }
        out = Path(__file__).with_name(version)
        out.mkdir(exist_ok=True)
        (out / f"{name}.json").write_text(json.dumps(shown, indent=1) + "\n")
        pack(folder, out / f"{name}.tar.gz")


def main(version: str, python: str, *names: str) -> None:
    for name in names or STUDIES:
        make(name, version, python)
        print(name, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
