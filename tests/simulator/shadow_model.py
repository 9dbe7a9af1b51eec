"""What has happened to each trial, from facts alone, and whether each fact was allowed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from simulator.expected import Expected
from simulator.leases import Leases
from simulator.shadow_attempts import ShadowAttempts
from simulator.shadow_study import ShadowStudy
from simulator.shadow_values import ShadowValues
from tuitune.core import events as ev
from tuitune.core.events import ENDED, TrialState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tuitune.core.spec import StudySpec

EVENTS = frozenset(get_args(ev.Event))
LATE = 2.2  # s: a clock counts as set once it is a second off
BEGINNINGS: dict[type, str] = {
    ev.Ask: "a proposal was asked for",
    ev.Added: "a trial was added",
    ev.Launch: "a trial was launched",
    ev.Promoted: "a trial was promoted",
}
OUTCOMES = {"stop": TrialState.PRUNED, "pause": TrialState.PAUSED, "complete": TrialState.COMPLETE}


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


class ShadowModel:
    """A second account of one study, from its facts alone. `problems`: facts that were not allowed."""

    def __init__(self, spec: StudySpec) -> None:
        self.spec = spec
        self.problems: list[str] = []
        self.states: dict[int, str] = {}
        self.study = ShadowStudy()
        self.attempts = ShadowAttempts()
        self.values = ShadowValues(spec)
        self.counted = False  # whether the newest report counted
        self.held: set[int] = set()
        self.kills: dict[int, float] = {}  # trial -> when it is to be killed
        self.available: set[int] = set()  # trials that wait at a rung and may be promoted
        self.expected = Expected(spec)
        self._opened = 0.0
        self._now = False  # whether this event is a stop that waits for nothing
        self.leases = Leases()
        self._shelved: set[int] = set()
        self._checkpoints: set[int] = set()
        self._crashes: dict[int, int] = {}
        self._misplaced = False  # nothing more was started since a trial was on a wrong GPU
        self._bound: dict[int, str] = {}  # the state that a live trial must end in

    def fold(self, group: Sequence[ev.AnyFact]) -> None:
        """Add an event with its decisions."""
        # what was due while no engine ran comes after its opening; and a clock that was set tells
        # nothing of what is due before all has moved along with it
        if type(group[0]) not in (ev.Opened, ev.ClockStepped):
            self._overdue(group[0].time)
        for fact in group:
            self._begin(fact)
            self.study.fold(fact)
            if fold := _FOLDS.get(type(fact)):
                fold(self, fact)
        halted = any(type(fact) is ev.Halted for fact in group)
        self.problems += self.expected.over(halted=halted)
        if type(group[0]) is ev.OnWrongGpu:
            self._check_wrong_gpu(group[0], halted=halted)
        self._now = False
        for part in (self.study, self.attempts):
            self.problems += part.problems
            part.problems = []

    def _begin(self, fact: ev.AnyFact) -> None:
        """Check that something new may begin."""
        begun = BEGINNINGS.get(type(fact))
        if begun and self.study.begins_nothing:
            self.problem(f"{begun} though nothing more is to start")
        if begun and self.attempts.inherited:
            self.problem(f"{begun} while attempts of a dead engine are not written off")

    def problem(self, words: str) -> None:
        self.problems.append(words)

    def _overdue(self, now: float) -> None:
        """Check that no kill was due before this event."""
        late = [n for n, due in self.kills.items() if now > max(due, self._opened) + LATE]
        if late and not self.study.finished:
            self.problem(f"trials {late} were to be killed, and go on")

    def _check_wrong_gpu(self, fact: ev.OnWrongGpu, *, halted: bool) -> None:
        """The first time nothing more starts; and no trial is left among others."""
        trial, attempts = fact.trial, self.attempts
        if not self._misplaced and not halted and not (self.study.halted or self.study.finished):
            self.problem(f"trial {trial} is on a wrong GPU, and more are started")
        self._misplaced = self._misplaced or halted
        leaves = attempts.was_asked(trial) or attempts.is_decided(trial)
        leaves = leaves or trial in {*attempts.complete, *attempts.frozen}
        if fact.why.harm and attempts.is_live(trial, fact.attempt) and not leaves:
            self.problem(f"trial {trial} is on a GPU of others, and stays")

    def has_room(self) -> bool:
        """Whether one more trial is sure to find room."""
        gpus = self.study.settings.gpus
        fits = self.study.has_room(self.attempts.live.values())
        return fits and (gpus == 0 or self.leases.has_room(gpus))

    # --- what happened ---------------------------------------------------------------------------

    def opened(self, fact: ev.Opened) -> None:
        self.leases.opened(fact.gpus)
        self.attempts.opened()
        self._opened = fact.time
        self.take_up(fact)

    def take_up(self, _fact: ev.Opened | ev.SettingsChanged) -> None:
        """Trials that were not promoted may go on where more trials are asked for."""
        if not self.study.wants_more:
            return
        for trial in self._shelved & self._checkpoints:
            self.states[trial] = TrialState.PAUSED
            self.available.add(trial)
            self._shelved.discard(trial)

    def ask(self, fact: ev.Ask) -> None:
        if self.expected.rungs.next(self.available) is not None:
            self.problem(f"trial {fact.trial} was asked for while another waits to be promoted")

    def proposed(self, fact: ev.Proposed) -> None:
        self.states[fact.trial] = TrialState.WAITING

    def added(self, fact: ev.Added) -> None:
        if fact.trial in self.states:
            self.problem(f"trial {fact.trial} was added, and is there already")
        self.states[fact.trial] = TrialState.WAITING

    def launch(self, fact: ev.Launch) -> None:
        trial = fact.trial
        if (
            self.states.get(trial) != TrialState.WAITING
            or trial in self.held
            or trial in self.kills
        ):
            self.problem(f"trial {trial} was launched from {self.states.get(trial)}")
        if not self.study.has_room(self.attempts.live.values(), fact.node):
            self.problem(f"trial {trial} was launched where there is no room")
        self.problems += self.leases.launched(fact, self.study.settings.gpus)
        self.attempts.launch(fact)
        self.states[trial] = TrialState.RUNNING
        self.expected.launched(trial)
        self.values.launched(trial)
        self._bound.pop(trial, None)

    def reported(self, fact: ev.Reported) -> None:
        self.counted = self.attempts.counts(fact)
        if self.counted:
            self.values.reported(fact)
            self.expected.reported(fact, decided=self.attempts.is_decided(fact.trial))

    def style_chosen(self, fact: ev.StyleChosen) -> None:
        self.problems += self.expected.style_chosen(fact)

    def verdict(self, fact: ev.Verdict) -> None:
        self.problems += self.expected.verdict(fact, self.available)
        self.attempts.judged(fact)
        if fact.action != "go":
            self._bound[fact.trial] = OUTCOMES[fact.action]
        if fact.action == "complete":
            self.values.completed(fact.trial)

    def signal(self, fact: ev.Signal) -> None:
        trial = fact.trial
        timeout = self.study.settings.timeout
        if self.attempts.signal(fact, now=self._now, timeout=timeout):
            self.states[trial] = TrialState.RUNNING
        if fact.reason == "killed":
            self.kills.pop(trial, None)
            if self._bound.get(trial) != TrialState.COMPLETE:
                self._bound[trial] = TrialState.KILLED

    def clock_stepped(self, fact: ev.ClockStepped) -> None:
        self._opened += fact.seconds
        self.attempts.clock_stepped(fact.seconds)
        self.kills = {trial: due + fact.seconds for trial, due in self.kills.items()}

    def halt(self, fact: ev.Halted) -> None:
        self._now = fact.now

    def save_started(self, fact: ev.SaveStarted) -> None:
        self.attempts.save_started(fact)

    def save_failed(self, fact: ev.SaveFailed) -> None:
        self.attempts.save_ended(fact)

    def returned(self, fact: ev.Returned) -> None:
        self.attempts.returned(fact)

    def held_still(self, fact: ev.Frozen) -> None:
        if self.attempts.freeze(fact):
            self.states[fact.trial] = TrialState.PAUSED

    def started(self, fact: ev.Started) -> None:
        if self.attempts.is_live(fact.trial, fact.attempt):
            at_all = fact.resumed_from is not None
            (self._checkpoints.add if at_all else self._checkpoints.discard)(fact.trial)

    def checkpointed(self, fact: ev.Checkpointed) -> None:
        if self.attempts.is_live(fact.trial, fact.attempt):
            self._checkpoints.add(fact.trial)
        self.attempts.save_ended(fact)

    def exited(self, fact: ev.Exited) -> None:
        if self.attempts.exit(fact):
            self.leases.left(fact)

    def settled(self, fact: ev.Settled) -> None:
        trial, state = fact.trial, fact.state
        self.attempts.settled(fact)
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
        elif state == TrialState.PAUSED and trial in self.expected.rungs.parked:
            self._offer(trial)

    def _offer(self, trial: int) -> None:
        """It waits at a rung: unless a hand is on it, it may be sent on."""
        if trial not in self.held and trial not in self.kills:
            self.available.add(trial)

    def _count_crash(self, trial: int, state: str) -> None:
        crashes = self._crashes.get(trial, 0)
        self._crashes[trial] = crashes + 1
        if state not in ENDED and crashes >= self.study.settings.retries:
            self.problem(f"trial {trial} is tried again after {crashes + 1} crashes")

    def _ended(self, trial: int, state: str) -> None:
        self.held.discard(trial)
        self.kills.pop(trial, None)
        self.available.discard(trial)
        if state == TrialState.PRUNED and trial in self.expected.rungs.parked:
            self._shelved.add(trial)
            if TrialState.COMPLETE not in self.states.values():
                self.problem(f"trial {trial} was not promoted, and none has come to its end")
        else:
            self.expected.rungs.parked.pop(trial, None)
        if state == TrialState.COMPLETE:
            self.expected.completed(trial)
            self.values.completed(trial)
        elif state == TrialState.FAILED:
            self.expected.rungs.fail(trial)

    def promoted(self, fact: ev.Promoted) -> None:
        trial = fact.trial
        if self.expected.rungs.by_model:
            self._promoted_by_model(fact)
            return
        chosen = self.expected.rungs.next(self.available)
        if fact.by_rank != (chosen is not None):
            self.problem(f"trial {trial} was promoted by rank: {fact.by_rank}")
        if chosen is None and self._is_last_resort():
            chosen = self.expected.rungs.last_resort(self.available)
        if chosen is None or (trial, fact.rung) != (chosen[0], chosen[1].step):
            whom = "nobody" if chosen is None else f"trial {chosen[0]} at rung {chosen[1].step}"
            self.problem(f"trial {trial} was promoted from rung {fact.rung}, and not {whom}")
        self._goes_on(trial)

    def _promoted_by_model(self, fact: ev.Promoted) -> None:
        """Any trial that waits there may be its choice."""
        rung = self.expected.rungs.parked.get(fact.trial)
        if not fact.by_rank and not self._is_last_resort():
            self.problem(f"trial {fact.trial} was promoted as a last resort, and is none")
        if fact.trial not in self.available or rung is None or rung.step != fact.rung:
            self.problem(
                f"trial {fact.trial} was promoted from rung {fact.rung}, and waits at {rung}"
            )
        self._goes_on(fact.trial)

    def _goes_on(self, trial: int) -> None:
        self.available.discard(trial)
        self.expected.rungs.parked.pop(trial, None)
        self.states[trial] = TrialState.WAITING

    def _is_last_resort(self) -> bool:
        """Whether nothing else is left to do, and no trial has come to its end."""
        work = self.attempts.live or self.study.adding or self.study.may_ask
        return not (
            work
            or self.kills
            or {TrialState.WAITING, TrialState.COMPLETE} & set(self.states.values())
        )

    # --- what hands do ---------------------------------------------------------------------------

    def pause_asked(self, fact: ev.PauseAsked) -> None:
        for trial in fact.trials:
            if self.states[trial] in ENDED:
                continue
            self.held.add(trial)
            self.available.discard(trial)
            if self.states[trial] == TrialState.WAITING:
                self.states[trial] = TrialState.PAUSED

    def resume_asked(self, fact: ev.ResumeAsked) -> None:
        for trial in self.held.intersection(fact.trials):
            self.held.discard(trial)
            if self.states[trial] != TrialState.PAUSED or trial in self.attempts.live:
                continue
            if trial in self.expected.rungs.parked:
                self._offer(trial)
            else:
                self.states[trial] = TrialState.WAITING

    def kill_asked(self, fact: ev.KillAsked) -> None:
        trial = fact.trial
        if fact.after and self.states[trial] not in ENDED and trial not in self.attempts.dying:
            self.kills[trial] = fact.time + fact.after
            self.available.discard(trial)

    def spare_asked(self, fact: ev.UndoKillAsked) -> None:
        for trial in fact.trials:
            spared = self.kills.pop(trial, None) is not None
            parked = self.states[trial] == TrialState.PAUSED and trial in self.expected.rungs.parked
            if spared and parked and trial not in self.attempts.live:
                self._offer(trial)

    def retry_asked(self, fact: ev.RetryAsked) -> None:
        trial = fact.trial
        if self.states[trial] not in ENDED:
            self.problem(f"trial {trial} is taken up again, and has not ended")
        self.expected.rungs.parked.pop(trial, None)
        if self.states[trial] == TrialState.PRUNED and trial not in self._shelved:
            self._checkpoints.discard(trial)
        self._shelved.discard(trial)
        self._crashes[trial] = 0
        self.states[trial] = TrialState.WAITING

    def node_changed(self, fact: ev.NodeChanged) -> None:
        self.study.nodes[fact.node.name] = fact.node
        self.leases.opened(fact.node.gpus)

    def set_aside(self, fact: ev.SetAside) -> None:
        """The crashes on these GPUs don't count, and trials that they have failed go on."""
        self.leases.set_aside(fact)
        for trial in fact.trials:
            self._crashes[trial] = max(0, self._crashes.get(trial, 0) - 1)
            if self.states[trial] == TrialState.FAILED:
                self._crashes[trial] = 0
                self._goes_on(trial)

    def finish(self, fact: ev.Finished) -> None:
        if self.attempts.live:
            self.problem(f"finished while trials {sorted(self.attempts.live)} run")
        left = [trial for trial, state in self.states.items() if state not in ENDED]
        if fact.complete and left:
            self.problem(f"complete, and forgot trials {left}")
        if fact.complete and self.study.settings.keep_checkpoints != "all":
            self._checkpoints.difference_update(self._shelved)


