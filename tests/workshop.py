"""A workshop for tests that go through the front door: real files, real processes, real signals."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from warm import Command, Warm

from tuitune.cli.show import trial_record
from tuitune.store import owner
from tuitune.store.folder import DATABASE, find_study
from tuitune.store.reader import Reader

PATIENCE = 60.0  # s: how long a condition may take before a test gives up on it


def wait_until(condition: Callable[[], Any], what: str = "the condition") -> Any:
    """The first true value of a condition; AssertionError when it doesn't come."""
    end = time.monotonic() + PATIENCE
    while (began := time.monotonic()) < end:
        value = condition()
        if value:
            return value
        took = time.monotonic() - began
        time.sleep(min(max(0.01, 3 * took), 0.1))  # what is waited for needs the processors
    raise AssertionError(f"{what} did not come within {PATIENCE:g} s")


async def until(condition: Callable[[], Any]) -> Any:
    """As `wait_until`, while the event loop goes on."""
    async with asyncio.timeout(PATIENCE):
        while not (found := condition()):  # noqa: ASYNC110 - what others do wakes nobody
            await asyncio.sleep(0.01)
    return found


def gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has waited for has, too."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state in "ZX"


def tagged(folder: Path) -> list[int]:
    """Processes of the studies below a folder: the environment they were executed with says so."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                environment = (entry / "environ").read_bytes()
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if f"TUITUNE_STUDY={folder}/".encode() in environment and state not in "ZX":
                found.append(int(entry.name))
    return found


def hear_signals() -> None:
    """A shell's background job ignores SIGINT, one under nohup SIGHUP, and so would its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@dataclass
class Workshop:
    """A folder with a study file and its training code, and the command line on it."""

    path: Path
    warm: Warm | None = None  # where commands with default options are run, if not by themselves
    waits: float | None = None  # s that the engine waits at each step, where that is to be short
    started: list[subprocess.Popen[str] | Command] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "XDG_STATE_HOME": str(self.path / "state"), "NO_COLOR": "1"}

    def write(self, name: str, text: str) -> Path:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))
        return file

    def study(self, code: str, more: str = "", *, trials: int = 3, name: str = "study") -> Path:
        """A study of `train` in the given code; `more` are further tables, or keys of [trial]."""
        self.write(f"{name}_train.py", code)
        return self.write(
            f"{name}.toml",
            f"""\
[objective]
metric = "loss"
mode = "min"
[space]
x = {{ low = 0.0, high = 1.0 }}
[search]
method = "random"
trials = {trials}
concurrency = 2
[trial]
target = "{name}_train.py:train"
cpus = 0.5
"""
            + textwrap.dedent(more),
        )

    def command(self, *words: object) -> list[str]:
        hasty = [str(Path(__file__).with_name("hasty.py")), str(self.waits)]
        tuitune = ["-m", "tuitune"] if self.waits is None else hasty
        return [sys.executable, *tuitune, *map(str, words)]

    def run(
        self, *words: object, timeout: float = 90, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        options.setdefault("env", self.environment)
        if self._is_warm(options):
            with contextlib.closing(self._fork(words, options["env"], merged=False)) as command:
                outputs = command.communicate(timeout)
                return subprocess.CompletedProcess(words, command.wait(), *outputs)
        return self.call(self.command(*words), timeout=timeout, **options)

    def _is_warm(self, options: dict[str, Any]) -> bool:
        return (
            self.warm is not None and options.keys() == {"env"} and self.warm.suits(options["env"])
        )

    def _fork(
        self, words: Sequence[object], env: dict[str, str], *, merged: bool = True
    ) -> Command:
        assert self.warm is not None
        texts = list(map(str, words))
        return self.warm.start(texts, self.path, env, waits=self.waits, merged=merged)

    def call(
        self, command: Sequence[str], timeout: float = 90, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Any program, where a user of this workshop would call it."""
        options.setdefault("env", self.environment)
        options.setdefault("cwd", self.path)
        return subprocess.run(
            command, capture_output=True, text=True, timeout=timeout, check=False, **options
        )

    def start(
        self, *words: object, python: str = sys.executable, **options: Any
    ) -> subprocess.Popen[str] | Command:
        options.setdefault("env", self.environment)
        if python == sys.executable and self._is_warm(options):
            command = self._fork(words, options["env"])
            self.started.append(command)
            return command
        options.setdefault("preexec_fn", hear_signals)
        process = subprocess.Popen(
            [python, *self.command(*words)[1:]],
            cwd=self.path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **options,
        )
        self.started.append(process)
        return process

    def show(self, study: str = "study") -> dict[str, Any]:
        shown = self.run("show", study, "--json")
        assert shown.returncode == 0, shown.stderr
        return json.loads(shown.stdout)

    def trials(self, study: str = "study") -> list[dict[str, Any]]:
        """As `show --json` has them, without a process of its own: tests ask again and again."""
        reader = Reader.open(find_study(study, self.path / "runs") / DATABASE)
        records = [trial_record(row) for row in reader.trials()]
        reader.close()
        return json.loads(msgspec.json.encode(records))

    def facts(self, kind: type) -> list[Any]:
        """Those of this kind in the journal of `study`."""
        reader = Reader.open(self.folder() / DATABASE)
        try:
            return [fact for _, fact in reader.facts() if isinstance(fact, kind)]
        finally:
            reader.close()

    def folder(self, study: str = "study") -> Path:
        return self.path / "runs" / study

    def engine(self, study: str = "study") -> int | None:
        """The process that runs a study now."""
        found = owner.running(self.folder(study))
        return found.pid if found is not None and owner.is_alive(found) else None

    def left_over(self) -> list[int]:
        return tagged(self.path)

    def close(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
        engines = [self.engine(folder.name) for folder in (self.path / "runs").glob("*")]
        for pid in (*filter(None, engines), *self.left_over()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
