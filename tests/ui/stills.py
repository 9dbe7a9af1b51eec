"""The whole app on a study that stands still: a picture made by hand, and a clock that doesn't move."""

from __future__ import annotations

import math
from array import array
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pictures
from pictures import NOW

from tuitune.core import events as ev
from tuitune.store.reader import Curve
from tuitune.ui.app import TuituneApp
from tuitune.ui.configuration import configured
from tuitune.ui.screens.study import StudyScreen
from tuitune.ui.state.options import Options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuitune.store.rows import TrialRow
    from tuitune.ui.state.snapshot import Snapshot

STATES = "ccxxrrxfckxcxxrpxcxxwxcxxx"
RUNG_STEPS = (1, 3, 9, 27)
RANKED = "rung 1 (epoch 3): rank 2 of 7"


class Still:
    """A source that has no news."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot

    def refresh(self, now: float) -> None:
        self.snapshot.now = now

    def complete(self, numbers: object) -> None: ...

    def fill(self) -> None: ...

    def read_curves(self) -> dict[int, Curve]:
        return {}

    def load_curves(self, curves: dict[int, Curve]) -> None: ...

    def close(self) -> None: ...


def loss(number: int, step: int) -> float:
    level = 0.07 + (number * 7919 % 97) / 300
    return level + 1.4 / (step + 1) + 0.01 * math.sin(number + 2 * step)


def trial(number: int, letter: str) -> TrialRow:
    """As plausible as `pictures.row`, with a curve that ends where it says."""
    row = pictures.row(number, letter)
    if row.step is None:
        return row
    step = {"c": 27, "x": RUNG_STEPS[number % 3], "k": 5, "f": 2}.get(letter, 4 + number % 5)
    value = loss(number, step)
    rung = sum(step >= at for at in RUNG_STEPS[:-1]) - 1
    more: dict[str, Any] = {"step": step, "value": value, "best": value, "rung": rung}
    if letter == "p":
        more |= {"at_rung": True, "checkpoint": 9, "note": "rung 2 (epoch 9): rank 3 of 8"}
    if letter == "x":
        where = f"rung {RUNG_STEPS.index(step)} (epoch {step})"
        more["note"] = f"{where}: rank 7 of 9, {value:.4g} not within 0.2213: stopped"
    fields = {name: getattr(row, name) for name in row.__struct_fields__}
    return type(row)(**{**fields, **more})


def curve(row: TrialRow) -> Curve:
    steps = range(1, (row.step or 0) + 1)
    return Curve(array("q", steps), array("d", (loss(row.number, step) for step in steps)))


def study_picture(states: str = STATES, **more: Any) -> Snapshot:
    rows = [trial(number, letter) for number, letter in enumerate(states)]
    config = {"lr": 0.003, "layers": 2, "optimizer": "sgd"}
    facts: dict[int, Sequence[ev.AnyFact]] = {
        row.number: [
            ev.Proposed(NOW - 900, row.number, config, "sobol", f"point {row.number}"),
            ev.Launch(NOW - 890, row.number, 0, "cpu", 1.0, 0),
            ev.Verdict(NOW - 700, row.number, 0, 3, "go", False, 1, 2, 7, 0.41, RANKED),
            ev.KillAsked(NOW - 60, row.number, 8.0, "app"),
        ]
        for row in rows
    }
    defaults: dict[str, Any] = {
        "devices": [pictures.host(NOW - 30 + n, utilisation=n / 30) for n in range(31)],
        "facts": facts,
        "newest": facts.get(0, ()),
        "curves": {row.number: curve(row) for row in rows if row.step},
    }
    return pictures.snapshot(rows, **{**defaults, **more})


def app(snapshot: Snapshot, **options: Any) -> TuituneApp:
    """An app of its own for each test, with the built-in panes and keys."""
    look = Options(tick=60.0, **options)
    source: Any = Still(snapshot)
    return TuituneApp(StudyScreen(source, configured(), look, clock=lambda: NOW), look)


def with_log(folder: Path, number: int) -> Path:
    """A study folder in which a trial has said something."""
    log = folder / "trials" / f"{number:04d}" / "output.log"
    log.parent.mkdir(parents=True)
    log.write_text("".join(f"epoch {n}  loss {loss(number, n):.4f}\n" for n in range(1, 40)))
    return folder


def text_of(app):
    """The lines on the screen, as text."""
    return "\n".join(strip.text.rstrip() for strip in app.screen._compositor.render_strips())
