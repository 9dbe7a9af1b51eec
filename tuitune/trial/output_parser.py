"""Reports in the lines that a command prints."""

from __future__ import annotations

import json
import math
import re
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LONGEST_LINE = 1 << 16  # bytes that are looked at; a progress bar or a binary may print far more
ESCAPES = (  # compiled at its first use
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]"  # colours, cursor
    r"|\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # titles, links
    r"|[ -/]*[0-~])"
)
_MARK = "tuitune {"
_LIST = "tuitune ["  # never a report, but most likely meant as one


class LineCutter:
    """Cuts what is read from a pipe into lines, in bounded memory."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, chunk: bytes) -> Iterator[str]:
        """The lines that this chunk completes, without escape sequences."""
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            self._hold(end)
            yield from self.flush()
        self._hold(rest)

    def flush(self) -> Iterator[str]:
        """The line that has not ended yet, if there is one."""
        held, self._held = self._held, b""
        if held:
            text = re.sub(ESCAPES, "", held.decode("utf-8", "replace"))
            yield text.rstrip("\r").rpartition("\r")[2]  # what a terminal would be showing

    def _hold(self, piece: bytes) -> None:
        if len(self._held) >= LONGEST_LINE and b"\r" not in piece:
            return
        held = self._held + piece
        if len(held) > LONGEST_LINE:
            held = held[held.rfind(b"\r", 0, -1) + 1 :][:LONGEST_LINE]
        self._held = held


class Metrics:
    """Reads reports from lines: printed as `tuitune {…}`, or found by the study file's regexes."""

    def __init__(
        self, patterns: Mapping[str, str], objective: str, resource: str | None = None
    ) -> None:
        self._patterns = {name: re.compile(pattern) for name, pattern in patterns.items()}
        self._objective = objective
        self._resource = resource
        self._found_objective = False
        self._instead = ""  # what the objective's pattern found, if no number
        self._latest: dict[str, float] = {}
        self.problem: str | None = None  # what is wrong with the last line, as a message

    def feed(self, line: str) -> dict[str, Any] | None:
        """The values that a line reports; None if it is not a report."""
        self.problem = None
        if line.lstrip().startswith(_MARK):
            return self._printed(line.strip()[len(_MARK) - 1 :])
        if line.lstrip().startswith(_LIST) and _is_list(line.strip()[len(_LIST) - 1 :]):
            self.problem = f'a printed report is a list, not tuitune {{"name": 1}}: {line:.100}'
            return None
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

    @property
    def lack(self) -> str:
        """What the objective's pattern found, if never a number, as a message; else empty."""
        return "" if self._found_objective else self._instead

    def _printed(self, text: str) -> dict[str, Any] | None:
        try:
            values = dict(json.loads(text))
        except ValueError as error:
            self.problem = f"a printed report isn't JSON ({error}): tuitune {text:.100}"
        except RecursionError:
            self.problem = f"a printed report is nested too deeply: tuitune {text:.100}"
        else:
            self._found_objective = self._found_objective or self._objective in values
            return values
        return None

    def _take(self, name: str, text: str | None) -> None:
        try:
            number = float(text or "")
        except ValueError:
            self.problem = f"the pattern of {name} found {text!r:.100}, which is not a number"
            if name == self._objective:
                self._instead = self.problem
            return
        if name == self._resource and math.isinf(number) and "inf" not in (text or "").lower():
            number = math.copysign(sys.float_info.max, number)  # too large for a float
        self._latest[name] = number
        self._found_objective = self._found_objective or name == self._objective


def _is_list(text: str) -> bool:
    try:
        return isinstance(json.loads(text), list)
    except (ValueError, RecursionError):
        return False
