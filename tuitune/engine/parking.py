"""Attempts that are parked: room in the host's memory, the driver's process, and its answers.

One at a time, so that the memory that is free is not counted twice. A process that dies or does
not answer has left an attempt in an unknown state: it may go on if the driver says so, and is
ended otherwise.
"""

import asyncio
import math
import os
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from tuitune.core import events as ev
from tuitune.core.placement import gpu_state, snapshots
from tuitune.core.sizes import size
from tuitune.devices.host import room_for_parked
from tuitune.devices.parking import Answer, ProcessState, What, needed_for
from tuitune.engine.failure import start_task
from tuitune.ipc.child import Child

Key = tuple[int, int]  # trial and attempt

_SLOWEST = 250e6  # bytes a second that are moved at least
_UNDO_SECONDS = 10.0


class Floor(Protocol):
    """The GPUs and the attempts on them: `tuitune.engine.gpus.Gpus`."""

    moves: bool  # the driver can restore on another GPU

    def tenant(self, key: Key) -> gpu_state.Tenant | None:
        """An attempt that is on a GPU; None if it has ended or is parked."""

    def sample(self, uuid: str) -> snapshots.GpuSample | None:
        """The newest reading of a GPU that this study holds the lock of; None if there is none."""

    async def look_again(self) -> bool:
        """Wait for a new reading; False if none can come."""

    async def vacated(self, key: Key) -> gpu_state.Tenant | None:
        """Wait until the memory of a parked attempt is gone. Returns it; None if it has ended."""

    def seat(self, key: Key, tenant: gpu_state.Tenant) -> None:
        """A parked attempt is on a GPU again."""


