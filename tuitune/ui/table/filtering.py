"""Which trials does the table show? What is typed after the slash: understood once, asked often.

Words of which each must hold: "adam state:run lr<1e-3 has:error !tag trial:12,15 rung>=2". A bare
word is looked for in what is told of a trial, ":" is within, "=" is equal, "!" in front is not.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tuitune.ui.state.records import Record
from tuitune.ui.table.comparing import FilterError
from tuitune.ui.table.terms import field, word

if TYPE_CHECKING:
    from tuitune.core.spec import StudySpec
    from tuitune.store.rows import TrialRow
    from tuitune.ui.state.snapshot import Snapshot
    from tuitune.ui.table.comparing import Test

__all__ = ["ALL", "Filter", "FilterError", "parse"]

_WORDS = re.compile(r'(?:"[^"]*"?|[^\s"])+')
_FIELD = re.compile(r'([^<>=!:"]+)(<=|>=|!=|<|>|=|:)(.*)', re.DOTALL)


class Filter(Record, frozen=True):
    """What was typed, and the tests that it means: all of them must hold of a trial."""

    text: str = ""
    tests: tuple[Test, ...] = ()

    def matches(self, row: TrialRow, snapshot: Snapshot) -> bool:
        for test in self.tests:  # noqa: SIM110 - a generator costs more than most tests do
            if not test(row, snapshot):
                return False
        return True


ALL: Final = Filter()


def parse(text: str, spec: StudySpec) -> Filter:
    """Raises FilterError, in words."""
    words = _WORDS.findall(text)
    if not words:
        return ALL
    return Filter(text.strip(), tuple(_test(one, spec) for one in words))


def _test(text: str, spec: StudySpec) -> Test:
    if text.startswith("!"):
        return _not(text[1:], spec)
    found = _FIELD.fullmatch(text)
    if found is None:
        return word(text.replace('"', ""), spec)
    name, sign, asked = found.groups()
    return field(name, sign, asked.replace('"', ""), spec)


def _not(text: str, spec: StudySpec) -> Test:
    if not text:
        raise FilterError("! … not what?")
    test = _test(text, spec)
    return lambda row, snapshot: not test(row, snapshot)
