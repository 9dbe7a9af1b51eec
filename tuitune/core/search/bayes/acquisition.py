"""How much is a configuration expected to improve on the best, and along which way more so?

The logarithm of expected improvement, with its slopes (Ament et al. 2023, eq. 8 and 9, here by way
of the scaled complementary error function), for outcomes to be made small.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import erfcx

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuitune.core.search.bayes.posterior import SlopedBelief

FAR = -1000.0  # below, 1 + z m has lost its digits: its series takes over
LOG_ROOT_2PI = 0.5 * float(np.log(2.0 * np.pi))


def log_h(z: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """ln(phi(z) + z Phi(z)) and its slope.

    With m = Phi/phi = sqrt(pi/2) erfcx(-z/sqrt2): h = phi (1 + z m), and h'/h = m / (1 + z m).
    """
    # Above 8, m overflows long after h has become z itself.
    near = np.clip(z, FAR, 8.0)
    ratio = np.sqrt(np.pi / 2.0) * erfcx(-near / np.sqrt(2.0))
    sum_ = 1.0 + near * ratio
    value = -0.5 * near * near - LOG_ROOT_2PI + np.log(sum_)
    slope = ratio / sum_
    if (near == z).all():
        return value, slope
    far = np.minimum(z, FAR)
    # 1 + z m = z^-2 - 3 z^-4 + ...
    value = np.where(
        z < FAR,
        -0.5 * far * far - LOG_ROOT_2PI - 2.0 * np.log(-far) + np.log1p(-3.0 / (far * far)),
        value,
    )
    slope = np.where(z < FAR, -far - 2.0 / far + 6.0 / (far**3 - 3.0 * far), slope)
    high = np.maximum(z, 8.0)
    return np.where(z > 8.0, np.log(high), value), np.where(z > 8.0, 1.0 / high, slope)


def log_expected_improvement(
    mean: NDArray[np.float64], deviation: NDArray[np.float64], best: float
) -> NDArray[np.float64]:
    value, _ = log_h((best - mean) / deviation)
    return value + np.log(deviation)


def sloped_log_expected_improvement(
    belief: SlopedBelief, best: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Its value for each row, and its slopes from those of mean and deviation: (rows, places)."""
    z = (best - belief.mean) / belief.deviation
    value, slope = log_h(z)
    by_mean = -slope / belief.deviation
    by_deviation = (1.0 - slope * z) / belief.deviation
    slopes = by_mean[:, None] * belief.mean_slopes
    slopes += by_deviation[:, None] * belief.deviation_slopes
    return value + np.log(belief.deviation), slopes
