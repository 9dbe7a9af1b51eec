"""How did each trial's objective go so far? All trials' curves, in little memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tuitune.store.curves import Curve, new_curve

if TYPE_CHECKING:
    from array import array
    from collections.abc import Mapping

    from tuitune.store.reader import Report

POINTS: Final = 512  # of a long curve; where it would be twice as many, every second one goes
NONE: Final = new_curve()


class Curves:
    """Curves by trial. Most have the same steps, and what was loaded shares them."""

    def __init__(self) -> None:
        self._curves: dict[int, Curve] = {}
        self._stamps: dict[int, int] = {}  # of the trials whose arrays nobody shares
        self._changes = 0
        self._loaded = 0

    def __len__(self) -> int:
        return len(self._curves)

    def load(self, curves: Mapping[int, Curve]) -> None:
        """Take up what was read in one go, in place of all that is known of its trials."""
        shared: dict[bytes, array[int]] = {}
        for trial, (steps, values) in curves.items():
            steps = shared.setdefault(steps.tobytes(), steps[:])  # noqa: PLW2901 - the same steps
            self._curves[trial] = Curve(steps, values[:])  # a copy has no room to grow
        self._stamps.clear()
        self._changes += 1
        self._loaded = self._changes

    def add(self, report: Report) -> None:
        """A report's step and all after it are what this report says from now on."""
        curve = self._own(report.trial)
        curve.add(report.step, report.value)
        if len(curve.steps) >= 2 * POINTS:
            curve.thin()
        self._changes += 1
        self._stamps[report.trial] = self._changes

    def points(self, trial: int) -> Curve:
        """The trial's curve, without points where it has not reported. Not to be changed."""
        return self._curves.get(trial, NONE)

    def stamp(self, trial: int) -> int:
        """Another number whenever this trial's curve may have changed."""
        return self._stamps.get(trial, self._loaded)

    def _own(self, trial: int) -> Curve:
        curve = self._curves.get(trial)
        if curve is not None and trial in self._stamps:
            return curve
        own = new_curve() if curve is None else Curve(curve.steps[:], curve.values[:])
        self._curves[trial] = own
        return own
