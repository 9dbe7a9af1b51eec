"""The first configurations of a study with a model."""

import msgspec
from msgspec.structs import replace

from tuitune.core import space as spaces
from tuitune.core.reasons import Drawn, MiddleOfRanges, SobolPoint
from tuitune.core.search.proposal import AskModel, Proposal, Tried, is_new
from tuitune.core.search.random_search import draw_untried
from tuitune.core.search.sobol import SobolSearcher, sobol_searcher

START = 6  # trials; a model of fewer is no better than random
_SIGMAS = 2.0  # standard deviations between the ends of a likely range
_LEAST_SIGMA = 0.05  # of the range, around a single likely value
_ORIGIN = "sobol start"


class StartThenModel(msgspec.Struct, frozen=True):
    """Sobol's points for the first trials, then the proposals of the model.

    The first is the middle of every range (of a distribution its median, of weighted choices the
    heaviest), since users set ranges around what they think good.
    Where they have set likely values, every other point is moved towards those, the first one
    exactly onto them. informed: there are trials of earlier studies, and the model chooses from the
    first trial on.
    """

    space: spaces.SearchSpace
    sobol: SobolSearcher
    informed: bool

    def planned(self, index: int) -> Proposal:
        """Point number `index` of the start, which is infinite."""
        point, source = self._point(index)
        if index % 2 == 0 and any(map(spaces.likely_of, self.space.searched)):
            config = self._believed(point, exact=index == 0)
            if self.space.keeps(config) and not isinstance(source, Drawn):
                return Proposal(config, _ORIGIN, replace(source, believed=True))
        return Proposal(self.space.configuration(point), _ORIGIN, source)

    def _believed(self, point: list[float], *, exact: bool) -> dict[str, spaces.Value]:
        """The configuration at a point that is moved to the likely values; exact: onto them."""
        likely = [
            _pulled(parameter, coordinate, exact=exact)
            for parameter, coordinate in zip(self.space.searched, point, strict=True)
        ]
        config = self.space.configuration(likely)
        if exact:
            named = {
                p.name: spaces.likely_of(p)[0]
                for p in self.space.searched
                if len(spaces.likely_of(p)) == 1
            }
            config = {name: named.get(name, value) for name, value in config.items()}
        return config

    def _point(self, index: int) -> tuple[list[float], SobolPoint | MiddleOfRanges | Drawn]:
        """Coordinates, and their source."""
        point, source = self.sobol.coordinates(index)
        if index or not any(map(_has_middle, self.space.searched)):
            return point, source
        both = zip(self.space.searched, point, strict=True)
        centre = [
            spaces.middle(parameter) if _has_middle(parameter) else at for parameter, at in both
        ]
        return (centre, MiddleOfRanges()) if self.space.keeps_at(centre) else (point, source)

    def propose(self, trial: int, tried: Tried) -> Proposal | AskModel | None:
        """A point of the start, or `AskModel` after it."""
        if trial >= START or self.informed:
            return AskModel()
        planned = self.planned(trial)
        if is_new(self.space, planned.config, tried):
            return planned
        config = draw_untried(self.space, self.sobol.seed, trial, tried)
        return None if config is None else Proposal(config, _ORIGIN, Drawn(trial, planned.why))


def _has_middle(parameter: spaces.Parameter) -> bool:
    if isinstance(parameter, spaces.Choice):
        return parameter.ordered or bool(parameter.weights)
    return True


def start_then_model(space: spaces.SearchSpace, seed: int, *, informed: bool) -> StartThenModel:
    """informed: there are trials of earlier studies, so that no start is needed."""
    return StartThenModel(space, sobol_searcher(space, seed), informed)


def _pulled(parameter: spaces.Parameter, coordinate: float, *, exact: bool) -> float:
    """The coordinate as a quantile of the belief, a normal distribution truncated to the range."""
    likely = spaces.likely_units(parameter)
    if not likely:
        return coordinate
    if isinstance(parameter, spaces.Choice):
        return likely[0 if exact else min(int(coordinate * len(likely)), len(likely) - 1)]
    low, high = likely[0], likely[-1]
    if exact:
        return (low + high) / 2
    share = min(max(coordinate, 1e-9), 1 - 1e-9)
    return spaces.normal_quantile(
        (low + high) / 2, max((high - low) / _SIGMAS, _LEAST_SIGMA), share
    )
