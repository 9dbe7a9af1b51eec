"""What does one word of a filter ask of a trial?"""

from __future__ import annotations

import difflib
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from tuitune.core.space.parameters import Choice, Fixed, Sampled
from tuitune.ui.render.glyphs import WORDS, shown_state
from tuitune.ui.table.cells import label
from tuitune.ui.table.comparing import (
    COMPARE,
    TEXTS_KEPT,
    FilterError,
    like,
    of_number,
    of_text,
    spelt,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tuitune.core.space.parameters import Parameter
    from tuitune.core.spec import StudySpec
    from tuitune.store.rows import TrialRow
    from tuitune.ui.state.snapshot import Snapshot
    from tuitune.ui.table.comparing import Read, Test

NUMBERS: Final[Mapping[str, Read]] = {
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
TEXTS: Final[Mapping[str, Read]] = {
    "device": lambda row: row.device,
    "origin": lambda row: row.origin,
    "error": lambda row: row.error,
    "note": lambda row: row.note,
}


def word(text: str, spec: StudySpec) -> Test:
    """A bare word: somewhere in what is told of a trial, or the beginning of its state."""
    sought = text.casefold()
    states = _states_like(sought)
    names = [p.name for p in spec.space.parameters if _may_be_text(p)]
    of_labels = not sought.strip("t0123456789")

    @lru_cache(maxsize=TEXTS_KEPT)
    def holds(told: str) -> bool:
        return sought in told.casefold()

    def test(row: TrialRow, snapshot: Snapshot) -> bool:
        if row.state in states or holds(row.origin) or holds(row.device):
            return True
        if holds(row.error) or holds(row.note) or (of_labels and sought in label(row.number)):
            return True
        if row.phase and _shown(row, snapshot) in states:
            return True
        config = row.config
        return any(holds(spelt(config[name])) for name in names if name in config)

    return test


def field(name: str, sign: str, asked: str, spec: StudySpec) -> Test:
    """`name` `sign` `asked`, as "lr" "<" "1e-3". Raises FilterError."""
    wanted = tuple(filter(None, asked.split(",")))
    if not wanted:
        raise FilterError(f"{name}{sign} … what?")
    if name == "has":
        return _has(wanted, spec)
    if name == "state":
        return _state(sign, wanted)
    if name == spec.objective.metric:
        name = "value"
    if name in NUMBERS:
        return of_number(name, NUMBERS[name], sign, wanted)
    if name in TEXTS:
        return of_text(name, TEXTS[name], sign, wanted)
    return _parameter(name, sign, wanted, spec)


def _state(sign: str, wanted: tuple[str, ...]) -> Test:
    if sign in COMPARE:
        raise FilterError("a state is neither more nor less: state:run")
    states: set[str] = set()
    for text in wanted:
        found = _states_like(text.casefold())
        if not found:
            raise FilterError(f"no state {text}: {', '.join(w for w, _ in WORDS.values())}")
        states |= found
    turned = sign == "!="
    return lambda row, snapshot: (
        (row.state in states or _shown(row, snapshot) in states) is not turned
    )


def _has(wanted: tuple[str, ...], spec: StudySpec) -> Test:
    reads = [_reader(name, spec) for name in wanted]
    return lambda row, _: all(read(row) not in (None, "") for read in reads)


def _reader(name: str, spec: StudySpec) -> Read:
    if name == spec.objective.metric:
        return NUMBERS["value"]
    if name in spec.space.by_name:
        return lambda row: row.config.get(name)
    known = {**NUMBERS, **TEXTS}
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
        _one_of(name, sign, wanted, [spelt(value) for value in parameter.values])
        return of_text(name, read, sign, wanted)
    if isinstance(parameter, Fixed | Sampled) and sign not in COMPARE:
        return of_text(name, read, sign, wanted)
    return of_number(name, read, sign, wanted)


def _one_of(name: str, sign: str, wanted: Iterable[str], known: list[str]) -> None:
    """Raises FilterError where no value is as wanted."""
    for text in map(str.casefold, wanted):
        if sign in COMPARE:
            raise FilterError(f"{name} is neither more nor less: {name}={known[0]}")
        if not any(like(value.casefold(), text, sign) for value in known):
            raise FilterError(f"{name} is one of {', '.join(known)}")


def _states_like(text: str) -> frozenset[str]:
    """Those that are called so, or begin so."""
    return frozenset(
        state
        for state, (short, _) in WORDS.items()
        if short.startswith(text) or state.casefold().startswith(text)
    )


def _shown(row: TrialRow, snapshot: Snapshot) -> str:
    return shown_state(row, engine_gone=snapshot.engine_gone)


def _may_be_text(parameter: Parameter) -> bool:
    if isinstance(parameter, Choice):
        return any(isinstance(value, str) for value in parameter.values)
    return isinstance(parameter, Sampled)


def _unknown(name: str, spec: StudySpec) -> str:
    names = ["state", "has", *NUMBERS, *TEXTS, spec.objective.metric, *spec.space.by_name]
    close = difflib.get_close_matches(name, names, n=1)
    meant = f"{close[0]}?" if close else 'in "quotes" it is a word to look for'
    return f"nothing is called {name}: {meant}"
