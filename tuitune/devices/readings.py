"""Readings of all devices at once, of which one that hangs holds up no other."""

import threading
import time
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue

from tuitune.core.placement.snapshots import Snapshot
from tuitune.devices.nvml import Device, Nvml

SILENT = "NVML does not answer for it"
_FIRST = 2.0  # s that the first readings wait for a device after another one has answered


class Readings:
    """Reads each device on a thread of its own. silence: s after which one is in trouble.

    It is well again with its next answer. No device is shown before one has answered: those that
    were asleep take long.
    """

    def __init__(self, nvml: Nvml, silence: float) -> None:
        self._nvml = nvml
        self._silence = silence
        self._changed = threading.Condition()
        self._found: dict[int, Device] = {}
        self._began: dict[int | None, float] = {}  # calls that have not returned; None: `relate`
        self._joined = 0.0  # when a device has answered for the first time
        self._error: BaseException | None = None
        self._work: dict[int | None, SimpleQueue[Callable[[], None]]] = {}

    def read(self) -> Snapshot:
        """All devices; those that have not answered as they were, or in trouble.

        Raises NvmlError if the driver no longer answers for any.
        """
        indices = range(self._nvml.count())
        for index in indices:
            self._begin(index, partial(self._read, index))
        self._wait()
        found = {index: self._of(index) for index in indices}
        self._begin(None, partial(self._nvml.relate, found))
        self._wait()
        return self._nvml.snapshot(found)

    def _of(self, index: int) -> Device:
        known = self._found.get(index)
        if known is None or self._is_silent(index):
            return self._nvml.without(index, SILENT)
        return known

    def _read(self, index: int) -> None:
        device = self._nvml.device(index)
        if index not in self._found:
            self._joined = time.monotonic()
        self._found[index] = device

    # --- the threads -----------------------------------------------------------------------------

    def _begin(self, key: int | None, call: Callable[[], None]) -> None:
        """Make this call on the thread of `key`, unless that is still in the one before."""
        with self._changed:
            if key in self._began:
                return
            self._began[key] = time.monotonic()
        if key not in self._work:
            self._work[key] = SimpleQueue()
            threading.Thread(target=self._run, args=(key,), daemon=True).start()
        self._work[key].put(call)

    def _run(self, key: int | None) -> None:
        while True:
            call = self._work[key].get()
            try:
                call()
            except BaseException as error:  # noqa: BLE001 - the main thread raises it
                self._error = error
            with self._changed:
                del self._began[key]
                self._changed.notify()

    def _wait(self) -> None:
        """Wait for the calls under way, but for those that take too long."""
        with self._changed:
            while self._error is None:
                now = time.monotonic()
                left = [end - now for key in self._began if (end := self._end(key)) > now]
                if not left:
                    return
                self._changed.wait(min(left))
            raise self._error

    def _end(self, key: int | None) -> float:
        """Until when a call is waited for; without end where no device has answered yet."""
        if key is None or key in self._found:
            return self._began[key] + self._silence
        first = max(self._began[key], self._joined) + _FIRST
        return first if self._found else threading.TIMEOUT_MAX

    def _is_silent(self, index: int) -> bool:
        began = self._began.get(index)
        return began is not None and time.monotonic() - began >= self._silence
