"""Facts of the journal, reports and device samples: how they are written and read."""

import functools
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Any, get_args

import msgspec

from tuitune.core import events
from tuitune.core.placement.snapshots import DeviceSample
from tuitune.store.errors import FactError, StoreError

_PAGE = 5000  # rows of one query; no statement is open while they are processed

_FACTS = """
SELECT seq, time, trial, attempt, step, metrics, can_save FROM reports WHERE seq > :since
UNION ALL
SELECT seq, time, NULL, NULL, NULL, body, NULL FROM journal WHERE seq > :since
ORDER BY seq LIMIT :page"""
_HISTORY = """
SELECT seq, time, trial, step, value, CASE WHEN value IS NULL THEN metrics END
    FROM reports WHERE seq > :since
UNION ALL
SELECT seq, time, NULL, NULL, NULL, body FROM journal WHERE seq > :since
ORDER BY seq LIMIT :page"""
_SPAN = (
    "SELECT born, CASE WHEN ended IS NULL THEN :most ELSE changed END FROM trials WHERE number = :n"
)
LAST = 2**63 - 1

ReportColumns = tuple[float, int, int, float | None]  # time, trial, step, objective
_OF_MANY = (events.PauseAsked, events.ResumeAsked, events.UndoKillAsked)

_encode = msgspec.msgpack.Encoder().encode
_decode_metrics = msgspec.msgpack.Decoder(dict[str, float]).decode
_kinds: dict[type[Any], str] = {
    kind: kind.__struct_config__.tag for kind in get_args(events.AnyFact)
}

_OF_TRIAL = f"""
SELECT seq, body FROM journal WHERE seq BETWEEN :first AND :last AND (
    trial = :trial OR kind IN {tuple(map(_kinds.get, _OF_MANY))}) ORDER BY seq"""  # noqa: S608 - our own names

_ATTEMPTS = f"""SELECT seq, time, kind, trial, body FROM journal
    WHERE seq > ? AND kind IN ('{_kinds[events.Launch]}', '{_kinds[events.Exited]}') ORDER BY seq"""  # noqa: S608


@functools.cache  # made when it is needed: a new study reads no facts, and this takes 5 ms
def _decoder() -> Callable[[bytes], events.AnyFact]:
    decoder: msgspec.msgpack.Decoder[events.AnyFact] = msgspec.msgpack.Decoder(events.AnyFact)
    return decoder.decode


def to_columns(
    facts: Sequence[events.AnyFact], seq: int, metric: str
) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    """The rows of `journal` and of `reports`, numbered on from `seq`.

    Raises StoreError for a fact that holds a value which can't be stored.
    """
    journal: list[tuple[object, ...]] = []
    reports: list[tuple[object, ...]] = []
    for number, fact in enumerate(facts, seq + 1):
        try:
            if type(fact) is events.Reported:
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
                        fact.can_save + 2 * fact.open + 4 * fact.waits,
                    )
                )
            else:
                kind, trial = _kinds[type(fact)], getattr(fact, "trial", None)
                journal.append((number, fact.time, kind, trial, _encode(fact)))
        except (TypeError, ValueError, OverflowError) as error:
            raise StoreError(f"a fact can't be kept: {fact!r}: {error}") from error
    return journal, reports


def read_facts(db: sqlite3.Connection, since: int) -> Iterator[tuple[int, events.AnyFact]]:
    """Every fact numbered above `since`, in order, reports among the others."""
    for page in _pages(db, _FACTS, since):
        for row in page:
            yield row[0], _fact(row)


def read_history(db: sqlite3.Connection, metric: str) -> Iterator[events.AnyFact | ReportColumns]:
    """Every fact in order, reports as columns: a third of the work of `read_facts`.

    The objective is None where a report has none, and NaN where it was not a number.
    """
    for page in _pages(db, _HISTORY, 0):
        for seq, time, trial, step, value, body in page:
            if trial is None:
                yield _decoded(seq, body)
            elif value is None:
                yield time, trial, step, _decode_metrics(body).get(metric)
            else:
                yield time, trial, step, value


def _pages(db: sqlite3.Connection, query: str, since: int) -> Iterator[list[Any]]:
    """The rows above `since`, page by page: no statement is open while a page is used."""
    while True:
        page = db.execute(query, {"since": since, "page": _PAGE}).fetchall()
        yield page
        if len(page) < _PAGE:
            return
        if page[-1][0] <= since:  # a page of the file is there twice: it would never end
            raise FactError(f"fact {since} of the journal is not followed by the next")
        since = page[-1][0]


def of_trial(db: sqlite3.Connection, trial: int) -> list[tuple[int, events.AnyFact]]:
    """Facts of this trial except its reports, in order; those of several trials included."""
    first, last = span(db, trial)
    rows = db.execute(_OF_TRIAL, {"first": first, "last": last, "trial": trial})
    found = [(seq, _decoded(seq, body)) for seq, body in rows]
    return [(n, f) for n, f in found if not isinstance(f, _OF_MANY) or trial in f.trials]


