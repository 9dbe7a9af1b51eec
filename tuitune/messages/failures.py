"""Failed trials in groups of the same error, with what the trials of a group have in common."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from tuitune.core import events, space
from tuitune.messages.text import plain


class Failed(Protocol):
    """A trial as its failure is told; a row of the store is one."""

    @property
    def number(self) -> int:
        """The trial's number, from 0."""

    @property
    def state(self) -> events.TrialState:
        """Only FAILED is told apart from the others."""

    @property
    def config(self) -> Mapping[str, Any]:
        """Its configuration."""

    @property
    def error(self) -> str:
        """Why it failed."""


class FailureGroup(NamedTuple):
    """Trials that failed with the same error. shared: as "act = "gelu""; empty for nothing."""

    error: str
    trials: tuple[int, ...]
    shared: str


def failure_groups(rows: Sequence[Failed]) -> list[FailureGroup]:
    """The failed ones among these trials, the largest group first."""
    by_error: dict[str, list[Failed]] = {}
    others: list[Failed] = []
    for row in rows:
        if row.state == events.TrialState.FAILED:
            by_error.setdefault(plain(row.error), []).append(row)
        else:
            others.append(row)
    groups = [
        FailureGroup(error, tuple(row.number for row in found), _shared(found, others))
        for error, found in by_error.items()
    ]
    return sorted(groups, key=lambda group: (-len(group.trials), group.trials))


def _shared(found: Sequence[Failed], others: Sequence[Failed]) -> str:
    """Values that all of them have, and fewer than half of the trials that did not fail."""
    if len(found) < 2:
        return ""
    parts: list[str] = []
    for name, value in found[0].config.items():
        if not all(row.config.get(name) == value for row in found):
            continue
        if 2 * sum(row.config.get(name) == value for row in others) < len(others):
            parts.append(f"{name} = {space.spell(value)}")
    return plain(", ".join(parts))
