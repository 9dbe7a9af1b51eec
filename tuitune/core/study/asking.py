"""New trials: proposed by the searcher, or added by the user."""

from tuitune.core import events as ev
from tuitune.core.pruning.median import median_of
from tuitune.core.spec import StudySpec
from tuitune.core.study import ranking, slots, state as st

_WORTH = 0.01  # of a median attempt: a shorter wait is better than a model with fewer outcomes
_ENOUGH = 5  # proposals and attempts, before their durations are compared
_KEPT = 31  # durations of each kind


def ask(_spec: StudySpec, state: st.State, fact: ev.Ask) -> None:
    """A proposal is asked for at `fact.time`; the answer is `Proposed` or `Exhausted`."""
    state.asking = fact.trial
    state.asked = fact.time
    if fact.prefetched:
        state.prefetched = fact.trial


def proposed(spec: StudySpec, state: st.State, fact: ev.Proposed) -> None:
    """The new trial waits for a slot; how long the searcher took is kept where it has a model."""
    trial = st.Trial(number=fact.trial, config=fact.config, origin=fact.origin, why=fact.why)
    _append(spec, state, trial)
    state.asking = None
    if spec.is_modelled:
        _keep(state.asks, fact.time - state.asked)


def sample_failed(spec: StudySpec, state: st.State, fact: ev.SampleFailed) -> None:
    """A trial of its own, which is settled at once: it was never launched."""
    _append(spec, state, st.Trial(fact.trial, fact.config, fact.origin, fact.why))
    state.asking = None
    if state.prefetched == fact.trial:
        state.prefetched = None


def exhausted(_spec: StudySpec, state: st.State, fact: ev.Exhausted) -> None:
    """No further proposal is asked for until the number of trials is raised."""
    state.exhausted = fact.why
    state.asking = None


def add_asked(_spec: StudySpec, state: st.State, fact: ev.AddAsked) -> None:
    """Added configurations become trials in the order in which they were given."""
    state.adding.append(st.Addition(fact.config, fact.why))


def added(spec: StudySpec, state: st.State, fact: ev.Added) -> None:
    """The oldest added configuration becomes a trial."""
    del state.adding[0]
    state.by_hand += 1
    _append(spec, state, st.Trial(fact.trial, fact.config, "hand", fact.why))


def _append(spec: StudySpec, state: st.State, trial: st.Trial) -> None:
    trial.gate = ranking.next_gate(spec, state, trial)
    state.trials.append(trial)
    state.waiting.append(trial.number)


def exited(spec: StudySpec, state: st.State, seconds: float) -> None:
    """Keep how many seconds the attempt took, where the searcher has a model."""
    if spec.is_modelled:
        _keep(state.lasted, seconds)


def wants_new(state: st.State) -> bool:
    """Whether a free slot may get a trial that does not exist yet."""
    return bool(state.adding) or may_ask(state)


def may_ask(state: st.State) -> bool:
    """Whether the study may have one more proposal; added trials do not count."""
    assert state.settings is not None
    asked = len(state.trials) - state.by_hand
    return not state.exhausted and asked < state.settings.trials


def may_ask_ahead(spec: StudySpec, state: st.State) -> bool:
    """Whether to ask for one proposal before a slot is free, as nothing else will take the slot.

    Not with one slot: whether it pays depends on durations, and the proposal on whether the trial
    before it has ended, so the same study would not give the same trials again.
    """
    if state.waiting or state.adding or not may_ask(state) or not _pays(spec, state):
        return False
    if slots.has_one_slot(state):
        return False
    return spec.pruner.promotion(state.pruner, state.promotable, new=True) is None


def _pays(spec: StudySpec, state: st.State) -> bool:
    """Whether proposals take so long that slots would stand idle meanwhile."""
    if not spec.is_modelled or min(len(state.asks), len(state.lasted)) < _ENOUGH:
        return False
    return median_of(sorted(state.asks)) > _WORTH * median_of(sorted(state.lasted))


def _keep(seconds: list[float], newest: float) -> None:
    seconds.append(newest)
    del seconds[:-_KEPT]
