"""The live attempts, from facts alone, and whether what they report counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuitune.core import events as ev

STILL_COUNTING = frozenset(
    {"drain", "paused", "moved", "wrong gpu", "target", "returned", "overdue"}
)
HASTY = frozenset({"killed", "pruned", "timeout"})  # of ends that wait for no checkpoint
DECIDED = frozenset({"target", "overdue", "returned"})  # of ends that no verdict changes

SLACK = 3.0  # s by which the clock may have been set unnoticed


class ShadowAttempts:
    """The attempts of a `ShadowModel`. `problems`: the facts that were not allowed."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.live: dict[int, ev.Launch] = {}
        self.launched: set[tuple[int, int]] = set()
        self.exited: set[tuple[int, int]] = set()
        self.inherited: set[int] = set()  # live, but launched by an engine that is dead
        self.frozen: set[int] = set()
        self.dying: set[int] = set()  # live ones that the user has killed
        self.complete: dict[int, int] = {}  # live ones that have reached the maximum, and where
        self._counting: set[int] = set()  # live ones whose reports count
        self._ending: dict[int, tuple[str, str]] = {}  # (how, why) of the newest signal to end
        self._saving: dict[int, int] = {}  # checkpoints that are being written
        self._returned: set[int] = set()  # their function has returned
        self._since: dict[int, float] = {}  # their launch plus the time that they stood still
        self._froze: dict[int, float] = {}
        self._lost: set[int] = set()  # lost through no fault of their own, and not settled yet

    def is_live(self, trial: int, attempt: int) -> bool:
        launch = self.live.get(trial)
        return launch is not None and launch.attempt == attempt

    def is_saving(self, trial: int) -> bool:
        return bool(self._saving.get(trial))

    def was_asked(self, trial: int) -> bool:
        return trial in self._ending

    def was_signalled(self, trial: int) -> bool:
        """By SIGTERM or SIGKILL."""
        return self._ending.get(trial, ("", ""))[0] in {"term", "kill"}

    def is_decided(self, trial: int) -> bool:
        """Whether it ends, so that no verdict on it has an effect."""
        return trial in self._returned or self._ending.get(trial, ("", ""))[1] in DECIDED

    def may_be_complete(self, trial: int) -> bool:
        """Whether its work is done: by its own end, by the maximum or by the target."""
        if trial in self.complete or trial in self._returned:
            return True
        how, why = self._ending.get(trial, ("", ""))
        return why == "target" or how in {"", "ask"}

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
        self._counting.add(trial)
        self._since[trial] = fact.time

    def counts(self, report: ev.Reported) -> bool:
        """Whether a report counts: of a live attempt that no verdict has ended, up to the maximum."""
        trial = report.trial
        if trial not in self._counting or trial in self.frozen:
            return False
        if not self.is_live(trial, report.attempt):
            return False
        return report.step <= self.complete.get(trial, report.step)

    def judged(self, fact: ev.Verdict) -> None:
        if fact.action == "complete":
            self.complete[fact.trial] = fact.step
        elif fact.action != "go":
            self._counting.discard(fact.trial)
            self._ending[fact.trial] = "ask", "pruned" if fact.action == "stop" else "parked"

    def save_started(self, fact: ev.SaveStarted) -> None:
        if self.is_live(fact.trial, fact.attempt):
            self._saving[fact.trial] = self._saving.get(fact.trial, 0) + 1

    def save_ended(self, fact: ev.Checkpointed | ev.SaveFailed) -> None:
        if self.is_live(fact.trial, fact.attempt):
            self._saving[fact.trial] = max(0, self._saving.get(fact.trial, 0) - 1)

    def returned(self, fact: ev.Returned) -> None:
        if self.is_live(fact.trial, fact.attempt):
            self._returned.add(fact.trial)

    def signal(self, fact: ev.Signal, *, now: bool, timeout: float | None) -> bool:
        """Whether it lets a trial that stood still go on.

        now: of a stop that waits for nothing. timeout: of an attempt; it ends a save.
        """
        trial = fact.trial
        if not self.is_live(trial, fact.attempt):
            self.problems.append(
                f"trial {trial}: attempt {fact.attempt} was signalled, and is not live"
            )
        if fact.how != "release":
            ran = fact.time - self._since[trial] if trial in self._since else 0.0
            timed = timeout is not None and ran >= timeout - SLACK
            self._check(fact, now=now, timed=timed)
            self._ending[trial] = fact.how, fact.reason
            if fact.reason not in STILL_COUNTING:
                self._counting.discard(trial)
        if fact.reason == "killed":
            self.dying.add(trial)
        thawed = trial in self.frozen
        if thawed:
            self._since[trial] += fact.time - self._froze.pop(trial)
        self.frozen.discard(trial)
        return thawed

    def _check(self, fact: ev.Signal, *, now: bool, timed: bool) -> None:
        """A save is not interrupted, nor what a trial does after the maximum."""
        trial = fact.trial
        before = self._ending.get(trial)
        asked = before is not None and before[0] == "ask"
        if now:
            return
        first = fact.how != "ask" and asked and fact.reason not in HASTY
        if first and self.is_saving(trial) and not timed:
            self.problems.append(f"trial {trial} was signalled while it writes a checkpoint")
        goes_on = trial in self.complete and trial not in self._returned and before is None
        if goes_on and fact.reason not in {"killed", "overdue"}:
            self.problems.append(f"trial {trial} is complete, and was signalled: {fact.reason}")

    def freeze(self, fact: ev.Frozen) -> bool:
        """Whether it stands still now."""
        trial = fact.trial
        if not self.is_live(trial, fact.attempt) or trial not in self._counting:
            return False
        if trial in self.complete or self._ending.get(trial, ("", "paused"))[1] != "paused":
            return False
        self._ending.pop(trial, None)
        self.frozen.add(trial)
        self._froze[trial] = fact.time
        return True

    def clock_stepped(self, seconds: float) -> None:
        for times in (self._since, self._froze):
            for trial in times:
                times[trial] += seconds

    def exit(self, fact: ev.Exited) -> bool:
        """Whether it was live until now."""
        trial = fact.trial
        if not self.is_live(trial, fact.attempt):
            self.problems.append(f"trial {trial}: attempt {fact.attempt} exited and is not live")
            return False
        self.exited.add((trial, fact.attempt))
        for trials in (self.inherited, self.frozen, self.dying, self._counting):
            trials.discard(trial)
        if fact.lost and trial not in self._ending and trial not in self.complete:
            self._lost.add(trial)
        del self.live[trial]
        return True

    def settled(self, fact: ev.Settled) -> None:
        """Forget its newest attempt."""
        trial = fact.trial
        if trial in self._lost and fact.crashed:
            self.problems.append(f"trial {trial} was lost, and is said to have crashed")
        if fact.state == "COMPLETE" and not self.may_be_complete(trial):
            self.problems.append(f"trial {trial} was made to leave, and is said to be complete")
        self._lost.discard(trial)
        self._returned.discard(trial)
        self.complete.pop(trial, None)
        self._ending.pop(trial, None)
        self._saving.pop(trial, None)
