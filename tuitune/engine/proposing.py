"""From an Ask to a configuration: by the searcher, by its model, or by Sobol points without one."""

import asyncio
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from tuitune.core import events as ev, reasons
from tuitune.core.events import TrialState
from tuitune.core.search import registry, sobol
from tuitune.core.search.proposal import AskModel, Fate, History, Past, Proposal
from tuitune.core.space import Sampled
from tuitune.core.spec import StudySpec
from tuitune.core.study import State, Study, Trial
from tuitune.engine import failure, ports
from tuitune.executors.base import NotNowError, SampleError
from tuitune.model_process import ModelError


class HistoryBuilder:
    """The history that a model sees; an update costs no more than its new facts."""

    def __init__(self, spec: StudySpec, foreign: tuple[Past, ...]) -> None:
        self._spec = spec
        self._foreign = foreign
        self._past: dict[int, Past] = {}
        self._stale: set[int] = set()
        self._known = 0  # trials; those after them have not been looked at

    def note(self, facts: Iterable[ev.AnyFact]) -> None:
        """Mark the trials that these facts concern to be read again."""
        for fact in facts:
            match fact:
                case ev.Reported():  # as most are
                    self._stale.add(fact.trial)
                case ev.PauseAsked() | ev.ResumeAsked():
                    self._stale.update(fact.trials)
                case ev.Opened() | ev.SettingsChanged():  # trials that were not promoted may go on
                    self._known = 0
                case _:
                    number = getattr(fact, "trial", None)
                    if number is not None:
                        self._stale.add(number)

    def history(self, state: State) -> History:
        """The history of the study as it is now."""
        self._stale.update(range(self._known, len(state.trials)))
        self._known = len(state.trials)
        for number in sorted(self._stale):
            past = _past_of(self._spec, state.trials[number]) if number < self._known else None
            if past is not None:
                self._past[number] = past
            else:
                self._past.pop(number, None)
        self._stale.clear()
        seen = tuple(self._past[n] for n in sorted(self._past))
        limited = state.settings is not None and state.settings.time_limit is not None
        return History(seen, self._foreign, limited)


def _past_of(spec: StudySpec, trial: Trial) -> Past | None:
    """What a model learns from one trial; None if it learns nothing.

    That is so for a killed trial without values to compare, and for one that was never launched, as
    a sampler failed.
    """
    if trial.state == TrialState.FAILED and trial.started is None:
        return None
    curve = _curve_of(spec, trial)
    fate = _fate(trial)
    if (
        trial.state == TrialState.KILLED
        and fate == "ended"
        and not (curve and spec.pruner.milestones)
    ):
        return None
    return Past(trial.number, trial.config, curve, fate, times=trial.times)


def _curve_of(spec: StudySpec, trial: Trial) -> tuple[tuple[int, float], ...]:
    value = math.nan if trial.diverged else trial.counted(spec.objective)
    if value is None:
        return ()
    if trial.curve and trial.curve[-1][0] >= trial.known:
        return tuple(trial.curve)
    return (*trial.curve, (trial.known, value))


def _fate(trial: Trial) -> Fate:
    if trial.diverged or trial.state == TrialState.FAILED:
        return "failed"
    if trial.state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.KILLED) or trial.at_rung:
        return "ended"
    return "pending"


_AGAIN = 1.0  # s between two tries to call a sampler


class _Asked(Protocol):
    """What Proposing needs of its engine."""

    study: Study

    def take(self, events: Sequence[ev.Event]) -> None: ...

    async def sample(
        self, targets: Mapping[str, str], seed: str, config: Mapping[str, Any]
    ) -> dict[str, Any]: ...


