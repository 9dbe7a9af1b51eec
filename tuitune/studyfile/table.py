"""One table of a study file: its keys, durations and sizes."""

import math
import re
from collections.abc import Collection, Mapping
from math import inf, isfinite
from typing import Any, TypeVar

from tuitune.core.space import is_number
from tuitune.studyfile.hints import KEYS, unknown_key, unknown_value
from tuitune.studyfile.problems import Problems, as_text, kind

_SECONDS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([dhms])\s*")
_SIZE = r"\s*(\d+(?:\.\d+)?)\s*([kKMGT]?)(i?)B\s*"
MOST_BYTES = 2**63  # larger sizes are read as this
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def seconds(text: str) -> float | None:
    """The seconds of a duration such as "90s", "2h" or "1h30m"; None where it is none."""
    if not text.strip():
        return None
    total, place = 0.0, 0
    while place < len(text):
        part = _PART.match(text, place)
        if part is None:
            return None
        total += float(part[1]) * _SECONDS[part[2]]
        place = part.end()
    return total if total < math.inf else None


def size(text: str) -> int | None:
    """The bytes of a size such as "512MB" (10^6 bytes) or "8GiB" (2^30); None where it is none."""
    found = re.fullmatch(_SIZE, text)
    if found is None:
        return None
    unit = 1024.0 if found[3] else 1000.0
    return round(min(float(found[1]) * math.pow(unit, _POWERS[found[2].lower()]), MOST_BYTES))


Default = TypeVar("Default")
Word = TypeVar("Word", bound=str)
_MOST_BYTES = 2**62  # below the limit of the journal, so that sums fit


class Table:
    """Reads the keys of one table; records each problem and returns the default instead."""

    def __init__(self, name: str, content: Mapping[str, Any], problems: Problems) -> None:
        self.name = name
        self.content = content
        self.problems = problems

    def check_keys(self, more: Collection[str] = ()) -> None:
        """Record each key that is neither of the table nor in `more`."""
        for key in self.content:
            if key not in KEYS[self.name] and key not in more:
                self.wrong(key, unknown_key(self.name, key))

    def needs(self, key: str, example: str) -> None:
        """Record a required key that is missing."""
        if key not in self.content:
            self.problems.missing(self.name, key, f"write {key} = {example}")

    def wrong(self, key: str, words: str) -> None:
        """Record a problem of a key; words end with what to do about it."""
        self.problems.add(self.name, key, self.content.get(key), words)

    def unused(self, key: str, other: str, words: str) -> None:
        """Record a key that has no effect together with another key of this table.

        Not where --set has changed only the other key: it can't remove this one.
        """
        changed = self.problems.overridden
        alone = (self.name, other) in changed and (self.name, key) not in changed
        if key in self.content and not alone and not self.problems.lenient:
            self.wrong(key, words)

    def text(self, key: str, default: Default) -> str | Default:
        """Text that is not blank."""
        value = self.content.get(key)
        if value is None:
            return default
        if not isinstance(value, str):
            self.wrong(key, f"is {kind(value)}, not text; write {key} = {as_text(value)}")
        elif not value.strip():
            self.wrong(key, "is empty; give it a value or leave the key out")
        else:
            return value
        return default

    def whole(self, key: str, default: Default, *, low: int) -> int | Default:
        """A whole number of at least low, with at most 63 bits."""
        value = self.content.get(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int):
            mend = _as_number(value, whole=True)
            self.wrong(key, f"is {kind(value)}, not a whole number; write {key} = {mend}")
        elif not low <= value < 2**63:
            self.wrong(key, f"is not a whole number of {low} or more; write {key} = {low} or more")
        else:
            return value
        return default

    def number(self, key: str, default: Default, *, low: float = -inf) -> float | Default:
        """A finite number of at least low."""
        value = self.content.get(key)
        if value is None:
            return default
        if not is_number(value):
            mend = _as_number(value, whole=False)
            self.wrong(key, f"is {kind(value)}, not a number; write {key} = {mend}")
        elif not isfinite(value):
            self.wrong(key, "is not finite; write a number or leave the key out")
        elif value < low:
            self.wrong(key, f"is below {low:g}; write {key} = {low:g} or more")
        else:
            return float(value)
        return default

    def one_of(self, key: str, default: Default, words: tuple[Word, ...]) -> Word | Default:
        """One of the words."""
        value = self.content.get(key)
        if value is None:
            return default
        if not isinstance(value, str):
            there = " or ".join(f'"{word}"' for word in words)
            self.wrong(key, f"is {kind(value)}; write {there}")
        elif value not in words:
            self.wrong(key, f"is unknown; {unknown_value(value, words)}")
        else:
            return next(word for word in words if word == value)
        return default

    def duration(self, key: str, default: Default, *, zero: bool = False) -> float | Default:
        """A duration in seconds; zero: whether 0 is allowed."""
        value = self.content.get(key)
        if value is None:
            return default
        found = seconds(value) if isinstance(value, str) else None
        if found is None:
            example = f'"{value:g}s"' if is_number(value) else '"90s", "10m" or "1h30m"'
            self.wrong(key, f"is not a duration; write {key} = {example}")
        elif found == 0 and not zero:
            self.wrong(key, "leaves no time at all; leave the key out for no limit")
        else:
            return found
        return default

    def bytes(self, key: str, default: Default, *, zero: bool = False) -> int | Default:
        """A size in bytes; zero: whether 0, which needs no unit, is allowed."""
        value = self.content.get(key)
        if value is None:
            return default
        if zero and is_number(value) and value == 0:
            return 0
        found = size(value) if isinstance(value, str) else None
        if found is None or (found == 0 and not zero):
            example = f'"{value:g}GB"' if is_number(value) else '"8GB", "512MB" or "8GiB"'
            self.wrong(key, f"is not a size; write {key} = {example}")
            return default
        if found > _MOST_BYTES:
            self.wrong(key, f'is too large; write {key} = "8GB", say')
            return default
        return found

    def texts(self, key: str) -> dict[str, str]:
        """A table of texts; empty where the key is missing."""
        value = self.content.get(key, {})
        if not isinstance(value, dict):
            self.wrong(key, f'is {kind(value)}, not a table; write {key} = {{ name = "text" }}')
            return {}
        place = f"{self.name}.{key}"
        for name, text in value.items():
            if not isinstance(text, str):
                words = f"is {kind(text)}, not text; write {name} = {as_text(text)}"
                self.problems.add(place, name, text, words)
        return {name: text for name, text in value.items() if isinstance(text, str)}


def _as_number(value: object, *, whole: bool) -> str:
    try:
        number = float(value) if isinstance(value, str | int | float) else None
    except ValueError:
        number = None
    if number is None or not isfinite(number) or isinstance(value, bool):
        return "1, say"
    return f"{round(number)}" if whole or number.is_integer() else f"{number}"
