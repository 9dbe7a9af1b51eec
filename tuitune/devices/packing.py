"""How many trials does one GPU bear? By measurement: their memory, and how each slows the others.

A trial's pace is its steps a second. When another joins it, or leaves, the pace of those that stay
is compared with their own before: pairs of one trial, so that trials which differ don't blur it.
With k on a GPU and then k + 1, each at `ratio` of its pace before, all together do
(k + 1) / k * ratio of the work that they did: the gain.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

HEADROOM = 0.05  # of a GPU's memory that is promised to nobody
MARGIN = 1.05  # over the largest peak that was seen, and more while few have ended
FIRST_MARGIN = 1.5  # over peaks of attempts that have not ended yet: they may grow
UNSURE = 0.10  # of a peak, over the root of how many have ended
SPARE = 300_000_000  # bytes: what a CUDA context takes beside the tensors
RAISE = 1.3  # after an out-of-memory among neighbours
KNOWN_PEAKS = 3  # ended attempts that tell what the next one will hold

LEAST_GAIN = 1.03  # to be kept
FALL = 1.0  # a gain below it takes a step back
SURE = 1.5  # standard errors that a gain must be off LEAST_GAIN, unless
SHARP = 0.02  # the error is as small as this already
LEAPS = ((0.93, 1.0), (0.85, 0.5))  # (pace that each keeps, by how much more are put together)

LEAST_INTERVALS, MOST_INTERVALS = 2, 5  # between reports, that make a pace
WINDOW_SECONDS = 2.0  # and so many seconds
WINDOW_ERROR = 0.08  # of a pace that is wanted
LEAST_NOISE = 0.02  # of one interval
FADING = 60.0  # intervals' worth of comparisons after which the oldest fade
STRIDE_REPORTS = 2  # of a newcomer, until it counts as under way


class Pace(msgspec.Struct, array_like=True):
    """How fast an attempt goes, beside how many others."""

    company: int = 1  # on its GPU, itself included
    reports: int = 0  # of the attempt
    since: float = 0.0  # the window's first report; 0: it has none yet
    step: int = 0  # at that report
    heard: float = 0.0  # the newest report, and its step
    heard_step: int = 0
    intervals: int = 0
    logs: float = 0.0  # sum of the logarithms of the seconds a step
    squares: float = 0.0  # and of their squares
    now: float = 0.0  # steps a second in this window; 0: too short to tell
    before: float = 0.0  # of the newest whole window
    before_company: int = 0  # and beside how many
    before_intervals: int = 0


class Tally(msgspec.Struct, array_like=True):
    """Comparisons of one kind: the mean logarithm of the ratios, and what it rests on."""

    mean: float = 0.0
    weight: float = 0.0  # intervals' worth


class Bearing(msgspec.Struct, array_like=True):
    """What one model of GPU bears, as measured so far."""

    most: int = 1
    open: bool = True  # whether one more is to be tried
    tallies: list[Tally] = []  # [k - 1]: from k trials to k + 1
    noise: float = 0.01  # mean square of an interval's logarithm about its window's mean
    windows: int = 0  # that it was taken from


class Packing(msgspec.Struct, array_like=True):
    bearings: dict[str, Bearing] = {}  # by model
    ended: int = 0  # attempts that ended well and whose peak is known
    high: int = 0  # bytes: the largest peak of any attempt
    low: int = 0  # the smallest of those that ended well
    growth: float = 1.0  # the most that one grew after it had settled
    raised: float = 1.0  # by what was promised too little


class Resident(NamedTuple):
    """A trial on a GPU, as far as another one's admission reads it."""

    share: float  # 0: packed
    peak: int  # bytes
    rest: int  # bytes that it had when it stopped growing; 0: it may still grow
    is_paced: bool  # its pace beside its present neighbours is known


class Finding(NamedTuple):
    most: int
    open: bool
    few: int  # compared with one more
    gain: float


# --- pace ----------------------------------------------------------------------------------------


def heard(bearing: Bearing, pace: Pace, step: int, time: float) -> None:
    """A report has come."""
    pace.reports += 1
    last, last_step = pace.heard, pace.heard_step
    pace.heard, pace.heard_step = time, step
    if not pace.since:
        pace.since, pace.step = time, step
        return
    if step <= last_step or time <= last:
        return
    log = math.log((time - last) / (step - last_step))
    pace.intervals += 1
    pace.logs += log
    pace.squares += log * log
    wanted = min(max(bearing.noise / WINDOW_ERROR**2, LEAST_INTERVALS), MOST_INTERVALS)
    if pace.intervals >= wanted and time - pace.since >= WINDOW_SECONDS:
        if not pace.now:
            _learn_noise(bearing, pace)
        pace.now = (step - pace.step) / (time - pace.since)


def turn(pace: Pace, company: int) -> None:
    """Somebody has joined or left: begin to measure anew."""
    if pace.now:
        pace.before, pace.before_company = pace.now, pace.company
        pace.before_intervals = pace.intervals
    pace.company = company
    restart(pace)


