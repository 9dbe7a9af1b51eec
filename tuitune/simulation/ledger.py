"""What has happened to each trial, told by the facts alone, and was each of them allowed?"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, get_args

from tuitune import events as ev
from tuitune.simulation.expected import Expected
from tuitune.simulation.leases import Leases
from tuitune.study.state import COMPLETE, ENDED, FAILED, KILLED, PAUSED, PRUNED, RUNNING, WAITING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tuitune.spec import StudySpec

EVENTS = frozenset(get_args(ev.Event))
LATE = 0.1  # s
OUTCOMES = {"stop": PRUNED, "pause": PAUSED, "complete": COMPLETE}


def groups(facts: Iterable[ev.AnyFact]) -> Iterator[list[ev.AnyFact]]:
    """Each event with the decisions that followed from it."""
    group: list[ev.AnyFact] = []
    for fact in facts:
        if type(fact) in EVENTS and group:
            yield group
            group = []
        group.append(fact)
    if group:
        yield group


class Ledger:
    """A second book of one study, kept without a look at its state.

    `problems` are the facts that were not allowed, in words.
    """

    def __init__(self, spec: StudySpec) -> None:
        self.spec = spec
        self.problems: list[str] = []
        self.states: dict[int, str] = {}
        self.live: dict[int, ev.Launch] = {}
        self.launched: set[tuple[int, int]] = set()
        self.exited: set[tuple[int, int]] = set()
        self.settings: ev.Settings | None = None
        self.cpus, self.memory = 0.0, 0
        self.inherited: set[int] = set()  # live, but launched by an engine that is dead
        self.asking: int | None = None
        self.exhausted = False
        self.launching = True
        self.disk_low = False
        self.halted = False
        self.finished = False
        self.adding = 0
        self.by_hand = 0
        self.held: set[int] = set()
        self.frozen: set[int] = set()
        self.kills: dict[int, float] = {}  # those that are to be killed, and when
        self.available: set[int] = set()  # wait at a rung, and may be sent on
        self.expected = Expected(spec)
        self._opened = 0.0
        self.leases = Leases()
        self._shelved: set[int] = set()
        self._checkpoints: set[int] = set()
        self._crashes: dict[int, int] = {}
        self._voice: set[int] = set()  # live ones whose reports count
        self._dying: set[int] = set()  # live ones that were told to end for good, by hand
        self._attempt_step: dict[int, int] = {}
        self._bound: dict[int, str] = {}  # the state that a live trial must end in

    def fold(self, group: Sequence[ev.AnyFact]) -> None:
        """Take in an event with its decisions."""
        if type(group[0]) is not ev.Opened:  # what was due while no engine ran comes after it
            self._overdue(group[0].time)
        for fact in group:
            _FOLDS.get(type(fact), _nothing)(self, fact)
        halted = any(type(fact) is ev.Halted for fact in group)
        self.problems += self.expected.over(halted=halted)

    def problem(self, words: str) -> None:
        self.problems.append(words)

    def _overdue(self, now: float) -> None:
        """Between two events no kill that was due is left out."""
        late = [n for n, due in self.kills.items() if now > max(due, self._opened) + LATE]
        if late and not self.finished:
            self.problem(f"trials {late} were to be killed, and go on")

    def may_ask(self) -> bool:
        assert self.settings is not None
        return not self.exhausted and len(self.states) - self.by_hand < self.settings.trials

    def has_room(self) -> bool:
        """Whether one more trial fits in, by plain sums."""
        settings = self.settings
        assert settings is not None
        held = self.live.values()
        most = math.floor(self.cpus / settings.cpus + 1e-9)
        if settings.memory:
            most = min(most, self.memory // settings.memory)
        if settings.concurrency is not None:
            most = min(most, settings.concurrency)
        return (
            len(held) < most
            and sum(launch.cpus for launch in held) + settings.cpus <= self.cpus + 1e-9
            and sum(launch.memory for launch in held) + (settings.memory or 0) <= self.memory
        )

    def has_gpus(self) -> bool:
        """Whether one more trial is sure to find the GPUs that it needs."""
        assert self.settings is not None
        return self.settings.gpus == 0 or self.leases.has_room(self.settings.gpus)

    def starts(self, what: str) -> None:
        """Something new is started, which is not always allowed."""
        if self.halted or self.finished or self.disk_low or not self.launching:
            self.problem(f"{what} though nothing more is to start")
        if self.inherited:
            self.problem(f"{what} while attempts of a dead engine are not written off")

    def _counts(self, report: ev.Reported) -> bool:
        live = self.live.get(report.trial)
        return (
            live is not None
            and live.attempt == report.attempt
            and report.trial in self._voice
            and report.trial not in self.frozen
            and report.step > self._attempt_step.get(report.trial, 0)
        )

    # --- what happened ---------------------------------------------------------------------------

    def opened(self, fact: ev.Opened) -> None:
        self.settings, self.cpus, self.memory = fact.settings, fact.cpus, fact.memory
        self.leases.opened(fact.gpus)
        self.inherited = set(self.live)
        self._opened = fact.time
        self.disk_low = fact.disk_low
        self.halted = self.finished = False
        self.asking = None
        self._take_up()

    def settings_changed(self, fact: ev.SettingsChanged) -> None:
        self.settings = fact.settings
        self._take_up()

    def _take_up(self) -> None:
        assert self.settings is not None
        if len(self.states) - self.by_hand >= self.settings.trials:
            return
        self.exhausted = False
        for trial in self._shelved & self._checkpoints:
            self.states[trial] = PAUSED
            self.available.add(trial)
            self._shelved.discard(trial)

    def ask(self, fact: ev.Ask) -> None:
        self.starts("a proposal was asked for")
        if self.asking is not None or fact.trial != len(self.states) or not self.may_ask():
            self.problem(f"trial {fact.trial} was asked for out of turn")
        if self.expected.rungs.next(self.available) is not None:
            self.problem(f"trial {fact.trial} was asked for while another waits to be promoted")
        self.asking = fact.trial

    def proposed(self, fact: ev.Proposed) -> None:
        if fact.trial != self.asking:
            self.problem(f"trial {fact.trial} was proposed and not asked for")
        self.asking = None
        self.states[fact.trial] = WAITING

    def exhausted_(self, _fact: ev.Exhausted) -> None:
        self.asking, self.exhausted = None, True

    def add_asked(self, _fact: ev.AddAsked) -> None:
        self.adding += 1

    def added(self, fact: ev.Added) -> None:
        self.starts("a trial was added")
        if not self.adding or fact.trial in self.states:
            self.problem(f"trial {fact.trial} was added and not asked for")
        self.adding -= 1
        self.by_hand += 1
        self.states[fact.trial] = WAITING

    def launch(self, fact: ev.Launch) -> None:
        trial = fact.trial
        self.starts("a trial was launched")
        if trial in self.live:
            self.problem(f"trial {trial} was launched while an attempt of it is live")
        if (trial, fact.attempt) in self.launched:
            self.problem(f"trial {trial}: attempt {fact.attempt} was launched twice")
        if self.states.get(trial) != WAITING or trial in self.held or trial in self.kills:
            self.problem(f"trial {trial} was launched from {self.states.get(trial)}")
        if not self.has_room():
            self.problem(f"trial {trial} was launched where there is no room")
        assert self.settings is not None
        self.problems += self.leases.launched(fact, self.settings.gpus)
        self.live[trial] = fact
        self.launched.add((trial, fact.attempt))
        self.states[trial] = RUNNING
        self._voice.add(trial)
        self._attempt_step[trial] = 0
        self.expected.launched(trial)
        self._bound.pop(trial, None)

    def reported(self, fact: ev.Reported) -> None:
        if self._counts(fact):
            self._attempt_step[fact.trial] = fact.step
            self.expected.reported(fact)

    def style_chosen(self, fact: ev.StyleChosen) -> None:
        self.problems += self.expected.style_chosen(fact)

    def verdict(self, fact: ev.Verdict) -> None:
        self.problems += self.expected.verdict(fact, self.available)
        if fact.action != "go":
            self._voice.discard(fact.trial)
            self._bound[fact.trial] = OUTCOMES[fact.action]

    def signal(self, fact: ev.Signal) -> None:
        trial = fact.trial
        if trial not in self.live or self.live[trial].attempt != fact.attempt:
            self.problem(f"trial {trial}: attempt {fact.attempt} was signalled, and is not live")
        if trial in self.frozen:
            self.frozen.discard(trial)
            self.states[trial] = RUNNING
        if fact.how != "release" and fact.reason not in ("drain", "paused", "moved"):
            self._voice.discard(trial)
        if fact.reason == "killed":
            self.kills.pop(trial, None)
            self._dying.add(trial)
            if self._bound.get(trial) != COMPLETE:
                self._bound[trial] = KILLED

    def frozen_(self, fact: ev.Held) -> None:
        live = self.live.get(fact.trial)
        if live is not None and live.attempt == fact.attempt and fact.trial in self._voice:
            self.frozen.add(fact.trial)
            self.states[fact.trial] = PAUSED

    def checkpointed(self, fact: ev.Checkpointed) -> None:
        live = self.live.get(fact.trial)
        if live is not None and live.attempt == fact.attempt:
            self._checkpoints.add(fact.trial)

    def exited_(self, fact: ev.Exited) -> None:
        live = self.live.get(fact.trial)
        if live is None or live.attempt != fact.attempt:
            self.problem(f"trial {fact.trial}: attempt {fact.attempt} exited and is not live")
            return
        self.exited.add((fact.trial, fact.attempt))
        self.inherited.discard(fact.trial)
        self.frozen.discard(fact.trial)
        self._voice.discard(fact.trial)
        self._dying.discard(fact.trial)
        del self.live[fact.trial]
        self.leases.left(fact)

    def settled(self, fact: ev.Settled) -> None:
        trial, state = fact.trial, fact.state
        bound = self._bound.pop(trial, state)
        if state != bound:
            self.problem(f"trial {trial} ended as {state}, and was to end as {bound}")
        if self.states[trial] in ENDED:
            self.problem(f"trial {trial} had ended, and ended once more")
        if fact.crashed:
            self._count_crash(trial, state)
        self.problems += self.leases.settled(fact)
        self.states[trial] = state
        if state in ENDED:
            self._ended(trial, state)
        elif state == PAUSED and trial in self.expected.rungs.parked:
            self._offer(trial)

    def _offer(self, trial: int) -> None:
        """It waits at a rung: unless a hand is on it, it may be sent on."""
        if trial not in self.held and trial not in self.kills:
            self.available.add(trial)

    def _count_crash(self, trial: int, state: str) -> None:
        assert self.settings is not None
        crashes = self._crashes.get(trial, 0)
        self._crashes[trial] = crashes + 1
        if state not in ENDED and crashes >= self.settings.retries:
            self.problem(f"trial {trial} is tried again after {crashes + 1} crashes")

    def _ended(self, trial: int, state: str) -> None:
        self.held.discard(trial)
        self.kills.pop(trial, None)
        self.available.discard(trial)
        if state == PRUNED and trial in self.expected.rungs.parked:
            self._shelved.add(trial)
        else:
            self.expected.rungs.parked.pop(trial, None)
        if state == COMPLETE:
            self.expected.completed(trial)
        elif state == FAILED:
            self.expected.rungs.fail(trial)

    def promoted(self, fact: ev.Promoted) -> None:
        trial = fact.trial
        self.starts("a trial was promoted")
        chosen = self.expected.rungs.next(self.available)
        if chosen is None or (trial, fact.rung) != (chosen[0], chosen[1].step):
            whom = "nobody" if chosen is None else f"trial {chosen[0]} at rung {chosen[1].step}"
            self.problem(f"trial {trial} was promoted from rung {fact.rung}, and not {whom}")
        self.available.discard(trial)
        self.expected.rungs.parked.pop(trial, None)
        self.states[trial] = WAITING

    # --- what hands do ---------------------------------------------------------------------------

    def pause_asked(self, fact: ev.PauseAsked) -> None:
        self.launching = self.launching and bool(fact.trials)
        for trial in fact.trials:
            if self.states[trial] in ENDED:
                continue
            self.held.add(trial)
            self.available.discard(trial)
            if self.states[trial] == WAITING:
                self.states[trial] = PAUSED

    def resume_asked(self, fact: ev.ResumeAsked) -> None:
        self.launching = self.launching or not fact.trials
        for trial in self.held.intersection(fact.trials):
            self.held.discard(trial)
            if self.states[trial] != PAUSED or trial in self.live:
                continue
            if trial in self.expected.rungs.parked:
                self._offer(trial)
            else:
                self.states[trial] = WAITING

    def kill_asked(self, fact: ev.KillAsked) -> None:
        trial = fact.trial
        if fact.after and self.states[trial] not in ENDED and trial not in self._dying:
            self.kills[trial] = fact.time + fact.after
            self.available.discard(trial)

    def spare_asked(self, fact: ev.SpareAsked) -> None:
        for trial in fact.trials:
            spared = self.kills.pop(trial, None) is not None
            parked = self.states[trial] == PAUSED and trial in self.expected.rungs.parked
            if spared and parked and trial not in self.live:
                self._offer(trial)

    def retry_asked(self, fact: ev.RetryAsked) -> None:
        trial = fact.trial
        if self.states[trial] not in ENDED:
            self.problem(f"trial {trial} is taken up again, and has not ended")
        self.expected.rungs.parked.pop(trial, None)
        self._shelved.discard(trial)
        self._crashes[trial] = 0
        self.states[trial] = WAITING

    def disk_changed(self, fact: ev.DiskChanged) -> None:
        self.disk_low = fact.low

    def devices_changed(self, fact: ev.DevicesChanged) -> None:
        self.leases.opened(fact.gpus)

    def halt(self, _fact: ev.Halted) -> None:
        self.halted = True

    def finish(self, fact: ev.Finished) -> None:
        if self.finished:
            self.problem("the study finished twice")
        self.finished = True
        if self.live:
            self.problem(f"finished while trials {sorted(self.live)} run")
        left = [trial for trial, state in self.states.items() if state not in ENDED]
        if fact.complete and (left or self.adding):
            self.problem(f"complete, and forgot trials {left} and {self.adding} to add")
        if fact.complete and not self.halted and self.may_ask():
            self.problem("complete, with trials that were never asked for")


def _nothing(_ledger: Ledger, _fact: Any) -> None: ...


_FOLDS: dict[type, Callable[[Ledger, Any], None]] = {
    ev.Opened: Ledger.opened,
    ev.SettingsChanged: Ledger.settings_changed,
    ev.Ask: Ledger.ask,
    ev.Proposed: Ledger.proposed,
    ev.Exhausted: Ledger.exhausted_,
    ev.AddAsked: Ledger.add_asked,
    ev.Added: Ledger.added,
    ev.Launch: Ledger.launch,
    ev.Reported: Ledger.reported,
    ev.StyleChosen: Ledger.style_chosen,
    ev.Verdict: Ledger.verdict,
    ev.Signal: Ledger.signal,
    ev.Held: Ledger.frozen_,
    ev.Checkpointed: Ledger.checkpointed,
    ev.Exited: Ledger.exited_,
    ev.Settled: Ledger.settled,
    ev.Promoted: Ledger.promoted,
    ev.KillAsked: Ledger.kill_asked,
    ev.SpareAsked: Ledger.spare_asked,
    ev.PauseAsked: Ledger.pause_asked,
    ev.ResumeAsked: Ledger.resume_asked,
    ev.RetryAsked: Ledger.retry_asked,
    ev.DiskChanged: Ledger.disk_changed,
    ev.DevicesChanged: Ledger.devices_changed,
    ev.Halted: Ledger.halt,
    ev.Finished: Ledger.finish,
}