def span(db: sqlite3.Connection, trial: int) -> tuple[int, int]:
    """(first, last) number that a fact of this trial may have, reports among them."""
    found = db.execute(_SPAN, {"most": LAST, "n": trial}).fetchone()
    return (0, LAST) if found is None else (found[0], found[1])


def attempts(
    db: sqlite3.Connection, since: int
) -> list[tuple[int, float, int, tuple[str, ...] | None]]:
    """(number, time, trial, devices) of launches and exits above `since`; devices: None at an exit.

    UUIDs of GPUs; "cpu" without one.
    """
    found: list[tuple[int, float, int, tuple[str, ...] | None]] = []
    for seq, time, kind, trial, body in db.execute(_ATTEMPTS, (since,)):
        fact = _decoded(seq, body) if kind == _kinds[events.Launch] else None
        devices = (fact.gpus or ("cpu",)) if isinstance(fact, events.Launch) else None
        found.append((seq, time, trial, devices))
    return found


def newest(
    db: sqlite3.Connection, count: int, kinds: Sequence[type[events.Fact]], before: int
) -> list[tuple[int, events.AnyFact]]:
    """The last `count` facts of these kinds numbered below `before`, the newest first."""
    marks = ",".join("?" * len(kinds))
    query = f"""SELECT seq, body FROM journal WHERE seq < ? AND kind IN ({marks})
        ORDER BY seq DESC LIMIT ?"""  # noqa: S608 - marks and nothing else
    found = db.execute(query, (before, *(_kinds[kind] for kind in kinds), count))
    return [(seq, _decoded(seq, body)) for seq, body in found]


def from_row(table: str, row: tuple[Any, ...]) -> events.AnyFact:
    """The fact that a whole row of `journal` or `reports` holds.

    Raises ValueError, StoreError or others where the row is damaged.
    """
    if table == "reports":
        seq, time, trial, attempt, step, _, body, flags = row
        return _fact((seq, time, trial, attempt, step, body, flags))
    seq, time, kind, _, body = row
    fact = _decoded(seq, body)
    if (fact.time, _kinds[type(fact)]) != (time, kind):
        raise ValueError(f"fact {seq} is not the one of its row")
    return fact


def _fact(row: tuple[Any, ...]) -> events.AnyFact:
    seq, time, trial, attempt, step, body, flags = row
    if trial is None:
        return _decoded(seq, body)
    flagged = bool(flags & 1), bool(flags & 2), bool(flags & 4)
    return events.Reported(time, trial, attempt, step, _decode_metrics(body), *flagged)


def _decoded(seq: int, body: bytes) -> events.AnyFact:
    try:
        return _decoder()(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise FactError(f"fact {seq} of the journal can't be read ({error})") from error


_FINE = 600.0  # s in which every sample is kept
_COARSE = 60.0  # s between two that are kept longer
_LONGEST = 86400.0  # s

_ADD = "REPLACE INTO samples VALUES(?,?,?,?)"
_SINCE = "SELECT body FROM samples WHERE time > ? ORDER BY time, device"
_SINCE_OF = """
    SELECT body FROM samples WHERE time > ? AND device IN (SELECT value FROM json_each(?))
    ORDER BY time, device"""
_THIN = "DELETE FROM samples WHERE (time < ? AND NOT kept) OR time < ?"

_encode_sample = msgspec.msgpack.Encoder().encode


class Samples:
    """Writes the table of samples, and thins samples that are older than ten minutes."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._kept: dict[str, float] = {}  # device -> its last sample that is kept for a day
        self._thinned = 0.0

    def add(self, samples: Sequence[DeviceSample]) -> None:
        """Store samples and thin old ones, inside a transaction of the caller."""
        if not samples:
            return
        self._db.executemany(_ADD, [self._columns(sample) for sample in samples])
        now = samples[-1].time
        if now - self._thinned >= _COARSE:
            self._thinned = now
            self._db.execute(_THIN, (now - _FINE, now - _LONGEST))

    def _columns(self, sample: DeviceSample) -> tuple[object, ...]:
        kept = sample.time - self._kept.get(sample.device, 0.0) >= _COARSE
        if kept:
            self._kept[sample.device] = sample.time
        return sample.time, sample.device, kept, _encode_sample(sample)


def read_samples(
    db: sqlite3.Connection, since: float, devices: Sequence[str] | None = None
) -> list[DeviceSample]:
    """Those taken after `since`, in order. devices: of these alone."""
    decode = msgspec.msgpack.Decoder(DeviceSample).decode
    if devices is None:
        return [decode(body) for (body,) in db.execute(_SINCE, (since,))]
    names = msgspec.json.encode(devices).decode()
    return [decode(body) for (body,) in db.execute(_SINCE_OF, (since, names))]
