"""Is it worth asking for a configuration before there is a slot for it?

By the times in the journal alone: the same journal, the same answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuitune.core import events as ev
    from tuitune.core.spec import StudySpec
    from tuitune.core.study import state as st

WORTH = 0.01  # of a median attempt: less is not worth a model that has seen less
ENOUGH = 5  # of either, before they are compared
KEPT = 31  # of either


def pays(spec: StudySpec, state: st.State) -> bool:
    """Whether answers have been taking so long that slots wait for them."""
    if not spec.search.is_modelled or min(len(state.asks), len(state.lasted)) < ENOUGH:
        return False
    return _median(state.asks) > WORTH * _median(state.lasted)


def asked(state: st.State, fact: ev.Ask) -> None:
    state.asked = fact.time
    if fact.prefetched:
        state.prefetched = fact.trial


def answered(spec: StudySpec, state: st.State, time: float) -> None:
    if spec.search.is_modelled:
        _keep(state.asks, time - state.asked)


def exited(spec: StudySpec, state: st.State, seconds: float) -> None:
    if spec.search.is_modelled:
        _keep(state.lasted, seconds)


def _keep(seconds: list[float], newest: float) -> None:
    seconds.append(newest)
    del seconds[:-KEPT]


def _median(seconds: list[float]) -> float:
    """The upper of two in the middle; the standard library's takes its time to load."""
    return sorted(seconds)[len(seconds) // 2]
