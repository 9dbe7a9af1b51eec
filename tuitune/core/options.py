"""Options that a search method or a pruner reads from its table, and faults in them."""

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
    """A problem with a key of the table. words: a message that ends with how to solve it.

    missing: the key is not there, and words say what to write. unused: it has no effect, which is
    accepted where --set has just changed the method.
    """

    key: str
    words: str
    how: Literal["wrong", "missing", "unused"] = "wrong"
