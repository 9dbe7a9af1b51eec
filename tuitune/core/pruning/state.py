"""What does a pruner remember of the trials that it has seen?"""

from __future__ import annotations

from typing import Literal

import msgspec

Entry = tuple[float, int]  # (loss, trial): sorted, the better comes first, the earlier among equals


class Rung(msgspec.Struct, array_like=True):
    """Who has come to one rung of one bracket, best first.

    The loss is the value in the direction of "min", infinity for trials that diverged or failed.
    waiting: those of the entries that were told to wait here, and have not been sent on since.
    """

    entries: list[Entry] = []
    waiting: list[Entry] = []


class Curve(msgspec.Struct, array_like=True):
    """What one trial has reported, as losses: the running average after each of its steps.

    stride: how many reports one point stands for, which is 1 unless there are thousands.
    counted: among the columns of the `Averages`, since the trial is COMPLETE.
    """

    steps: list[int] = []
    averages: list[float] = []
    total: float = 0.0
    count: int = 0
    best: float = float("inf")
    stride: int = 1
    counted: bool = False


class Averages(msgspec.Struct, array_like=True):
    """The running averages of all COMPLETE trials, ready for a median.

    columns: for each of `steps`, sorted, the averages up to that step of all who had reported by
    then; between two steps nothing changes. curves: by trial, COMPLETE or not.
    """

    steps: list[int] = []
    columns: list[list[float]] = []
    curves: dict[int, Curve] = {}


class PrunerState(msgspec.Struct, array_like=True):
    """Plain data, the same after a replay or a msgpack round trip.

    style: how verdicts fall; empty until it is chosen. brackets: for each its rungs, lowest first.
    filled: trial -> how many rungs of its bracket its reports have filled; always the lowest.
    waiting: trial -> its loss at the rung where it waits, which is the last that it has filled.
    anchor: as in the `PruningSpec` that the study was begun with.
    """

    style: Literal["", "promote", "stop"] = ""
    mode: Literal["min", "max"] = "min"
    brackets: list[list[Rung]] = []
    filled: dict[int, int] = {}
    waiting: dict[int, float] = {}
    averages: Averages = msgspec.field(default_factory=Averages)
    anchor: Literal["min", "max"] = "min"


class Judgement(msgspec.Struct, frozen=True):
    """A verdict with its figures.

    rung: the resource step of the rung that decided; for a median the step that was judged.
    rank: from 1, the newcomer included. n: entries in that rung, or running averages, the
    newcomer included. cut: the worst value that goes on, in the objective's own direction; None
    where nobody's does yet, or that place is held by a trial that diverged or failed.
    """

    action: Literal["go", "stop", "pause"]
    rung: int | None
    rank: int
    n: int
    cut: float | None
    why: str


class Promotion(msgspec.Struct, frozen=True):
    """Who goes on from where it waits; the figures as in a `Judgement`, rung: what it leaves.

    by_rank: it is among those that its rung may send on.
    """

    trial: int
    rung: int
    rank: int
    n: int
    cut: float | None
    why: str
    by_rank: bool = True
