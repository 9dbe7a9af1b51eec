"""Promotion by a model of learning curves, in the order of what an epoch of each trial promises."""

from collections.abc import Container, Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Literal, NamedTuple

import msgspec

from tuitune.core import options, reasons
from tuitune.core.paces import usual
from tuitune.core.pruning import pruner
from tuitune.core.pruning.brackets import Plan, asha_plan, sent_on
from tuitune.core.pruning.curve_model import CurveModel, fit, losses_by_trial
from tuitune.core.pruning.halving import Halving
from tuitune.core.pruning.rungs import Entry, Rung

ENOUGH = 10  # trials at the first rung, before the model decides
LATEST = 30  # launches after which a trial that ASHA would promote is promoted
EAGER = 1.4  # a trial that waits must promise so many times as much as a new one
_LIKELY = 0.5  # the chance of the best tenth, from which trials go on when no new one is left
_RECENT = 64  # new trials by which the next one is judged
_COMPARED = 8  # waiting trials of each rung that are compared where their paces differ
_REFIT = 16  # the model is fitted again after 1 / so many more values


class ModelMemory(msgspec.Struct, array_like=True):
    """What the pruner remembers; `brackets` and `waiting` as in `rungs.Rungs`.

    ends: the losses of complete trials. recent: those of the newest trials at the first rung.
    launches: new trials that came to the first rung, and promotions. due: trials that ASHA would
    promote, since so many launches. values, fitted: how many there are, and were at the last fit.
    usual: what a start takes, s, and the median pace, where paces differed threefold at that fit.
    """

    brackets: list[list[Rung]] = []
    waiting: dict[int, float] = {}
    ends: dict[int, float] = {}
    recent: list[float] = []
    launches: int = 0
    due: dict[int, int] = {}
    values: int = 0
    fitted: int = 0
    model: CurveModel | None = None
    usual: tuple[float, float] | None = None


class Candidate(NamedTuple):
    """A trial that may go on from a rung, counted from 0.

    promise: an epoch's, see `CurveModel`; where paces differ threefold, that of as many seconds as
    the median trial needs for one.
    """

    promise: float
    rung: int
    entry: Entry
    chance: float


