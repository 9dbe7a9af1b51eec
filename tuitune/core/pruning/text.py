"""How is a verdict put into words and figures?"""

from __future__ import annotations

from math import inf, isfinite
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuitune.core.spec import Mode


def loss_of(value: float, mode: Mode) -> float:
    """The value in the direction of "min"; what is not finite is worse than every number."""
    if not isfinite(value):
        return inf
    return float(value) if mode == "min" else 0.0 - value


def value_of(loss: float, mode: Mode) -> float | None:
    """The objective's own value; None where the loss stands for no number."""
    if loss == inf:
        return None
    return loss if mode == "min" else 0.0 - loss


def compared(value: float | None, cut: float | None, *, within: bool) -> str:
    """Both numbers with as many digits as it takes to tell them apart."""
    how = "within" if within else "not within"
    if value is None or cut is None:
        return f"{how} the best"
    digits = 4
    own, last = f"{value:.4g}", f"{cut:.4g}"
    if own == last and value != cut:
        while own == last and digits < 17:
            digits += 1
            own, last = f"{value:.{digits}g}", f"{cut:.{digits}g}"
    of_earlier = " of earlier trials" if value == cut and not within else ""
    return f"{own} {how} {last}{of_earlier}"


def diverged(value: float, where: str) -> str:
    what = "an earlier report was not finite" if isfinite(value) else f"{value:g}"
    return f"diverged: {what}, {where}"
