"""One study: events are folded in, followed by the decisions on them."""

from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from tuitune.core import events as ev
from tuitune.core.search.proposal import identity
from tuitune.core.spec import StudySpec
from tuitune.core.study import ranking, state
from tuitune.core.study.decide import decide
from tuitune.core.study.evolve import evolve
from tuitune.core.study.leaving import next_deadline

_WITH_CONFIGURATION = (ev.Proposed, ev.SampleFailed, ev.Added)


class Study:
    """A study's specification, its state, and the configurations that it has tried."""

    def __init__(self, spec: StudySpec, snapshot: bytes | None = None) -> None:
        self.spec = spec
        self.state = (
            msgspec.msgpack.decode(snapshot, type=state.State) if snapshot else state.State()
        )
        if self.state.opening:
            memory, kind = self.state.pruner.memory, type(spec.pruner.memory())
            self.state.pruner.memory = msgspec.convert(memory, type=kind)
            self._keep_rungs()
        self.tried: set[str] = {identity(spec.space, t.config) for t in self.state.trials}

    def react(self, event: ev.Event) -> list[ev.AnyFact]:
        """Take an event in. Returns it, followed by the decisions it leads to, all folded in."""
        facts: list[ev.AnyFact] = [event]
        for fact in facts:
            self.evolve(fact)
            facts += decide(self.spec, self.state, fact)
        return facts

    def evolve(self, fact: ev.AnyFact) -> None:
        """Fold one fact in, deciding nothing."""
        evolve(self.spec, self.state, fact)
        if isinstance(fact, ev.Reported):  # as most are
            return
        if isinstance(fact, _WITH_CONFIGURATION):
            self.tried.add(identity(self.spec.space, fact.config))
        elif isinstance(fact, ev.Opened):
            self._keep_rungs()

    def _keep_rungs(self) -> None:
        """Keep the rungs that the study was started with."""
        pruning, anchor = self.spec.pruning, self.state.pruner.anchor
        if pruning.anchor != anchor:
            self.spec = replace(self.spec, pruning=replace(pruning, anchor=anchor))

    def replay(self, facts: Iterable[ev.AnyFact]) -> None:
        """Fold recorded facts in, deciding nothing."""
        for fact in facts:
            self.evolve(fact)

    def snapshot(self) -> bytes:
        """The state as MessagePack, which `Study` accepts as `snapshot`."""
        return msgspec.msgpack.encode(self.state)

    def next_deadline(self, trials: Iterable[int] | None = None) -> float | None:
        """Unix seconds at which a `DeadlinePassed` is due; None for never.

        trials: those alone, beside what is due for the study as a whole.
        """
        return next_deadline(self.state, trials)

    def best(self) -> tuple[state.Trial | None, bool]:
        """As `ranking.best_trial`."""
        return ranking.best_trial(self.spec, self.state)
