"""Which signs stand for states, bars and rules? Two sets, so that any terminal can show them.

The signs of the full set are of East Asian width Neutral where they stand among text: the usual
circles and triangles are Ambiguous and two cells wide in CJK terminals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tuitune.core.study.state import COMPLETE, FAILED, KILLED, PAUSED, PRUNED, RUNNING, WAITING
from tuitune.ui.state.records import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuitune.store.rows import TrialRow

STOPPING, LOST, STARTING = "STOPPING", "LOST", "STARTING"  # what the app tells besides the states

WORDS: Mapping[str, tuple[str, str]] = {  # four letters and a role
    WAITING: ("wait", "muted"),
    STARTING: ("init", "info"),
    RUNNING: ("run", "success"),
    PAUSED: ("paus", "warning"),
    STOPPING: ("stop", "warning"),
    COMPLETE: ("done", "text"),
    PRUNED: ("prun", "muted"),
    FAILED: ("fail", "error"),
    KILLED: ("kill", "muted"),
    LOST: ("lost", "error"),
}

_SIGNS = {
    WAITING: ".",
    STARTING: "\N{DOTTED CIRCLE}",
    RUNNING: "\N{BLACK RIGHT-POINTING SMALL TRIANGLE}",
    PAUSED: "=",
    STOPPING: "~",
    COMPLETE: "\N{CHECK MARK}",
    PRUNED: "\N{BLACK DOWN-POINTING SMALL TRIANGLE}",
    FAILED: "!",
    KILLED: "x",
    LOST: "?",
}
_ASCII = {**_SIGNS, STARTING: "o", RUNNING: ">", COMPLETE: "v", PRUNED: "-"}


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
    if row.state == RUNNING:
        if engine_gone:
            return LOST
        if row.phase.startswith("ending") and "pruned" not in row.phase:
            return STOPPING
        if row.phase == "starting":
            return STARTING
    if row.phase == "killing" and not engine_gone:
        return STOPPING
    return row.state
