"""The least that a study must do, and no product: the floor that figures are read against.

An asyncio parent with a Unix socket, JSON lines and batched SQLite; one warm process forks each
trial. Run as `python floor_study.py TRIALS REPORTS WAITS(0|1) TORCH(0|1)`, two trials at a time.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import os
import select
import signal
import socket
import sqlite3
import sys
import time
from pathlib import Path

TRIALS, REPORTS, WAITS, TORCH = map(int, sys.argv[1:])
BATCH = 200
TABLE = "CREATE TABLE reports(trial INTEGER, step INTEGER, time REAL, loss REAL)"


class Trial:
    """What a trial is handed: its reports go straight down the socket."""

    def __init__(self, number: int, path: str) -> None:
        self.config = {"x": 0.5}
        self._number = number
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        self._answers = self._socket.makefile("rb")

    def report(self, *, step: int, loss: float) -> None:
        said = {"trial": self._number, "step": step, "time": time.time(), "loss": loss}
        self._socket.sendall(json.dumps(said).encode() + b"\n")
        if WAITS:
            json.loads(self._answers.readline())


def warm(orders: socket.socket, path: str) -> None:
    """Fork a trial for each number read; say its number again when it has ended."""
    train = importlib.import_module("torched" if TORCH else "light").train
    if TORCH:
        importlib.import_module("torch._dynamo")  # or each trial's first optimiser would
    gc.freeze()
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.siginterrupt(signal.SIGCHLD, True)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    numbers: dict[int, int] = {}
    while True:
        ready, _, _ = select.select([orders, woken], [], [])
        if orders in ready:
            lines = orders.recv(4096).split()
            if not lines:
                os._exit(0)
            for line in lines:
                pid = os.fork()
                if not pid:
                    signal.set_wakeup_fd(-1)
                    train(Trial(int(line), path))
                    os._exit(0)
                numbers[pid] = int(line)
        if woken in ready:
            os.read(woken, 4096)
        while numbers:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            orders.sendall(b"%d\n" % numbers.pop(pid))


class Store:
    def __init__(self) -> None:
        self._db = sqlite3.connect("floor.db", isolation_level=None)
        for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=NORMAL", TABLE):
            self._db.execute(statement)
        self._rows: list[tuple[int, int, float, float]] = []
        self._taken = 0
        self.complete = asyncio.Event()

    def add(self, line: bytes) -> None:
        said = json.loads(line)
        self._rows.append((said["trial"], said["step"], said["time"], said["loss"]))
        self._taken += 1
        if self._taken == TRIALS * REPORTS:
            self.complete.set()
        if len(self._rows) == BATCH:
            self.flush()

    def flush(self) -> None:
        self._db.execute("BEGIN")
        self._db.executemany("INSERT INTO reports VALUES(?,?,?,?)", self._rows)
        self._db.execute("COMMIT")
        self._rows.clear()


async def main() -> int:
    path = f"{Path.cwd()}/socket"
    ours, theirs = socket.socketpair()
    child = os.fork()
    if not child:
        ours.close()
        warm(theirs, path)
    theirs.close()
    store = Store()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            store.add(line)
            if WAITS:
                writer.write(b'{"action":"go"}\n')
        writer.close()

    server = await asyncio.start_unix_server(serve, path)
    ended, orders = await asyncio.open_connection(sock=ours)
    for number in range(TRIALS):
        orders.write(b"%d\n" % number)
        if number:  # two at a time
            await ended.readline()
    await ended.readline()
    await store.complete.wait()
    store.flush()
    orders.close()
    await orders.wait_closed()
    server.close()
    return child


os.waitpid(asyncio.run(main()), 0)
