"""The state machine of one study: `decide` (what follows?) and `evolve` (what is now?)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuitune.core.study.state import State, Trial

if TYPE_CHECKING:
    from tuitune.core.study.machine import Study

__all__ = ["State", "Study", "Trial"]


def __getattr__(name: str) -> Any:
    """Who only reads what is stored compares trials, and needs no machine."""
    if name != "Study":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from tuitune.core.study.machine import Study  # noqa: PLC0415 - see above

    return Study
