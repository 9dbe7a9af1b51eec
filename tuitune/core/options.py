"""Options that a search method or a pruner reads from its table, and what is wrong with them."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import msgspec

Mode = Literal["min", "max"]  # the direction of an objective


class Option(msgspec.Struct, frozen=True):
    """A key of the table. low: the least number that is allowed, for "whole" and "number"."""

    key: str
    kind: Literal["whole", "number", "text"]
    default: Any
    low: float = 0


class Fault(NamedTuple):
    """What is wrong with a key of the table, in words that end with what to do about it.

    missing: the key is not there, and words say what to write. unused: it is there and means
    nothing, which is let pass where --set has just changed the method.
    """

    key: str
    words: str
    how: Literal["wrong", "missing", "unused"] = "wrong"
