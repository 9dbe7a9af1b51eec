"""Axes of charts: scales with round ticks, ranges that ignore spikes, axes of parameters."""

import math
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from tuitune.core import space as spaces
from tuitune.messages.command import spelled
from tuitune.store.rows import TrialRow
from tuitune.ui.charts.canvas import narrow
from tuitune.ui.render.lines import fit
from tuitune.ui.state.records import Record
from tuitune.ui.state.snapshot import Snapshot

_ROUND: Final = (1, 2, 5)
_LARGEST: Final = 1e300  # larger values are clipped, or differences would overflow
_SMALLEST: Final = 1e-280  # smaller differences count as 0
_FAR: Final = 10.0  # a spike is this many times further from the median than 90 % of the values
_SPIKE: Final = 100.0  # the same for a flat line, in multiples of its value
GROWTH: Final = 4.0  # another line may widen the range to this many times its size
_HALVED_FROM: Final = 8  # values from which only the better half sets the range
_FINE: Final = 24.0  # steps within a range, to which its ends are rounded
_SAMPLE: Final = 256  # values of a line from which its range is computed
_FEW: Final = 6  # whole numbers up to which each has a place of its own on the axis
_CATEGORIES: Final = 12  # a sampled parameter with more distinct values gets a numeric axis


class Tick(NamedTuple):
    """A position on an axis, in [0, 1], and its label."""

    place: float
    name: str


class Scale(Record, frozen=True):
    """The range of an axis. low and high are finite, and above 0 if `log`."""

    low: float
    high: float
    log: bool = False

    def at(self, value: float) -> float:
        """The position of a value: 0 at low, 1 at high; NaN if it has none."""
        return self.all((value,))[0]

    def all(self, values: Iterable[float]) -> list[float]:
        """The positions of many values, as `at`."""
        low, high = self.low, self.high
        if self.log:
            low, high = math.log(low), math.log(high)
            values = [math.log(value) if value > 0 else math.nan for value in values]
        span = high - low
        return [(value - low) / span for value in values]

    def ticks(self, most: int) -> list[float]:
        """At most `most` round values within the scale, ascending; at least 2 if possible."""
        most = max(2, most)
        if self.log:
            return self._log_ticks(most)
        return _linear_ticks(self.low, self.high, most)

    def named(self, most: int) -> list[Tick]:
        """The positions of `ticks`, with their labels."""
        ticks = self.ticks(most)
        return list(map(Tick, self.all(ticks), labels(ticks, aligned=not self.log)))

    def _log_ticks(self, most: int) -> list[float]:
        first = math.ceil(math.log10(self.low) - 1e-9)
        last = math.floor(math.log10(self.high) + 1e-9)
        decades = last - first + 1
        if decades >= 2:
            stride = -(-decades // most)
            return [10.0**power for power in range(first, last + 1, stride)]
        between = [
            factor * 10.0**power for power in range(first - 1, last + 1) for factor in (1, 2, 5)
        ]
        inside = [tick for tick in between if self.low <= tick <= self.high]
        if 2 <= len(inside) <= most:
            return inside
        return [tick for tick in _linear_ticks(self.low, self.high, most) if tick > 0]


UNIT: Final = Scale(0.0, 1.0)  # of positions


def scale(low: float, high: float, *, log: bool = False) -> Scale:
    """A scale of positive width, also where low equals high; limits are clipped to 1e300."""
    low, high = (min(max(end, -_LARGEST), _LARGEST) for end in (low, high))
    if log:
        low, high = max(low, 1 / _LARGEST), max(high, 1 / _LARGEST)
        narrow = high <= low * (1 + 1e-9)
        return Scale(low / 2, low * 2, log) if narrow else Scale(low, high, log)
    if high - low > max(abs(low), abs(high), _SMALLEST) * 1e-9:
        return Scale(low, high)
    room = abs(low) * 0.1 if abs(low) > _SMALLEST else 1.0
    return Scale(low - room, low + room)


def labels(ticks: Sequence[float], *, aligned: bool = True) -> list[str]:
    """The ticks as text, with as few digits as are exact. aligned: with equal decimals."""
    for digits in range(1, 12):
        words = [_tidy(tick, digits) for tick in ticks]
        if all(_is_exact(tick, word) for tick, word in zip(ticks, words, strict=True)):
            break
    else:
        words = [_tidy(tick, 12) for tick in ticks]
    decimals = max((len(word.partition(".")[2]) for word in words if "e" not in word), default=0)
    if not aligned or not decimals or any("e" in word for word in words):
        return words
    return [f"{tick:.{decimals}f}" for tick in ticks]


def _tidy(value: float, digits: int = 4) -> str:
    """The value with this many significant digits, without leading zeros in its exponent."""
    words = f"{value:.{digits}g}"
    if "e" not in words:
        return words
    mantissa, _, exponent = words.partition("e")
    return f"{value:.0f}" if 0 <= int(exponent) <= 5 else f"{mantissa}e{int(exponent)}"


def _is_exact(tick: float, word: str) -> bool:
    return math.isclose(float(word), tick, rel_tol=1e-9, abs_tol=1e-300)


def _linear_ticks(low: float, high: float, most: int) -> list[float]:
    """Multiples of the smallest round step that gives at most `most` ticks, or one more."""
    power = math.floor(math.log10((high / most) - (low / most)))
    steps = [float(f"{factor}e{p}") for p in (power, power + 1) for factor in _ROUND]
    counts = [_multiples(low, high, step) for step in steps]
    place = next(place for place, count in enumerate(counts) if len(count) <= most)
    if len(counts[place]) < 2 and place and len(counts[place - 1]) == most + 1:
        place -= 1
    return [_exactly(index, steps[place]) for index in counts[place]]


def _multiples(low: float, high: float, step: float) -> range:
    return range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)


