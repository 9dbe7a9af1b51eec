"""How likely does the user think these configurations are? (Hvarfner et al. 2022, for TPE)"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tuitune.core.space import Choice, likely_of, likely_units, same, to_unit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from tuitune.core.space import Parameter

LEAST_SD = 0.05  # of a range: one likely value still means those around it
DOUBT = -6.0  # the ln of the least that a belief leaves to what it does not expect


def log_belief(
    parameters: Sequence[Parameter], configs: Sequence[Mapping[str, Any]]
) -> NDArray[np.float64]:
    """ln of the belief in each configuration, up to a constant; 0 where nothing is believed."""
    believed = [parameter for parameter in parameters if likely_of(parameter)]
    return np.array([sum(_one(p, c) for p in believed if p.name in c) for c in configs])


def _one(parameter: Parameter, config: Mapping[str, Any]) -> float:
    value = config[parameter.name]
    if isinstance(parameter, Choice):
        return 0.0 if any(same(value, likely) for likely in parameter.likely) else DOUBT
    units = likely_units(parameter)
    centre, sd = (units[0] + units[-1]) / 2, max((units[-1] - units[0]) / 2, LEAST_SD)
    return max(-0.5 * ((to_unit(parameter, value) - centre) / sd) ** 2, DOUBT)
