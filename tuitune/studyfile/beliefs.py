"""Where does the user expect a parameter's best values, by the key `likely`?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from tuitune.core.space import Choice, Fixed, Sampled, from_unit, spell, value_problem
from tuitune.core.space.text import normal_value
from tuitune.studyfile.problems import WrongValueError

if TYPE_CHECKING:
    from tuitune.core.space import Parameter


def with_likely(parameter: Parameter, said: Any) -> Parameter:
    """The parameter with its belief. Raises WrongValueError."""
    if isinstance(parameter, Fixed | Sampled):
        return parameter  # the key beside it is a problem already
    several = isinstance(said, list) and value_problem(parameter, said) != ""
    values: list[Any] = said if several else [said]
    if not values:
        low = spell(from_unit(parameter, 0.0))
        raise WrongValueError(
            f"likely is an empty list; write likely = {low}, say, or leave it out"
        )
    for value in values:
        if words := value_problem(parameter, value):
            raise WrongValueError(
                f"likely = {spell(value)} {words}; write one of its values, or leave likely out"
            )
    normal = [normal_value(parameter, value) for value in values]
    if isinstance(parameter, Choice):
        return replace(parameter, likely=tuple(normal))
    return replace(parameter, likely=_ends(cast("list[float]", normal)))  # type: ignore[arg-type]  # of the parameter's own kind


def _ends(values: list[float]) -> tuple[float, ...]:
    low, high = min(values), max(values)
    if len(values) > 2:
        raise WrongValueError(
            f"likely is one value, or [low, high] of those that are likely; "
            f"write likely = [{low}, {high}], say"
        )
    if values[0] > values[-1]:
        raise WrongValueError(
            f"likely has its low end above its high one; write likely = [{low}, {high}]"
        )
    return (low,) if low == high else (low, high)
