"""Reads of the app from the store: changes at each tick, and queries on demand."""

import math
import socket
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from threading import Thread

import msgspec

from tuitune.core import events
from tuitune.core.placement.snapshots import DeviceSample
from tuitune.core.search.importance import FINISHED, GROWTH, Importance, is_due
from tuitune.core.study.ranking import best_of, loss
from tuitune.messages.parameters import by_importance, is_useless
from tuitune.store import owner
from tuitune.store.curves import new_curve
from tuitune.store.folder import DATABASE, DOCUMENT
from tuitune.store.reader import Changes, Curve, Reader, Report
from tuitune.store.rows import EngineRow, StudyRow, TrialRow
from tuitune.studyfile import load
from tuitune.ui.state import device_samples, options, records
from tuitune.ui.state.snapshot import POINTS, Attempt, Curves, EngineState, Snapshot

_NEWEST = 200  # facts of the whole study
_SILENT_AFTER = 5.0  # s without a change while the engine runs, which samples devices every second
_POINTS = 20  # least points of a curve that are read at first; at most twice as many
_METRICS_OF = 24  # trials whose metrics are cached
_NONE = new_curve()
_RANKED_EVERY = 10.0  # s between two readings of the stored importance
_LATE = 2.5 * GROWTH  # growth in finished trials from which the app doesn't wait for the engine


class _LazyQueries:
    """`Sources`: caches each answer until the trial, or the study, has changed."""

    def __init__(self, reader: Reader) -> None:
        self.snapshot: Snapshot | None = None
        self.devices: device_samples.DeviceSamples | None = None
        self._reader = reader
        self._facts: tuple[object, Sequence[tuple[int, events.AnyFact]]] = (None, ())
        self._newest: tuple[object, Sequence[tuple[int, events.AnyFact]]] = (None, ())
        self._metrics: dict[int, _Metrics] = {}
        self._attempts = _Attempts()
        self._importance: Importance | None = None
        # the version of the snapshot at the last read of the importance
        self._asked_at: object = None
        self._computing: _Computation | None = None

    def facts_of(self, trial: int) -> Sequence[tuple[int, events.AnyFact]]:
        """See `Sources`; read again when the row of the trial changes."""
        key = (trial, self._stamp(trial))
        if self._facts[0] != key:
            self._facts = (key, self._reader.facts_of(trial))
        return self._facts[1]

    def newest(self) -> Sequence[tuple[int, events.AnyFact]]:
        """See `Sources`; the newest 200 facts, read again with each version of the snapshot."""
        key = self.snapshot.version if self.snapshot else None
        if self._newest[0] != key:
            self._newest = (key, self._reader.newest(_NEWEST))
        return self._newest[1]

    def curve(self, trial: int, metric: str) -> Curve:
        """See `Sources`; the reports of a trial are read once, then only its new ones."""
        known = self._metrics.pop(trial, None) or _Metrics()
        self._metrics[trial] = known
        while len(self._metrics) > _METRICS_OF:  # the one that was asked for longest ago
            del self._metrics[next(iter(self._metrics))]
        if known.stamp != self._stamp(trial):
            known.stamp = self._stamp(trial)
            known.take(self._reader.metrics_of(trial, known.seq))
        return known.curves.get(metric, _NONE)

    def attempts(self) -> Sequence[Attempt]:
        """See `Sources`; only new facts are read."""
        version = None if self.snapshot is None else self.snapshot.version
        if self._attempts.version != version:
            self._attempts.version = version
            self._attempts.take(self._reader.attempts(self._attempts.seq))
        return self._attempts.found

    def importance(self) -> Importance | None:
        """See `Sources`; starts a process that computes it if the store has none, or an old one."""
        snapshot = self.snapshot
        if snapshot is None or snapshot.version == self._asked_at:
            return self._importance
        self._asked_at = snapshot.version
        stored, known = self._reader.importance(), self._importance
        if stored and (known is None or stored.finished > known.finished):
            self._importance = stored
        finished = sum(snapshot.counts.get(state, 0) for state in FINISHED)
        growth = _LATE if snapshot.engine.state == "running" else 0.0
        if self._computing is None and is_due(self._importance, finished, growth):
            self._computing = _Computation(snapshot.folder, finished)
        return self._importance

    def read_history(self, devices: Iterable[DeviceSample]) -> None:
        """See `Sources`."""
        if self.devices is not None and self.snapshot is not None:
            self.devices.read_history(devices, self.snapshot.now)

    def poll(self) -> bool:
        """Takes over a computed importance; returns whether there is one."""
        if self._computing is None or self._computing.result is None:
            return False
        self._importance, self._computing = self._computing.result, None
        return True

    def _stamp(self, trial: int) -> object:
        row = None if self.snapshot is None else self.snapshot.row(trial)
        return None if row is None else row.changed