def _exactly(index: int, step: float) -> float:
    """index * step rounded to 12 digits: 3 * 0.1 is 0.3."""
    return float(f"{index * step:.12g}")


class Range(NamedTuple):
    """The values that a chart shows, both ends included."""

    low: float
    high: float

    def span(self) -> float:
        """high - low; 0 for a single value."""
        return self.high - self.low


def shown_range(lines: Iterable[Sequence[float]], *, log: bool = False) -> Range | None:
    """The range that shows several lines, the most important first; spikes are left out.

    The first line is fully visible. Each other line may widen the range, to at most GROWTH times
    its size, but only if at least half of that line is visible then. None without a finite value
    (with log: a value above 0).
    """
    shown: Range | None = None
    for line in lines:
        usual = _usual(_drawable(line, log=log))
        if usual:
            shown = Range(usual[0], usual[-1]) if shown is None else _widened(shown, usual)
    if shown is None or not log:
        return shown
    return Range(10.0**shown.low, 10.0**shown.high)


def snapped(shown: Range, *, log: bool = False) -> Range:
    """The range, wider by up to a twelfth at each end, so that similar values share a scale."""
    low, high = (math.log10(shown.low), math.log10(shown.high)) if log else shown
    fine = (high - low) / _FINE
    if fine <= max(abs(low), abs(high)) * 1e-9:
        return shown
    power = math.floor(math.log10(fine))
    step = next(s for s in (f * 10.0**power for f in (1, 2, 5, 10)) if s >= fine)
    low, high = _exactly(math.floor(low / step), step), _exactly(math.ceil(high / step), step)
    return Range(10.0**low, 10.0**high) if log else Range(low, high)


def good_range(
    values: Sequence[float], *, minimise: bool, log: bool = False, kept: Sequence[float] = ()
) -> Range | None:
    """The range of the better half of many values, so that poor ones don't flatten the good.

    kept: values that are within the range in any case.
    """
    finite = sorted(filter(math.isfinite, values))
    if len(finite) >= _HALVED_FROM:
        half = len(finite) // 2
        better = finite[: len(finite) - half] if minimise else finite[half:]
        if better[0] < better[-1]:
            return shown_range([[*better, *kept]], log=log)
    return shown_range([finite, kept], log=log)


def _widened(shown: Range, ordered: list[float]) -> Range:
    """The range, widened for these values as far as GROWTH allows. ordered: ascending."""
    most = GROWTH * max(shown.span(), 0.05 * max(abs(shown.low), abs(shown.high)))
    above = [value for value in ordered if value >= shown.high - most]
    low = min(above[0], shown.low) if above else shown.low
    held = [value for value in above if value <= low + most]
    if 2 * len(held) < len(ordered):
        return shown
    return Range(low, max(held[-1], shown.high))


