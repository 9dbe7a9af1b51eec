"""Filters of the table: a text, parsed into tests of a trial.

All terms must hold: "adam state:run lr<1e-3 has:error !tag trial:12,15 rung>=2". A bare word is
searched in the texts of a trial; ":" means contains, "=" equals, "!" in front negates.
"""

from __future__ import annotations

import difflib
import operator
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from tuitune.core.space.parameters import Choice, Fixed, Parameter, Sampled, is_number
from tuitune.messages.command import spelled
from tuitune.messages.states import WORDS, Shown, shown
from tuitune.ui.render.glyphs import shown_state
from tuitune.ui.state.records import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tuitune.core.spec import StudySpec
    from tuitune.store.rows import TrialRow
    from tuitune.ui.state.snapshot import Snapshot

    Test = Callable[[TrialRow, Snapshot], bool]
    Read = Callable[[TrialRow], Any]

_TEXTS_KEPT: Final = 2048  # cached results: most trials have the same few texts
_COMPARE: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class FilterError(ValueError):
    """The filter can't be parsed; the message says what is wrong and what is possible."""


def _of_number(name: str, read: Read, sign: str, wanted: tuple[str, ...]) -> Test:
    numbers = [(_as_number(name, text), text) for text in wanted]
    compare = _COMPARE.get(sign)
    if compare is None:
        equal = [_equal_to(number, text) for number, text in numbers]
        negated = sign == "!="
        return lambda row, _: any(same(read(row)) for same in equal) is not negated
    if len(numbers) > 1:
        raise FilterError(f"{name}{sign} takes one number")
    limit = numbers[0][0]

    def test(row: TrialRow, _: Snapshot) -> bool:
        value = read(row)
        return is_number(value) and compare(value, limit)

    return test


def _of_text(name: str, read: Read, sign: str, wanted: tuple[str, ...]) -> Test:
    if sign in _COMPARE:
        raise FilterError(f"{name} can't be compared by < or >; write {name}:{wanted[0]}")
    sought = [text.casefold() for text in wanted]
    negated = sign == "!="

    @lru_cache(maxsize=_TEXTS_KEPT)
    def holds(text: str) -> bool:
        return any(_like(text.casefold(), one, sign) for one in sought) is not negated

    def test(row: TrialRow, _: Snapshot) -> bool:
        value = read(row)
        return holds("" if value is None else spelled(value))

    return test


def _like(text: str, sought: str, sign: str) -> bool:
    return sought in text if sign == ":" else sought == text


def _equal_to(number: float, text: str) -> Callable[[Any], bool]:
    """Equality to as many digits as were typed: 3.1e-3 matches 0.00312."""
    digits = max(1, len(text.lower().partition("e")[0].lstrip("+-0.").replace(".", "")))
    form = f".{digits - 1}e"
    rounded = format(number, form)

    def same(value: Any) -> bool:
        if not is_number(value):
            return False
        return value == number or (isinstance(value, float) and format(value, form) == rounded)

    return same


def _as_number(name: str, text: str) -> float:
    try:
        return float(text.lstrip("#t") if name == "trial" else text)
    except ValueError:
        raise FilterError(f"{name} is a number, and {text} is not") from None


_NUMBERS: Final[Mapping[str, Read]] = {
    "trial": lambda row: row.number,
    "value": lambda row: row.value,
    "metric": lambda row: row.value,
    "best": lambda row: row.best,
    "step": lambda row: row.step,
    "rung": lambda row: row.rung,
    "bracket": lambda row: row.bracket,
    "tries": lambda row: row.attempt,
    "checkpoint": lambda row: row.checkpoint,
}
_TEXTS: Final[Mapping[str, Read]] = {
    "device": lambda row: row.device,
    "node": lambda row: row.node,
    "origin": lambda row: row.origin,
    "error": lambda row: row.error,
    "note": lambda row: row.note,
}


def _word(text: str, spec: StudySpec) -> Test:
    """A bare word: part of a text of the trial, or the start of the name of its state."""
    sought = text.casefold()
    states = _states_like(sought)
    names = [p.name for p in spec.space.parameters if _may_be_text(p)]
    is_numbered = _numbered(sought)

    @lru_cache(maxsize=_TEXTS_KEPT)
    def holds(text: str) -> bool:
        return sought in text.casefold()

    def test(row: TrialRow, snapshot: Snapshot) -> bool:
        if _plain(row) in states or holds(row.origin) or holds(row.device):
            return True
        if holds(row.node) or holds(row.error) or holds(row.note) or is_numbered(row):
            return True
        if row.is_transient and _shown(row, snapshot) in states:
            return True
        config = row.config
        return any(holds(spelled(config[name])) for name in names if name in config)

    return test


def _example(name: str, spec: StudySpec) -> str:
    """A possible value, for the message of an error."""
    parameter = spec.space.by_name.get(name)
    if isinstance(parameter, Choice):
        return spelled(parameter.values[0])
    known = {"state": "running", "has": "error", "device": "cpu"}
    return known.get(name) or spelled(getattr(parameter, "low", 1))


def _numbered(sought: str) -> Callable[[TrialRow], bool]:
    """#7 matches only that trial, 7 each trial with these digits in its number."""
    digits = sought.removeprefix("#")
    if not digits.isdecimal():
        return lambda _: False
    if digits != sought:
        return lambda row: row.number == int(digits)
    return lambda row: digits in str(row.number)


