"""Builders of what a pane's function is given: a picture of a study from plain rows, and a look at it."""

from __future__ import annotations

from collections import Counter, deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tuitune.core.events import Settings, TrialState
from tuitune.core.placement.snapshots import DeviceSample
from tuitune.core.search.importance import FINISHED, Importance, importance_of, is_due
from tuitune.core.space import SearchSpace
from tuitune.core.space.parameters import Choice, FloatRange, IntRange
from tuitune.core.spec import Limits, Objective, PruningSpec, SearchSpec, StudySpec, TrialSpec
from tuitune.core.study.ranking import best_of
from tuitune.store.curves import new_curve
from tuitune.store.rows import StudyRow, TrialRow
from tuitune.ui.actions.registry import ACTIONS
from tuitune.ui.panes.registry import PANES
from tuitune.ui.render.glyphs import ASCII, FULL
from tuitune.ui.render.themes import DARK, Theme
from tuitune.ui.state.render_context import RenderContext, Selection
from tuitune.ui.state.snapshot import HISTORY, Attempt, Curves, Engine, Snapshot
from tuitune.ui.state.status_line import StatusLine
from tuitune.ui.table.order import Order

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tuitune.core.events import AnyFact
    from tuitune.store.curves import Curve
    from tuitune.ui.render.lines import Line

NOW = 1_750_000_000.0  # Unix s of every picture unless told
OPENED = NOW - 3600.0
LIVE_PID = 4000

LETTERS = {
    "w": TrialState.WAITING,
    "r": TrialState.RUNNING,
    "p": TrialState.PAUSED,
    "c": TrialState.COMPLETE,
    "x": TrialState.PRUNED,
    "f": TrialState.FAILED,
    "k": TrialState.KILLED,
}


def spec(**changes: Any) -> StudySpec:
    """A small study with one parameter of each common kind, pruned by asha over 27 epochs."""
    return StudySpec(
        **{
            "name": "toy",
            "objective": Objective("val_loss", "min"),
            "trial": TrialSpec(target="toy.py:train"),
            "space": SearchSpace(
                (
                    FloatRange("lr", 1e-4, 1e-1, log=True),
                    IntRange("layers", 1, 6),
                    Choice("optimizer", ("sgd", "adamw")),
                )
            ),
            "search": SearchSpec(method="sobol", trials=20),
            "pruning": PruningSpec(method="asha", resource="epoch", max=27),
            "limits": Limits(),
            "file": "/studies/toy.toml",
            **changes,
        }
    )


def row(number: int = 0, state: str = TrialState.COMPLETE, **changes: Any) -> TrialRow:
    """A trial that is as plausible as its state allows. `state`: a whole name, or a letter of it."""
    state = LETTERS.get(state, state)
    fields: dict[str, Any] = {
        "number": number,
        "state": state,
        "config": {"lr": 0.001 * (1 + number % 9), "layers": 1 + number % 6, "optimizer": "sgd"},
        "origin": "sobol",
        "why": f"point {number} of the sequence",
        "changed": number + 1,
    }
    if state != TrialState.WAITING:
        started = OPENED + 10.0 * number
        fields |= {
            "attempt": 1,
            "started": started,
            "launched": started,
            "step": 9,
            "value": 0.5 + 0.01 * number,
            "best": 0.5 + 0.01 * number,
            "rung": 1,
        }
    if state == TrialState.RUNNING:
        fields |= {"device": "cpu", "pid": LIVE_PID + number}
    if state == TrialState.COMPLETE:
        fields |= {"step": 27, "rung": 2}
    if state in {TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAILED, TrialState.KILLED}:
        fields["ended"] = fields["started"] + 120.0
    if state == TrialState.FAILED:
        fields |= {"error": "ValueError: no such thing", "note": "exit status 1"}
    return TrialRow(**{**fields, **changes})


def rows(letters: str) -> list[TrialRow]:
    """Trials in these states, one a letter: "ccrrw"."""
    return [row(number, letter) for number, letter in enumerate(letters)]


def study(**changes: Any) -> StudyRow:
    settings = changes.pop("settings", Settings(20, None, 1.0, None, 0, None, None, None))
    fields: dict[str, Any] = {
        "cpus": 8.0,
        "memory": 16 << 30,
        "opened": OPENED,
        "style": "promote",
        "rungs": ((1, 3, 9),),
    }
    return StudyRow(settings=settings, **{**fields, **changes})


def host(time: float = NOW, **changes: Any) -> DeviceSample:
    fields: dict[str, Any] = {
        "time": time,
        "device": "host",
        "kind": "host",
        "name": "gpu07",
        "utilisation": 0.62,
        "memory_used": 6 << 30,
        "memory_total": 16 << 30,
        "trials": (3, 4),
        "load": 5.2,
        "slots": 8.0,
        "slots_used": 2.0,
        "trials_cpu": 1.9,
        "engine_cpu": 0.04,
        "disk_free": 0.4,
    }
    return DeviceSample(**{**fields, **changes})


