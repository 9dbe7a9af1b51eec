"""Access to log files of any size: only the bytes around the lines shown are read."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tuitune.messages.text import plain
from tuitune.store.folder import trial_folder

_NAME = "output.log"
_BLOCK = 1 << 14  # bytes read at a time
_LONGEST = 1 << 13  # bytes of a line; longer ones are shown as several
_SEARCHED = 1 << 26  # bytes that one search reads
_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]"  # colours, cursor movements
    r"|\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # titles, links
    r"|[ -/]*[0-~])"
)


class Stamp(NamedTuple):
    """A version of a file; differs after it is written to, truncated or replaced."""

    inode: int
    size: int
    written: int  # ns


def log_file(folder: Path, trial: int) -> Path:
    """The file with the output of a trial. folder: the study's."""
    return trial_folder(folder, trial) / _NAME


def stamp(path: Path) -> Stamp | None:
    """The current stamp; None if there is no such file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return Stamp(found.st_ino, found.st_size, found.st_mtime_ns)


def lines_before(path: Path, end: int, count: int) -> list[str]:
    """The last `count` lines before byte `end`, as a terminal shows them; [] without a file."""
    with _opened(path) as log:
        if log is None or count <= 0:
            return []
        start = _back(log, end, count)
        return shown_lines(os.pread(log, end - start, start))[-count:]


def back(path: Path, end: int, count: int) -> int:
    """The end of the page that is `count` lines above the one that ends at byte `end`."""
    with _opened(path) as log:
        return end if log is None else _back(log, end, count)


def on(path: Path, end: int, count: int) -> int:
    """The end of the page `count` lines further down, at most the end of the file."""
    with _opened(path) as log:
        if log is None:
            return end
        limit = min(os.fstat(log).st_size, end + count * _LONGEST)
        while count > 0 and end < limit:
            block = os.pread(log, min(_BLOCK, limit - end), end)
            at = 0
            while count > 0 and (newline := block.find(b"\n", at)) >= 0:
                at = newline + 1
                count -= 1
            end += at if count == 0 else max(1, len(block))
    return min(end, limit)


def find_before(path: Path, end: int, text: str) -> int | None:
    """The end of the nearest line above byte `end` that contains `text`, in any case.

    None if there is none within _SEARCHED bytes.
    """
    wanted = text.lower().encode()
    with _opened(path) as log:
        if log is None or not wanted:
            return None
        last = max(0, end - _SEARCHED)
        while end > last:
            start = max(last, end - (1 << 20))
            block = os.pread(log, end - start, start).lower()
            at = block.rfind(wanted)
            if at >= 0:
                return on(path, start + at, 1)
            end = start + len(wanted) - 1 if start > last else start
    return None


def find_after(path: Path, start: int, text: str) -> int | None:
    """The end of the first line from byte `start` on that contains `text`; see `find_before`."""
    wanted = text.lower().encode()
    with _opened(path) as log:
        if log is None or not wanted:
            return None
        last = start + _SEARCHED
        while start < last:
            block = os.pread(log, 1 << 20, start).lower()
            at = block.find(wanted)
            if at >= 0:
                return on(path, start + at, 1)
            if len(block) < 1 << 20:
                return None
            start += len(block) - len(wanted) + 1
    return None


def last_line(path: Path) -> str:
    """The last line that is not blank; "" if there is none."""
    found = stamp(path)
    lines = lines_before(path, found.size, 10) if found else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def shown_lines(raw: bytes) -> list[str]:
    """The lines of these bytes, without escape codes and text overwritten after a carriage return.

    An incomplete character at the end is left out.
    """
    *whole, rest = raw.split(b"\n")
    lines = [*whole, _cut(rest)] if rest else whole
    return [_shown(segment) for line in lines for segment in _segments(line)]


def _segments(line: bytes) -> list[bytes]:
    line = line.rstrip(b"\r").rpartition(b"\r")[2]  # what a terminal would show
    return [line[at : at + _LONGEST] for at in range(0, len(line), _LONGEST)] or [b""]


def _shown(line: bytes) -> str:
    text = _ESCAPES.sub("", line.decode("utf-8", "replace"))
    return plain(text.expandtabs(8))


def _cut(line: bytes) -> bytes:
    """The line without the bytes of an incomplete character at its end."""
    for back in range(1, min(4, len(line)) + 1):
        first = line[-back]
        if first >= 0xC0:
            whole = 2 if first < 0xE0 else 3 if first < 0xF0 else 4
            return line if back >= whole else line[:-back]
        if first < 0x80:
            break
    return line


def _back(log: int, end: int, count: int) -> int:
    """The start of the last `count` lines before byte `end`."""
    at = end - 1 if end and os.pread(log, 1, end - 1) == b"\n" else end
    floor = max(0, end - count * _LONGEST)
    while at > floor:
        start = max(floor, at - _BLOCK)
        block = os.pread(log, at - start, start)
        found = len(block)
        while count > 0 and (found := block.rfind(b"\n", 0, found)) >= 0:
            count -= 1
            if count == 0:
                return start + found + 1
        at = start
    return floor


@contextmanager
def _opened(path: Path) -> Iterator[int | None]:
    try:
        log = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        yield None
        return
    try:
        yield log
    finally:
        os.close(log)
