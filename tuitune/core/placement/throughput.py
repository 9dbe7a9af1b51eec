"""The number of trials that one GPU can run, by how much each slows the others.

A trial's pace is its steps per second. As others join it or leave, it is compared with its own
earlier pace, never with that of another trial, which may be larger or smaller. When `few` trials
become `many` and each keeps `ratio` of its pace, the gain in work per second is many / few * ratio.
The ratio is the slope of a line through the paces of each trial over the number of trials on its
GPU, which may have changed within an interval between two reports. Short trials are compared with
each other as well, since few of them see that number change (see `whole_attempts`).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from tuitune.core.placement.whole_attempts import Line, line

_LEAST_GAIN = 1.10  # for twice as many; for a smaller step a part of it
_PRIOR = 0.5  # of the ideal gain's logarithm: the prior's spread around the least gain
_SURE = 1.5  # standard errors above the least gain, to keep a number
_DOUBTFUL, _LONELY = 2.0, 3.0  # standard errors below it, to give it up; for one trial
_SHARP = 0.02  # an error below this is conclusive anyway
_FALLEN = 3.0  # standard errors below no gain, to take a kept step back
_AGAIN, _SELDOM = 2, 4  # factor of ended trials after which more are tried again; after a loss
_STEEP = 0.9  # a gain below this is a clear loss
_FEW, _UNHINDERED = 4, 0.93  # fewer than this are doubled, if each keeps so much of its pace

_LEAST_SECONDS, _SHORTEST = 1.0, 0.02  # of an interval; shorter ones are joined
_PARTS = 25  # intervals of a short attempt, if it reports as often
CALM = 2  # intervals after a trial has left, until the paces are steady again
_BLUR = 0.5  # trials: the most by which the number that compute may be uncertain
_FARTHEST = 1.5  # of a logarithm from the mean: further off, the mean starts over
_ATTEMPTS = 64  # newest attempts that are compared with each other
_FADING = 200.0  # intervals: the time constant of the sums
_NOISE, _NOISE_COUNT = 0.04, 3.0  # prior variance of an interval's logarithm, and its weight
_NOISE_MOST = 50.0  # the greatest weight of earlier stages


class Throughput(msgspec.Struct, array_like=True):
    """The pace of an attempt, and the number of trials on its GPU."""

    company: int = 1  # on its GPU, itself included
    starting: int = 0  # of them, trials that have not reported yet
    reports: int = 0  # of the attempt
    calm: int = CALM  # intervals since a trial left
    began: float = 0.0  # the interval's first report, and its step
    step: int = 0
    turned: float = 0.0  # when the company last changed, or the interval began
    load: float = 0.0  # company times seconds, since the interval began
    starts: float = 0.0  # the same of those that were starting
    stage: int = -1  # of the capacity, to which the means belong
    count: int = 0  # intervals
    mean_company: float = 0.0
    mean_log: float = 0.0  # of the seconds a step
    residents: int = 1  # on its GPU, those included that have not begun to compute
    lived: float = 0.0  # residents times seconds, since its launch
    first: float = 0.0  # Unix s of its first report; 0: it has not reported


class Capacity(msgspec.Struct, array_like=True):
    """How many trials one model of GPU can run, as measured so far."""

    kept: int = 1  # trials that may be together
    step: int = 1  # how many more are being tried; 0: none
    ceiling: int = 0  # the number known to be too many; 0: none
    closed: int = 0  # how many trials had ended when nothing more was tried
    gains: dict[int, float] = {}  # number of trials -> work relative to that of one
    stage: int = 0  # how often all this has changed
    reached: int = 1  # the most that were together in this stage
    xx: float = 0.0  # sums of products, each trial by its own means: company by company,
    xy: float = 0.0  # company by logarithm of the seconds a step,
    yy: float = 0.0  # and that by itself
    freedom: float = 0.0  # intervals in these, less one a trial
    noise: float = _NOISE  # variance of such a logarithm, from earlier stages
    noise_count: float = _NOISE_COUNT
    attempts: list[tuple[float, float]] = []  # see `whole_attempts.line`
    steep: bool = False  # one more was a clear loss: it is tried again seldom, and on one GPU


class Finding(NamedTuple):
    """A measured capacity: the gain of `many` trials over `few`, and how many to keep together."""

    few: int
    many: int
    gain: float
    kept: int
    open: bool  # whether more are to be tried


# --- pace ----------------------------------------------------------------------------------------


def turn(pace: Throughput, residents: int, company: int, starting: int, time: float) -> None:
    """From now on so many trials are on the GPU, and `company` of them compute.

    starting: so many of these have not reported yet.
    """
    _integrate(pace, time)
    if company < pace.company:
        pace.calm = 0
    pace.residents, pace.company, pace.starting = residents, company, starting


def note_report(
    capacity: Capacity, pace: Throughput, step: int, time: float, usual: float = 0.0
) -> None:
    """Update the pace with a report at Unix time `time`.

    usual: seconds that an attempt usually takes; 0: not known.
    """
    pace.reports += 1
    pace.first = pace.first or time
    seconds = time - pace.began
    least = min(_LEAST_SECONDS, max(_SHORTEST, usual / _PARTS)) if usual else _LEAST_SECONDS
    if pace.reports > 1 and (step <= pace.step or seconds < least):
        return
    _integrate(pace, time)
    if pace.reports > 1:
        log = math.log(seconds / (step - pace.step))
        _learn(capacity, pace, pace.load / seconds, pace.starts / seconds, log)
    pace.began, pace.step = time, step
    pace.load = pace.starts = 0.0


def note_attempt(capacity: Capacity, company: float, seconds: float) -> None:
    """An attempt took so many seconds a report, where there were `company` trials on average."""
    capacity.attempts = [
        *capacity.attempts[1 - _ATTEMPTS :],
        (company, math.log(max(seconds, 1e-3))),
    ]
    low, high = _range(capacity)
    if capacity.step and company > low:
        capacity.reached = max(capacity.reached, round(min(company, high)))


def intervals(capacity: Capacity, pace: Throughput) -> int:
    """Intervals in which its pace was measured in the current stage."""
    return pace.count if pace.stage == capacity.stage else 0


def _integrate(pace: Throughput, time: float) -> None:
    passed = time - pace.turned
    pace.load += pace.company * passed
    pace.starts += pace.starting * passed
    pace.lived += pace.residents * passed
    pace.turned = time


def _learn(
    capacity: Capacity, pace: Throughput, company: float, starting: float, log: float
) -> None:
    low, high = _range(capacity)
    x = _within(company, low, high)
    if company > high + _BLUR:
        return  # of more than are compared, which have yet to leave
    if company < low - _BLUR or x - _within(company - starting, low, high) > _BLUR:
        return
    far = abs(log - pace.mean_log) > _FARTHEST and abs(x - pace.mean_company) < _BLUR
    if far or pace.stage != capacity.stage:
        pace.stage, pace.count, pace.mean_company, pace.mean_log = capacity.stage, 0, x, log
    capacity.reached = max(capacity.reached, min(pace.company, high))
    pace.calm += 1
    dx = x - pace.mean_company
    dy = _within(log - pace.mean_log, -_FARTHEST, _FARTHEST)
    if pace.count:
        _add(capacity, dx, dy, pace.count / (pace.count + 1))
    pace.count += 1
    pace.mean_company += dx / pace.count
    pace.mean_log += dy / pace.count


def _add(capacity: Capacity, dx: float, dy: float, part: float) -> None:
    left = 1 - 1 / _FADING
    capacity.xx = capacity.xx * left + part * dx * dx
    capacity.xy = capacity.xy * left + part * dx * dy
    capacity.yy = capacity.yy * left + part * dy * dy
    capacity.freedom = capacity.freedom * left + 1


def _range(capacity: Capacity) -> tuple[int, int]:
    """Numbers of trials to fit the line over: those being tried, or the last step that was kept."""
    if capacity.step:
        return capacity.kept, capacity.kept + capacity.step
    return max(1, capacity.kept - 1), capacity.kept


def _within(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


# --- findings ------------------------------------------------------------------------------------


def judge(capacity: Capacity, *, paces: bool = True, whole: bool = False) -> Finding | None:
    """What paces so far show, or whole attempts, or both; None while they are not conclusive."""
    few, high = _range(capacity)
    many = capacity.reached if capacity.step else high
    if many == few:
        return None
    lines = [Line(capacity.xx, capacity.xy, _noise(capacity))] if paces else []
    if whole:
        lines.append(line(capacity.attempts, few, many))
    log, error = _gain(lines, few, many)
    gain = math.exp(log)
    if not capacity.step:
        return Finding(few, many, gain, few, open=False) if log < -_FALLEN * error else None
    over = log - _least(few, many)
    doubtful = _LONELY if few == 1 else _DOUBTFUL
    if -doubtful * error < over < _SURE * error and error > _SHARP:
        return None
    if over > 0:
        more = not capacity.ceiling or many + 1 < capacity.ceiling
        return Finding(few, many, gain, many, open=more)
    return Finding(few, many, gain, few, open=many > few + 1)


def settle(capacity: Capacity, finding: Finding, ended: int, *, short: bool = False) -> None:
    """Adopt a finding; ended: how many trials had ended. short: attempts are."""
    kept, gain = finding.kept, finding.gain
    capacity.noise, capacity.noise_count = (
        _noise(capacity),
        min(_noise_count(capacity), _NOISE_MOST),
    )
    before, over = capacity.kept, capacity.gains.get(capacity.kept, 1.0)
    capacity.steep = kept == before and gain < _STEEP
    if kept == before:
        capacity.ceiling = capacity.reached
    capacity.gains = {count: known for count, known in capacity.gains.items() if count <= kept}
    if kept > before:
        capacity.gains[kept] = over * gain
    bold = kept > before and (short or (kept < _FEW and gain * before / kept > _UNHINDERED))
    capacity.step = _next_step(capacity, kept, bold=bold) if finding.open else 0
    capacity.kept, capacity.closed = kept, ended
    _anew(capacity)


def retry(capacity: Capacity, ended: int) -> None:
    """Once many more trials have ended, try more again: the finding may be chance or outdated.

    Where one trial alone was best, or more were a clear loss, this is done less often, as it costs
    more there.
    """
    times = _SELDOM if capacity.kept == 1 or capacity.steep else _AGAIN
    if not capacity.step and ended >= times * max(1, capacity.closed):
        capacity.step, capacity.ceiling, capacity.closed = 1, 0, ended
        _anew(capacity)


def limit(capacity: Capacity, most: int, ended: int) -> None:
    """More than so many trials were too many; ended: how many trials had ended."""
    if capacity.kept + capacity.step > most:
        capacity.gains = {count: known for count, known in capacity.gains.items() if count <= most}
        capacity.kept = min(capacity.kept, most)
        capacity.step, capacity.closed = most - capacity.kept, ended
        _anew(capacity)


def over_one(capacity: Capacity, count: int) -> float | None:
    """Work per second of so many trials relative to one; None where it was not measured."""
    known = {1: 1.0, **capacity.gains}
    above = min((many for many in known if many >= count), default=None)
    if above is None:
        return None
    below = max(few for few in known if few <= count)
    part = math.log(count / below) / math.log(above / below) if above > below else 0.0
    return math.pow(known[below], 1 - part) * math.pow(known[above], part)


def _next_step(capacity: Capacity, kept: int, *, bold: bool) -> int:
    """Half way to a number that is too many; else half as many more; bold: twice as many."""
    if capacity.ceiling:
        return (capacity.ceiling - kept) // 2
    return kept if bold else max(1, kept // 2)


def _anew(capacity: Capacity) -> None:
    capacity.stage += 1
    capacity.reached = capacity.kept
    capacity.xx = capacity.xy = capacity.yy = capacity.freedom = 0.0


def _least(few: int, many: int) -> float:
    return math.log(_LEAST_GAIN) * math.log2(many / few)


def _gain(lines: Sequence[Line], few: int, many: int) -> tuple[float, float]:
    """The logarithm of the gain, and its standard error.

    The prior is the least gain, with a wide error: without it the first few figures, which are
    noisy, would decide.
    """
    ideal, span = math.log(many / few), many - few
    weight = 1 / (_PRIOR * ideal) ** 2
    loss = weight * (ideal - _least(few, many))
    for xx, xy, noise in lines:
        weight += xx / span**2 / noise
        loss += xy / span / noise
    return ideal - loss / weight, 1 / math.sqrt(weight)


def _noise(capacity: Capacity) -> float:
    explained = capacity.xy**2 / capacity.xx if capacity.xx else 0.0
    sum_ = capacity.noise * capacity.noise_count + max(0.0, capacity.yy - explained)
    return sum_ / _noise_count(capacity)


def _noise_count(capacity: Capacity) -> float:
    return capacity.noise_count + capacity.freedom
