"""The engine's side of the process that looks at the GPUs, which may hang or crash in NVML."""

import asyncio
import ctypes
import os
from collections.abc import Callable, Iterable

import msgspec

from tuitune.core.placement.snapshots import RETRY, GpuSample, Reading, SamplerMessage, Snapshot
from tuitune.devices import cuda
from tuitune.ipc.child import Child
from tuitune.ipc.frames import LineBuffer
from tuitune.messages.text import duration

_LIBRARY = "libnvidia-ml.so.1"
_LOOK_SECONDS = 90.0  # a driver that was asleep takes long to wake up
_PATIENCE = 5.0  # s between two lines about that


class Timeouts(msgspec.Struct, frozen=True):
    """Timeouts of a watchdog, in seconds."""

    period: float = 1.0  # between two readings; a driver's own window is up to a second
    stale: float = 5.0  # without an answer of a device before it is in trouble
    first: float = 60.0  # without a message of a new sampler: GPUs that were asleep take long
    apart: float = 60.0  # that a device which crashes it is left alone; next time twice that, up to
    longest_apart: float = 3600.0
    pause: float = 1.0  # before another sampler is started; twice that the next time, up to
    longest_pause: float = 30.0
    exit: float = 1.0  # from the end of a sampler's socket to that of its process


class Watchdog:
    """Keeps a sampler running. `seen` gets each snapshot, and one with a problem if none comes.

    After one has died or stayed silent, the next one reads one device after another. One that
    fails again shows by that which device is at fault: it is left alone, and shown as in trouble,
    until it is tried once more after a while.
    """

    def __init__(
        self,
        seen: Callable[[Snapshot], None],
        *,
        known: Iterable[GpuSample] = (),  # as they were seen before
        timeouts: Timeouts | None = None,
    ) -> None:
        self._seen = seen
        self._timeouts = timeouts or Timeouts()
        self._loop = asyncio.get_running_loop()
        self._child: Child | None = None
        self._killed: list[Child] = []  # one that is inside the driver may take long to die
        self._burying: asyncio.Task[None] | None = None
        self._lines = LineBuffer()
        self._timer: asyncio.TimerHandle | None = None
        self._reading: int | None = None
        self._skip: set[int] = set()  # the indices of devices that are left alone
        self._careful = False  # the sampler reads one device after another
        self._apart: dict[int, float] = {}  # how long each is left alone the next time
        self._retries: dict[int, asyncio.TimerHandle] = {}
        self._closed = False
        self._awake = False  # the sampler has read all devices once
        self._failed = False  # the newest snapshot is a problem
        # the last sample of each without trouble
        self._names = {device.index: device for device in known if not device.trouble}
        self._pause = self._timeouts.pause

    def start(self) -> None:
        """Start a sampler. Raises OSError."""
        self._closed = False
        self._killed = [child for child in self._killed if child.poll() is None]
        self._lines, self._reading, self._awake = LineBuffer(), None, False
        silence = 0.0 if self._careful else self._timeouts.stale
        arguments = map(str, (self._timeouts.period, silence, *sorted(self._skip)))
        self._child = Child("devices.sampler", *arguments, receive=self._receive, lost=self._lose)
        self._expect(self._timeouts.first)

    def ask(self) -> None:
        """Ask for a sample now, before the second is over."""
        if self._child is not None:
            self._child.send(b"\n")

    def close(self) -> None:
        """End all samplers; `seen` is not called after it."""
        self._closed = True
        self._end()
        if self._timer is not None:
            self._timer.cancel()
        for retry in self._retries.values():
            retry.cancel()

    @property
    def _patience(self) -> float:
        """Seconds that a sampler may be silent, which waits for devices by itself."""
        stale = self._timeouts.stale
        return stale if self._careful else 2 * stale + self._timeouts.period

    def _expect(self, seconds: float) -> None:
        self._set(seconds, lambda: self._restart(f"NVML has not answered for {seconds:g} s"))

    def _set(self, seconds: float, then: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, then)

    def _receive(self, chunk: bytes) -> None:
        for line in self._lines.feed(chunk):
            if self._closed:  # `seen` may do that
                return
            self._expect(self._patience if self._awake else self._timeouts.first)
            message = msgspec.json.decode(line, type=SamplerMessage)
            if isinstance(message, Reading):
                self._reading = message.index
            else:
                self._failed = bool(message.snapshot.problem)
                self._reading, self._awake = None, not self._failed
                self._pass_on(message.snapshot)

    def _pass_on(self, snapshot: Snapshot) -> None:
        if snapshot.problem:
            self._expect(RETRY + self._timeouts.first)  # it waits for long before it tries again
        else:
            self._pause = self._timeouts.pause
        self._names.update({d.index: d for d in snapshot.devices if not d.trouble})
        devices = tuple(self._named(device) for device in snapshot.devices)
        self._seen(msgspec.structs.replace(snapshot, devices=devices))

    def _named(self, device: GpuSample) -> GpuSample:
        known = self._names.get(device.index)
        if device.uuid or known is None:
            return device
        return msgspec.structs.replace(device, uuid=known.uuid, name=known.name)

    def _lose(self) -> None:
        assert self._child is not None
        self._burying = asyncio.ensure_future(self._bury(self._child))

    async def _bury(self, child: Child) -> None:
        code = await child.wait(self._timeouts.exit)
        if self._child is child and self._failed and code == 0:  # it was time for another try
            self._end()
            self.start()
        elif self._child is child:
            how = "it does not exit" if code is None else child.how_it_ended()
            self._restart(f"the process that asks NVML died ({how})")

    def _restart(self, why: str) -> None:
        blamed = self._reading
        self._careful = blamed is None
        self._end()
        if blamed is not None:
            apart = self._leave_alone(blamed)
            why += f" while GPU {blamed} was read; it is left alone for {duration(apart)}"
        self._seen(Snapshot(problem=why, again=True))
        if self._closed:
            return
        if blamed is not None:  # the others are read again at once
            self._set(0.0, self.start)
            return
        self._set(self._pause, self.start)
        self._pause = min(2 * self._pause, self._timeouts.longest_pause)

    def _end(self) -> None:
        """Kill the sampler; hardly wait, since inside the driver it may take long to die."""
        child, self._child = self._child, None
        if child is not None:
            child.close()
            child.kill(0.1)
            self._killed.append(child)

    # --- devices that were left alone -------------------------------------------------------------

    def _leave_alone(self, index: int) -> float:
        """Read it no more for a while. Returns for how many seconds."""
        apart = self._apart.get(index, self._timeouts.apart)
        self._apart[index] = min(2 * apart, self._timeouts.longest_apart)
        self._skip.add(index)
        self._retries[index] = self._loop.call_later(apart, self._try, index)
        return apart

    def _try(self, index: int) -> None:
        """Read it again; should it fail again, it is known which one did."""
        self._skip.discard(index)
        self._careful = True
        if self._child is not None:  # else one is about to be started anyway
            self._end()
            self.start()


