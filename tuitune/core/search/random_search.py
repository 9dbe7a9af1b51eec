"""Random configurations that were not tried yet, alone or before those of a model."""

from itertools import islice
from random import Random
from typing import Any

import msgspec

from tuitune.core.reasons import Drawn
from tuitune.core.search.proposal import AskModel, Proposal, Tried, is_new
from tuitune.core.space import SearchSpace

_DRAWS = 200  # if all were tried before, less than about 2% of the space is left
_CHOICE = 64  # untried configurations from which one is picked


class RandomSearcher(msgspec.Struct, frozen=True):
    """Drawn from the priors, uniform without one, with a seed for each trial."""

    space: SearchSpace
    seed: int

    def planned(self, index: int) -> Proposal:
        """Draw number `index`, whether or not it was tried."""
        config = _draw(self.space, self.seed, index, 0)
        return Proposal(config or {}, "random", Drawn(index))

    def propose(self, trial: int, tried: Tried) -> Proposal | None:
        """A draw that was not tried; None where nothing untried is left."""
        config = draw_untried(self.space, self.seed, trial, tried)
        return None if config is None else Proposal(config, "random", Drawn(trial))


class RandomThenModel(msgspec.Struct, frozen=True):
    """Random draws for the first trials, then the proposals of the model."""

    random: RandomSearcher
    first: int

    def planned(self, index: int) -> Proposal:
        """As `RandomSearcher.planned`."""
        return self.random.planned(index)

    def propose(self, trial: int, tried: Tried) -> Proposal | AskModel | None:
        """A draw that was not tried, or `AskModel` after the first trials."""
        return AskModel() if trial >= self.first else self.random.propose(trial, tried)


def random_then_model(space: SearchSpace, seed: int) -> RandomThenModel:
    """Draws for d + 3 trials, d the number of parameters: BOHB has no model before them."""
    return RandomThenModel(RandomSearcher(space, seed), len(space.searched) + 3)


def draw_untried(space: SearchSpace, seed: int, trial: int, tried: Tried) -> dict[str, Any] | None:
    """A configuration drawn for this trial that was not tried; None where none is left.

    In an infinite space, where all draws may still have been tried, it may be a tried one.
    """
    # The size of a space with constraints is slow to count.
    if space.groups or space.size is None or len(tried) < space.size:
        for draw in range(_DRAWS):
            config = _draw(space, seed, trial, draw)
            if config is None:
                return None
            if is_new(space, config, tried):
                return config
    if space.size is None:
        kept = (_draw(space, seed, trial, draw) for draw in range(_DRAWS))
        return next((config for config in kept if config and space.keeps(config)), None)
    return _pick_from_rest(space, seed, trial, tried)


def _draw(space: SearchSpace, seed: int, trial: int, draw: int) -> dict[str, Any] | None:
    """A random configuration; None if none was found that keeps the constraints."""
    random = Random(f"{seed}/{trial}/{draw}")  # noqa: S311 - reproducible by design
    point = space.draw(random)
    return None if point is None else space.configuration(point)


def _pick_from_rest(
    space: SearchSpace, seed: int, trial: int, tried: Tried
) -> dict[str, Any] | None:
    untried = (config for config in space.configurations() if is_new(space, config, tried))
    rest = list(islice(untried, _CHOICE))
    if not rest:
        return None
    random = Random(f"{seed}/{trial}/rest")  # noqa: S311 - reproducible by design
    return rest[int(random.random() * len(rest))]
