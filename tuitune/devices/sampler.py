"""The process that looks at the GPUs, since NVML may hang or crash the one that calls it.

It sends a SamplerMessage a line. A byte from the engine asks for a look at once; the end of the
engine's socket ends it.
"""

import os
import select
import socket
import time

import msgspec

from tuitune.core.placement.snapshots import RETRY, Looked, Reading, SamplerMessage, Snapshot
from tuitune.devices.nvml import Nvml, NvmlError
from tuitune.devices.readings import Readings
from tuitune.ipc.entry import connect_to_parent


def main() -> None:
    """Run the process from its start to its end.

    Its arguments: the seconds between two readings; those after which a device is silent, or 0 to
    read one after another, each announced by Reading; the indices of devices to leave alone.
    """
    connection, (period, silence, *skip) = connect_to_parent()
    sampler = _Sampler(connection, float(period), float(silence), {int(index) for index in skip})
    try:
        sampler.sample()
    except (BrokenPipeError, ConnectionResetError):
        os._exit(0)


class _Sampler:
    def __init__(
        self, connection: socket.socket, period: float, silence: float, skip: set[int]
    ) -> None:
        self._connection = connection
        self._period = period
        self._silence = silence
        self._skip = skip

    def sample(self) -> None:
        """Look until the engine is gone; or until NVML has failed, and it is time for another try.

        That is for another process: a driver that was upgraded needs its own library.
        """
        try:
            nvml = Nvml(self._skip)
            at_once = Readings(nvml, self._silence) if self._silence else None
            while True:
                began = time.monotonic()
                snapshot = nvml.read(self._announce) if at_once is None else at_once.read()
                self._send(Looked(snapshot))
                if not self._wait(self._period - (time.monotonic() - began)):
                    return
        except NvmlError as error:
            self._send(Looked(Snapshot(problem=str(error), absent=error.absent)))
            self._wait(RETRY)

    def _announce(self, index: int) -> None:
        self._send(Reading(index))

    def _wait(self, seconds: float) -> bool:
        """Wait so long, or until the engine asks; False if the engine is gone."""
        ready, _, _ = select.select([self._connection], [], [], max(0.0, seconds))
        return not ready or bool(self._connection.recv(4096))

    def _send(self, message: SamplerMessage) -> None:
        self._connection.sendall(msgspec.json.encode(message) + b"\n")
