"""How is what a trial has compared with what was asked, and what of it can't be?"""

from __future__ import annotations

import operator
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from tuitune.core.space.parameters import spell

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tuitune.store.rows import TrialRow
    from tuitune.ui.state.snapshot import Snapshot

    Test = Callable[[TrialRow, Snapshot], bool]
    Read = Callable[[TrialRow], Any]

TEXTS_KEPT: Final = 2048  # whether a word is in them: most trials tell the same few
COMPARE: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class FilterError(ValueError):
    """What was typed can't be understood; the words say what is wrong and what would do."""


def of_number(name: str, read: Read, sign: str, wanted: tuple[str, ...]) -> Test:
    numbers = [(_as_number(name, text), text) for text in wanted]
    compare = COMPARE.get(sign)
    if compare is None:
        equal = [_equal_to(number, text) for number, text in numbers]
        turned = sign == "!="
        return lambda row, _: any(same(read(row)) for same in equal) is not turned
    if len(numbers) > 1:
        raise FilterError(f"{name}{sign} takes one number")
    limit = numbers[0][0]

    def test(row: TrialRow, _: Snapshot) -> bool:
        value = read(row)
        return _is_number(value) and compare(value, limit)

    return test


def of_text(name: str, read: Read, sign: str, wanted: tuple[str, ...]) -> Test:
    if sign in COMPARE:
        raise FilterError(f"{name} is neither more nor less: {name}:{wanted[0]}")
    sought = [text.casefold() for text in wanted]
    turned = sign == "!="

    @lru_cache(maxsize=TEXTS_KEPT)
    def holds(text: str) -> bool:
        return any(like(text.casefold(), one, sign) for one in sought) is not turned

    def test(row: TrialRow, _: Snapshot) -> bool:
        value = read(row)
        return holds("" if value is None else spelt(value))

    return test


def like(text: str, sought: str, sign: str) -> bool:
    return sought in text if sign == ":" else sought == text


def _equal_to(number: float, text: str) -> Callable[[Any], bool]:
    """To as many digits as were typed: 3.1e-3 is also 0.00312."""
    digits = max(1, len(text.lower().partition("e")[0].lstrip("+-0.").replace(".", "")))
    form = f".{digits - 1}e"
    rounded = format(number, form)

    def same(value: Any) -> bool:
        if not _is_number(value):
            return False
        return value == number or (isinstance(value, float) and format(value, form) == rounded)

    return same


def _as_number(name: str, text: str) -> float:
    try:
        return float(text.removeprefix("t") if name == "trial" else text)
    except ValueError:
        raise FilterError(f"{name} is a number, and {text} is none") from None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def spelt(value: Any) -> str:
    return value if isinstance(value, str) else spell(value)
