"""Base classes of the app's values: structs, which cost 10 ms of a start less than dataclasses.

They are never decoded, so that the types of their fields need not be known at run time.
"""

from __future__ import annotations

import msgspec


class Record(msgspec.Struct, frozen=True):
    """An immutable value."""


class Holder(msgspec.Struct):
    """A mutable value."""
