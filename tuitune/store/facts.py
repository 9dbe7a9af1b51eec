"""How is a fact of the journal written, and read again in order?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import msgspec

from tuitune.events import AnyFact, Fact, Reported
from tuitune.store.errors import StoreError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

PAGE = 5000  # rows a query: no statement stays open while a page is worked on

FACTS = """
SELECT seq, time, trial, attempt, step, metrics, can_save FROM reports WHERE seq > :since
UNION ALL
SELECT seq, time, NULL, NULL, NULL, body, NULL FROM journal WHERE seq > :since
ORDER BY seq LIMIT :page"""

_encode = msgspec.msgpack.Encoder().encode
_decode: msgspec.msgpack.Decoder[AnyFact] = msgspec.msgpack.Decoder(AnyFact)
_decode_metrics = msgspec.msgpack.Decoder(dict[str, float]).decode
_kinds: dict[type[Any], str] = {kind: kind.__struct_config__.tag for kind in get_args(AnyFact)}


def kind_of(fact: type[Fact]) -> str:
    return _kinds[fact]


def to_columns(
    facts: Sequence[AnyFact], seq: int, metric: str
) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    """The rows of `journal` and of `reports`, numbered on from `seq`.

    Raises StoreError for a fact that holds a value which can't be stored.
    """
    journal: list[tuple[object, ...]] = []
    reports: list[tuple[object, ...]] = []
    for number, fact in enumerate(facts, seq + 1):
        try:
            if type(fact) is Reported:
                metrics = fact.metrics
                value = metrics.get(metric)
                packed = _encode(metrics)
                reports.append(
                    (
                        number,
                        fact.time,
                        fact.trial,
                        fact.attempt,
                        fact.step,
                        value,
                        packed,
                        fact.can_save,
                    )
                )
            else:
                journal.append((number, fact.time, _kinds[type(fact)], _encode(fact)))
        except (TypeError, ValueError, OverflowError) as error:
            raise StoreError(f"a fact can't be kept: {fact!r}: {error}") from error
    return journal, reports


def read(db: sqlite3.Connection, since: int) -> Iterator[tuple[int, AnyFact]]:
    """Every fact numbered above `since`, in order, reports among the others."""
    while True:
        page = db.execute(FACTS, {"since": since, "page": PAGE}).fetchall()
        for row in page:
            yield row[0], _fact(row)
        if len(page) < PAGE:
            return
        since = page[-1][0]


def at(db: sqlite3.Connection, seq: int) -> AnyFact:
    """The fact of this number, which is there."""
    return _fact(db.execute(FACTS, {"since": seq - 1, "page": 1}).fetchone())


def _fact(row: tuple[Any, ...]) -> AnyFact:
    seq, time, trial, attempt, step, body, can_save = row
    try:
        if trial is None:
            return _decode.decode(body)
        return Reported(time, trial, attempt, step, _decode_metrics(body), bool(can_save))
    except msgspec.MsgspecError as error:
        raise StoreError(
            f"fact {seq} of the journal can't be read ({error}); it is damaged, or a newer "
            f"tuitune wrote it: use that one"
        ) from error
