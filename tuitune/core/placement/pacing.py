"""How many trials does one GPU bear? By how each slows the others, and what all of them do.

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

LEAST_GAIN = 1.10  # for twice as many; of some more among many a part of that can be asked
PRIOR = 0.5  # of the ideal gain's logarithm: how far one may be expected to be off the least one
SURE = 1.5  # standard errors that a gain must be above the least one, to be kept,
DOUBTFUL, LONELY = 2.0, 3.0  # or below it; and so for two, since all that can be had is at stake,
SHARP = 0.02  # unless the error is as small as this
FALLEN = 3.0  # standard errors below no gain at all, to take a step back from what was kept
AGAIN, SELDOM = 2, 4  # times as many trials have ended: more are tried again, or two are
FEW, UNHINDERED = 4, 0.93  # below it twice as many are tried where each keeps so much of its pace

LEAST_SECONDS = 1.0  # of an interval; shorter ones are taken together
CALM = 2  # intervals after somebody has left, until all is as if it had always been so
BLUR = 0.5  # trials on the GPU of which it isn't known whether they compute yet
FARTHEST = 1.5  # of a logarithm from the mean: others don't do that, and it is measured anew
FADING = 200.0  # intervals, after which the oldest have faded
NOISE, NOISE_COUNT = 0.04, 3.0  # variance of an interval's logarithm, before so many are known
NOISE_MOST = 50.0  # of earlier stages that count


class Pace(msgspec.Struct, array_like=True):
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
    stage: int = -1  # of the bearing, to which the rest belongs
    count: int = 0  # intervals
    mean_company: float = 0.0
    mean_log: float = 0.0  # of the seconds a step


class Bearing(msgspec.Struct, array_like=True):
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
    noise: float = NOISE  # variance of such a logarithm, from earlier stages
    noise_count: float = NOISE_COUNT


class Finding(NamedTuple):
    few: int  # compared with
    many: int
    gain: float
    kept: int
    open: bool  # whether more are to be tried


# --- pace ----------------------------------------------------------------------------------------


def turn(pace: Pace, company: int, starting: int, time: float) -> None:
    """So many are there from now on."""
    _integrate(pace, time)
    if company < pace.company:
        pace.calm = 0
    pace.company, pace.starting = company, starting


def heard(bearing: Bearing, pace: Pace, step: int, time: float) -> None:
    """A report has come."""
    pace.reports += 1
    seconds = time - pace.began
    if pace.reports > 1 and (step <= pace.step or seconds < LEAST_SECONDS):
        return
    _integrate(pace, time)
    if pace.reports > 1:
        log = math.log(seconds / (step - pace.step))
        _learn(bearing, pace, pace.load / seconds, pace.starts / seconds, log)
    pace.began, pace.step = time, step
    pace.load = pace.starts = 0.0


def intervals(bearing: Bearing, pace: Pace) -> int:
    """For how many its pace is known, since what is tried last changed."""
    return pace.count if pace.stage == bearing.stage else 0


def _integrate(pace: Pace, time: float) -> None:
    passed = time - pace.turned
    pace.load += pace.company * passed
    pace.starts += pace.starting * passed
    pace.turned = time


def _learn(bearing: Bearing, pace: Pace, company: float, starting: float, log: float) -> None:
    low, high = _range(bearing)
    x = _within(company, low, high)
    if company < low - BLUR or x - _within(company - starting, low, high) > BLUR:
        return
    far = abs(log - pace.mean_log) > FARTHEST and abs(x - pace.mean_company) < BLUR
    if far or pace.stage != bearing.stage:
        pace.stage, pace.count, pace.mean_company, pace.mean_log = bearing.stage, 0, x, log
    bearing.reached = max(bearing.reached, min(pace.company, high))
    pace.calm += 1
    dx = x - pace.mean_company
    dy = _within(log - pace.mean_log, -FARTHEST, FARTHEST)
    if pace.count:
        _add(bearing, dx, dy, pace.count / (pace.count + 1))
    pace.count += 1
    pace.mean_company += dx / pace.count
    pace.mean_log += dy / pace.count


def _add(bearing: Bearing, dx: float, dy: float, part: float) -> None:
    left = 1 - 1 / FADING
    bearing.xx = bearing.xx * left + part * dx * dx
    bearing.xy = bearing.xy * left + part * dx * dy
    bearing.yy = bearing.yy * left + part * dy * dy
    bearing.freedom = bearing.freedom * left + 1


def _range(bearing: Bearing) -> tuple[int, int]:
    """Where the line is drawn: over what is tried, or over the last one that was kept."""
    if bearing.step:
        return bearing.kept, bearing.kept + bearing.step
    return max(1, bearing.kept - 1), bearing.kept


def _within(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


# --- findings ------------------------------------------------------------------------------------


def judge(bearing: Bearing) -> Finding | None:
    """What the paces so far change, None for nothing."""
    few, high = _range(bearing)
    many = bearing.reached if bearing.step else high
    if many == few:
        return None
    log, error = _gain(bearing, few, many)
    gain = math.exp(log)
    if not bearing.step:
        return Finding(few, many, gain, few, open=False) if log < -FALLEN * error else None
    over = log - _least(few, many)
    doubtful = LONELY if few == 1 else DOUBTFUL
    if -doubtful * error < over < SURE * error and error > SHARP:
        return None
    if over > 0:
        more = not bearing.ceiling or many + 1 < bearing.ceiling
        return Finding(few, many, gain, many, open=more)
    return Finding(few, many, gain, few, open=many > few + 1)


def settle(bearing: Bearing, kept: int, gain: float, ended: int, *, open_: bool) -> None:
    """Go by what was found when so many trials had ended."""
    bearing.noise, bearing.noise_count = _noise(bearing), min(_noise_count(bearing), NOISE_MOST)
    before, over = bearing.kept, bearing.gains.get(bearing.kept, 1.0)
    if kept == before:
        bearing.ceiling = bearing.reached
    bearing.gains = {count: known for count, known in bearing.gains.items() if count <= kept}
    if kept > before:
        bearing.gains[kept] = over * gain
    bearing.step = _next_step(bearing, kept, gain * before / kept) if open_ else 0
    bearing.kept, bearing.closed = kept, ended
    _anew(bearing)


def retry(bearing: Bearing, ended: int) -> None:
    """Many more trials have ended: what was found may have been chance, or be so no more.

    Seldom where one alone did most: another beside it costs more than elsewhere.
    """
    times = SELDOM if bearing.kept == 1 else AGAIN
    if not bearing.step and ended >= times * max(1, bearing.closed):
        bearing.step, bearing.ceiling, bearing.closed = 1, 0, ended
        _anew(bearing)


def limit(bearing: Bearing, most: int, ended: int) -> None:
    """More than so many were too many when so many trials had ended."""
    if bearing.kept + bearing.step > most:
        bearing.gains = {count: known for count, known in bearing.gains.items() if count <= most}
        bearing.kept = min(bearing.kept, most)
        bearing.step, bearing.closed = most - bearing.kept, ended
        _anew(bearing)


def over_one(bearing: Bearing, count: int) -> float | None:
    """The work a second of so many trials, by that of one; None where it was not measured."""
    known = {1: 1.0, **bearing.gains}
    above = min((many for many in known if many >= count), default=None)
    if above is None:
        return None
    below = max(few for few in known if few <= count)
    part = math.log(count / below) / math.log(above / below) if above > below else 0.0
    return math.pow(known[below], 1 - part) * math.pow(known[above], part)


def _next_step(bearing: Bearing, kept: int, pace: float) -> int:
    """Half way to what is known to be too many; else half as many more, or twice as many."""
    if bearing.ceiling:
        return (bearing.ceiling - kept) // 2
    return kept if kept < FEW and pace > UNHINDERED else max(1, kept // 2)


def _anew(bearing: Bearing) -> None:
    bearing.stage += 1
    bearing.reached = bearing.kept
    bearing.xx = bearing.xy = bearing.yy = bearing.freedom = 0.0


def _least(few: int, many: int) -> float:
    return math.log(LEAST_GAIN) * math.log2(many / few)


def _gain(bearing: Bearing, few: int, many: int) -> tuple[float, float]:
    """Its logarithm, and the standard error of that.

    Before anything is known it is taken to be the least one, give or take: the few figures that
    there are at first, some of which always deceive, don't outweigh that.
    """
    ideal, span, noise = math.log(many / few), many - few, _noise(bearing)
    doubt = noise / (PRIOR * ideal) ** 2
    weight = bearing.xx / span**2 + doubt
    loss = (bearing.xy / span + doubt * (ideal - _least(few, many))) / weight
    return ideal - loss, math.sqrt(noise / weight)


def _noise(bearing: Bearing) -> float:
    explained = bearing.xy**2 / bearing.xx if bearing.xx else 0.0
    sum_ = bearing.noise * bearing.noise_count + max(0.0, bearing.yy - explained)
    return sum_ / _noise_count(bearing)


def _noise_count(bearing: Bearing) -> float:
    return bearing.noise_count + bearing.freedom
