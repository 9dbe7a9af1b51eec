"""What does a reader see of one trial?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tuitune.store.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence


class TrialRow(msgspec.Struct, frozen=True):
    """A trial as it stands. Times are Unix seconds.

    `value` may be NaN when it is written, and is None when it is read back then.
    """

    number: int
    state: str
    config: dict[str, Any]
    origin: str = ""
    why: str = ""
    value: float | None = None
    step: int | None = None
    attempt: int = 0  # attempts so far
    started: float | None = None
    ended: float | None = None
    error: str = ""
    device: str = ""
    note: str = ""
    changed: int = 0  # the number of its last change: set by the journal, whatever is given


COLUMNS = TrialRow.__struct_fields__

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(dict[str, Any]).decode


def to_columns(row: TrialRow, changed: int) -> tuple[object, ...]:
    """The row's columns, in the order of COLUMNS.

    Raises StoreError for a configuration that holds a value which can't be stored.
    """
    try:
        config = _pack(row.config)
    except (TypeError, ValueError, OverflowError) as error:
        raise StoreError(f"trial {row.number}: its configuration can't be kept: {error}") from error
    return (
        row.number,
        row.state,
        config,
        row.origin,
        row.why,
        row.value,
        row.step,
        row.attempt,
        row.started,
        row.ended,
        row.error,
        row.device,
        row.note,
        changed,
    )


def from_columns(columns: Sequence[Any]) -> TrialRow:
    number, state, config, *rest = columns
    return TrialRow(number, state, _unpack(config), *rest)
