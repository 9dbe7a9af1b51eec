"""Options that a search method or a pruner reads from its table of the study file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Option:
    """A key of the table. low: the least number that is allowed, for "whole" and "number"."""

    key: str
    kind: Literal["whole", "number", "text"]
    default: Any
    low: float = 0