def _usual(values: list[float]) -> list[float]:
    """The values without spikes, ascending; see _FAR."""
    if not values:
        return []
    ordered = sorted(values if len(values) <= _SAMPLE else _some(values))
    median = ordered[(len(ordered) - 1) // 2]
    away = sorted(abs(value - median) for value in ordered)
    usual = _FAR * away[(len(away) - 1) * 9 // 10] or _SPIKE * (abs(median) or 1.0)
    return [value for value in ordered if abs(value - median) <= usual]


def _some(values: list[float]) -> list[float]:
    """About _SAMPLE of the values, evenly spaced, and the extremes, which limit the range."""
    stride = -(-len(values) // _SAMPLE)
    return [*values[::stride], values[-1], min(values), max(values)]


def _drawable(line: Sequence[float], *, log: bool) -> list[float]:
    """The finite values, or their logarithms, clipped so that differences are finite."""
    numbers = list(filter(math.isfinite, line))
    if log:
        return [math.log10(min(max(v, 1 / _LARGEST), _LARGEST)) for v in numbers if v > 0]
    if max(map(abs, numbers), default=0.0) > _LARGEST:
        return [min(max(v, -_LARGEST), _LARGEST) for v in numbers]
    return numbers


class Axis(Record, frozen=True):
    """The axis of one parameter: a scale for numbers, else the names of its categories."""

    name: str
    scale: Scale | None = None
    names: tuple[str, ...] = ()
    ordered: bool = True
    places: Mapping[Hashable, int] = msgspec.field(default_factory=dict)

    def at(self, config: Mapping[str, Any]) -> float | None:
        """The position of a configuration, in [0, 1]; None if it lacks the parameter."""
        return self.all((config,))[0]

    def all(self, configs: Iterable[Mapping[str, Any]]) -> list[float | None]:
        """The positions of many configurations, as `at`."""
        values = [config.get(self.name) for config in configs]
        if self.scale is None:
            count = len(self.names)
            places = [None if v is None else self.places.get(_hashable(v)) for v in values]
            return [None if place is None else (place + 0.5) / count for place in places]
        numbers = [v if isinstance(v, int | float) and v is not True else math.nan for v in values]
        ats = self.scale.all(numbers)
        return [None if math.isnan(at) else min(max(at, 0.0), 1.0) for at in ats]

    def ticks(self, most: int) -> list[Tick]:
        """Its ticks, ascending: at most `most` for numbers, all for categories."""
        if self.scale is not None:
            return self.scale.named(most)
        count = len(self.names)
        return [Tick((place + 0.5) / count, name) for place, name in enumerate(self.names)]

    def below(self, width: int) -> list[Tick]:
        """Ticks about every twelve cells of the width; names of categories are cut to fit."""
        ticks = self.ticks(max(2, width // 12))
        if self.scale is not None:
            return ticks
        room = max(1, width // len(ticks) - 1)
        return [Tick(at, fit(name, min(room, len(name)))) for at, name in ticks]

    def ends(self) -> tuple[str, str]:
        """The names of its lowest and of its highest value."""
        if self.scale is None:
            return self.names[0], self.names[-1]
        return _tidy(self.scale.low), _tidy(self.scale.high)


def axes(space: spaces.SearchSpace, rows: Sequence[TrialRow]) -> list[Axis]:
    """The axes of all parameters with several values. rows: give the values of samplers."""
    made = (_axis(parameter, rows) for parameter in space.parameters)
    return [one for one in made if one is not None]


def ranked_axes(snapshot: Snapshot) -> list[Axis]:
    """The axes of all parameters with several values, by importance once that is known."""
    ranks = {name: rank for rank, name in enumerate(snapshot.ranked)}
    found = axes(snapshot.spec.space, snapshot.rows)
    return sorted(found, key=lambda axis: ranks.get(axis.name, len(ranks)))


def _axis(parameter: spaces.Parameter, rows: Sequence[TrialRow]) -> Axis | None:  # noqa: PLR0911
    """The axis of a parameter; None if it has fewer than two values that can be shown."""
    name = parameter.name
    match parameter:
        case spaces.IntRange(low=low, high=high) if high - low < _FEW:
            return _columns(name, range(low, high + 1), ordered=True)
        case (
            spaces.FloatRange(low=low, high=high, log=log)
            | spaces.IntRange(low=low, high=high, log=log)
        ):
            return Axis(name, scale(low, high, log=log))
        case spaces.PowerRange(low=low, high=high, base=base):
            count = round(math.log(high / low, base)) + 1
            if count <= _FEW:
                powers = [low * base**power for power in range(count)]
                return _columns(name, powers, ordered=True)
            return Axis(name, scale(low, high, log=True))
        case spaces.Choice(values=values, ordered=ordered):
            numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
            return _columns(name, values, ordered=ordered or numbers)
        case spaces.Sampled():
            return _sampled(name, [row.config[name] for row in rows if name in row.config])
        case spaces.Fixed():
            return None


def _sampled(name: str, values: list[Any]) -> Axis | None:
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) == len(values) and len(set(numbers)) > _CATEGORIES:
        low, high = min(numbers), max(numbers)
        return Axis(name, scale(low, high, log=low > 0 and high / low > 100))
    distinct = {_hashable(value): value for value in values}
    if not 2 <= len(distinct) <= _CATEGORIES:
        return None
    if len(numbers) == len(values):
        return _columns(name, sorted(distinct.values()), ordered=True)
    return _columns(name, distinct.values(), ordered=False)


def _columns(name: str, values: Collection[Any], *, ordered: bool) -> Axis:
    places = {_hashable(value): place for place, value in enumerate(values)}
    names = tuple(narrow(spelled(v)) for v in values)
    return Axis(name, None, names, ordered, places)


def _hashable(value: Any) -> Hashable:
    """A dictionary key for the value: 1 and 1.0 share one, true and 1 don't."""
    if isinstance(value, bool | list | dict):
        return spaces.spell(value), type(value)
    return value  # type: ignore[no-any-return]  # a number or a text
