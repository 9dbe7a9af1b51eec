"""What does a line that a command prints report?"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LONGEST_LINE = 1 << 16  # bytes that are looked at; a progress bar or a binary may print far more
ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]"  # colours, cursor
    r"|\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # titles, links
    r"|[ -/]*[0-~])"
)
MARK = "tuitune {"


class LineCutter:
    """Cuts what is read from a pipe into lines, in bounded memory."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, chunk: bytes) -> Iterator[str]:
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            self._hold(end)
            yield from self.flush()
        self._hold(rest)

    def flush(self) -> Iterator[str]:
        """The line that has not ended yet, if there is one."""
        held, self._held = self._held, b""
        if held:
            text = ESCAPES.sub("", held.decode("utf-8", "replace"))
            yield text.rstrip("\r").rpartition("\r")[2]  # what a terminal would be showing

    def _hold(self, piece: bytes) -> None:
        if len(self._held) >= LONGEST_LINE and b"\r" not in piece:
            return
        held = self._held + piece
        if len(held) > LONGEST_LINE:
            held = held[held.rfind(b"\r", 0, -1) + 1 :][:LONGEST_LINE]
        self._held = held


class Metrics:
    """Reads reports out of lines: printed as `tuitune {…}`, or found by the file's patterns."""

    def __init__(self, patterns: Mapping[str, str], objective: str) -> None:
        self._patterns = {name: re.compile(pattern) for name, pattern in patterns.items()}
        self._objective = objective
        self._latest: dict[str, float] = {}
        self.problem: str | None = None  # in words, what the last line got wrong

    def feed(self, line: str) -> dict[str, Any] | None:
        """The values that a line reports, None where it is no report."""
        self.problem = None
        if line.lstrip().startswith(MARK):
            return self._printed(line.strip()[len(MARK) - 1 :])
        if not self._patterns:
            return None
        found = {
            name: match[1] if pattern.groups else match[0]
            for name, pattern in self._patterns.items()
            if (match := pattern.search(line)) is not None
        }
        for name, text in found.items():
            self._take(name, text)
        return dict(self._latest) if self._objective in found and self.problem is None else None

    def _printed(self, text: str) -> dict[str, Any] | None:
        try:
            return dict(json.loads(text))
        except ValueError as error:
            self.problem = f"a printed report isn't JSON ({error}): tuitune {text:.100}"
        except RecursionError:
            self.problem = f"a printed report is nested too deeply: tuitune {text:.100}"
        return None

    def _take(self, name: str, text: str | None) -> None:
        try:
            self._latest[name] = float(text or "")
        except ValueError:
            self.problem = f"the pattern of {name} found {text!r:.100}, which is not a number"
