"""Problems of a study file, with their place and how to solve them."""

from collections.abc import Sequence

import msgspec

from tuitune.core.space import spell
from tuitune.messages.text import plain

_KINDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "a table",
}
_LONGEST = 80  # characters of a value in a message


class StudyFileError(Exception):
    """A study file with problems. Its text has one on each line, safe to print."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(map(plain, problems)))
        self.problems = list(problems)


class Problems(msgspec.Struct, frozen=True):
    """All problems of one file found so far."""

    file: str
    found: list[str] = []
    overridden: set[tuple[str, ...]] = set()  # table and key, from --set
    meant: set[tuple[str, str]] = set()  # (table, key) that unknown keys most likely mean
    lenient: bool = False  # for an existing study: accept keys without an effect

    def add(self, table: str, key: str, value: object, words: str) -> None:
        """Record a problem of a key; value None: the key is missing."""
        path = f"{table}.{key.partition('[')[0]}".split(".")
        where = "--set" if tuple(path[:2]) in self.overridden else self.file
        place = " ".join(part for part in (f"[{table}]" if table else "", key) if part)
        given = "" if value is None else f" = {_shortened(spell(value))}"
        self.found.append(f"{where}: {place}{given}: {words}")

    def missing(self, table: str, key: str, words: str) -> None:
        """Record a missing key, unless an unknown key most likely means it."""
        if (table, key) not in self.meant:
            self.add(table, key, None, f"is missing; {words}")

    def note(self, words: str) -> None:
        """Record a problem of the whole file."""
        self.found.append(f"{self.file}: {words}")


class WrongValueError(Exception):
    """A value that can not be used; str() ends with how to correct it."""


def kind(value: object) -> str:
    """The kind of a TOML value, with its article."""
    return _KINDS.get(type(value), "a date or time")


def as_text(value: object) -> str:
    """A value as a text of TOML, for the mend of a value that is to be text."""
    if isinstance(value, list) and len(value) == 1:
        return as_text(value[0])
    return spell(value if isinstance(value, str) else spell(value))


def value_words(value: object) -> str:
    """Why a value can not be passed to a trial; empty where it can."""
    match value:
        case bool() | str():
            return ""
        case int():
            whole = -(2**63) <= value < 2**63
            return "" if whole else "has more than 64 bits; write it as a float or as text"
        case float():
            return "" if value == value else "is not a number, so never equal to itself"  # noqa: PLR0124 - the test for NaN
        case list():
            return next((words for item in value if (words := value_words(item))), "")
        case dict():
            return value_words(list(value.values()))
        case _:
            return 'is a date or time, which trials don\'t get; write it as text, in "quotes"'


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 2] + " …"