def restart(pace: Pace) -> None:
    """A newcomer is only now under way: what was measured meanwhile tells nothing."""
    pace.since = pace.now = pace.logs = pace.squares = 0.0
    pace.intervals = 0


def compare(bearing: Bearing, pace: Pace) -> bool:
    """Take in what a whole window tells beside the one before; whether it told anything."""
    few, many = sorted((pace.company, pace.before_company))
    if not pace.now or not pace.before or few == many:
        return False
    joined = pace.company > pace.before_company
    ratio = pace.now / pace.before if joined else pace.before / pace.now
    weight = 1 / (1 / pace.intervals + 1 / pace.before_intervals) / (many - few)
    pace.before = 0.0
    while len(bearing.tallies) < many - 1:
        bearing.tallies.append(Tally())
    for tally in bearing.tallies[few - 1 : many - 1]:  # each step its part of the whole
        tally.weight = min(tally.weight, FADING) + weight
        log = math.log(max(ratio, 1e-3)) / (many - few)
        tally.mean += (log - tally.mean) * weight / tally.weight
    return True


def _learn_noise(bearing: Bearing, pace: Pace) -> None:
    mean = pace.logs / pace.intervals
    noise = (pace.squares / pace.intervals - mean * mean) * pace.intervals / (pace.intervals - 1)
    bearing.windows += 1
    bearing.noise += (max(noise, LEAST_NOISE**2) - bearing.noise) / bearing.windows


# --- findings ------------------------------------------------------------------------------------


def judge(bearing: Bearing) -> Finding | None:
    """What the comparisons so far change, None for nothing."""
    for few in range(1, bearing.most):
        gain, error = _gain(bearing, few)
        if gain * math.exp(SURE * error) < FALL:
            return Finding(few, open=False, few=few, gain=gain)
    if not bearing.open:
        return None
    few = bearing.most
    gain, error = _gain(bearing, few)
    if error > SHARP and abs(math.log(gain / LEAST_GAIN)) < SURE * error:
        return None
    if gain < LEAST_GAIN:
        return Finding(few, open=False, few=few, gain=gain)
    kept = gain * few / (few + 1)
    leap = next((part for pace, part in LEAPS if kept > pace), 0.0)
    return Finding(few + 1 + int(few * leap), open=True, few=few, gain=gain)


def over_one(bearing: Bearing, count: int) -> float | None:
    """The work a second of so many trials, by that of one; None where it was not measured."""
    if count - 1 > sum(tally.weight > 0 for tally in bearing.tallies[: count - 1]):
        return None
    return math.prod(_gain(bearing, few)[0] for few in range(1, count))


def _gain(bearing: Bearing, few: int) -> tuple[float, float]:
    """From so many to one more, and the standard error of its logarithm."""
    tally = bearing.tallies[few - 1] if few <= len(bearing.tallies) else Tally()
    error = math.sqrt(bearing.noise / tally.weight) if tally.weight else math.inf
    return (few + 1) / few * math.exp(tally.mean), error


# --- memory --------------------------------------------------------------------------------------


def remember(packing: Packing, peak: int, rest: int, *, ended: bool) -> None:
    """An attempt has held so much at most; ended: it ran to where it was to end."""
    packing.high = max(packing.high, peak)
    if rest:
        packing.growth = max(packing.growth, peak / rest)
    if ended:
        packing.low = min(packing.low, peak) if packing.ended else peak
        packing.ended += 1


def crowd(packing: Packing, model: str, company: int) -> None:
    """So many were too many: promise more memory to each, and put fewer together."""
    packing.raised *= RAISE
    bearing = packing.bearings.setdefault(model, Bearing())
    if company > 1 and bearing.most >= company:
        bearing.most = company - 1


def reserve(packing: Packing, peaks: Iterable[int] = ()) -> int | None:
    """Bytes to keep for a trial of which nothing is known yet; None where no peak is known.

    `peaks`: of attempts that still run. The fewer have ended, and the more they differed, the
    further the next one may be above them all.
    """
    high = max([packing.high, *peaks])
    if not high:
        return None
    margin = FIRST_MARGIN
    if packing.ended:
        unsure = UNSURE + 1 - packing.low / high
        margin = MARGIN + unsure / math.sqrt(packing.ended)
    return round(high * margin * packing.raised) + SPARE


def fits(memory: float, reserved: int, packing: Packing, residents: Iterable[Resident]) -> bool:
    """Whether one more finds room in what was promised to nobody."""
    return promised(reserved, packing, residents) + reserved <= (1 - HEADROOM) * memory


def promised(reserved: int, packing: Packing, residents: Iterable[Resident]) -> int:
    """Bytes."""
    return sum(_held(resident, reserved, packing) for resident in residents)


def _held(resident: Resident, reserved: int, packing: Packing) -> int:
    """One that has stopped growing is known better than those that are yet to come."""
    if not resident.rest or packing.ended < KNOWN_PEAKS:
        return max(reserved, resident.peak)
    grown = max(resident.peak, resident.rest * packing.growth)
    return round(grown * MARGIN * packing.raised) + SPARE