class _Computation:
    """Computes the importance in another process; `result` is None until it has ended."""

    def __init__(self, folder: Path, finished: int) -> None:
        self.result: Importance | None = None
        Thread(target=self._run, args=(folder, finished), daemon=True, name="importance").start()

    def _run(self, folder: Path, finished: int) -> None:
        from tuitune.model_process.importance import compute  # noqa: PLC0415 - only for this chart

        self.result = compute(folder, finished)


class _Metrics(records.Holder):
    """The curves of all metrics of a trial, up to report `seq`."""

    stamp: object = None
    seq: int = 0
    curves: dict[str, Curve] = msgspec.field(default_factory=dict)

    def take(self, reports: Sequence[tuple[int, int, Mapping[str, float]]]) -> None:
        """Adds (seq, step, metrics); a report replaces earlier ones from its step on."""
        for seq, step, metrics in reports:
            self.seq = seq
            for curve in self.curves.values():
                curve.cut(step)
            for name, value in metrics.items():
                curve = self.curves.get(name) or self.curves.setdefault(name, new_curve())
                curve.add(step, value)
                if len(curve.steps) >= 2 * POINTS:
                    curve.thin()


class _Attempts(records.Holder):
    """All attempts up to fact `seq`."""

    version: int | None = None
    seq: int = 0
    found: list[Attempt] = msgspec.field(default_factory=list)
    running: dict[int, Attempt] = msgspec.field(default_factory=dict)  # by trial

    def take(self, facts: Sequence[tuple[int, float, int, tuple[str, ...] | None]]) -> None:
        """Adds (seq, time, trial, devices); an attempt ends where there are none."""
        for seq, time, trial, devices in facts:
            self.seq = seq
            before = self.running.pop(trial, None)
            if before is not None:
                before.end = time
            if devices is not None:
                self.running[trial] = Attempt(trial, time, devices)
                self.found.append(self.running[trial])


