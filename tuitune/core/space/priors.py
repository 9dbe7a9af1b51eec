"""What the user expects before any trial: likely values, normal distributions, weights; and grids.

A coordinate in [0, 1] is the place of a value on its scale, whatever its prior. Points that are
drawn without a model follow the prior by its quantiles; models weigh their candidates by it.
"""

import math

from tuitune.core.space import parameters

_MIDDLE = 0.5
_LEAST = 1e-300  # probability whose quantile can be computed


def likely_of(parameter: parameters.Parameter) -> tuple[parameters.Value, ...]:
    """One value or both ends of a range; of a choice, each likely value. Empty where unset."""
    return () if isinstance(parameter, parameters.Fixed | parameters.Sampled) else parameter.likely


def likely_units(parameter: parameters.Parameter) -> tuple[float, ...]:
    """`likely_of` as coordinates, ends rising; a choice's are in the middle of their cells."""
    units = tuple(parameters.to_unit(parameter, value) for value in likely_of(parameter))
    return units if isinstance(parameter, parameters.Choice) else tuple(sorted(units))


def weights_of(parameter: parameters.Parameter) -> tuple[float, ...]:
    """The weights of a choice's values; empty where unset."""
    return parameter.weights if isinstance(parameter, parameters.Choice) else ()


def normal_units(parameter: parameters.Parameter) -> tuple[float, float] | None:
    """Mean and standard deviation of a normal distribution, as coordinates; None where unset."""
    if (
        not isinstance(parameter, parameters.FloatRange | parameters.IntRange)
        or parameter.normal is None
    ):
        return None
    mean, deviation = parameter.normal
    low, step = parameter.low, parameter.step or 0.0
    end = low + step * (parameters.levels(parameter) or 0) if step else parameter.high
    if not parameter.log:
        bottom, width = low - step / 2, end - low
    else:  # the cell of a countable value reaches up to the next one
        bottom, width = math.log(low), math.log(end) - math.log(low)
        mean = math.log(math.exp(mean) + step / 2) if step else mean
    return (mean - bottom) / width, deviation / width


def has_prior(parameter: parameters.Parameter) -> bool:
    """Whether draws of the parameter are not uniform on its scale."""
    return bool(weights_of(parameter)) or normal_units(parameter) is not None


def quantile(parameter: parameters.Parameter, share: float) -> float:
    """The coordinate below which this share of the prior lies; the share itself without one."""
    weights = weights_of(parameter)
    if weights:
        return _weighted_quantile(weights, share)
    normal = normal_units(parameter)
    return share if normal is None else normal_quantile(*normal, share)


def _weighted_quantile(weights: tuple[float, ...], share: float) -> float:
    left = min(max(share, 0.0), 1.0) * math.fsum(weights)
    for index, weight in enumerate(weights[:-1]):
        if left < weight:
            return (index + left / weight) / len(weights)
        left -= weight
    return (len(weights) - 1 + min(left / weights[-1], 1.0)) / len(weights)


def normal_quantile(mean: float, deviation: float, share: float) -> float:
    """The quantile of a normal distribution that is truncated to [0, 1]."""
    if share <= 0.0 or share >= 1.0:
        return 0.0 if share <= 0.0 else 1.0
    if mean < 0.0:  # the lower tail has more digits
        return 1.0 - normal_quantile(1.0 - mean, deviation, 1.0 - share)
    from statistics import NormalDist  # noqa: PLC0415 - few studies have such priors

    belief = NormalDist(mean, deviation)
    bottom, top = belief.cdf(0.0), belief.cdf(1.0)
    below = bottom + (top - bottom) * share
    if not _LEAST < below < 1.0:
        return share
    return min(max(belief.inv_cdf(below), 0.0), 1.0)


def middle(parameter: parameters.Parameter) -> float:
    """The coordinate of the median; of a choice without order, of its heaviest value."""
    weights = weights_of(parameter)
    if weights and isinstance(parameter, parameters.Choice) and not parameter.ordered:
        return (weights.index(max(weights)) + _MIDDLE) / len(weights)
    return quantile(parameter, _MIDDLE)


def grid_axis(parameter: parameters.Parameter, levels: int) -> tuple[parameters.Value, ...]:
    """A grid's values: all countable ones, else `levels` of them, evenly spaced on the scale.

    Those of a normal distribution are at the middles of equal shares of it.
    """
    width = parameters.grid_width(parameter, levels)
    if not isinstance(parameter, parameters.FloatRange) or parameter.step is not None:
        return tuple(parameters.value_at(parameter, index) for index in range(width))
    if parameter.normal is not None or width == 1:
        shares = ((index + _MIDDLE) / width for index in range(width))
        return tuple(
            _short(parameters.from_unit(parameter, quantile(parameter, share))) for share in shares
        )
    inner = (_short(parameters.from_unit(parameter, i / (width - 1))) for i in range(1, width - 1))
    return (parameter.low, *inner, parameter.high)


def _short(value: parameters.Value) -> float:
    return float(f"{value:.12g}")
