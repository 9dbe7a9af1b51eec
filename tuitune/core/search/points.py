"""Configurations that the user gives, ahead of the search method's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tuitune.core.reasons import Given
from tuitune.core.search.proposal import Method, Proposal, identity, is_new
from tuitune.core.space import Fixed, Sampled, SearchSpace, to_unit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tuitune.core.search.proposal import AskModel, Tried


class PointsFirst(msgspec.Struct, frozen=True):
    """The given points in turn, then what the method proposes.

    A point that is given while the study is under way comes next; one tried before is left out.
    """

    space: SearchSpace
    method: Method
    points: tuple[Proposal, ...]

    def propose(self, trial: int, tried: Tried) -> Proposal | AskModel | None:
        """The first given point that was not tried, else the method's proposal."""
        for index, point in enumerate(self.points):
            # Sampled values are no part of an identity: then only the number tells what is due.
            due = index == trial and is_new(self.space, point.config, tried)
            if due or identity(self.space, point.config) not in tried:
                return point
        return self.method.propose(trial, tried)


def points_first(
    space: SearchSpace, method: Method, points: Sequence[Mapping[str, Any]]
) -> PointsFirst:
    """Points complete themselves from what the method has planned under the same number."""
    completed = (
        complete_point(space, method.planned(index), Given(index), point)
        for index, point in enumerate(points)
    )
    return PointsFirst(space, method, tuple(completed))


def complete_point(
    space: SearchSpace, planned: Proposal, given_as: Given, point: Mapping[str, Any]
) -> Proposal:
    """What was given, with what it leaves out as it was planned; inactive parameters left out."""
    given = space.normalised(point)
    coordinates = [
        to_unit(parameter, given[parameter.name]) if parameter.name in given else coordinate
        for parameter, coordinate in zip(space.searched, space.point(planned.config), strict=True)
    ]
    # Coordinates decide what is active; the values themselves come through unrounded.
    decided = space.configuration(coordinates)
    known = {**decided, **planned.config, **given}
    names = [p.name for p in space.parameters if p.name in decided or p.name in given]
    filled = [
        p.name
        for p in space.parameters
        if p.name in decided and p.name not in given and not isinstance(p, Fixed | Sampled)
    ]
    why = Given(given_as.index, tuple(filled), planned.why) if filled else given_as
    return Proposal({name: known[name] for name in names}, "point", why)
