"""Where does the user expect the best values of a parameter to lie?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuitune.core.space.parameters import Choice, Fixed, Sampled, to_unit

if TYPE_CHECKING:
    from tuitune.core.space.parameters import Parameter, Value


def likely_of(parameter: Parameter) -> tuple[Value, ...]:
    """One value or both ends of a range; of a choice, each likely value. Empty where none is."""
    return () if isinstance(parameter, Fixed | Sampled) else parameter.likely


def likely_units(parameter: Parameter) -> tuple[float, ...]:
    """The same as coordinates, ends rising; those of a choice lie in the middle of their cells."""
    units = tuple(to_unit(parameter, value) for value in likely_of(parameter))
    return units if isinstance(parameter, Choice) else tuple(sorted(units))
