"""Which signs stand for states, bars and rules? Two sets, so that any terminal can show them.

The signs of the full set are of East Asian width Neutral where they stand among text: the usual
circles and triangles are Ambiguous and two cells wide in CJK terminals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tuitune.core.events import TrialState
from tuitune.ui.state.records import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuitune.store.rows import TrialRow

STOPPING, LOST, STARTING = "STOPPING", "LOST", "STARTING"  # what the app tells besides the states

WORDS: Mapping[str, tuple[str, str]] = {  # four letters and a role
    TrialState.WAITING: ("wait", "muted"),
    STARTING: ("init", "info"),
    TrialState.RUNNING: ("run", "success"),
    TrialState.PAUSED: ("paus", "warning"),
    STOPPING: ("stop", "warning"),
    TrialState.COMPLETE: ("done", "text"),
    TrialState.PRUNED: ("prun", "muted"),
    TrialState.FAILED: ("fail", "error"),
    TrialState.KILLED: ("kill", "muted"),
    LOST: ("lost", "error"),
}

_SIGNS = {
    TrialState.WAITING: ".",
    STARTING: "\N{DOTTED CIRCLE}",
    TrialState.RUNNING: "\N{BLACK RIGHT-POINTING SMALL TRIANGLE}",
    TrialState.PAUSED: "=",
    STOPPING: "~",
    TrialState.COMPLETE: "\N{CHECK MARK}",
    TrialState.PRUNED: "\N{BLACK DOWN-POINTING SMALL TRIANGLE}",
    TrialState.FAILED: "!",
    TrialState.KILLED: "x",
    LOST: "?",
}
_ASCII = {
    **_SIGNS,
    STARTING: "o",
    TrialState.RUNNING: ">",
    TrialState.COMPLETE: "v",
    TrialState.PRUNED: "-",
}


class Glyphs(Record, frozen=True):
    """One set of signs."""

    ascii: bool = False
    states: Mapping[str, str] = msgspec.field(default_factory=lambda: _SIGNS)
    rule: str = "─"
    bar: str = "│"
    full: str = "█"
    rest: str = "·"
    best: str = "*"
    mark: str = "+"
    cursor: str = ">"

    def state(self, shown: str) -> str:
        return self.states[shown]


FULL = Glyphs()
ASCII = Glyphs(ascii=True, states=_ASCII, rule="-", bar="|", full="#", rest=".")


def shown_state(row: TrialRow, *, engine_gone: bool) -> str:
    """The state as the app tells it: with what a trial is about to be."""
    if row.state == TrialState.RUNNING:
        if engine_gone:
            return LOST
        if row.phase.startswith("ending") and "pruned" not in row.phase:
            return STOPPING
        if row.phase == "starting":
            return STARTING
    if row.phase == "killing" and not engine_gone:
        return STOPPING
    return row.state