# --- one look, for the commands and before a study begins -----------------------------------------


def has_nvml(library: str = _LIBRARY) -> bool:
    """Whether NVML's library is there; nothing of it is called."""
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def has_driver() -> bool:
    """Whether a library of a driver is there, so that to look for GPUs may take long."""
    return has_nvml() or cuda.is_here()


def look(
    waiting: Callable[[str], None] = lambda _text: None, seconds: float = _LOOK_SECONDS
) -> Snapshot:
    """The GPUs, or the problem with them; takes `seconds` at most.

    Without NVML they are those that CUDA counts.
    waiting: gets a line now and then while there is no answer.
    """
    if not has_nvml():
        return cuda.counted(os.environ)
    return asyncio.run(_look(waiting, seconds))


async def _look(waiting: Callable[[str], None], seconds: float) -> Snapshot:
    found: asyncio.Queue[Snapshot] = asyncio.Queue()
    watchdog = Watchdog(found.put_nowait)
    watchdog.start()
    last = Snapshot(problem=f"NVML has not answered for {seconds:g} s", again=True)
    try:
        async with asyncio.timeout(seconds):
            while last.again:
                last = await _told(found, waiting)
    except TimeoutError:
        pass
    finally:
        watchdog.close()
    return msgspec.structs.replace(last, again=False)


async def _told(found: asyncio.Queue[Snapshot], waiting: Callable[[str], None]) -> Snapshot:
    """The next snapshot; says how long it has been waited for."""
    seconds = 0.0
    while True:
        try:
            return await asyncio.wait_for(found.get(), _PATIENCE)
        except TimeoutError:
            seconds += _PATIENCE
            waiting(f"NVML has not answered for {seconds:g} s; GPUs that were asleep take long")
