"""Which attempts are live, told by the facts alone, and does what they say count?"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuitune import events as ev


class AttemptBook:
    """The page of a ledger that is about attempts.

    `problems` are the facts that were not allowed, in words.
    """

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.live: dict[int, ev.Launch] = {}
        self.launched: set[tuple[int, int]] = set()
        self.exited: set[tuple[int, int]] = set()
        self.inherited: set[int] = set()  # live, but launched by an engine that is dead
        self.frozen: set[int] = set()
        self.dying: set[int] = set()  # live ones that were told to end for good, by hand
        self._voice: set[int] = set()  # live ones whose reports count
        self._step: dict[int, int] = {}

    def is_live(self, trial: int, attempt: int) -> bool:
        launch = self.live.get(trial)
        return launch is not None and launch.attempt == attempt

    def opened(self) -> None:
        self.inherited = set(self.live)

    def launch(self, fact: ev.Launch) -> None:
        trial = fact.trial
        if trial in self.live:
            self.problems.append(f"trial {trial} was launched while an attempt of it is live")
        if (trial, fact.attempt) in self.launched:
            self.problems.append(f"trial {trial}: attempt {fact.attempt} was launched twice")
        self.live[trial] = fact
        self.launched.add((trial, fact.attempt))
        self._voice.add(trial)
        self._step[trial] = 0

    def counts(self, report: ev.Reported) -> bool:
        """Takes the report up; true where it says something that is heard."""
        trial = report.trial
        heard = trial in self._voice and trial not in self.frozen
        if not (heard and self.is_live(trial, report.attempt) and report.step > self._step[trial]):
            return False
        self._step[trial] = report.step
        return True

    def judged(self, fact: ev.Verdict) -> None:
        if fact.action != "go":
            self._voice.discard(fact.trial)

    def signal(self, fact: ev.Signal) -> bool:
        """True where it lets a trial that stood still go on."""
        trial = fact.trial
        if not self.is_live(trial, fact.attempt):
            self.problems.append(
                f"trial {trial}: attempt {fact.attempt} was signalled, and is not live"
            )
        if fact.how != "release" and fact.reason not in ("drain", "paused", "moved"):
            self._voice.discard(trial)
        if fact.reason == "killed":
            self.dying.add(trial)
        thawed = trial in self.frozen
        self.frozen.discard(trial)
        return thawed

    def freeze(self, fact: ev.Held) -> bool:
        """True where it stands still now."""
        if not self.is_live(fact.trial, fact.attempt) or fact.trial not in self._voice:
            return False
        self.frozen.add(fact.trial)
        return True

    def exit(self, fact: ev.Exited) -> bool:
        """True where it was live until now."""
        trial = fact.trial
        if not self.is_live(trial, fact.attempt):
            self.problems.append(f"trial {trial}: attempt {fact.attempt} exited and is not live")
            return False
        self.exited.add((trial, fact.attempt))
        for trials in (self.inherited, self.frozen, self.dying, self._voice):
            trials.discard(trial)
        del self.live[trial]
        return True