def _field(name: str, sign: str, asked: str, spec: StudySpec) -> Test:
    """A comparison, as "lr" "<" "1e-3"; `asked` may list several values. Raises FilterError."""
    wanted = tuple(filter(None, asked.split(",")))
    if not wanted:
        raise FilterError(f"{name}: needs a value, as {name}{sign}{_example(name, spec)}")
    if name == "has":
        return _has(wanted, spec)
    if name == "state":
        return _state(sign, wanted)
    if name == spec.objective.metric:
        name = "value"
    if name in _NUMBERS:
        return _of_number(name, _NUMBERS[name], sign, wanted)
    if name in _TEXTS:
        return _of_text(name, _TEXTS[name], sign, wanted)
    return _parameter(name, sign, wanted, spec)


def _state(sign: str, wanted: tuple[str, ...]) -> Test:
    if sign in _COMPARE:
        raise FilterError("states can't be compared by < or >; write state:running")
    states: set[str] = set()
    for text in wanted:
        found = _states_like(text.casefold())
        if not found:
            raise FilterError(f"no state {text}: {', '.join(WORDS)}")
        states |= found
    negated = sign == "!="
    return lambda row, snapshot: (
        (_plain(row) in states or _shown(row, snapshot) in states) is not negated
    )


def _has(wanted: tuple[str, ...], spec: StudySpec) -> Test:
    reads = [_reader(name, spec) for name in wanted]
    return lambda row, _: all(read(row) not in (None, "") for read in reads)


def _reader(name: str, spec: StudySpec) -> Read:
    if name == spec.objective.metric:
        return _NUMBERS["value"]
    if name in spec.space.by_name:
        return lambda row: row.config.get(name)
    known = {**_NUMBERS, **_TEXTS}
    if name not in known:
        raise FilterError(f"has: error, note, value, rung, checkpoint or a parameter, not {name}")
    return known[name]


def _parameter(name: str, sign: str, wanted: tuple[str, ...], spec: StudySpec) -> Test:
    parameter = spec.space.by_name.get(name)
    if parameter is None:
        raise FilterError(_unknown(name, spec))

    def read(row: TrialRow) -> Any:
        return row.config.get(name)

    if isinstance(parameter, Choice) and any(isinstance(v, bool | str) for v in parameter.values):
        _one_of(name, sign, wanted, [spelled(value) for value in parameter.values])
        return _of_text(name, read, sign, wanted)
    if isinstance(parameter, Fixed | Sampled) and sign not in _COMPARE:
        return _of_text(name, read, sign, wanted)
    return _of_number(name, read, sign, wanted)


def _one_of(name: str, sign: str, wanted: Iterable[str], known: list[str]) -> None:
    """Raises FilterError if no value can match."""
    for text in map(str.casefold, wanted):
        if sign in _COMPARE:
            raise FilterError(f"{name} can't be compared by < or >; write {name}={known[0]}")
        if not any(_like(value.casefold(), text, sign) for value in known):
            raise FilterError(f"{name} is one of {', '.join(known)}")


def _states_like(text: str) -> frozenset[str]:
    """The states whose names start with the text."""
    return frozenset(
        state
        for state, words in WORDS.items()
        if state.startswith(text) or words.short.startswith(text)
    )


def _plain(row: TrialRow) -> Shown:
    """The state without transient ones, such as STOPPING."""
    return shown(row.state, at_rung=row.is_held)


def _shown(row: TrialRow, snapshot: Snapshot) -> Shown:
    return shown_state(row, engine_gone=snapshot.engine_gone)


def _may_be_text(parameter: Parameter) -> bool:
    if isinstance(parameter, Choice):
        return any(isinstance(value, str) for value in parameter.values)
    return isinstance(parameter, Sampled)


def _unknown(name: str, spec: StudySpec) -> str:
    names = ["state", "has", *_NUMBERS, *_TEXTS, spec.objective.metric, *spec.space.by_name]
    close = difflib.get_close_matches(name, names, n=1)
    advice = f"did you mean {close[0]}?" if close else "quote it to search as text"
    return f'no column "{name}"; {advice}'


__all__ = ["ALL", "Filter", "FilterError", "parse"]

_WORDS = re.compile(r'(?:"[^"]*"?|[^\s"])+')
_FIELD = re.compile(r'([^<>=!:"]+)(<=|>=|!=|<|>|=|:)(.*)', re.DOTALL)


class Filter(Record, frozen=True):
    """The text of a filter and its tests, all of which a trial must pass."""

    text: str = ""
    tests: tuple[Test, ...] = ()

    def matches(self, row: TrialRow, snapshot: Snapshot) -> bool:
        """Whether the trial passes every test."""
        for test in self.tests:  # noqa: SIM110 - a generator costs more than most tests do
            if not test(row, snapshot):
                return False
        return True


ALL: Final = Filter()


def parse(text: str, spec: StudySpec) -> Filter:
    """The filter of this text. Raises FilterError."""
    words = _WORDS.findall(text)
    if not words:
        return ALL
    return Filter(text.strip(), tuple(_test(one, spec) for one in words))


def _test(text: str, spec: StudySpec) -> Test:
    if text.startswith("!"):
        return _not(text[1:], spec)
    found = _FIELD.fullmatch(text)
    if found is None:
        return _word(text.replace('"', ""), spec)
    name, sign, asked = found.groups()
    return _field(name, sign, asked.replace('"', ""), spec)


def _not(text: str, spec: StudySpec) -> Test:
    if not text:
        raise FilterError("!: needs a word to exclude, as !state:failed")
    test = _test(text, spec)
    return lambda row, snapshot: not test(row, snapshot)
