"""The GPUs of one study: locks on them, their samples, and when one is free again."""

import asyncio
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import msgspec

from tuitune.core import events as ev, gpu_reasons
from tuitune.core.placement import snapshots, visibility
from tuitune.core.placement.gpu_state import GpuState, Tenant, in_use, obstacle_changes
from tuitune.core.placement.wrong_gpus import WrongGpus
from tuitune.core.spec import DevicesSpec
from tuitune.core.study.nodes import HERE
from tuitune.devices import host, quarantine, watchdog
from tuitune.devices.locks import Locks
from tuitune.devices.parking import can_move
from tuitune.engine import energy, failure, leases, ports
from tuitune.engine.parking import Parking

Take = Callable[[Sequence[ev.Event]], None]

_PERIOD = 1.0  # s between two renewals where nothing is sampled
_AGAIN = 0.05  # s between two looks at memory that is to become free
_USAGE_SECONDS = 300.0  # after which the study is told what running trials have taken


class Gpus:
    """Passes events of the GPU watchdog and of the executor on to the study.

    An Exited of a trial with GPUs is passed on when their memory is back: until then they are not
    free.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - it joins this many
        self,
        spec: DevicesSpec,
        environment: Mapping[str, str],
        locks: Locks,
        state: ports.Placements,
        settings: Callable[[], ev.Settings],
        clock: Callable[[], float],
        note: Callable[[str], None],
        vacating: float,  # s that memory may stay behind, before a GPU is shown as still held
        watching: watchdog.Timeouts | None = None,
        view: GpuState | None = None,
        parking: float = 30.0,  # s that the driver may take to park a trial, beside moving memory
        suspects: Callable[[], Collection[str]] = tuple,  # GPUs on which trials have failed
        chosen: Callable[[], str] = str,  # the line of the training code that chooses a GPU
    ) -> None:
        self._watching = watching
        self._quarantine = quarantine.Quarantine(locks.folder)
        self._aside: dict[str, gpu_reasons.GpuAside] = {}  # where no file could be written
        self._xids: dict[str, tuple[int, float]] = {}  # the newest error of each GPU, and when
        self._vacating = vacating
        self._spec = spec
        self._environment = environment
        self._leases = leases.Leases(locks, spec.leave_free, settings, clock)
        self._state = state
        self._settings = settings
        self._suspects = suspects
        self._chosen = chosen
        self._wrong = WrongGpus()
        self._clock = clock
        self._note = note
        self._take: Take | None = None
        self._view = host.make_state(spec) if view is None else view
        self._watchdog: watchdog.Watchdog | None = None
        self._again: asyncio.TimerHandle | None = None
        self._devices: Sequence[snapshots.GpuSample] = ()
        self._looked: Sequence[ev.Gpu] = ()  # as they were seen, before leases and stuck memory
        self._tenants: dict[tuple[int, int], Tenant] = {}
        self._leaving: dict[tuple[int, int], Tenant] = {}
        self._unseen: dict[tuple[int, int], Tenant] = {}  # packed, and without a report
        self._stuck: list[tuple[Tenant, int]] = []  # that held memory after their trial
        self._meter = energy.EnergyMeter()
        self._used_at = clock()
        self._fresh = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._problem = ""
        self._closing = False
        self._parking = Parking(self, self._send, clock, parking)
        self.moves = False
        self.now: tuple[ev.Gpu, ...] = ()

    @property
    def devices(self) -> Sequence[snapshots.GpuSample]:
        """The GPUs as they were last sampled."""
        return self._devices

    @property
    def strangers(self) -> Mapping[str, Sequence[snapshots.DeviceProcess]]:
        """Others that compute on a GPU, by its UUID."""
        return self._view.strangers

    def start(self, first: snapshots.Snapshot) -> None:
        """Take in a first sample, and begin to sample once a second."""
        self.seen(first)
        if first.unmeasured:  # locks, hours and GPUs that are set aside change all the same
            self._again = asyncio.get_running_loop().call_later(_PERIOD, self.start, first)
            return
        self._watchdog = watchdog.Watchdog(self.seen, known=first.devices, timeouts=self._watching)
        self._watchdog.start()

    def tell(self, take: Take) -> None:
        """From now on send events to the study."""
        self._take = take

    def let_pass(self) -> None:
        """Pass on exits at once from now on, as the executor closes."""
        self._closing = True
        self._fresh.set()

    def close(self) -> None:
        """Release the locks; call it when no trial is left on the GPUs."""
        self.let_pass()
        if self._watchdog is not None:
            self._watchdog.close()
        if self._again is not None:
            self._again.cancel()
        self._leases.close()
        self._parking.close()

    # --- samples --------------------------------------------------------------------------------

    def seen(self, snapshot: snapshots.Snapshot) -> None:
        """Take in a sample: renew the locks, and send the study what has changed."""
        now = self._clock()
        try:
            devices = visibility.allowed(snapshot.devices, self._environment, self._spec.allow)
        except visibility.NotAllowedError as error:
            devices, snapshot = [], msgspec.structs.replace(snapshot, problem=str(error))
        self._note_problem(snapshot.problem)
        self._view.yield_to = self._settings().yield_to
        here = [*self._ours(), *(tenant for tenant, _ in self._stuck)]
        self._looked = self._view.look(devices, snapshot, here, now)
        if not snapshot.problem:
            self._devices = devices
            self.moves = can_move(snapshot)
            self._xids |= {d.uuid: (d.xid, now) for d in devices if d.xid is not None}
            self._report_footprints(now)
            self._report_wrong_gpus(snapshot.devices, now)
            self._measure(now)
        self._publish()
        self._fresh.set()

    def _publish(self) -> None:
        """Send the study the GPUs, if they have changed, once their locks are renewed."""
        stuck = self._still_stuck()
        free = [self._with_obstacle(gpu, stuck.get(gpu.uuid, "")) for gpu in self._looked]
        free = [self._quarantined(gpu) for gpu in free]
        parked = (self._state.trials[number].parked for number in self._state.parked)
        homes = {one.home for one in parked if one is not None}
        leased = self._leases.renew(free, self._began(), homes, self._suspects())
        self._change(tuple(leased), self._clock())

    def _ours(self) -> list[Tenant]:
        """Attempts that may still hold memory on a GPU."""
        return [*self._tenants.values(), *self._leaving.values()]

    def _report_footprints(self, now: float) -> None:
        keys = {id(tenant): key for key, tenant in self._tenants.items()}
        found = self._view.footprints(self._devices, list(self._tenants.values()))
        if found and self._take is not None:
            self._take([ev.Footprint(now, *keys[id(tenant)], memory) for tenant, memory in found])

    def _report_wrong_gpus(self, there: Sequence[snapshots.GpuSample], now: float) -> None:
        if self._view.blind or self._take is None:
            return
        allowed = {device.uuid for device in self._devices}
        taken = {uuid for uuid, found in self._view.strangers.items() if found}
        found = self._wrong.look(there, self._tenants, allowed, () if self._spec.share else taken)
        for key, one in list(found):
            why = msgspec.structs.replace(one, line=self._chosen())
            self._take([ev.OnWrongGpu(now, *key, why)])

    def _measure(self, now: float) -> None:
        """Add up energy, and send the study now and then what running trials have taken."""
        others = {uuid: len(processes) for uuid, processes in self._view.strangers.items()}
        self._meter.look(self._devices, {**self._tenants, **self._leaving}, others, now)
        if abs(now - self._used_at) < _USAGE_SECONDS or self._take is None:
            return
        self._used_at = now
        if self._tenants:
            joules = ((key, self._meter.take(key)) for key in self._tenants)
            self._take([ev.GpuUsed(now, *key, used) for key, used in joules])

    def _usage(self, key: tuple[int, int], now: float) -> list[ev.Event]:
        """What an attempt that has ended took since it was last sent."""
        joules = self._meter.take(key)
        return [] if joules is None else [ev.GpuUsed(now, *key, joules)]

    def _change(self, gpus: tuple[ev.Gpu, ...], now: float) -> None:
        before, self.now = self.now, gpus
        if gpus != before and self._take is not None:
            node = ev.Node(HERE, self._state.cpus, self._state.memory, gpus)
            self._take([ev.NodeChanged(now, node, obstacle_changes(before, gpus))])

    def _note_problem(self, problem: str) -> None:
        if problem != self._problem:
            self._problem = problem
            self._note(f"the GPUs: {problem}" if problem else "the GPUs can be sampled again")

    def _began(self) -> dict[str, float]:
        """When the oldest trial on each GPU began, by UUID; those that are leaving count."""
        running = (self._state.trials[number] for number in self._state.running)
        places = [(trial.launched, trial.gpus) for trial in running]
        places += [(tenant.began, tenant.uuids) for tenant in self._ours()]
        began: dict[str, float] = {}
        for time, uuids in places:
            began |= {uuid: min(time, began.get(uuid, math.inf)) for uuid in uuids}
        return began

    # --- GPUs that are set aside -----------------------------------------------------------------

    def act_on(self, facts: Iterable[ev.AnyFact], study: str) -> None:
        """Carry out these facts: GPUs are set aside for all studies of this user, trials parked."""
        for fact in facts:
            if type(fact) is ev.SetAside:
                self._set_aside(fact, study)
            elif type(fact) is ev.Park or type(fact) is ev.Unpark:
                self._parking.act_on(fact)

    def _set_aside(self, fact: ev.SetAside, study: str) -> None:
        for gpu in self.now:
            if gpu.uuid in fact.gpus and isinstance(fact.why, gpu_reasons.GpuAside):
                why = msgspec.structs.replace(fact.why, study=study)
                try:
                    self._quarantine.add(gpu.index, gpu.uuid, why)
                except OSError as error:
                    self._aside[gpu.uuid] = why
                    self._note(f"GPU {gpu.index} is set aside for this study alone: {error}")
        self._publish()

    def clear(self, which: str) -> list[int]:
        """Use GPUs again that were set aside; see `Quarantine.clear`. Returns their numbers."""
        cleared = {aside.uuid: aside.number for aside in self._quarantine.clear(which)}
        for gpu in self.now:
            if gpu.uuid in self._aside and which in {quarantine.ALL, str(gpu.index), gpu.uuid}:
                cleared[gpu.uuid] = gpu.index
                del self._aside[gpu.uuid]
        self._publish()
        return sorted(cleared.values())

    def _quarantined(self, gpu: ev.Gpu) -> ev.Gpu:
        why = self._aside.get(gpu.uuid) or self._quarantine.why(gpu.uuid)
        return gpu if why is None or gpu.lost else msgspec.structs.replace(gpu, obstacle=why)

    def _xids_of(self, tenant: Tenant) -> tuple[tuple[str, int], ...]:
        """Errors of the driver on its GPUs, since it began."""
        seen = ((uuid, self._xids.get(uuid, (0, 0.0))) for uuid in tenant.uuids)
        return tuple((uuid, xid) for uuid, (xid, when) in seen if when >= tenant.began)

    @staticmethod
    def _with_obstacle(gpu: ev.Gpu, obstacle: gpu_reasons.Obstacle) -> ev.Gpu:
        if not obstacle or gpu.obstacle:
            return gpu
        return msgspec.structs.replace(gpu, obstacle=obstacle)

    # --- events of the executor ------------------------------------------------------------------

    def pass_on(self, events: Sequence[ev.Event]) -> None:
        """The executor's sink: exits of trials on GPUs wait until their memory is free."""
        assert self._take is not None
        through: list[ev.Event] = []
        for event in events:
            if isinstance(event, ev.Started):
                self._started(event)
            elif isinstance(event, ev.Reported):
                self._look_at(event)
            elif isinstance(event, ev.Exited) and self._is_tenant(event):
                self._leave(event)
                continue
            elif isinstance(event, ev.Exited):
                self._parking.forget((event.trial, event.attempt))
                through += self._usage((event.trial, event.attempt), event.time)
            through.append(event)
        if through:
            self._take(through)

    def _started(self, event: ev.Started) -> None:
        uuids = self._state.trials[event.trial].gpus
        if uuids:
            key = event.trial, event.attempt
            now, pids = self._clock(), {event.pid}
            before = {d.uuid: in_use(d) or 0 for d in self._devices if d.uuid in uuids}
            self._tenants[key] = Tenant(event.pid, uuids, pids, began=now, before=before)
            if not self._state.trials[event.trial].share:
                self._unseen[key] = self._tenants[key]

    def _look_at(self, event: ev.Reported) -> None:
        """Sample a packed trial at its first report: it may have ended by the next sample."""
        tenant = self._unseen.pop((event.trial, event.attempt), None)
        if tenant is not None and not tenant.peak and self._watchdog is not None:
            self._watchdog.ask()

    def _is_tenant(self, event: ev.Exited) -> bool:
        return (event.trial, event.attempt) in self._tenants and not self._closing

    def _leave(self, event: ev.Exited) -> None:
        key = event.trial, event.attempt
        self._leaving[key] = self._tenants.pop(key)
        self._unseen.pop(key, None)
        failure.start_task(self._vacate(key, event), self._tasks)

    async def _vacate(self, key: tuple[int, int], event: ev.Exited) -> None:
        """Wait until its memory is free, then pass its exit on."""
        await self._until_free(key, self._leaving)
        tenant = self._leaving.pop(key)
        assert self._take is not None
        now, xids = self._clock(), self._xids_of(tenant)
        gone = msgspec.structs.replace(event, time=now, xids=xids)
        self._take([*self._usage(key, now), gone])

    async def _until_free(
        self, key: tuple[int, int], tenants: Mapping[tuple[int, int], Tenant]
    ) -> None:
        """Wait until the memory of an attempt is free, while it is among these.

        What stays for too long keeps its GPU barred.
        """
        end = self._clock() + self._vacating
        while key in tenants and await self.look_again():
            tenant = tenants.get(key)
            if tenant is None or not self._held_by(tenant):
                return
            if self._clock() > end:
                self._stuck.append((tenant, key[0]))
                self._publish()  # before the study hears of it, and starts another trial
                return
            await asyncio.sleep(_AGAIN)

    def _still_stuck(self) -> dict[str, gpu_reasons.Obstacle]:
        """Obstacles, by UUID, of GPUs that still hold memory of a trial that has ended."""
        held = [(tenant, trial, self._held_by(tenant)) for tenant, trial in self._stuck]
        self._stuck = [(tenant, trial) for tenant, trial, uuids in held if uuids]
        return {
            uuid: gpu_reasons.GpuBarred("held", trial=trial)
            for _, trial, uuids in held
            for uuid in uuids
        }

    async def look_again(self) -> bool:
        """Wait for a new sample; False if none can come."""
        if self._watchdog is None or self._is_blind():
            return False
        self._fresh.clear()
        self._watchdog.ask()
        await self._fresh.wait()  # the watchdog sends one with a problem if the sampler gives none
        return not self._is_blind()

    # --- attempts that are parked ----------------------------------------------------------------

    def _send(self, events: Sequence[ev.Event]) -> None:
        if self._take is not None and not self._closing:
            self._take(events)

    def tenant(self, key: tuple[int, int]) -> Tenant | None:
        """An attempt that is on a GPU; None if it has ended or is parked."""
        return self._tenants.get(key)

    def sample(self, uuid: str) -> snapshots.GpuSample | None:
        """The newest reading of a GPU whose lock this study holds; None if there is none."""
        here = any(gpu.uuid == uuid and self._leases.has(uuid) for gpu in self.now)
        found = (device for device in self._devices if device.uuid == uuid and not device.trouble)
        return next(found, None) if here and not self._problem else None

    async def vacated(self, key: tuple[int, int]) -> Tenant | None:
        """Wait until the memory of a parked attempt is gone. Returns it; None if it has ended."""
        await self._until_free(key, self._tenants)
        self._unseen.pop(key, None)
        return self._tenants.pop(key, None)

    def seat(self, key: tuple[int, int], tenant: Tenant) -> None:
        """A parked attempt is on a GPU again."""
        self._tenants[key] = tenant

    def _is_blind(self) -> bool:
        return self._closing or bool(self._problem)

    def _held_by(self, tenant: Tenant) -> list[str]:
        others = list(self._tenants.values())
        return [
            device.uuid
            for device in self._devices
            if device.uuid in tenant.uuids and self._view.is_held(device, tenant, others)
        ]
