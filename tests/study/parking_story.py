"""Stories of studies whose trials are parked, without a GPU, a driver or a process."""

from __future__ import annotations

from typing import Any

import msgspec
from taking import pass_time
from test_study_gpus import GB, Story, machine

from tuitune.core import events as ev
from tuitune.core.spec import DevicesSpec


class Parking(Story):
    """Each trial is on one GPU; a pause parks it, and so do others who come to its GPU."""

    def __init__(self, count: int = 1, wish: Any = None, *, pause: Any = "park", **parts: Any):
        super().__init__(
            machine(count),
            wish,
            trial={"pause": pause, **parts.pop("trial", {})},
            devices=DevicesSpec(on_foreign=parts.pop("on_foreign", "park")),
            **parts,
        )
        for number in self.where():
            self.start(number)

    def start(self, trial: int) -> None:
        attempt = self.trial(trial).attempt
        self.take(ev.Started(self.now, trial, attempt, 10 + trial, None, "c", "", None))

    def states(self) -> list[str]:
        return [trial.state.value for trial in self.study.state.trials]

    def key(self, trial: int) -> tuple[int, int]:
        return trial, self.trial(trial).attempt

    def save(self, trial: int) -> None:
        at = (*self.key(trial), self.trial(trial).attempt_step)
        self.take(ev.SaveStarted(self.now, *at))
        self.take(ev.Checkpointed(self.now, *at))

    def pause(self, *trials: int) -> list[ev.AnyFact]:
        return self.take(ev.PauseAsked(self.now, trials))

    def resume(self, *trials: int) -> list[ev.AnyFact]:
        return self.take(ev.ResumeAsked(self.now, trials))

    def held(self, trial: int, after: float = 1.0) -> list[ev.AnyFact]:
        self.now += after
        return self.take(ev.Frozen(self.now, *self.key(trial)))

    def parked(self, trial: int, memory: int = 5 * GB, **more: Any) -> list[ev.AnyFact]:
        return self.take(ev.Parked(self.now, *self.key(trial), memory, **more))

    def fails(self, trial: int, **more: Any) -> list[ev.AnyFact]:
        return self.take(ev.ParkFailed(self.now, *self.key(trial), "too little memory", **more))

    def restored(self, trial: int, why: str = "") -> list[ev.AnyFact]:
        return self.take(ev.Restored(self.now, *self.key(trial), why))

    def claim(self, index: int) -> list[ev.AnyFact]:
        return self.change(index, foreign=True, obstacle="anna's", claimed=True)

    def leave(self, index: int) -> list[ev.AnyFact]:
        return self.change(index, foreign=False, obstacle="", claimed=False)

    def park(self, trial: int, **more: Any) -> list[ev.AnyFact]:
        """It is paused, held and parked."""
        self.report(trial, 1)
        self.pause(trial)
        self.held(trial)
        return self.parked(trial, **more)

    def pass_time(self, seconds: float) -> list[ev.AnyFact]:
        return pass_time(self, seconds)

    def change_settings(self, **more: Any) -> list[ev.AnyFact]:
        settings = msgspec.structs.replace(self.study.state.settings, **more)
        return self.take(ev.SettingsChanged(self.now, settings))


def a_parked_one_goes_on() -> Parking:
    story = Parking(trials=1)
    story.park(0)
    story.resume(0)
    story.restored(0)
    return story


def a_parked_one_is_killed() -> Parking:
    story = Parking(trials=1)
    story.park(0)
    story.take(ev.KillAsked(story.now, 0))
    story.exit(0, "SIGKILL")
    return story


def one_that_can_not_be_parked_runs_on() -> Parking:
    story = Parking(trials=1)
    story.report(0, 1)
    story.claim(0)
    story.held(0)
    story.fails(0)
    return story


def parked_ones_are_lost() -> Parking:
    story = Parking(2, trials=2)
    story.park(0)
    story.exit(0, lost=True)
    story.report(1, 1)
    story.claim(story.gpus.index(next(g for g in story.gpus if g.uuid in story.trial(1).gpus)))
    story.held(1)
    story.parked(1)
    story.exit(1, "SIGKILL")
    return story


TALES = (
    a_parked_one_goes_on,
    a_parked_one_is_killed,
    one_that_can_not_be_parked_runs_on,
    parked_ones_are_lost,
)
