"""Checkpoints of trials: how many are kept, and on which nodes they are."""

from collections.abc import Iterable, Iterator

import msgspec

from tuitune.core.events import ENDED, TrialState
from tuitune.core.study import state as st

WRITTEN = 2  # the newest checkpoints of a trial that has not ended, which stay


class Keep(msgspec.Struct, frozen=True):
    """Which of a trial's checkpoints stay: so many of the newest, up to the step `known`.

    Reports after that are not in the journal, so that no later checkpoint is ever used. live: an
    attempt may still tell of later ones, which stay as well.
    """

    count: int
    known: int  # -1: there is none
    live: bool = False

    def superfluous(self, steps: Iterable[int]) -> set[int]:
        """Those of these steps whose checkpoints are removed."""
        there = set(steps)
        counting = sorted(step for step in there if step <= self.known)
        stay = set(counting[-self.count :]) if self.count else set()
        return {step for step in there - stay if step <= self.known or not self.live}


def kept(state: st.State, trial: st.Trial) -> int:
    """How many of the trial's newest checkpoints stay: 0, 1 or 2.

    A trial that has not ended resumes from them. One that failed or was killed may do so, and until
    the study is complete also one that was not promoted. A pruned one never does.
    """
    if trial.state not in ENDED:
        return WRITTEN
    keep = "best" if state.settings is None else state.settings.keep_checkpoints
    if trial.state == TrialState.COMPLETE:
        return int(keep == "all" or (keep == "best" and _may_be_best(state, trial)))
    stays = keep == "all" or (keep == "best" and not trial.not_promoted)
    return int(may_go_on(trial) and (stays or not state.complete))


def keep(state: st.State, trial: st.Trial) -> Keep:
    """Which checkpoints of a trial without an attempt stay."""
    return Keep(kept(state, trial), known_step(trial))


def known_step(trial: st.Trial) -> int:
    """The newest checkpoint that the journal knows of; -1: none."""
    return -1 if trial.checkpoint is None else trial.checkpoint


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


def places(state: st.State, trial: st.Trial | None) -> frozenset[str] | None:
    """The nodes that have its checkpoint; None: any node will do.

    If its own node is lost, what it has saved there is, too: it starts over on any node.
    """
    if trial is None or trial.checkpoint is None:
        return None
    nodes = {name: known.node for name, known in state.nodes.items() if not known.node.lost}
    apart = {name for name, node in nodes.items() if node.apart}
    if not apart:
        return None
    if trial.node in apart:
        return frozenset((trial.node,))
    return frozenset(nodes.keys() - apart) or None


def alone_on(state: st.State, trial: st.Trial) -> str:
    """The only node that has the trial's checkpoint; empty where others have it, too."""
    known = state.nodes.get(trial.node)
    is_there = known is not None and known.node.apart and not known.node.lost
    return trial.node if is_there and trial.checkpoint is not None else ""


def with_checkpoints(state: st.State) -> frozenset[str]:
    """The nodes that alone have what trials may go on from."""
    open_ = (trial for trial in state.trials if trial.state not in ENDED)
    return frozenset(filter(None, (alone_on(state, trial) for trial in open_)))
