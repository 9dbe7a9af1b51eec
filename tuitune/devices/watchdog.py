"""Does the process that looks at the GPUs still live? The side of it that can't hang."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from tuitune.core.placement.snapshots import RETRY, GpuSample, Reading, Snapshot
from tuitune.ipc import entry
from tuitune.messages.text import duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PAUSE = 1.0  # s before another is started; twice that the next time, up to
LONGEST_PAUSE = 30.0
LONGEST_APART = 3600.0  # s that a device is left alone
CHUNK = 1 << 16

_decode_reading = msgspec.json.Decoder(Reading)
_decode_snapshot = msgspec.json.Decoder(Snapshot)


class Patience(NamedTuple):
    """In seconds."""

    stale: float = 5.0  # without a word before a sampler is given up
    first: float = 20.0  # until its first one: a driver that was asleep takes long for each GPU
    apart: float = 60.0  # that a device is left alone; twice that the next time


USUAL = Patience()


class Watchdog:
    """Keeps a sampler going. `seen` gets each snapshot, and a Snapshot with a problem for silence.

    A device that it hung or crashed on is left alone and shown as in trouble, until a sampler that
    looks at that one only, after a while, has an answer from it.
    """

    def __init__(
        self,
        seen: Callable[[Snapshot], None],
        *,
        known: Iterable[GpuSample] = (),  # as they were seen before
        skip: Iterable[int] = (),  # the indices of devices to leave alone
        patience: Patience = USUAL,
    ) -> None:
        self._seen = seen
        self._patience = patience
        self._loop = asyncio.get_running_loop()
        self._process: subprocess.Popen[bytes] | None = None
        self._buried: list[subprocess.Popen[bytes]] = []  # killed; one in the driver may not die
        self._buffer = b""
        self._timer: asyncio.TimerHandle | None = None
        self._reading: int | None = None
        self._skip = set(skip)
        self._apart: dict[int, float] = {}  # how long each is left alone the next time
        self._retries: dict[int, asyncio.TimerHandle] = {}
        self._scouts: dict[int, Watchdog] = {}  # each looks at one device that was left alone
        self._indices: set[int] = set()
        self._closed = False
        # how each was when it was last well
        self._names = {device.index: device for device in known if not device.trouble}
        self._pause = PAUSE

    def start(self) -> None:
        self._closed = False
        self._buried = [process for process in self._buried if process.poll() is None]
        skip = map(str, sorted(self._skip))
        argv = entry.command(sys.executable, "devices.sampler", str(os.getpid()), *skip)
        self._process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C is not for it
            bufsize=0,
        )
        assert self._process.stdout is not None
        self._buffer, self._reading = b"", None
        self._loop.add_reader(self._process.stdout, self._read)
        self._expect(self._patience.first)

    def ask(self) -> None:
        """Look now, and not only when the next second is over."""
        if self._process is not None and self._process.stdin is not None:
            try:
                self._process.stdin.write(b"\n")
            except OSError:  # it has just died; its end of file will say so
                return

    def close(self) -> None:
        self._closed = True
        self._end()
        if self._timer is not None:
            self._timer.cancel()
        for retry in self._retries.values():
            retry.cancel()
        for scout in self._scouts.values():
            scout.close()
        self._scouts.clear()

    def _expect(self, seconds: float) -> None:
        self._set(seconds, lambda: self._restart(f"NVML has not answered for {seconds:g} s"))

    def _set(self, seconds: float, then: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, then)

    def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        chunk = os.read(self._process.stdout.fileno(), CHUNK)
        if not chunk:
            self._died()
            return
        *lines, self._buffer = (self._buffer + chunk).split(b"\n")
        for line in lines:
            if self._closed:  # by whoever was told of the line before
                return
            self._expect(self._patience.stale)
            if line.startswith(b'{"reading"'):
                self._reading = _decode_reading.decode(line).reading
            else:
                self._reading = None
                self._tell(_decode_snapshot.decode(line))

    def _tell(self, snapshot: Snapshot) -> None:
        if snapshot.problem:
            self._expect(RETRY + self._patience.first)  # it waits for long before it tries again
        else:
            self._pause = PAUSE
        self._indices |= {device.index for device in snapshot.devices}
        self._names.update({d.index: d for d in snapshot.devices if not d.trouble})
        devices = tuple(self._named(device) for device in snapshot.devices)
        self._seen(msgspec.structs.replace(snapshot, devices=devices))

    def _named(self, device: GpuSample) -> GpuSample:
        known = self._names.get(device.index)
        if device.uuid or known is None:
            return device
        return msgspec.structs.replace(device, uuid=known.uuid, name=known.name)

    def _died(self) -> None:
        assert self._process is not None
        try:
            code = self._process.wait(timeout=1.0)  # its pipe is closed: it is as good as gone
        except subprocess.TimeoutExpired:
            code = 0
        how = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        self._restart(f"the process that asks NVML died ({how})")

    def _restart(self, why: str) -> None:
        blamed = self._reading
        self._end()
        if blamed is not None:
            apart = self._leave_alone(blamed)
            why += f" while GPU {blamed} was read; it is left alone for {duration(apart)}"
        self._seen(Snapshot(problem=why, again=True))
        if self._closed:
            return
        if blamed is not None:  # the others are heard of again at once
            self._set(0.0, self.start)
            return
        self._set(self._pause, self.start)
        self._pause = min(2 * self._pause, LONGEST_PAUSE)

    # --- devices that were left alone -------------------------------------------------------------

    def _leave_alone(self, index: int) -> float:
        """For how many seconds."""
        apart = self._apart.get(index, self._patience.apart)
        self._apart[index] = min(2 * apart, LONGEST_APART)
        self._skip.add(index)
        self._retries[index] = self._loop.call_later(apart, self._try, index)
        return apart

    def _try(self, index: int) -> None:
        """Apart from the others, which are looked at all the while."""
        scout = Watchdog(
            lambda snapshot: self._tried(index, snapshot),
            skip=(self._indices | self._skip) - {index},
            patience=self._patience,
        )
        self._scouts[index] = scout
        scout.start()

    def _tried(self, index: int, snapshot: Snapshot) -> None:
        scout = self._scouts.pop(index, None)
        if scout is None:  # it was closed meanwhile
            return
        scout.close()
        if snapshot.problem:
            self._leave_alone(index)
            return
        self._skip.discard(index)
        if self._process is not None:  # else one is about to be started anyway
            self._end()
            self.start()

    def _end(self) -> None:
        """Hardly waits: inside the driver even SIGKILL may have to."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        self._loop.remove_reader(process.stdout)
        process.kill()
        process.stdin.close()
        process.stdout.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.1)
        self._buried.append(process)