class Proposing:
    """Answers Asks one at a time, in tasks, so that the engine's loop does not wait."""

    def __init__(self, engine: _Asked, deps: ports.EngineDeps) -> None:
        self._engine = engine
        self._deps = deps
        self._spec = engine.study.spec
        self._seen = HistoryBuilder(self._spec, deps.foreign) if self._spec.is_modelled else None
        self._fixed: dict[int, History] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._sobol: sobol.SobolSearcher | None = None  # in place of a model that has failed
        self._slow: set[str] = set()  # samplers that were reported to be slow

    def note(self, facts: Sequence[ev.AnyFact]) -> None:
        """Take in an event and its decisions; an Ask among them sees the history up to here."""
        if self._seen is None:
            return
        self._seen.note(facts)
        for fact in facts:
            if type(fact) is ev.Ask:
                self._fixed = {fact.trial: self._seen.history(self._engine.study.state)}

    def ask(self, number: int) -> None:
        """Answer the Ask for this trial, now or later, by an event to the engine."""
        answer = self._deps.searcher.propose(number, self._engine.study.tried)
        if isinstance(answer, AskModel):
            failure.start_task(self._ask_model(number), self._tasks)
        else:
            self._take(number, answer)

    async def completed(self, proposal: Proposal, draw: str) -> dict[str, Any]:
        """The configuration with sampled values, in the study file's order. Raises SampleError."""
        targets = {p.name: p.target for p in self._to_sample(proposal)}
        if not targets:
            return proposal.config
        seed = f"{self._spec.search.seed}/{draw}"
        patience = self._deps.timeouts.slow_sampler
        late = asyncio.get_running_loop().call_later(patience, self._note_slow, targets)
        try:
            values = await self._sampled(targets, seed, proposal.config)
        finally:
            late.cancel()
        whole = {**proposal.config, **values}
        names = (p.name for p in self._spec.space.parameters)
        return {name: whole[name] for name in names if name in whole}

    async def _sampled(
        self, targets: Mapping[str, str], seed: str, config: Mapping[str, Any]
    ) -> dict[str, Any]:
        space = self._spec.space
        if not space.in_tables:
            return await self._engine.sample(targets, seed, config)
        # One by one, so that each function gets the values before it in their tables.
        values: dict[str, Any] = {}
        for name, target in targets.items():
            whole = space.nested({**config, **values})
            values |= await self._engine.sample({name: target}, seed, whole)
        return values

    async def _ask_model(self, number: int) -> None:
        model_client, history = self._deps.model_client, self._fixed.pop(number)
        if model_client is None:
            self._take(number, self._without_model(number, "there is none here"))
            return
        try:
            answer = await model_client.propose(number, history, self._engine.study.tried)
        except ModelError as error:
            answer = self._without_model(number, str(error))
        self._take(number, answer)

    def _without_model(self, number: int, error: str) -> Proposal | None:
        if self._sobol is None:
            self._sobol = sobol.sobol_searcher(self._spec.space, self._spec.search.seed)
        found = self._sobol.propose(number, self._engine.study.tried)
        if found is None:
            return None
        return Proposal(found.config, "fallback", reasons.ModelFailed(error, found.why))

    def _take(self, number: int, answer: Proposal | None) -> None:
        if not self._is_awaited(number):
            return
        if answer is None:
            self._engine.take([ev.Exhausted(self._deps.clock(), _exhausted_words(self._spec))])
        elif self._to_sample(answer):
            failure.start_task(self._sample(number, answer), self._tasks)
        else:
            self._propose(number, answer, answer.config)

    async def _sample(self, number: int, proposal: Proposal) -> None:
        config: dict[str, Any] | None = None
        while config is None and self._is_awaited(number):
            try:
                config = await self.completed(proposal, f"{number}")
            except NotNowError:  # shown as the reason why launching is blocked
                await asyncio.sleep(_AGAIN)
            except SampleError as error:
                self._fail(number, proposal, str(error))
                return
        if config is not None and self._is_awaited(number):
            self._propose(number, proposal, config)

    def _fail(self, number: int, proposal: Proposal, why: str) -> None:
        if not self._is_awaited(number):
            return
        given, origin = proposal.config, proposal.origin
        error = f"a parameter can't be sampled: {why}"
        now = self._deps.clock()
        self._engine.take([ev.SampleFailed(now, number, given, origin, proposal.why, error)])

    def _note_slow(self, targets: Mapping[str, str]) -> None:
        """Note that a sampler is slow, once for each: no other trial can start until it returns."""
        if self._slow.issuperset(targets.values()):
            return
        self._slow.update(targets.values())
        sampled = ", ".join(f"{name} by {target}" for name, target in targets.items())
        self._deps.note(f"still waiting for the value of a sampled parameter: {sampled}")

    def _propose(self, number: int, proposal: Proposal, config: dict[str, Any]) -> None:
        clock = self._deps.clock()
        self._engine.take([ev.Proposed(clock, number, config, proposal.origin, proposal.why)])

    def _is_awaited(self, number: int) -> bool:
        """Whether the study still waits for this trial's configuration."""
        state = self._engine.study.state
        return state.asking == number and not state.finished

    def _to_sample(self, proposal: Proposal) -> list[Sampled]:
        """Parameters that the user's samplers have yet to choose."""
        space, config = self._spec.space, proposal.config
        return [p for p in space.sampled if p.name not in config and space.is_active(p, config)]


def _exhausted_words(spec: StudySpec) -> str:
    """Why a searcher has no configuration left."""
    search = spec.search
    kind = registry.searcher_kind(search)
    if kind.size is not None:
        size = kind.size(spec.space, search)
        return f"all {size} points of the {search.method} have been tried"
    return f"all {spec.space.size} configurations of the space have been tried"