@dataclass(frozen=True)
class ModelPruner:
    """`Pruner`: a free slot takes what promises most for its cost, a waiting trial or a new one.

    Where trials' paces differ threefold, the cost is counted in seconds, else in the resource.
    The promise is the expected improvement on the best tenth of all trials (Swersky et al. 2014,
    "Freeze-Thaw Bayesian Optimization", with a plainer model). A trial that ASHA would promote is
    promoted LATEST launches later at the latest, while there are new trials. After the last new
    one, trials go on that are likely among the best tenth.

    Before ENOUGH trials, and for trials that can't save, ASHA's rule decides.
    """

    pruning: pruner.PruningSpec
    mode: options.Mode

    @cached_property
    def halving(self) -> Halving:
        """ASHA, with the same rungs."""
        return Halving(self.pruning, self.mode, _plan(self.pruning))

    @property
    def plan(self) -> Plan:
        """That of ASHA with one bracket."""
        return self.halving.plan

    @property
    def milestones(self) -> tuple[int, ...]:
        """The rungs and `max`."""
        return self.halving.milestones

    @property
    def judged_from(self) -> None:
        """Only reports that fill a rung are judged."""
        return

    def memory(self) -> ModelMemory:
        """Empty."""
        return ModelMemory()

    def style(self, *, can_save: bool) -> tuple[pruner.Style, reasons.Why]:
        """As ASHA's."""
        return self.halving.style(can_save=can_save)

    def observe(self, state: pruner.PrunerState, trial: int, step: int, value: float) -> None:
        """Reports between two rungs have no effect."""

    # --- what has happened -----------------------------------------------------------------------

    def enter(
        self, state: pruner.PrunerState, trial: int, step: int, value: float, action: str
    ) -> None:
        """As ASHA's; and the model learns from the value."""
        memory: ModelMemory = state.memory
        before = state.filled.get(trial, 0)
        self.halving.enter(state, trial, step, value, action)
        loss = pruner.loss_of(value, self.mode)
        if not before and state.filled.get(trial, 0):
            memory.launches += 1
            memory.recent.append(loss)
            del memory.recent[:-_RECENT]
        memory.values += state.filled.get(trial, 0) - before
        if action == "complete":
            memory.values += trial not in memory.ends
            memory.ends[trial] = loss
        self._learn(state)

    def complete(self, state: pruner.PrunerState, trial: int) -> None:
        """Nothing: its last report has been entered."""

    def fail(self, state: pruner.PrunerState, trial: int) -> None:
        """As ASHA's."""
        self.halving.fail(state, trial)
        if state.memory.brackets:
            self._learn(state)

    def send(self, state: pruner.PrunerState, trial: int, rung: int) -> None:
        """As ASHA's, and a launch."""
        self.halving.send(state, trial, rung)
        state.memory.launches += 1
        state.memory.due.pop(trial, None)

    def _learn(self, state: pruner.PrunerState) -> None:
        memory: ModelMemory = state.memory
        self._note_due(memory)
        if memory.values < max(memory.fitted + 1, memory.fitted * (_REFIT + 1) // _REFIT):
            return
        rungs = memory.brackets[0]
        if len(rungs[0].entries) < ENOUGH:
            return
        memory.fitted = memory.values
        columns = [losses_by_trial(rung.entries) for rung in rungs]
        memory.model = fit(columns, memory.ends, memory.recent)
        memory.usual = usual(state.times.values())

    def _note_due(self, memory: ModelMemory) -> None:
        """Since when ASHA would promote each trial that waits."""
        now = {
            trial: memory.due.get(trial, memory.launches)
            for rung in memory.brackets[0]
            for _, trial in self._within(rung)
        }
        memory.due = now

    def _within(self, rung: Rung) -> Iterable[Entry]:
        """The waiting trials that this rung may promote by their rank."""
        kept = sent_on(len(rung.entries), self.pruning.reduction)
        if kept:
            last = rung.entries[kept - 1]
            yield from (entry for entry in rung.waiting if entry <= last)

    # --- what goes on ----------------------------------------------------------------------------

    def judge(
        self,
        state: pruner.PrunerState,
        report: pruner.Report,
        available: Container[int],
        *,
        new: bool = False,
    ) -> pruner.Judgement | None:
        """It goes on if a free slot would take it; ASHA's verdict while there is no model."""
        found = self.halving.judge(state, report, available)
        model: CurveModel | None = state.memory.model
        promotes = (state.style or self.pruning.style) == "promote"
        if found is None or found.action == "stop" or model is None or not promotes:
            return found
        rung, loss = (
            self.plan.steps[0].index(found.rung or 0),
            pruner.loss_of(report.value, self.mode),
        )
        own = self._candidate(state, model, rung, (loss, report.trial))
        others = self._candidates(state, model, available)
        chosen = self._chosen(model, [*others, own], new=new)
        late = self._late(state, available) if new else None
        then: Literal["go", "wait"] = "go" if chosen is own and late is None else "wait"
        why = self._reason(state, own, then, found.rank, found.n, new=new)
        return msgspec.structs.replace(found, action="go" if then == "go" else "pause", why=why)

    def promotion(
        self, state: pruner.PrunerState, available: Container[int], *, new: bool = False
    ) -> pruner.Promotion | None:
        """The waiting trial that promises most, unless a new one promises more."""
        if not state.memory.waiting:
            return None
        model: CurveModel | None = state.memory.model
        if model is None:
            return self.halving.promotion(state, available)
        late = self._late(state, available) if new else None
        if late is not None:
            found = self.halving.promotion(state, {late})
            if found is not None:
                return found
        chosen = self._chosen(model, self._candidates(state, model, available), new=new)
        return None if chosen is None else self._sent(state, chosen, new=new)

    def last_resort(
        self, state: pruner.PrunerState, available: Iterable[int]
    ) -> pruner.Promotion | None:
        """As ASHA's."""
        return self.halving.last_resort(state, available)

    def not_promoted(self, state: pruner.PrunerState, trial: int) -> reasons.Why:
        """Its chance of the best tenth, or its rank while there is no model."""
        model: CurveModel | None = state.memory.model
        if model is None or trial not in state.memory.waiting:
            return self.halving.not_promoted(state, trial)
        loss, rung = state.memory.waiting[trial], state.filled[trial] - 1
        place = self.halving.place_of(state, trial)
        own = self._candidate(state, model, rung, (loss, trial))
        return self._reason(state, own, "end", place.rank, place.n, new=False)

    def _late(self, state: pruner.PrunerState, available: Container[int]) -> int | None:
        """A trial that ASHA would have promoted long ago; the one that waits longest."""
        memory: ModelMemory = state.memory
        oldest = memory.launches - LATEST
        late = [(since, n) for n, since in memory.due.items() if since <= oldest and n in available]
        return min(late)[1] if late else None

    def _chosen(
        self, model: CurveModel, candidates: list[Candidate], *, new: bool
    ) -> Candidate | None:
        if new:
            least = EAGER * model.promise_of_new(self._costs)
            found = [one for one in candidates if one.promise > least]
        else:
            found = [one for one in candidates if one.chance >= _LIKELY]
        return max(found, default=None)

    def _candidates(
        self, state: pruner.PrunerState, model: CurveModel, available: Container[int]
    ) -> list[Candidate]:
        """The best waiting trials of each rung: within a rung, a better value promises more.

        Only one of each rung where all trials take equally long.
        """
        most = 1 if state.memory.usual is None else _COMPARED
        found = []
        for number, rung in enumerate(state.memory.brackets[0]):
            waiting = (entry for entry in rung.waiting if entry[1] in available)
            found += [self._candidate(state, model, number, one) for one in islice(waiting, most)]
        return found

    def _candidate(
        self, state: pruner.PrunerState, model: CurveModel, rung: int, entry: Entry
    ) -> Candidate:
        promise = model.promise(rung, entry[0], self._costs)
        known, times = state.memory.usual, state.times.get(entry[1])
        if known is not None and times is not None:
            start, pace = known
            promise *= pace / times.pace(start)
        return Candidate(promise, rung, entry, model.chance(rung, entry[0]))

    @cached_property
    def _costs(self) -> tuple[int, ...]:
        """The resource that each step takes, the first one to the first rung."""
        ends = self.milestones
        return tuple(end - start for start, end in zip((0, *ends), ends, strict=False))

    def _sent(self, state: pruner.PrunerState, chosen: Candidate, *, new: bool) -> pruner.Promotion:
        trial = chosen.entry[1]
        place = self.halving.place_of(state, trial)
        why = self._reason(state, chosen, "promote", place.rank, place.n, new=new)
        cut = pruner.value_of(place.cut, self.mode)
        step = self.plan.steps[0][chosen.rung]
        return pruner.Promotion(trial, step, place.rank, place.n, cut, why)

    def _reason(  # noqa: PLR0913 - the figures of one decision
        self,
        state: pruner.PrunerState,
        one: Candidate,
        then: Literal["go", "wait", "promote", "end"],
        rank: int,
        n: int,
        *,
        new: bool,
    ) -> reasons.Promising:
        model: CurveModel = state.memory.model
        end = model.end_of(one.rung, one.entry[0])
        about = [pruner.value_of(model.loss(end.inv_cdf(q)), self.mode) for q in (0.1, 0.5, 0.9)]
        known = sorted(value for value in about if value is not None)
        ratio = one.promise / max(model.promise_of_new(self._costs), 1e-300) if new else None
        step = self.plan.steps[0][one.rung]
        return reasons.Promising(
            reasons.RungName(one.rung, step, self.pruning.unit, None),
            rank,
            n,
            then,
            one.chance,
            None if len(known) < len(about) else (known[1], known[0], known[2]),
            ratio,
        )


def _plan(pruning: pruner.PruningSpec) -> Plan:
    return asha_plan(pruning.min, pruning.max, pruning.reduction, 1)
