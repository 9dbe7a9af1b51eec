"""Commands that start at once: each is forked from a process that has imported tuitune.

As a program, `warm.py SOCKET` is that process. It forks a keeper for each connection. The keeper
forks the command, tells its exit status, and kills it if whoever asked for it has gone.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# What a command reads of its environment while it runs; the rest, as its language, when it starts
READ_LATE = ("COLUMNS", "HOME", "NO_COLOR", "NVML_", "PATH", "PYTEST_", "TUITUNE_", "XDG_")
LIBRARIES = "LD_LIBRARY_PATH"  # read at the start: each has a process to fork from
_NUMBER = 16  # bytes of a message to whoever asked: the process, then its exit status
PRELOADED = ("cli", "engine", "executors.local", "store", "studyfile")


class Command:
    """What tests use of a subprocess.Popen with text output, for a command that was forked."""

    def __init__(self, words: list[str], connection: socket.socket, outputs: list[int]) -> None:
        self.args = words
        self._connection = connection
        self._outputs = [os.fdopen(output, encoding="utf-8") for output in outputs]
        self.stdout = self._outputs[0]
        self.pid = int(connection.recv(_NUMBER))
        self.returncode: int | None = None

    def poll(self) -> int | None:
        return self.wait(0) if select.select([self._connection], [], [], 0)[0] else self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._connection], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            self.returncode = int(self._connection.recv(_NUMBER))
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str | None]:
        """All of its two outputs, once it has ended; None for the second if they are one."""
        with ThreadPoolExecutor() as readers:
            texts = [readers.submit(output.read) for output in self._outputs]
            try:
                self.wait(timeout)
                return texts[0].result(), texts[1].result() if texts[1:] else None
            except subprocess.TimeoutExpired:
                self.kill()
                raise

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def close(self) -> None:
        self._connection.close()
        for output in self._outputs:
            output.close()


class Warm:
    """The processes that commands are forked from, each started when it is first needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._environment = dict(os.environ)
        self._starting = threading.Lock()
        self._servers: dict[str, subprocess.Popen[bytes]] = {}

    def suits(self, environment: dict[str, str]) -> bool:
        """Whether a command does the same here as in a start of its own."""
        changed = {name for name, _ in environment.items() ^ self._environment.items()}
        return all(name.startswith(READ_LATE) for name in changed - {LIBRARIES})

    def start(
        self,
        words: list[str],
        folder: Path,
        environment: dict[str, str],
        *,
        waits: float | None = None,
        merged: bool = True,
    ) -> Command:
        """As subprocess.Popen of `python -m tuitune WORD ...`; merged: into one output."""
        pipes = [os.pipe() for _ in range(1 if merged else 2)]
        theirs = [pipes[0][1], pipes[-1][1]]
        request = json.dumps([words, str(folder), environment, waits]).encode()
        connection = self._connect(environment.get(LIBRARIES, ""))
        socket.send_fds(connection, [len(request).to_bytes(4)], theirs)
        connection.sendall(request)
        for _, end in pipes:
            os.close(end)
        return Command(words, connection, [end for end, _ in pipes])

    def close(self) -> None:
        for server in self._servers.values():
            server.communicate()  # the end of its input is its own

    def _connect(self, libraries: str) -> socket.socket:
        with self._starting:
            if libraries not in self._servers:
                self._servers[libraries] = self._serve(libraries)
            address = str(self._servers[libraries].args[-1])
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(address)
        return connection

    def _serve(self, libraries: str) -> subprocess.Popen[bytes]:
        words = [sys.executable, __file__, str(self._folder / str(len(self._servers)))]
        environment = {**self._environment, LIBRARIES: libraries}
        if not libraries:
            del environment[LIBRARIES]
        pipe = subprocess.PIPE
        server = subprocess.Popen(words, stdin=pipe, stdout=pipe, env=environment)
        assert server.stdout is not None
        assert server.stdout.readline() == b"ready\n"
        return server


def serve(address: str) -> None:
    """Returns in the process of each command, which is then all set up."""
    for package in PRELOADED:
        path = importlib.import_module(f"tuitune.{package}").__path__
        for module in pkgutil.iter_modules(path, f"tuitune.{package}."):
            importlib.import_module(module.name)
    importlib.import_module("hasty")
    gc.freeze()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        print("ready", flush=True)
        while True:
            if sys.stdin in select.select([sys.stdin, listener], [], [])[0]:
                sys.exit()
            connection, _ = listener.accept()
            if os.fork() == 0:
                break
            connection.close()
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:  # keepers that have ended
                    pass
    keep(connection)


def keep(connection: socket.socket) -> None:
    size, outputs, _, _ = socket.recv_fds(connection, 4, 2)
    with connection.makefile("rb") as file:
        words, folder, environment, waits = json.loads(file.read(int.from_bytes(size)))
    pid = os.fork()
    if pid == 0:
        become(words, folder, environment, outputs)
        if waits is not None:
            sys.modules["hasty"].shorten(waits)
        return
    for output in outputs:
        os.close(output)
    tell(connection, pid)
    process = os.pidfd_open(pid)
    if process not in select.select([process, connection], [], [])[0]:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    tell(connection, os.waitstatus_to_exitcode(status))
    os._exit(0)


def tell(connection: socket.socket, number: int) -> None:
    with contextlib.suppress(OSError):
        connection.sendall(f"{number:{_NUMBER}}".encode())


def become(words: list[str], folder: str, environment: dict[str, str], outputs: list[int]) -> None:
    """What a process has that was started with this command line."""
    for number, descriptor in enumerate([os.open(os.devnull, os.O_RDONLY), *outputs]):
        os.dup2(descriptor, number)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    for number in (signal.SIGINT, signal.SIGHUP):  # a shell's background job may ignore them
        signal.signal(
            number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        )
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["tuitune", *words]
    sys.path[0] = folder
    sys.stdin, sys.stdout = os.fdopen(0, closefd=False), os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, errors="backslashreplace", closefd=False)


if __name__ == "__main__":
    serve(sys.argv[1])
    from tuitune.__main__ import main

    main()
