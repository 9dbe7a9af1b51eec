"""How many checkpoints of a trial are kept."""

from __future__ import annotations

from collections.abc import Iterator

from tuitune.core.events import ENDED, TrialState
from tuitune.core.study import state as st

WRITTEN = 2  # the newest checkpoints of a trial, which a writer leaves


def kept(state: st.State, trial: st.Trial) -> int:
    """How many of the trial's newest checkpoints stay: 0, 1 or 2.

    A trial that has not ended resumes from them. One that failed, was killed or was not promoted
    may do so until the study is complete. A pruned one never does.
    """
    if trial.state not in ENDED:
        return WRITTEN
    keep = "best" if state.settings is None else state.settings.keep_checkpoints
    if trial.state == TrialState.COMPLETE:
        return int(keep == "all" or (keep == "best" and _may_be_best(state, trial)))
    return int(may_go_on(trial) and (keep == "all" or not state.complete))


def may_go_on(trial: st.Trial) -> bool:
    """Whether a trial that has ended may be resumed from its checkpoint."""
    return trial.not_promoted or trial.state in (TrialState.FAILED, TrialState.KILLED)


def forget(state: st.State) -> None:
    """Drop the checkpoints that a complete study does not keep: retries start from step 0."""
    for trial in forgotten(state):
        trial.checkpoint = None


def forgotten(state: st.State) -> Iterator[st.Trial]:
    """Trials whose checkpoints a complete study deletes."""
    return (t for t in state.trials if may_go_on(t) and not kept(state, t))


def _may_be_best(state: st.State, trial: st.Trial) -> bool:
    """The best trial keeps its checkpoint; until it has ended, the best before it does too."""
    if state.leader is None or state.leader == trial.number:
        return state.leader is not None
    return state.former_leader == trial.number and state.trials[state.leader].state not in ENDED