class Parking:
    """Carries out Park and Unpark, and sends what follows. patience: s beside the time to move."""

    def __init__(
        self,
        floor: Floor,
        take: Callable[[Sequence[ev.Event]], None],
        clock: Callable[[], float],
        patience: float,
    ) -> None:
        self._floor = floor
        self._take = take
        self._clock = clock
        self._patience = patience
        self._away: dict[Key, gpu_state.Tenant] = {}  # parked, with the GPU that each was on
        self._turn = asyncio.Lock()
        self._child: Child | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def act_on(self, fact: ev.Park | ev.Unpark) -> None:
        """Begin to carry it out."""
        work = self._park(fact) if type(fact) is ev.Park else self._unpark(fact)
        start_task(work, self._tasks)

    def forget(self, key: Key) -> None:
        """An attempt has ended."""
        self._away.pop(key, None)

    def close(self) -> None:
        """End all work, and the process that asks the driver."""
        for task in self._tasks:
            task.cancel()
        if self._child is not None:
            self._child.kill()

    # --- to the host -----------------------------------------------------------------------------

    async def _park(self, fact: ev.AnyFact) -> None:
        assert isinstance(fact, ev.Park)
        key = fact.trial, fact.attempt
        async with self._turn:
            found = await self._parked(key)
        now = self._clock()
        if isinstance(found, str):
            self._take([ev.ParkFailed(now, *key, found)])
        elif isinstance(found, Answer):
            self._take([ev.ParkFailed(now, *key, found.error, broken=True)])
        else:
            self._take([ev.Parked(now, *key, found, self._floor.moves)])

    async def _parked(self, key: Key) -> int | str | Answer:
        """The bytes that were moved; why they were not; or, of one that is lost, the answer."""
        await self._floor.look_again()
        tenant = self._floor.tenant(key)
        device = None if tenant is None else self._floor.sample(tenant.uuids[0])
        if tenant is None or device is None:
            return "the state of its GPU is not known"
        if why := _why_not(tenant, device):
            return why
        memory = tenant.peak
        answer = await self._ask("park", tenant.pid, memory=memory) or await self._undo(tenant.pid)
        if answer.state is ProcessState.RUNNING:
            return answer.error
        if answer.state is not ProcessState.CHECKPOINTED:
            return answer
        moved = await self._floor.vacated(key)
        if moved is not None:
            self._away[key] = moved
        return memory

    async def _undo(self, pid: int) -> Answer:
        """After a process that died or did not answer: let the attempt go on if it can."""
        why = "the process that asks the driver died or did not answer"
        answer = await self._ask("undo", pid, seconds=_UNDO_SECONDS)
        if answer is None:
            return Answer(ProcessState.UNKNOWN, why)
        return msgspec.structs.replace(answer, error=answer.error or why)

    # --- and back --------------------------------------------------------------------------------

    async def _unpark(self, fact: ev.AnyFact) -> None:
        assert isinstance(fact, ev.Unpark)
        key = fact.trial, fact.attempt
        async with self._turn:
            answer = await self._restored(key, fact)
        now = self._clock()
        if answer.state is ProcessState.RUNNING and not answer.error:
            self._take([ev.Restored(now, *key)])
        elif not answer.tried:
            self._take([ev.Restored(now, *key, answer.error)])
        else:
            why = f"its GPU memory could not be restored: {answer.error}"
            self._take([ev.ParkFailed(now, *key, why, broken=True)])

    async def _restored(self, key: Key, fact: ev.Unpark) -> Answer:
        await self._floor.look_again()
        (uuid,) = fact.gpus
        device, tenant = self._floor.sample(uuid), self._away.get(key)
        if tenant is None:
            return Answer(ProcessState.UNKNOWN, "its process has ended")
        if short := _short_of(device, fact.memory):
            return Answer(ProcessState.CHECKPOINTED, short, tried=False)
        home, pid = tenant.uuids[0], tenant.pid
        self._floor.seat(
            key, gpu_state.Tenant(pid, (uuid,), {pid}, tenant.peak, began=self._clock())
        )
        words = str(fact.memory), home, uuid
        answer = await self._ask("restore", pid, *words, memory=fact.memory)
        if answer is None:
            return Answer(ProcessState.UNKNOWN, "the driver died or did not answer")
        if not answer.tried:
            await self._floor.vacated(key)
        elif answer.state is ProcessState.RUNNING:
            self._away.pop(key, None)
        return answer

    # --- the process that asks the driver --------------------------------------------------------

    async def _ask(
        self, what: What, pid: int, *words: str, memory: int = 0, seconds: float = math.inf
    ) -> Answer | None:
        """Its answer; None if it dies, or gives none in time."""
        done, text = asyncio.Event(), bytearray()
        visible = {n: v for n, v in os.environ.items() if n != "CUDA_VISIBLE_DEVICES"}
        try:
            child = Child(
                "devices.parking",
                *(what, str(pid), *words),
                receive=text.extend,
                lost=done.set,
                env=visible,
            )
        except OSError as error:
            state = ProcessState.CHECKPOINTED if what == "restore" else ProcessState.RUNNING
            return Answer(state, f"no process can be started: {error}", tried=False)
        self._child = child
        try:
            async with asyncio.timeout(min(seconds, self._patience + memory / _SLOWEST)):
                await done.wait()
            return msgspec.json.decode(text, type=Answer)
        except (TimeoutError, msgspec.DecodeError):
            return None
        finally:
            self._child = None
            child.close()
            child.kill()


def _why_not(tenant: gpu_state.Tenant, device: snapshots.GpuSample) -> str:
    """Why an attempt can't be parked; empty if it may be."""
    here = [p.pid for p in device.processes or () if tenant.pid in p.ancestors]
    others = ", ".join(str(pid) for pid in here if pid != tenant.pid)
    if others:
        return f"its process {others} computes there too, and only one can be parked"
    if not tenant.peak:
        return "it is not known how much of its GPU's memory it holds"
    room = room_for_parked()
    if tenant.peak <= room:
        return ""
    return (
        f"it holds {size(tenant.peak)} of its GPU, and the host has room for {size(max(0, room))}"
    )


def _short_of(device: snapshots.GpuSample | None, memory: int) -> str:
    """Why so many bytes are not restored on a GPU; empty if they may be."""
    if device is None or device.memory_total is None or device.memory_used is None:
        return "the state of its GPU is not known"
    free, needed = device.memory_total - device.memory_used, needed_for(memory)
    if needed <= free:
        return ""
    return f"{size(free)} of its GPU are free, and it needs {size(needed)}"
