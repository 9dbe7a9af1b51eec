"""The checkpoints of a trial that stay, by the study's state alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuitune.core.events import ENDED, TrialState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuitune.core.study import state as st

WRITTEN = 2  # that whoever writes checkpoints leaves of a trial


def kept(state: st.State, trial: st.Trial) -> int:
    """How many of the trial's newest checkpoints stay: 0, 1 or 2.

    A trial that has not ended goes on from them. One that failed, was killed or was not promoted
    may do so until the study is complete. A pruned one never does.
    """
    if trial.state not in ENDED:
        return WRITTEN
    keep = "best" if state.settings is None else state.settings.keep_checkpoints
    if trial.state == TrialState.COMPLETE:
        return int(keep == "all" or (keep == "best" and _may_be_best(state, trial)))
    return int(may_go_on(trial) and (keep == "all" or not state.complete))


def may_go_on(trial: st.Trial) -> bool:
    """Whether a trial that has ended may be taken up again from where it was."""
    return trial.not_promoted or trial.state in (TrialState.FAILED, TrialState.KILLED)


def forget(state: st.State) -> None:
    """What a complete study does not keep is gone: its trials could only begin anew."""
    for trial in forgotten(state):
        trial.checkpoint = None


def forgotten(state: st.State) -> Iterator[st.Trial]:
    """Those that might have gone on, had the study not become complete."""
    return (t for t in state.trials if may_go_on(t) and not kept(state, t))


def _may_be_best(state: st.State, trial: st.Trial) -> bool:
    """The best one's is kept; until that has ended, it may have none yet."""
    if state.leader is None:
        return False
    return state.leader == trial.number or state.trials[state.leader].state not in ENDED
