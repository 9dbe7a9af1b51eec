"""Rows of a table in an SQLite file, page by page, up to where the file is damaged.

The format is https://sqlite.org/fileformat2.html. SQLite itself does not notice all rows that are
missing; here a page must end with the row that the page above it says. So it is in tables that are
only ever appended to.
"""

import struct
from collections.abc import Iterator

HEADER = 100  # bytes at the start of the first page
_INTERIOR, _LEAF = 5, 13  # kinds of pages
_DEEPEST = 20
_LENGTHS = (
    0,
    1,
    2,
    3,
    4,
    6,
    8,
    8,
    0,
    0,
)  # of the types of columns that have no length of their own

Column = int | float | str | bytes | None


class TornError(Exception):
    """A page is not as it was written."""


class Pages:
    """The pages of a file, which is given as its bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        (size,) = struct.unpack_from(">H", data.ljust(HEADER, b"\0"), 16)
        self._size = 1 << 16 if size == 1 else size or 4096
        self._usable = self._size - data.ljust(HEADER, b"\0")[20]

    def rows(self, root: int) -> Iterator[tuple[int, list[Column]]]:
        """(rowid, columns) by rising rowid. Raises TornError where the table is damaged."""
        before = 0
        try:
            for rowid, columns in self._below(root, None, 0):
                if rowid <= before:
                    raise TornError
                yield rowid, columns
                before = rowid
        except (IndexError, struct.error, UnicodeDecodeError) as error:
            raise TornError from error

    def _page(self, number: int) -> bytes:
        page = self._data[(number - 1) * self._size : number * self._size]
        if number < 1 or len(page) != self._size:
            raise TornError
        return page

    def _below(
        self, number: int, last: int | None, depth: int
    ) -> Iterator[tuple[int, list[Column]]]:
        """The rows of a page and of those below it, of which `last` is to be the last."""
        page = self._page(number)
        kind, _, count, content = struct.unpack_from(">BHHH", page)
        if kind not in (_INTERIOR, _LEAF) or depth > _DEEPEST:
            raise TornError
        cells = struct.unpack_from(f">{count}H", page, 12 if kind == _INTERIOR else 8)
        if kind == _INTERIOR:
            for at in cells:
                (child,) = struct.unpack_from(">I", page, at)
                yield from self._below(child, _varint(page, at + 4)[0], depth + 1)
            (child,) = struct.unpack_from(">I", page, 8)
            yield from self._below(child, last, depth + 1)
            return
        rowid = None
        for at in cells:
            length, after = _varint(page, at)
            rowid, after = _varint(page, after)
            yield rowid, _columns(self._payload(page, after, length))
        if (last is not None and rowid != last) or (cells and min(cells) != content):
            raise TornError

    def _payload(self, page: bytes, at: int, length: int) -> bytes:
        """The bytes of a row, which may go on in pages of their own."""
        longest, least = self._usable - 35, (self._usable - 12) * 32 // 255 - 23
        if length > len(self._data):
            raise TornError
        local = length
        if length > longest:
            local = least + (length - least) % (self._usable - 4)
            local = local if local <= longest else least
        found = page[at : at + local]
        (rest,) = struct.unpack_from(">I", page, at + local) if local < length else (0,)
        parts = [found]
        left = length - local
        while left > 0:
            more = self._page(rest)
            parts.append(more[4 : min(self._usable, 4 + left)])
            left -= len(parts[-1])
            (rest,) = struct.unpack_from(">I", more)
        return b"".join(parts)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of up to nine bytes, and where it ends."""
    value = 0
    for place in range(at, at + 8):
        value = value << 7 | data[place] & 127
        if data[place] < 128:
            return value, place + 1
    return value << 8 | data[at + 8], at + 9


def _columns(payload: bytes) -> list[Column]:
    """The values of a row."""
    start, at = _varint(payload, 0)
    body, columns = start, list[Column]()
    while at < start:
        kind, at = _varint(payload, at)
        length = _LENGTHS[kind] if kind < 12 else (kind - 12) // 2
        columns.append(_value(kind, payload[body : body + length]))
        body += length
    if at != start or body != len(payload):
        raise TornError
    return columns


def _value(kind: int, part: bytes) -> Column:
    if kind >= 12:
        return part.decode() if kind % 2 else part
    if kind == 7:
        (real,) = struct.unpack(">d", part)
        return float(real)
    if kind in (0, 8, 9):
        return None if kind == 0 else kind - 8
    return int.from_bytes(part, "big", signed=True)