_FOLDS: dict[type, Callable[[ShadowModel, Any], None]] = {
    ev.Opened: ShadowModel.opened,
    ev.SettingsChanged: ShadowModel.take_up,
    ev.Ask: ShadowModel.ask,
    ev.Proposed: ShadowModel.proposed,
    ev.Added: ShadowModel.added,
    ev.Launch: ShadowModel.launch,
    ev.Reported: ShadowModel.reported,
    ev.StyleChosen: ShadowModel.style_chosen,
    ev.Verdict: ShadowModel.verdict,
    ev.Signal: ShadowModel.signal,
    ev.ClockStepped: ShadowModel.clock_stepped,
    ev.Halted: ShadowModel.halt,
    ev.SaveStarted: ShadowModel.save_started,
    ev.SaveFailed: ShadowModel.save_failed,
    ev.Returned: ShadowModel.returned,
    ev.Frozen: ShadowModel.held_still,
    ev.Started: ShadowModel.started,
    ev.Checkpointed: ShadowModel.checkpointed,
    ev.Exited: ShadowModel.exited,
    ev.Settled: ShadowModel.settled,
    ev.Promoted: ShadowModel.promoted,
    ev.KillAsked: ShadowModel.kill_asked,
    ev.UndoKillAsked: ShadowModel.spare_asked,
    ev.PauseAsked: ShadowModel.pause_asked,
    ev.ResumeAsked: ShadowModel.resume_asked,
    ev.RetryAsked: ShadowModel.retry_asked,
    ev.NodeChanged: ShadowModel.node_changed,
    ev.SetAside: ShadowModel.set_aside,
    ev.Finished: ShadowModel.finish,
}