class Source:
    """Keeps the snapshot of one study up to date. Creation raises StoreError or StudyFileError.

    Until `fill`, most rows hold only what counting and sorting need. devices_tick: seconds between
    two readings of the devices and checks whether the engine runs.
    """

    def __init__(
        self, folder: Path, file: str, now: float, devices_tick: float = options.NEAR
    ) -> None:
        self._devices_tick = devices_tick
        self._reader = Reader.open(folder / DATABASE)
        spec = load(folder / DOCUMENT, check_target=False)
        self._alive = False
        first = self._reader.changes(outlined=True)
        self._seq = first.seq
        self._engine: EngineRow | None = None
        self._devices_read = -math.inf
        self._ranked_at = -math.inf
        self._unplotted: list[Report] | None = []  # reports from before `load_curves`
        self._until = first.seq
        self._queries = queries = _LazyQueries(self._reader)
        self.snapshot = Snapshot(spec, folder, file, Curves(), first.study or StudyRow(), queries)
        queries.snapshot = self.snapshot
        self._devices = queries.devices = device_samples.DeviceSamples(
            self._reader, self.snapshot.devices
        )
        self._find_engine()
        self._take(first, now)
        self.snapshot.engine.last_change = _last_change(
            self.snapshot.rows, self.snapshot.study.opened
        )
        self._read_devices(now)
        self._place_engine(now)

    def complete(self, numbers: Iterable[int]) -> None:
        """Reads the whole rows of these trials and of running ones, for the first paint."""
        running = (
            row.number for row in self.snapshot.rows if row.state == events.TrialState.RUNNING
        )
        self._place(self._reader.some({*numbers, *running}))

    def fill(self) -> None:
        """Reads the whole rows of all trials."""
        self._take(Changes(self._seq, rows=self._reader.trials()), self.snapshot.now)

    def refresh(self, now: float) -> None:
        """Reads the changes since the last call. now: Unix s. Raises StoreError."""
        snapshot = self.snapshot
        snapshot.now = now
        snapshot.changed = set()
        due = now - self._devices_read >= self._devices_tick
        if due:  # before the changes are read, so that none is missing once the engine has ended
            self._find_engine()
        changes = self._reader.changes(self._seq)
        self._seq = changes.seq
        if changes:
            self._take(changes, now)
            snapshot.engine.last_change = now
        if due:
            self._read_devices(now)
        if due or changes.engine is not None:
            self._place_engine(now)
        if self._queries.poll():
            snapshot.version += 1
        if now - self._ranked_at >= _RANKED_EVERY:
            self._rank(now)

    def _rank(self, now: float) -> None:
        """Reads the importance that the study has stored, for the order of the parameters."""
        self._ranked_at = now
        found = self._reader.importance()
        if found is not None and not is_useless(found):
            self.snapshot.ranked = tuple(one.name for one in by_importance(found))

    def read_curves(self) -> dict[int, Curve]:
        """The curves up to the first read. Thread-safe: it opens its own reader."""
        reader = Reader.open(self.snapshot.folder / DATABASE)
        try:
            return reader.curves(until=self._until, points=_POINTS)
        finally:
            reader.close()

    def load_curves(self, curves: dict[int, Curve]) -> None:
        """Takes the result of `read_curves`, and adds what was reported since."""
        reports, self._unplotted = self._unplotted, None
        self.snapshot.curves.load(curves)
        for report in reports or ():
            self.snapshot.curves.add(report)
        self.snapshot.changed.update(curves)
        self.snapshot.version += 1

    def close(self) -> None:
        """Closes the connection to the database."""
        self._reader.close()

    def _take(self, changes: Changes, now: float) -> None:
        snapshot = self.snapshot
        snapshot.now = now
        if changes.study is not None:
            snapshot.study = changes.study
        if changes.engine is not None:
            self._engine = changes.engine
        self._place(changes.rows)
        self._find_best(changes.rows)
        if self._unplotted is None:
            for report in changes.reports:
                snapshot.curves.add(report)
        else:
            self._unplotted += changes.reports
        snapshot.changed.update(report.trial for report in changes.reports)
        if changes.reports or not snapshot.metrics:
            snapshot.metrics = self._metrics(changes.reports)
        snapshot.pace.follow(snapshot)
        snapshot.version += 1

    def _place(self, changed: list[TrialRow]) -> None:
        snapshot = self.snapshot
        rows, known = snapshot.rows, len(snapshot.rows)
        counts = Counter(snapshot.counts)
        counts.update(row.state for row in changed)
        before = [rows[row.number] for row in changed if row.number < known]
        counts.subtract(row.state for row in before)
        snapshot.counts = dict(counts)
        snapshot.held += sum(row.is_held for row in changed) - sum(row.is_held for row in before)
        snapshot.frozen += sum(r.is_frozen for r in changed) - sum(r.is_frozen for r in before)
        snapshot.parked += sum(r.is_parked for r in changed) - sum(r.is_parked for r in before)
        snapshot.changed.update(row.number for row in changed)
        for row in changed:
            if row.number < known:
                rows[row.number] = row
        # numbers have no gaps, and new rows come in order
        rows += [row for row in changed if row.number >= known]

    def _find_best(self, rows: list[TrialRow]) -> None:
        """Compares only the changed trials, unless the best trial itself has changed."""
        snapshot = self.snapshot
        objective = snapshot.spec.objective
        leader = snapshot.row(snapshot.best)
        moved = leader is None or any(row.number == leader.number for row in rows)
        if (
            leader is None
            or moved
            or snapshot.partial
            or leader.state != events.TrialState.COMPLETE
        ):
            snapshot.best, snapshot.partial = best_of(snapshot.spec, snapshot.rows)
            return
        for row in rows:
            if row.state == events.TrialState.COMPLETE and row.value is not None:
                own = loss(row.value, objective), row.number
                if own < (loss(leader.value, objective), leader.number):
                    leader, snapshot.best = row, row.number

    def _metrics(self, reports: list[Report]) -> tuple[str, ...]:
        known = self.snapshot.metrics
        if not known:
            return tuple(self._reader.metrics())
        more = dict.fromkeys(name for report in reports[-50:] for name in report.metrics)
        return (*known, *(name for name in more if name not in known))

    def _read_devices(self, now: float) -> None:
        """Reads new samples, which also show that the engine runs."""
        self._devices_read = now
        snapshot = self.snapshot
        newest = self._devices.read(now)
        if newest is not None:
            snapshot.engine.last_change = max(snapshot.engine.last_change, newest)
            snapshot.version += 1

    def _find_engine(self) -> None:
        """Whether an engine runs the study, and on which machine."""
        engine = owner.running(self.snapshot.folder)
        self._alive = engine is not None
        self.snapshot.host = socket.gethostname() if engine is None else engine.host

    def _place_engine(self, now: float) -> None:
        """Updates the state of the engine."""
        engine, row = self.snapshot.engine, self._engine
        state = self._engine_state(now)
        if state != engine.state:
            self.snapshot.version += 1
        if state != engine.state or not engine.since:
            engine.since = now if row is None else row.time
        engine.state = state
        engine.words = "" if row is None else row.words

    def _engine_state(self, now: float) -> EngineState:
        phase = "" if self._engine is None else self._engine.phase
        if self._alive:
            if phase == "importing":
                return "importing"
            return "silent" if now - self.snapshot.engine.last_change > _SILENT_AFTER else "running"
        if self.snapshot.study.finished and self.snapshot.study.complete:
            return "finished"
        return "failed" if phase == "failed" else "gone"


def _last_change(rows: list[TrialRow], opened: float) -> float:
    """Unix s of the newest change found in the rows."""
    return max(max((row.ended or row.launched or 0.0 for row in rows), default=0.0), opened)
