"""Whether what is due is done in time, by a clock that is never set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuitune.core import events as ev

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulator.shadow_model import ShadowModel

SLACK = 2.2  # s: a clock counts as set once it is a second off
SILENCE = 600.0  # s without a sign of life after which a complete trial is ended, or
PAUSES = 10.0  # this many times its longest pause between reports, if that is longer
EXIT = 60.0  # s from a function's return to the end of its process


@dataclass(slots=True)
class _Times:
    """Times of a live attempt."""

    launched: float
    last_sign: float  # of life
    pause: float = 0.0  # the longest between two signs of life
    frozen: float | None = None
    returned: float | None = None


class Deadlines:
    """Checks the times of kills, timeouts and silence, with a shadow model of the attempts.

    ahead: seconds that the study's clock is ahead of this one at first.
    """

    def __init__(self, shadow: ShadowModel, ahead: float) -> None:
        self._shadow = shadow
        self._kills = {n: due - ahead for n, due in shadow.kills.items()}
        self._times: dict[int, _Times] = {}
        self._timeout_since = 0.0

    def after(self, group: Sequence[ev.AnyFact], now: float) -> list[str]:
        """What was done too soon or too late; the shadow model has this event already."""
        first = group[0]
        # the shadow model has the new settings already, by which nothing was due until now
        is_new = isinstance(first, ev.Opened | ev.SettingsChanged)
        problems = [] if is_new else self._late(now, group)
        for fact in group:
            match fact:
                case ev.Opened():  # what was due while no engine ran is due from here on
                    self._kills = {n: max(due, now) for n, due in self._kills.items()}
                case ev.SettingsChanged():
                    self._timeout_since = now
                case ev.Launch():
                    self._times[fact.trial] = _Times(now, now)
                case ev.KillAsked() if fact.after and fact.trial in self._shadow.kills:
                    self._kills[fact.trial] = now + fact.after
                case ev.Signal():
                    problems += self._signal(fact, now)
                case ev.Exited():
                    self._times.pop(fact.trial, None)
                case _:
                    self._hear(fact, now)
        if isinstance(first, ev.DeadlinePassed):
            soon = {n for n, due in self._kills.items() if due > now + SLACK}
            gone = soon - self._shadow.kills.keys()
            problems += [f"trial {n} was killed before it was due" for n in sorted(gone)]
        self._kills = {n: due for n, due in self._kills.items() if n in self._shadow.kills}
        return problems

    def _late(self, now: float, group: Sequence[ev.AnyFact]) -> list[str]:
        """What was due before this event and is not part of it."""
        done = {f.trial for f in group if isinstance(f, ev.Signal | ev.Settled)}
        if self._shadow.study.finished:
            return []
        problems = [
            f"trial {n} was to be killed {now - due:.1f} s ago"
            for n, due in self._kills.items()
            if now > due + SLACK and n not in done
        ]
        for trial in self._times.keys() - done:
            problems += self._overdue(trial, self._times[trial], now)
        return problems

    def _overdue(self, trial: int, times: _Times, now: float) -> list[str]:
        attempts = self._shadow.attempts
        if times.frozen is not None or attempts.is_saving(trial):
            return []
        if times.returned is not None:
            late = not attempts.was_signalled(trial) and now > times.returned + EXIT + SLACK
            return [f"trial {trial} has returned, and its process stays"] if late else []
        if attempts.was_asked(trial):
            return []
        timeout = self._shadow.study.settings.timeout
        if trial in attempts.complete:
            late = now > times.last_sign + max(SILENCE, PAUSES * times.pause) + SLACK
            return [f"trial {trial} is complete, silent and still there"] if late else []
        if timeout is None or now <= max(times.launched + timeout, self._timeout_since) + SLACK:
            return []
        return [f"trial {trial} runs past its timeout of {timeout} s"]

    def _signal(self, fact: ev.Signal, now: float) -> list[str]:
        times = self._times.get(fact.trial)
        if times is None:
            return []
        if times.frozen is not None:
            times.launched += now - times.frozen
            times.last_sign, times.frozen = now, None
        if fact.how != "ask":
            return []
        timeout = self._shadow.study.settings.timeout
        if fact.reason == "timeout" and now < times.launched + (timeout or 0.0) - SLACK:
            return [f"trial {fact.trial} was timed out too soon"]
        if fact.reason == "overdue" and now < times.last_sign + SILENCE - SLACK:
            silence = now - times.last_sign
            return [f"trial {fact.trial} is complete, and was signalled after {silence:.0f} s"]
        return []

    def _hear(self, fact: ev.AnyFact, now: float) -> None:
        attempt = getattr(fact, "attempt", None)
        if attempt is None:
            return
        trial: int = fact.trial  # type: ignore[union-attr]
        times = self._times.get(trial)
        if times is None or not self._shadow.attempts.is_live(trial, attempt):
            return
        match fact:
            case ev.Reported() if self._shadow.counted:
                times.pause = max(times.pause, now - times.last_sign)
                times.last_sign = now
            case ev.SaveStarted() | ev.SaveFailed() | ev.Checkpointed():
                times.last_sign = now
            case ev.Frozen() if trial in self._shadow.attempts.frozen:
                times.frozen = now
            case ev.Returned():
                times.returned = now
            case _:
                pass