def gpu(index: int = 0, time: float = NOW, **changes: Any) -> DeviceSample:
    fields: dict[str, Any] = {
        "time": time,
        "device": f"GPU-{index:04d}",
        "kind": "gpu",
        "name": "NVIDIA H100 80GB HBM3",
        "index": index,
        "utilisation": 0.93,
        "memory_used": 61 << 30,
        "memory_total": 80 << 30,
        "temperature": 71.0,
        "power": 640.0,
        "power_limit": 700.0,
        "trials": (3,),
    }
    return DeviceSample(**{**fields, **changes})


class StubSources:
    """What tests say that the store holds."""

    def __init__(
        self,
        facts: dict[int, list[AnyFact]] | None = None,
        newest: Sequence[AnyFact] = (),
        curves: dict[tuple[int, str], Curve] | None = None,
    ) -> None:
        self._facts = facts or {}
        self._newest = [*enumerate(newest, 1)]
        self._curves = curves or {}
        self._importance: Importance | None = None
        self._attempts: list[Attempt] | None = None
        self.snapshot: Snapshot

    def facts_of(self, trial: int) -> list[tuple[int, AnyFact]]:
        return [*enumerate(self._facts.get(trial, []), 1)]

    def newest(self) -> list[tuple[int, AnyFact]]:
        return self._newest[::-1]

    def curve(self, trial: int, metric: str) -> Curve:
        return self._curves.get((trial, metric), new_curve())

    def attempts(self) -> list[Attempt]:
        """One of each started trial, on its device."""
        if self._attempts is not None:
            return self._attempts
        begun = sorted((r for r in self.snapshot.rows if r.started), key=lambda r: r.started)
        self._attempts = [
            Attempt(r.number, r.started, (r.device or "cpu",), r.ended) for r in begun
        ]
        return self._attempts

    def read_history(self, devices: Iterable[DeviceSample]) -> None: ...

    def importance(self) -> Importance | None:
        """Computed at once, and again when enough rows are new."""
        made = self.snapshot
        finished = [row for row in made.rows if row.state in FINISHED]
        if is_due(self._importance, len(finished)):
            self._importance = importance_of(made.spec, finished)
        return self._importance


def snapshot(
    rows: Iterable[TrialRow] = (),
    *,
    spec: StudySpec | None = None,
    study: StudyRow | None = None,
    engine: str = "running",
    words: str = "",
    heard: float = NOW - 1.0,
    since: float = NOW - 4.0,
    devices: Iterable[DeviceSample] = (),
    facts: dict[int, list[AnyFact]] | None = None,
    newest: Sequence[AnyFact] = (),
    curves: dict[int, Curve] | None = None,
    folder: Path = Path("/studies/runs/toy"),
    now: float = NOW,
) -> Snapshot:
    """A picture with all that follows from its rows. `facts`: by trial, oldest first; so `newest`."""
    spec = spec or _spec()
    made = Snapshot(
        spec,
        folder,
        Path(spec.file).name,
        Curves(),
        study or _study(),
        sources := StubSources(facts, newest),
        Engine(engine, last_change=heard, since=since, words=words),  # type: ignore[arg-type]
        list(rows),
        metrics=(spec.objective.metric,),
        now=now,
        version=1,
    )
    sources.snapshot = made
    made.counts = dict(Counter(row.state for row in made.rows))
    made.held = sum(row.is_held for row in made.rows)
    made.frozen = sum(row.is_frozen for row in made.rows)
    made.best, made.partial = best_of(spec, made.rows)
    made.host = "gpu07"
    made.pace.follow(made)
    if curves:
        made.curves.load(curves)
    for sample in devices:
        made.devices.setdefault(sample.device, deque(maxlen=HISTORY)).append(sample)
    return made


class StubKeymap:
    """Shows an action's id for its key, so that a test sees which one is meant."""

    dangerous: ClassVar = frozenset(action.id for action in ACTIONS if action.dangerous)

    def shown(self, action: str) -> str:
        return f"<{action}>"

    def keys(self, action: str) -> tuple[str, ...]:
        digits = {f"pane.{pane.name}": str(digit) for digit, pane in enumerate(PANES, 1)}
        return (digits.get(action) or self.shown(action),)


def context(
    snapshot: Snapshot,
    *,
    ascii: bool = False,  # noqa: A002 - what the command line calls it
    readonly: bool = False,
    order: Order | None = None,
    status_line: StatusLine | None = None,
    keymap: Any = None,
    boxed: bool = False,
    theme: Theme = DARK,
    **selection: Any,
) -> RenderContext:
    """A look at the picture; what else is given is set in the view: `look(p, cursor=3)`."""
    seen = Selection()
    for name, value in selection.items():
        setattr(seen, name, value)
    if order is None:
        order = Order()
        order.follow(snapshot, seen)
    glyphs = ASCII if ascii else FULL
    return RenderContext(
        snapshot,
        seen,
        order,
        glyphs,
        status_line or StatusLine(),
        keymap or StubKeymap(),
        readonly,
        theme=theme,
        boxed=boxed,
    )


def text(lines: Iterable[Line]) -> str:
    """The lines as they are read on a screen, without their roles."""
    return "\n".join("".join(part for part, _ in line).rstrip() for line in lines)


_spec, _study = spec, study
