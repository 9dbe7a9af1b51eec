"""The number of trials that one GPU bears, by how each slows the others and what all do together.

A trial's pace is its steps a second. As others join it or leave, its pace is compared with its own
before: never with another trial's, which may be larger or smaller. From so many trials to some
more, each at `ratio` of its pace before, all together do many / few * ratio of the work that they
did: the gain. The ratio is the slope of a line through the paces of each trial, by how many there
were on its GPU, which may have changed within an interval between two reports.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import msgspec

_LEAST_GAIN = 1.10  # for twice as many; of some more among many a part of that can be asked
_PRIOR = 0.5  # of the ideal gain's logarithm: how far one may be expected to be off the least one
_SURE = 1.5  # standard errors that a gain must be above the least one, to be kept,
_DOUBTFUL, _LONELY = 2.0, 3.0  # or below it; and so for two, since all that can be had is at stake,
_SHARP = 0.02  # unless the error is as small as this
_FALLEN = 3.0  # standard errors below no gain at all, to take a step back from what was kept
_AGAIN, _SELDOM = 2, 4  # times as many trials have ended: more are tried again, or two are
_FEW, _UNHINDERED = 4, 0.93  # below it twice as many are tried where each keeps so much of its pace

_LEAST_SECONDS = 1.0  # of an interval; shorter ones are taken together
CALM = 2  # intervals after somebody has left, until all is as if it had always been so
_BLUR = 0.5  # trials on the GPU of which it isn't known whether they compute yet
_FARTHEST = 1.5  # of a logarithm from the mean: others don't do that, and it is measured anew
_FADING = 200.0  # intervals, after which the oldest have faded
_NOISE, _NOISE_COUNT = 0.04, 3.0  # variance of an interval's logarithm, before so many are known
_NOISE_MOST = 50.0  # of earlier stages that count


class Throughput(msgspec.Struct, array_like=True):
    """How fast an attempt goes, and beside how many others."""

    company: int = 1  # on its GPU, itself included
    starting: int = 0  # of them who have not reported yet
    reports: int = 0  # of the attempt
    calm: int = CALM  # intervals since somebody left
    began: float = 0.0  # the interval's first report, and its step
    step: int = 0
    turned: float = 0.0  # when the company last changed, or the interval began
    load: float = 0.0  # company by time, since the interval began
    starts: float = 0.0  # and so of those who were starting
    stage: int = -1  # of the capacity, to which the rest belongs
    count: int = 0  # intervals
    mean_company: float = 0.0
    mean_log: float = 0.0  # of the seconds a step


class Capacity(msgspec.Struct, array_like=True):
    """What one model of GPU bears, as measured so far."""

    kept: int = 1  # so many may be together
    step: int = 1  # and so many more are tried; 0: none
    ceiling: int = 0  # so many were too many; 0: not known
    closed: int = 0  # how many trials had ended when nothing more was tried
    gains: dict[int, float] = {}  # so many do that much of the work of one
    stage: int = 0  # how often all this has changed
    reached: int = 1  # the most that were together in this stage
    xx: float = 0.0  # sums of products, each trial by its own means: company by company,
    xy: float = 0.0  # company by logarithm of the seconds a step,
    yy: float = 0.0  # and that by itself
    freedom: float = 0.0  # intervals in these, less one a trial
    noise: float = _NOISE  # variance of such a logarithm, from earlier stages
    noise_count: float = _NOISE_COUNT


class Finding(NamedTuple):
    few: int  # compared with
    many: int
    gain: float
    kept: int
    open: bool  # whether more are to be tried


# --- pace ----------------------------------------------------------------------------------------


def turn(pace: Throughput, company: int, starting: int, time: float) -> None:
    """So many are there from now on."""
    _integrate(pace, time)
    if company < pace.company:
        pace.calm = 0
    pace.company, pace.starting = company, starting


def note_report(capacity: Capacity, pace: Throughput, step: int, time: float) -> None:
    """A report has come."""
    pace.reports += 1
    seconds = time - pace.began
    if pace.reports > 1 and (step <= pace.step or seconds < _LEAST_SECONDS):
        return
    _integrate(pace, time)
    if pace.reports > 1:
        log = math.log(seconds / (step - pace.step))
        _learn(capacity, pace, pace.load / seconds, pace.starts / seconds, log)
    pace.began, pace.step = time, step
    pace.load = pace.starts = 0.0


def intervals(capacity: Capacity, pace: Throughput) -> int:
    """For how many its pace is known, since what is tried last changed."""
    return pace.count if pace.stage == capacity.stage else 0


def _integrate(pace: Throughput, time: float) -> None:
    passed = time - pace.turned
    pace.load += pace.company * passed
    pace.starts += pace.starting * passed
    pace.turned = time


def _learn(
    capacity: Capacity, pace: Throughput, company: float, starting: float, log: float
) -> None:
    low, high = _range(capacity)
    x = _within(company, low, high)
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
    """Where the line is drawn: over what is tried, or over the last one that was kept."""
    if capacity.step:
        return capacity.kept, capacity.kept + capacity.step
    return max(1, capacity.kept - 1), capacity.kept


def _within(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


# --- findings ------------------------------------------------------------------------------------


def judge(capacity: Capacity) -> Finding | None:
    """What the paces so far change, None for nothing."""
    few, high = _range(capacity)
    many = capacity.reached if capacity.step else high
    if many == few:
        return None
    log, error = _gain(capacity, few, many)
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


def settle(capacity: Capacity, kept: int, gain: float, ended: int, *, open_: bool) -> None:
    """Go by what was found when so many trials had ended."""
    capacity.noise, capacity.noise_count = (
        _noise(capacity),
        min(_noise_count(capacity), _NOISE_MOST),
    )
    before, over = capacity.kept, capacity.gains.get(capacity.kept, 1.0)
    if kept == before:
        capacity.ceiling = capacity.reached
    capacity.gains = {count: known for count, known in capacity.gains.items() if count <= kept}
    if kept > before:
        capacity.gains[kept] = over * gain
    capacity.step = _next_step(capacity, kept, gain * before / kept) if open_ else 0
    capacity.kept, capacity.closed = kept, ended
    _anew(capacity)


def retry(capacity: Capacity, ended: int) -> None:
    """Many more trials have ended: what was found may have been chance, or be so no more.

    Seldom where one alone did most: another beside it costs more than elsewhere.
    """
    times = _SELDOM if capacity.kept == 1 else _AGAIN
    if not capacity.step and ended >= times * max(1, capacity.closed):
        capacity.step, capacity.ceiling, capacity.closed = 1, 0, ended
        _anew(capacity)


def limit(capacity: Capacity, most: int, ended: int) -> None:
    """More than so many were too many when so many trials had ended."""
    if capacity.kept + capacity.step > most:
        capacity.gains = {count: known for count, known in capacity.gains.items() if count <= most}
        capacity.kept = min(capacity.kept, most)
        capacity.step, capacity.closed = most - capacity.kept, ended
        _anew(capacity)


def over_one(capacity: Capacity, count: int) -> float | None:
    """The work a second of so many trials, by that of one; None where it was not measured."""
    known = {1: 1.0, **capacity.gains}
    above = min((many for many in known if many >= count), default=None)
    if above is None:
        return None
    below = max(few for few in known if few <= count)
    part = math.log(count / below) / math.log(above / below) if above > below else 0.0
    return math.pow(known[below], 1 - part) * math.pow(known[above], part)


def _next_step(capacity: Capacity, kept: int, pace: float) -> int:
    """Half way to what is known to be too many; else half as many more, or twice as many."""
    if capacity.ceiling:
        return (capacity.ceiling - kept) // 2
    return kept if kept < _FEW and pace > _UNHINDERED else max(1, kept // 2)


def _anew(capacity: Capacity) -> None:
    capacity.stage += 1
    capacity.reached = capacity.kept
    capacity.xx = capacity.xy = capacity.yy = capacity.freedom = 0.0


def _least(few: int, many: int) -> float:
    return math.log(_LEAST_GAIN) * math.log2(many / few)


def _gain(capacity: Capacity, few: int, many: int) -> tuple[float, float]:
    """Its logarithm, and the standard error of that.

    Before anything is known it is taken to be the least one, give or take: the few figures that
    there are at first, some of which always deceive, don't outweigh that.
    """
    ideal, span, noise = math.log(many / few), many - few, _noise(capacity)
    doubt = noise / (_PRIOR * ideal) ** 2
    weight = capacity.xx / span**2 + doubt
    loss = (capacity.xy / span + doubt * (ideal - _least(few, many))) / weight
    return ideal - loss, math.sqrt(noise / weight)


def _noise(capacity: Capacity) -> float:
    explained = capacity.xy**2 / capacity.xx if capacity.xx else 0.0
    sum_ = capacity.noise * capacity.noise_count + max(0.0, capacity.yy - explained)
    return sum_ / _noise_count(capacity)


def _noise_count(capacity: Capacity) -> float:
    return capacity.noise_count + capacity.freedom
