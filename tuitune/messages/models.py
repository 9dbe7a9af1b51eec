"""What the models of searchers expected of a configuration, in words."""

from tuitune.core import reasons as r
from tuitune.messages.text import duration

_NAMED = 3  # earlier studies that a reason names
_POOR_CORRELATION = 0.7  # of two rungs' values; below it the lower one ranks trials poorly


def modelled(why: r.Modelled) -> str:
    """What the Gaussian process expects."""
    parts = [f"model of {why.outcomes} outcomes"]
    if why.expected is not None:
        middle, low, high = why.expected
        parts.append(f"expects {middle:.4g} ({low:.4g} to {high:.4g})")
    if why.improvement is not None:
        gain, best = why.improvement
        parts.append(f"expected improvement {gain:.2g} on {best:.4g}")
    shares = ", ".join(f"{name} {share:.0%}" for name, share in why.shares)
    parts.append(f"matters by length scale: {shares}")
    if why.correlation is not None:
        low_rung, high_rung, correlation = why.correlation
        poor = ", so short runs count for little" if correlation < _POOR_CORRELATION else ""
        parts.append(f"values at {low_rung} and at {high_rung} correlate {correlation:.2f}{poor}")
    return "; ".join([*parts, *_pace(why.pace), *_earlier(why.earlier)])


def denser(why: r.Denser) -> str:
    """How the densities of TPE and BOHB compare."""
    where = "" if why.rung is None else f" at {why.rung}"
    also = "running and failed" if why.running else "failed"
    words = (
        f"{why.ratio:.3g} times denser in good trials than in poor ones; {why.good} good and "
        f"{why.poor} poor trials{where}; {also} ones are among the poor"
    )
    return "; ".join([words, *_pace(why.pace), *_earlier(why.earlier)])


def _pace(pace: r.Pace | None) -> list[str]:
    """As: expected to take 40 s, 0.5 x the median trial."""
    if pace is None:
        return []
    words = f"expected to take {duration(pace.seconds)}, {pace.times:.2g} x the median trial"
    if pace.rate is None:
        return [words]
    return [words, f"improvement a second {pace.rate:.2g} x that of the greatest improvement"]


def _earlier(weights: tuple[tuple[str, float], ...]) -> list[str]:
    """As: earlier studies count: cifar-1 by 80 %, cifar-3 by 25 %."""
    if not weights:
        return []
    ordered = sorted(weights, key=lambda one: -one[1])
    named = [f"{name} by {weight:.0%}" for name, weight in ordered[:_NAMED]]
    more = [f"{len(weights) - _NAMED} more"] if len(weights) > _NAMED else []
    return [f"earlier studies count: {', '.join([*named, *more])}"]
