"""Earlier studies that a study learns from: each ranked by itself, and trusted by its own merit.

Metrics of two studies are seldom comparable, so only the order of trials within a study counts. A
Gaussian process of each study's ranks predicts how it would rank any configuration; how well that
orders this study's own trials is its weight (as in Feurer et al. 2018), so that a study that
misleads is soon left out.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError
from scipy.special import ndtri

from tuitune.core import options, reasons
from tuitune.core.search.bayes import gaussian_process, kernel, observations
from tuitune.core.search.bayes.encoding import Encoding, encoding_of
from tuitune.core.search.bayes.layout import Layout
from tuitune.core.search.proposal import History, Past, Proposal, Tried, identity
from tuitune.core.search.start import START, StartThenModel
from tuitune.core.search.trust import Results, trust
from tuitune.core.space import SearchSpace, likely_of

_FITTED = 120  # trials of a study that its Gaussian process is made from
_POOLED = 150  # trials of all studies that are learned from
_PROVEN = 3  # best trials of earlier studies that are tried first; one more for each two studies
_MOST_PROVEN = 5
_OWN_START = 3  # points of the study's own start after them
_EARLY = 12  # these all are tried only while fewer configurations were tried
_DOUBTED = 0.25  # weight, up to which no further trials of a study are tried
_TOP = 5  # of each study, among which the proven ones are chosen
_FURTHER = 0.2  # weight of a proven trial's rank where another one is better


@dataclass(frozen=True)
class EarlierStudy:
    """Its trials by their places in the history's `foreign`; scores: small is good, variance 1."""

    name: str
    places: NDArray[np.intp]
    rows: NDArray[np.float64]
    scores: NDArray[np.float64]
    belief: gaussian_process.Posterior | None  # None: too few trials

    def expected(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """(rows,): the scores that it expects; 0 where it knows nothing."""
        return np.zeros(len(rows)) if self.belief is None else self.belief.mean(rows, 0)


@dataclass(frozen=True)
class EarlierStudies:
    """All earlier studies; trials: the history's `foreign`."""

    encoding: Encoding
    trials: tuple[Past, ...]
    studies: tuple[EarlierStudy, ...]

    def weights(self, own: Results) -> NDArray[np.float64]:
        """(studies,): 0 to 1, how well each one ranks the study's own trials."""
        rows = self.encoding.rows([past.config for past in own.trials])
        return np.array([trust(study.expected(rows), own) for study in self.studies])

    def pooled(self, weights: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """(places in `trials`, scores): of all studies with a weight, the mean by these."""
        trusted = [place for place, weight in enumerate(weights) if weight > 0.0]
        if not trusted:
            return np.zeros(0, dtype=np.intp), np.zeros(0)
        places = np.concatenate([self.studies[place].places for place in trusted])
        scores = np.concatenate(
            [weights[trusted] @ self._scores[place][trusted] for place in trusted]
        )
        return places, scores / weights[trusted].sum()

    @cached_property
    def _scores(self) -> tuple[NDArray[np.float64], ...]:
        """For each study, how every study would rank its trials: (studies, its trials)."""
        return tuple(
            np.array(
                [
                    mine.scores if other is mine else other.expected(mine.rows)
                    for other in self.studies
                ]
            )
            for mine in self.studies
        )

    @cached_property
    def proven(self) -> tuple[int, ...]:
        """Places of a few of the best trials, so that each study has a good one among them.

        Greedily the one that, together with those before, has the best ranks in all studies.
        """
        tops = [np.argsort(study.scores, kind="stable")[:_TOP] for study in self.studies]
        places = [
            int(place)
            for study, top in zip(self.studies, tops, strict=True)
            for place in study.places[top]
        ]
        if not places:
            return ()
        ranks = np.concatenate(
            [scores[:, top] for scores, top in zip(self._scores, tops, strict=True)], axis=1
        )
        count = min(_PROVEN + (len(self.studies) - 1) // 2, _MOST_PROVEN, len(places))
        chosen: list[int] = []
        best = np.full(len(ranks), math.inf)
        for _ in range(count):
            reached = np.minimum(best[:, None], ranks) + _FURTHER * ranks
            reached[:, chosen] = math.inf
            chosen.append(int(np.argmin(reached.sum(axis=0))))
            best = np.minimum(best, ranks[:, chosen[-1]])
        return tuple(places[place] for place in chosen)

    def number_of(self, place: int) -> int:
        """The number, in `studies`, of the study that a trial is from."""
        return next(n for n, study in enumerate(self.studies) if place in study.places)


def _study(
    name: str, encoding: Encoding, trials: Sequence[Past], places: Sequence[int], mode: options.Mode
) -> EarlierStudy:
    rows = encoding.rows([trials[place].config for place in places])
    order = np.array([_standing(trials[place], mode) for place in places])
    _, ranks = np.unique(order, axis=0, return_inverse=True)
    ranks = ranks.ravel()
    counts = np.bincount(ranks)
    middles = np.cumsum(counts) - counts / 2.0  # equal ones share their mean rank
    scores = ndtri(middles[ranks] / len(ranks))
    scores /= max(float(scores.std()), 1e-6)
    return EarlierStudy(name, np.array(places), rows, scores, _belief(encoding, rows, scores))


def _standing(past: Past, mode: options.Mode) -> tuple[float, float]:
    """What orders trials: those that came further are better, then the value at the same rung."""
    if past.state == "failed" or not past.curve:
        return math.inf, 0.0
    resource, value = past.curve[-1]
    return -float(resource), value if mode == "min" else -value


def _belief(
    encoding: Encoding, rows: NDArray[np.float64], scores: NDArray[np.float64]
) -> gaussian_process.Posterior | None:
    layout = Layout(tuple(column.categories for column in encoding.columns))
    kept = observations.thinned(scores, _FITTED)
    levels = np.zeros(len(kept), dtype=np.intp)
    try:
        at = gaussian_process.fit(kernel.pairs_of(layout, rows[kept], levels, 1), scores[kept])
        return gaussian_process.posterior(layout, at, rows[kept], levels, scores[kept])
    except LinAlgError:
        return None


class Scores(NamedTuple):
    """of: by the place of a trial in the history's `foreign`. weights: by the study's name."""

    of: Mapping[int, float]
    weights: tuple[tuple[str, float], ...]


@dataclass
class Transfer:
    """What a model takes from the trials of a history's `foreign`.

    It keeps what was computed of them as long as they are the same.
    """

    space: SearchSpace
    mode: options.Mode
    method: str  # the origin of its proposals
    start: StartThenModel
    _kept: EarlierStudies | None = field(default=None)

    def studies(self, foreign: tuple[Past, ...]) -> EarlierStudies:
        """The earlier studies whose trials these are."""
        if self._kept is None or self._kept.trials is not foreign:
            encoding = encoding_of(self.space)
            places: dict[str, list[int]] = {}
            for place, past in enumerate(foreign):
                places.setdefault(past.study, []).append(place)
            studies = tuple(
                _study(name, encoding, foreign, mine, self.mode) for name, mine in places.items()
            )
            self._kept = EarlierStudies(encoding, foreign, studies)
        return self._kept

    def scores(self, foreign: tuple[Past, ...], own: Results) -> Scores:
        """Scores by the place of a trial in `foreign`, of studies that rank `own` well enough."""
        if not foreign:
            return Scores({}, ())
        studies = self.studies(foreign)
        weights = studies.weights(own)
        places, scores = studies.pooled(weights)
        kept = observations.thinned(scores, int(_POOLED * np.max(weights, initial=0.0)))
        named = zip((study.name for study in studies.studies), weights.tolist(), strict=True)
        counted = tuple((name, round(weight, 3)) for name, weight in named if weight > 0.0)
        return Scores(dict(zip(places[kept].tolist(), scores[kept].tolist(), strict=True)), counted)

    def first(self, history: History, own: Results, tried: Tried) -> Proposal | None:
        """The next of the first trials of a study with earlier ones; None after these.

        Likely values of the user, then proven trials in turn with points of its own start. Proven
        ones end where their study ranks the own trials poorly; a whole start follows where all do.
        """
        if not history.foreign or len(tried) >= _EARLY:
            return None
        studies = self.studies(history.foreign)
        trusted = studies.weights(own) > _DOUBTED
        planned = [self.start.planned(i) for i in range(_OWN_START if trusted.any() else START)]
        believed = any(map(likely_of, self.space.searched))
        proven = self._proven(studies, trusted)
        ordered = [*planned[:1], *proven[:1]] if believed else [*proven[:1], *planned[:1]]
        ordered += [*proven[1:3], *planned[1:2], *proven[3:], *planned[2:]]
        for proposal in ordered:
            if self.space.keeps(proposal.config) and (
                identity(self.space, proposal.config) not in tried
            ):
                return proposal
        return None

    def _proven(self, studies: EarlierStudies, trusted: NDArray[np.bool_]) -> list[Proposal]:
        drawn = {parameter.name for parameter in self.space.sampled}
        found = []
        for place in studies.proven:
            past = studies.trials[place]
            config = {name: value for name, value in past.config.items() if name not in drawn}
            if past.curve and trusted[studies.number_of(place)]:
                found.append(
                    Proposal(
                        config, self.method, reasons.EarlierBest(past.curve[-1][1], past.study)
                    )
                )
        return found
