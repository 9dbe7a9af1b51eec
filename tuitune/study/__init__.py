"""The state machine of one study: `decide` (what follows?) and `evolve` (what is now?)."""

from tuitune.study.machine import Study
from tuitune.study.state import State, Trial

__all__ = ["State", "Study", "Trial"]
