"""Points of the user, tried before a method's proposals, and methods that ignore constraints."""

from collections.abc import Mapping
from random import Random
from typing import Any

import msgspec

from tuitune.core.reasons import Drawn, Given
from tuitune.core.search import proposal, random_search
from tuitune.core.space import Fixed, Sampled, SearchSpace, to_unit


class BrokenError(Exception):
    """What a point leaves out can't be chosen so that the constraints are kept; str() says so."""


class _PointsFirst(msgspec.Struct, frozen=True):
    """The given points in turn, then the proposals of the method.

    A point that is added while the study runs comes next; one tried before is skipped.
    """

    space: SearchSpace
    method: proposal.Method
    points: tuple[proposal.Proposal, ...]

    def propose(
        self, trial: int, tried: proposal.Tried
    ) -> proposal.Proposal | proposal.AskModel | None:
        """The first given point that was not tried, otherwise the proposal of the method."""
        for index, point in enumerate(self.points):
            # Identities leave sampled values out: with those, a point is due by its number.
            due = index == trial and proposal.is_new(self.space, point.config, tried)
            if due or proposal.identity(self.space, point.config) not in tried:
                return point
        return self.method.propose(trial, tried)


def points_first(
    space: SearchSpace, search: proposal.SearchSpec, method: proposal.Method
) -> _PointsFirst:
    """What a point leaves out is filled from the method's plan at the same index.

    Points that would break the constraints are left out.
    """
    completed: list[proposal.Proposal] = []
    for index, point in enumerate(search.points):
        try:
            planned, seed = method.planned(index), f"{search.seed}/{index}"
            found = complete_point(space, planned, Given(index), point, seed)
            if search.source:
                found = proposal.Proposal(found.config, f"from {search.source}", "trained on")
            completed.append(found)
        except BrokenError:  # the study file's reader has refused it
            continue
    return _PointsFirst(space, method, tuple(completed))


def complete_point(
    space: SearchSpace,
    planned: proposal.Proposal,
    given_as: Given,
    point: Mapping[str, Any],
    seed: str,
) -> proposal.Proposal:
    """The point with what it leaves out taken from `planned`; inactive parameters are removed.

    Where these together break the constraints, what is left out is drawn instead. Raises
    BrokenError where no draw keeps them.
    """
    given = space.normalised(point)
    coordinates = [
        to_unit(parameter, given[parameter.name]) if parameter.name in given else coordinate
        for parameter, coordinate in zip(space.searched, space.point(planned.config), strict=True)
    ]
    places = [place for place, p in enumerate(space.searched) if p.name in given]
    redrawn = not space.keeps_at(coordinates)
    random = Random(f"{seed}/point")  # noqa: S311 - reproducible by design
    if redrawn and not space.redraw(coordinates, random, places):
        raise BrokenError(
            f"no values of the other parameters were found that keep the constraints "
            f"{' and '.join(space.constraints)}"
        )
    # Coordinates decide what is active; given values stay unrounded.
    decided = space.configuration(coordinates)
    known = {**decided, **({} if redrawn else planned.config), **given}
    names = [p.name for p in space.parameters if p.name in decided or p.name in given]
    filled = [
        p.name
        for p in space.parameters
        if p.name in decided and p.name not in given and not isinstance(p, Fixed | Sampled)
    ]
    why = Given(given_as.index, tuple(filled), planned.why) if filled else given_as
    config = {name: known[name] for name in names}
    if not space.keeps(config):
        raise BrokenError("the point breaks the constraints")
    return proposal.Proposal(config, "point", why)


def can_complete(space: SearchSpace, point: Mapping[str, Any]) -> bool:
    """Whether values were found for what a point leaves out that keep the constraints."""
    middles = space.configuration([0.5] * len(space.searched))
    try:
        complete_point(space, proposal.Proposal(middles, "", ""), Given(None), point, "")
    except BrokenError:
        return False
    return True


class KeepsConstraints(msgspec.Struct, frozen=True):
    """An installed method, with random configurations in place of those that break constraints."""

    space: SearchSpace
    method: proposal.Method
    seed: int

    def propose(
        self, trial: int, tried: proposal.Tried
    ) -> proposal.Proposal | proposal.AskModel | None:
        """The method's proposal, or a random one."""
        found = self.method.propose(trial, tried)
        if not isinstance(found, proposal.Proposal):
            return found
        return _kept(self.space, self.seed, trial, found, tried)

    def planned(self, index: int) -> proposal.Proposal:
        """The method's plan, or a random configuration."""
        found = self.method.planned(index)
        return _kept(self.space, self.seed, index, found, set()) or found


class ModelKeepsConstraints(msgspec.Struct, frozen=True):
    """The same for the model of an installed method."""

    space: SearchSpace
    model: proposal.Model
    seed: int

    def propose(
        self, trial: int, history: proposal.History, tried: proposal.Tried
    ) -> proposal.Proposal | None:
        """The model's proposal, or a random one."""
        found = self.model.propose(trial, history, tried)
        return found and _kept(self.space, self.seed, trial, found, tried)


def _kept(
    space: SearchSpace, seed: int, trial: int, found: proposal.Proposal, tried: proposal.Tried
) -> proposal.Proposal | None:
    if space.keeps(found.config):
        return found
    config = random_search.draw_untried(space, seed, trial, tried)
    return None if config is None else proposal.Proposal(config, found.origin, Drawn(trial))
