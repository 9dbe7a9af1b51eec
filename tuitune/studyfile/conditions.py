"""Conditions (`when`) of the parameters in [space]."""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from tuitune.core import space
from tuitune.studyfile import hints, nesting
from tuitune.studyfile.problems import Problems, WrongValueError, kind


def read_conditions(
    content: Mapping[str, Any], found: Mapping[str, space.Parameter], problems: Problems
) -> tuple[space.Parameter, ...]:
    """The parameters with their conditions; without those that have problems."""
    parameters: list[space.Parameter] = []
    for name, parameter in found.items():
        entry = content[name]
        conditions: Mapping[str, tuple[space.Value, ...]] = {}
        try:
            if isinstance(entry, dict) and "when" in entry:
                conditions = _conditions(name, entry["when"], content, found)
        except WrongValueError as wrong:
            problems.add("space", name, entry, str(wrong))
        parameters.append(replace(parameter, when=conditions))
    return _without_cycles(parameters, content, problems)


def _conditions(
    name: str, when: Any, content: Mapping[str, Any], found: Mapping[str, space.Parameter]
) -> Mapping[str, tuple[space.Value, ...]]:
    if not isinstance(when, dict):
        raise WrongValueError(f"when is {kind(when)}; write when = {{ parameter = value }}")
    when = nesting.joined(when, content)
    unknown = next((parent for parent in when if parent not in content), None)
    if unknown is not None:
        others = [other for other in content if other != name]
        raise WrongValueError(
            f"when names {unknown}, which is not a parameter; {hints.did_you_mean(unknown, others)}"
        )
    # A parent that isn't found has a recorded problem.
    return {
        parent: _allowed(found[parent], value) for parent, value in when.items() if parent in found
    }


def _without_cycles(
    parameters: list[space.Parameter], content: Mapping[str, Any], problems: Problems
) -> tuple[space.Parameter, ...]:
    _, cycle = space.parents_first(parameters)
    while cycle:
        way = " needs ".join([*cycle, cycle[0]])
        words = f"its when is part of a cycle: {way}; remove one of these conditions"
        problems.add("space", cycle[0], content[cycle[0]], words)
        parameters = [replace(p, when={}) if p.name in cycle else p for p in parameters]
        _, cycle = space.parents_first(parameters)
    return tuple(parameters)


def _allowed(parent: space.Parameter, entry: Any) -> tuple[space.Value, ...]:
    if isinstance(parent, space.Sampled):
        raise WrongValueError(
            f"when names {parent.name}, which is sampled: its value is not known beforehand; "
            "use it in the sampling function of this parameter instead"
        )
    if space.levels(parent) is None:
        raise WrongValueError(
            f"when names {parent.name}, which takes any value between two ends; "
            "name a parameter with countable values, or give that one a step"
        )
    # A list means any of its values, unless the parent's own values are lists.
    whole = space.index_of(parent, entry) is not None
    values = entry if isinstance(entry, list) and not whole else [entry]
    if not values:
        raise WrongValueError(f"when gives {parent.name} no value; name one or take it out")
    return tuple(_possible(parent, value) for value in values)


def _possible(parent: space.Parameter, value: Any) -> space.Value:
    index = space.index_of(parent, value)
    if index is not None:
        return space.value_at(parent, index)
    raise WrongValueError(f"{parent.name} is never {space.spell(value)}; {_mend(parent, value)}")


def _mend(parent: space.Parameter, value: Any) -> str:
    if isinstance(parent, space.Fixed):
        return f"it is always {space.spell(parent.value)}"
    if not isinstance(parent, space.Choice):
        return f"write one of its values, {space.spell(space.value_at(parent, 0))}, say"
    texts = [known for known in parent.values if isinstance(known, str)]
    near = hints.nearest(value, texts) if isinstance(value, str) else None
    if near is not None:
        return f"did you mean {space.spell(near)}?"
    return f"write one of {', '.join(space.spell(known) for known in parent.values)}"
