"""Whole attempts, compared where too little happens between two reports of one."""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

_NEWEST = 0.2  # weight of the newest attempt in the means
_SHORT = 20.0  # s that a short attempt takes at most
_FEW_REPORTS = 5.0  # of an attempt: with fewer, or
_LONG_START = 0.2  # with a longer start, as a share of the attempt, only whole ones are compared
_ALONE = 1.5  # the most trials on its GPU, on average, beside which one counts as alone
_NOISE, _NOISE_COUNT = 0.04, 3.0  # prior variance of a logarithm, and its weight


class AttemptMeans(msgspec.Struct, array_like=True):
    """What attempts that ended well have been like: means, in which the newest count most."""

    seconds: float = 0.0  # that they took; 0: none has ended
    reports: float = 0.0
    starting: float = 0.0  # share of their time before the work that leads to the first report
    start: float = 0.0  # that time, in times from one report to the next of an attempt alone


class WholeAttempt(NamedTuple):
    """An attempt that has ended well."""

    seconds: float
    first: float  # seconds to its first report
    reports: int
    company: float  # trials on its GPU, itself included, on average


class Line(NamedTuple):
    """A line through logarithms over numbers of trials: its sums, and the variance about it."""

    xx: float
    xy: float
    noise: float


def remember(means: AttemptMeans, attempt: WholeAttempt) -> float:
    """Update the means. Returns its seconds a report, in which its start counts as reports."""
    weight = _NEWEST if means.seconds else 1.0
    means.seconds += weight * (attempt.seconds - means.seconds)
    means.reports += weight * (attempt.reports - means.reports)
    if attempt.reports > 1 and attempt.seconds > attempt.first:
        each = (attempt.seconds - attempt.first) / (attempt.reports - 1)
        start = max(0.0, attempt.first - each)
        means.starting += weight * (start / attempt.seconds - means.starting)
        if attempt.company < _ALONE or not means.start:  # beside others a report takes longer
            means.start = start / each
    return attempt.seconds / (means.start + attempt.reports)


def are_short(means: AttemptMeans) -> bool:
    """Whether attempts end so soon that too many on a GPU do little harm."""
    return 0 < means.seconds < _SHORT


def are_silent(means: AttemptMeans) -> bool:
    """Whether attempts report too seldom to be compared with themselves."""
    few = means.reports < _FEW_REPORTS or means.starting > _LONG_START
    return means.seconds > 0 and few


def line(attempts: Iterable[tuple[float, float]], few: int, many: int) -> Line:
    """The line through (company, logarithm of the seconds a report) around these numbers."""
    near = 0.5 * (many - few)
    points = [(x, y) for x, y in attempts if few - near < x < many + near]
    count = max(1, len(points))
    mean_x, mean_y = sum(x for x, _ in points) / count, sum(y for _, y in points) / count
    xx = sum((x - mean_x) ** 2 for x, _ in points)
    xy = sum((x - mean_x) * (y - mean_y) for x, y in points)
    yy = sum((y - mean_y) ** 2 for _, y in points)
    about = max(0.0, yy - (xy**2 / xx if xx else 0.0))
    return Line(xx, xy, (_NOISE * _NOISE_COUNT + about) / (_NOISE_COUNT + max(0, count - 2)))
