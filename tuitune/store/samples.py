"""How long is telemetry kept? Each second of ten minutes, then one a minute for a day."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tuitune.core.placement.sample import DeviceSample

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

FINE = 600.0  # s in which every sample is kept
COARSE = 60.0  # s between two that are kept longer
LONGEST = 86400.0  # s

ADD = "REPLACE INTO samples VALUES(?,?,?,?)"
SINCE = "SELECT body FROM samples WHERE time > ? ORDER BY time, device"
THIN = "DELETE FROM samples WHERE (time < ? AND NOT kept) OR time < ?"

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(DeviceSample).decode


class Samples:
    """The table of samples; what is stored of a device is thinned as it grows old."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._kept: dict[str, float] = {}  # when a device's last sample for long was taken
        self._thinned = 0.0

    def add(self, samples: Sequence[DeviceSample]) -> None:
        """Inside a transaction of the caller's."""
        if not samples:
            return
        self._db.executemany(ADD, [self._columns(sample) for sample in samples])
        now = samples[-1].time
        if now - self._thinned >= COARSE:
            self._thinned = now
            self._db.execute(THIN, (now - FINE, now - LONGEST))

    def _columns(self, sample: DeviceSample) -> tuple[object, ...]:
        kept = sample.time - self._kept.get(sample.device, 0.0) >= COARSE
        if kept:
            self._kept[sample.device] = sample.time
        return sample.time, sample.device, kept, _encode(sample)


def read(db: sqlite3.Connection, since: float) -> list[DeviceSample]:
    """Those taken after `since`, in order."""
    return [_decode(body) for (body,) in db.execute(SINCE, (since,))]
