"""Groups of parameters that constraints connect: draws that keep these, and how much is left."""

import math
from collections.abc import Callable, Collection, Iterator, Mapping, MutableSequence, Sequence
from functools import cached_property
from itertools import islice
from random import Random
from typing import Any

import msgspec

from tuitune.core.space import constraints, intervals, parameters, priors
from tuitune.core.space.boxes import Box, Boxes, Side, boxes_of
from tuitune.core.space.families import EndlessError, combinations, holds

_TRIES = 2_000  # draws for one point; a walk from a known one after that
_EDGE = 1e-12  # of a cell, which belongs to the next one
_FIRST_DRAWS = 20_000  # for a first point, before all values are combined
EMPTY_DRAWS = 50_000  # without one that keeps the rules, before a group counts as empty
_KNOWN = 32  # points that a walk may start from
_SWEEPS, _STEPS = 3, 20  # of a walk: through all places, tries at each
_SAMPLE, _SAMPLE_DRAWS = 512, 20_000
_TABLE = 1_000  # values that are computed beforehand
SHARE_DRAWS = 10_000  # that the share is estimated from


class Group(msgspec.Struct, frozen=True, dict=True):
    """Parameters that constraints connect, and the parents of their conditions.

    family: parents first, with all that conditions connect. judged: those that the rules depend on,
    parents first, with their places among the coordinates of a point, None for a fixed one.
    """

    family: tuple[parameters.Parameter, ...]
    judged: tuple[tuple[int | None, parameters.Parameter], ...]
    rules: tuple[constraints.Constraint, ...]

    @cached_property
    def places(self) -> tuple[int, ...]:
        """The coordinates that decide whether a point keeps the rules."""
        return tuple(place for place, _ in self.judged if place is not None)

    def keeps(self, point: Sequence[float]) -> bool:
        """Whether the values at a point, before they are rounded, keep the rules."""
        known: dict[str, parameters.Value] = {}
        for place, parameter, decode in self._decoders:
            if not parameter.when or holds(parameter, known):
                known[parameter.name] = decode(0.5 if place is None else point[place])
        return all([rule.holds(known) is not False for rule in self.rules])  # noqa: C419 - faster

    @cached_property
    def _decoders(
        self,
    ) -> tuple[tuple[int | None, parameters.Parameter, Callable[[float], parameters.Value]], ...]:
        return tuple((place, parameter, _decoder(parameter)) for place, parameter in self.judged)

    def redraw(
        self, point: MutableSequence[float], random: Random, given: Collection[int] = ()
    ) -> bool:
        """Draw the group's coordinates again until they keep the rules; False: none were found.

        given: places to leave alone. If draws fail, and nothing is given, values are changed one at
        a time from those of a point that is known.
        """
        if self.keeps(point):
            return True
        fixed = {place: point[place] for place in self.places if place in given}
        boxes = self._boxes(fixed) if fixed else self.boxes
        for _ in range(_TRIES if boxes.boxes else 0):
            self._draw(point, random, boxes)
            if self.keeps(point):
                return True
        return not fixed and self._walk(point, random)

    @cached_property
    def boxes(self) -> Boxes:
        """Where shares of the priors may keep the rules."""
        return self._boxes({})

    def _boxes(self, fixed: Mapping[int, float]) -> Boxes:
        """The boxes along all places but the fixed ones, of which the coordinates are given."""
        left = [place for place in self.places if place not in fixed]

        def judge(box: Box) -> bool | None:
            return self._judge(dict(zip(left, box, strict=True)), fixed)

        return boxes_of(left, judge)

    def _judge(self, sides: Mapping[int, Side], fixed: Mapping[int, float]) -> bool | None:
        """Whether all configurations in a box of shares keep the rules; False: none does."""
        known: dict[str, Any] = {}
        for place, parameter, decode in self._decoders:
            if parameter.when and not holds(parameter, known):
                continue  # absent, or not known to be there: unknown for the rules
            if place is None or place in fixed:
                known[parameter.name] = decode(0.5 if place is None else fixed[place])
                continue
            low, high = (self._by_prior(place, share) for share in sides[place])
            value = _values_between(parameter, decode, low, high)
            if value is not None:
                known[parameter.name] = value
        found = [rule.holds(known) for rule in self.rules]
        if any(kept is False for kept in found):
            return False
        return True if all(found) else None

    @cached_property
    def why_empty(self) -> str:
        """What was tried if nothing that keeps the rules was found; empty if something was."""
        if self.boxes.boxes and self._known:
            return ""
        is_sure = not self.boxes.boxes or self._combined is not None
        return "no combination" if is_sure else f"none of {EMPTY_DRAWS:,} draws"

    @cached_property
    def sample(self) -> list[tuple[float, ...]]:
        """Coordinates at `places` that keep the rules, drawn once; empty where none were found."""
        random = Random("sample")  # noqa: S311 - reproducible by design
        point = self._middle()
        drawn = list(islice(self._kept(point, random, _SAMPLE_DRAWS), _SAMPLE))
        if not drawn and self.redraw(point, random):
            drawn.append(self._part(point))
        return drawn

    def share(self) -> float:
        """The share of draws that keep the rules: an estimate."""
        random = Random("share")  # noqa: S311 - reproducible by design
        kept = sum(1 for _ in self._kept(self._middle(), random, SHARE_DRAWS))
        return self.boxes.volume * kept / SHARE_DRAWS

    def _kept(
        self, point: MutableSequence[float], random: Random, draws: int
    ) -> Iterator[tuple[float, ...]]:
        """Coordinates at `places` of those draws that keep the rules; each changes the point."""
        for _ in range(draws):
            self._draw(point, random, self.boxes)
            if self.keeps(point):
                yield self._part(point)

    def _middle(self) -> list[float]:
        """A point with all coordinates up to the last one of the group."""
        return [0.5] * (max(self.places, default=-1) + 1)

    def _part(self, point: Sequence[float]) -> tuple[float, ...]:
        return tuple(point[place] for place in self.places)

    def _draw(self, point: MutableSequence[float], random: Random, boxes: Boxes) -> None:
        for place in boxes.places:
            point[place] = random.random()
        boxes.move(point)
        for place in boxes.places if self._priors else ():
            point[place] = self._by_prior(place, point[place])

    def _by_prior(self, place: int, share: float) -> float:
        parameter = self._priors.get(place)
        return share if parameter is None else priors.quantile(parameter, share)

    @cached_property
    def _priors(self) -> dict[int, parameters.Parameter]:
        """The parameters that have a prior, by their places."""
        return {place: p for place, p in self.judged if place is not None and priors.has_prior(p)}

    def _walk(self, point: MutableSequence[float], random: Random) -> bool:
        if not self._known:
            return False
        start = self._known[int(random.random() * len(self._known))]
        for place, coordinate in zip(self.places, start, strict=True):
            point[place] = coordinate
        searched = [(place, parameter) for place, parameter in self.judged if place is not None]
        for _ in range(_SWEEPS):
            random.shuffle(searched)
            for place, parameter in searched:
                self._move(point, place, parameter, random)
        return True

    def _move(
        self,
        point: MutableSequence[float],
        place: int,
        parameter: parameters.Parameter,
        random: Random,
    ) -> None:
        before = point[place]
        for _ in range(_STEPS):
            point[place] = priors.quantile(parameter, random.random())
            if self.keeps(point):
                return
        point[place] = before

    @cached_property
    def _known(self) -> tuple[tuple[float, ...], ...]:
        """Coordinates at `places` that keep the rules; empty where none were found."""
        found = self._found(_FIRST_DRAWS)
        if found:
            return found
        return self._found(EMPTY_DRAWS) if self._combined is None else self._combined

    def _found(self, draws: int) -> tuple[tuple[float, ...], ...]:
        random = Random(f"{draws}")  # noqa: S311 - reproducible by design
        return tuple(islice(self._kept(self._middle(), random, draws), _KNOWN))

    @cached_property
    def _combined(self) -> tuple[tuple[float, ...], ...] | None:
        """Evenly chosen ones of all combinations; None if these can't be counted."""
        judged = [parameter for _, parameter in self.judged]
        try:
            every = list(combinations(judged, self.rules, all_values))
        except EndlessError:
            return None
        chosen = every[:: max(1, len(every) // _KNOWN)]
        return tuple(
            tuple(
                parameters.to_unit(parameter, config[parameter.name])
                if parameter.name in config
                else 0.5
                for place, parameter in self.judged
                if place is not None
            )
            for config in chosen
        )


def _values_between(
    parameter: parameters.Parameter,
    decode: Callable[[float], parameters.Value],
    low: float,
    high: float,
) -> parameters.Value | intervals.Interval | None:
    """The values between two coordinates: one, an interval of numbers, or None for several."""
    low, high = min(low + _EDGE, 1.0), max(high - _EDGE, 0.0)
    if not isinstance(parameter, parameters.Choice):
        ends = decode(low), decode(max(low, high))
    else:
        count = len(parameter.values)
        first = min(int(low * count), count - 1)
        values = parameter.values[first : max(first, min(int(high * count), count - 1)) + 1]
        if len(values) > 1 and not all(map(parameters.is_number, values)):
            return None
        ends = min(values), max(values)  # type: ignore[type-var]  # numbers, or one value
    return ends[0] if ends[0] == ends[1] else intervals.Interval(*ends)  # type: ignore[arg-type]  # numbers


def _decoder(parameter: parameters.Parameter) -> Callable[[float], parameters.Value]:
    """A fast `from_unit`; it may differ in the last digit."""
    count = parameters.levels(parameter)
    match parameter:
        case parameters.FloatRange(log=False, step=None, low=low, high=high):
            return lambda u: (1.0 - u) * low + u * high
        case parameters.FloatRange(log=True, step=None, low=low, high=high):
            bottom, width = math.log(low), math.log(high) - math.log(low)
            return lambda u: math.exp(bottom + u * width)
        case parameters.FloatRange(log=True) | parameters.IntRange(log=True):
            return lambda u: parameters.from_unit(parameter, u)
    if count is None or count > _TABLE:
        return lambda u: parameters.from_unit(parameter, u)
    values = [parameters.value_at(parameter, index) for index in range(count)]
    return lambda u: values[int(u * count) if u < 1.0 else -1]


def all_values(parameter: parameters.Parameter) -> Iterator[parameters.Value]:
    """The values of a countable parameter. Raises EndlessError for another."""
    count = parameters.levels(parameter)
    if count is None:
        raise EndlessError
    return (parameters.value_at(parameter, index) for index in range(count))


def make_groups(
    families: Sequence[Sequence[parameters.Parameter]],
    rules: Sequence[constraints.Constraint],
    places: dict[str, int],
) -> tuple[Group, ...]:
    """The groups of a space. families: parents first; each rule is about one of them alone."""
    found: list[Group] = []
    for family in families:
        names = {parameter.name for parameter in family}
        own = tuple(rule for rule in rules if rule.names <= names)
        if own:
            judged = _judged(family, set().union(*(rule.names for rule in own)))
            whole = tuple(p for p in family if not isinstance(p, parameters.Sampled))
            found.append(Group(whole, tuple((places.get(p.name), p) for p in judged), own))
    return tuple(found)


def _judged(family: Sequence[parameters.Parameter], names: set[str]) -> list[parameters.Parameter]:
    """The named parameters and all that their conditions depend on, parents first."""
    needed = set(names)
    for parameter in reversed(family):
        if parameter.name in needed:
            needed |= parameter.when.keys()
    return [parameter for parameter in family if parameter.name in needed]
