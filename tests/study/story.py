"""A study told as a short story of events, in a world that answers at once."""

from __future__ import annotations

from typing import Any

from taking import pass_time, take

from tuitune.core import events as ev
from tuitune.core.space import FloatRange, SearchSpace
from tuitune.core.spec import Limits, Objective, PruningSpec, SearchSpec, StudySpec, TrialSpec
from tuitune.core.study import Study
from tuitune.engine.settings import settings_of

SPACE = SearchSpace((FloatRange("x", 0.0, 1.0),))
ASHA = PruningSpec("asha", "epoch", 1, 9, 3)


class Story:
    """Asks are proposed at once, unless told otherwise; nothing else moves by itself."""

    def __init__(self, cpus: float = 4.0, *, answers: bool = True, **parts: Any) -> None:
        self.answers = answers
        self.journal: list[ev.AnyFact] = []
        self.spec = StudySpec(
            name="s",
            objective=parts.get("objective", Objective("loss", "min")),
            trial=parts.get("trial", TrialSpec(target="t.py:train")),
            space=SPACE,
            search=parts.get("search", SearchSpec(trials=4, concurrency=2)),
            pruning=parts.get("pruning", PruningSpec()),
            limits=parts.get("limits", Limits()),
            file="/s/s.toml",
        )
        self.now = 100.0
        self.study = Study(self.spec)
        self.take(ev.Opened(self.now, settings_of(self.spec), cpus, 8 << 30))

    def take(self, event: ev.Event) -> list[ev.AnyFact]:
        react = self.study.react
        facts = take(self.study, event, self.now) if self.answers else react(event)
        self.journal += facts
        return facts

    def report(
        self,
        trial: int,
        step: int,
        loss: float | None,
        *,
        more: bool = False,
        waits: bool = False,
    ) -> list[ev.AnyFact]:
        """`more`: other reports of this step may follow. `waits`: the trial waits for an answer."""
        metrics = {"other": 1.0} if loss is None else {"loss": loss}
        attempt = self.trial(trial).attempt
        return self.take(
            ev.Reported(self.now, trial, attempt, step, metrics, open=more, waits=waits)
        )

    def save_started(self, trial: int) -> None:
        number = self.trial(trial)
        self.take(ev.SaveStarted(self.now, trial, number.attempt, number.attempt_step))

    def checkpointed(self, trial: int) -> None:
        number = self.trial(trial)
        self.take(ev.Checkpointed(self.now, trial, number.attempt, number.attempt_step))

    def exit(self, trial: int, error: str = "", **how: Any) -> list[ev.AnyFact]:
        values = {"code": 1 if error else 0, "signal": None, "lost": False, **how}
        attempt = self.trial(trial).attempt
        return self.take(
            ev.Exited(self.now, trial, attempt, error=error, tail="", max_rss=0, **values)
        )

    def pass_time(self, seconds: float) -> list[ev.AnyFact]:
        return pass_time(self, seconds)

    def trial(self, number: int):
        return self.study.state.trials[number]

    def states(self) -> list[str]:
        return [t.state for t in self.study.state.trials]


def signals(facts: list[ev.AnyFact]) -> list[tuple[int, str, str]]:
    return [(f.trial, f.how, f.reason) for f in facts if isinstance(f, ev.Signal)]


def verdicts(facts: list[ev.AnyFact]) -> list[ev.Verdict]:
    return [f for f in facts if isinstance(f, ev.Verdict)]


def finished(facts: list[ev.AnyFact]) -> ev.Finished | None:
    return next((f for f in facts if isinstance(f, ev.Finished)), None)
