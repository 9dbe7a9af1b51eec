"""The table [space]: nested tables as dotted names, parameters, conditions and constraints."""

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from tuitune.core import space as spaces
from tuitune.studyfile import conditions, nesting
from tuitune.studyfile.parameters import read_parameters
from tuitune.studyfile.problems import Problems, WrongValueError, kind


def read_space(
    content: Mapping[str, Any], folder: Path | None, problems: Problems, *, here: bool
) -> tuple[spaces.SearchSpace, Collection[str]]:
    """The space of the parameters without problems, and the names of all.

    folder: where samplers are looked for, None: nowhere. here: they run in this interpreter.
    """
    entries, in_tables = nesting.flattened(content, problems)
    found = read_parameters(entries, problems)
    space = spaces.SearchSpace(
        conditions.read_conditions(entries, found, problems), in_tables=in_tables
    )
    _check_samplers(space, entries, folder, problems, here=here)
    constraints = _constraints(content.get(nesting.CONSTRAINTS, []), space, entries, problems)
    whole = spaces.SearchSpace(space.parameters, tuple(constraints), in_tables)
    if not problems.found and not problems.lenient:
        _check_rest(whole, constraints, problems)
    return whole, entries


def _constraints(
    given: Any, space: spaces.SearchSpace, entries: Mapping[str, Any], problems: Problems
) -> Mapping[str, int]:
    """The constraints without problems, each with its first place in the list."""
    if not isinstance(given, list):
        example = f'{nesting.CONSTRAINTS} = ["width * layers <= 4096"]'
        words = f"is {kind(given)}, not a list; write {example}"
        problems.add("space", nesting.CONSTRAINTS, given, words)
        return {}
    found: dict[str, int] = {}
    for index, text in enumerate(given):
        try:
            _read(text, space.by_name, entries)
        except (WrongValueError, spaces.ConstraintError) as wrong:
            problems.add("space", _place(index), text, str(wrong))
        else:
            found.setdefault(text, index)
    return found


def _place(index: int) -> str:
    return f"{nesting.CONSTRAINTS}[{index}]"


def _read(
    text: Any, parameters: Mapping[str, spaces.Parameter], entries: Mapping[str, Any]
) -> None:
    if not isinstance(text, str):
        raise WrongValueError(f"is {kind(text)}, not text; write a comparison in quotes")
    try:
        spaces.read_constraint(text, parameters)
    except spaces.ConstraintError:
        # One about a parameter that has a problem of its own can't be read yet.
        broken = [name for name in entries if name not in parameters]
        if not any(re.search(rf"\b{re.escape(name)}\b", text) for name in broken):
            raise


def _check_rest(
    space: spaces.SearchSpace, constraints: Mapping[str, int], problems: Problems
) -> None:
    """Record constraints that leave nothing of the space, each alone or together.

    constraints: those of the space, with their places in the list.
    """
    for group in space.groups:
        if not group.why_empty:
            continue
        alone = {
            rule.text: spaces.SearchSpace(space.parameters, (rule.text,)) for rule in group.rules
        }
        empty = {t: why for t, one in alone.items() if (why := one.groups[0].why_empty)}
        for text, why in empty.items():
            names = ", ".join(sorted(alone[text].rules[0].names))
            words = f"{why} of {names} keeps it; loosen it, or widen their ranges"
            problems.add("space", _place(constraints[text]), text, words)
        if not empty:
            places = " and ".join(_place(constraints[rule.text]) for rule in group.rules)
            names = ", ".join(sorted({name for rule in group.rules for name in rule.names}))
            words = f"{group.why_empty} of {names} keeps {places} together; loosen one of them"
            problems.add("space", nesting.CONSTRAINTS, None, words)


def _check_samplers(
    space: spaces.SearchSpace,
    entries: Mapping[str, Any],
    folder: Path | None,
    problems: Problems,
    *,
    here: bool,
) -> None:
    for parameter in space.parameters:
        if not isinstance(parameter, spaces.Sampled):
            continue
        from tuitune.studyfile import targets  # noqa: PLC0415 - few files need it

        try:
            targets.check_target(parameter.target, folder, arguments=2, here=here)
        except WrongValueError as wrong:
            problems.add("space", parameter.name, entries[parameter.name], str(wrong))
