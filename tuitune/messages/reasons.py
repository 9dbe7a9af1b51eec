"""Words of the typed reasons that verdicts and proposals have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuitune.core import reasons as r

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuitune.core.spec import PruningSpec

POOR_CORRELATION = 0.7  # of two rungs' values; below it the lower one ranks trials poorly


def reason_words(why: r.Why | r.Reason) -> str:
    """One line for a person; the text of older journals is returned as it is."""
    return why if isinstance(why, str) else _WORDS[type(why)](why)


def too_few(pruning: PruningSpec, trials: int, style: str) -> str:
    """A warning that no trial is sure to be sent to `max` by its rank; empty where one is.

    trials: of the whole study. style: how verdicts fall; empty where that is not known yet.
    """
    style = style or pruning.style
    if pruning.kind.trials_needed is None or style == "stop":
        return ""
    needed = pruning.kind.trials_needed(pruning)
    if trials >= needed:
        return ""
    condition = "if trials wait at rungs, " if style == "auto" else ""
    return (
        f"{condition}{trials} trials are too few for the rungs to be sure to send one to "
        f"{pruning.unit} {pruning.max} by its rank ({needed} are needed): if they send none, the "
        "best goes on at the end"
    )


def rung_words(rung: r.RungName) -> str:
    """As "rung 1 (epoch 3)"; with its bracket where the study has several."""
    of = "" if rung.bracket is None else f" of bracket {rung.bracket}"
    return f"rung {rung.number} ({rung.unit} {rung.step}){of}"


def _ranked(why: r.Ranked) -> str:
    place = f"{rung_words(why.rung)}: rank {why.rank} of {why.n}"
    if why.kept == 0:
        place += ", too few to send one on"
    else:
        place += f", {_compared(why.value, why.cut, within=why.rank <= why.kept)}"
    if why.then == "end":
        return f"not promoted: {place}"
    if why.ahead is not None:
        trial, rung = why.ahead
        return f"{place}: waits, as #{trial} at {rung_words(rung)} comes first"
    return place + _THEN[why.then]


_THEN = {
    "go": ": goes on",
    "stop": ": stopped",
    "wait": ": waits",
    "promote": ": promoted",
    "last resort": "; no trial is complete and nothing else is left to launch: the best goes on",
}


def _averaged(why: r.Averaged) -> str:
    if why.best == why.median and why.best is not None:
        what = f"{why.best:.4g} equal to {why.median:.4g}"
    else:
        what = _compared(why.best, why.median, within=why.then == "go")
    one = why.averages == 1
    of = "the running average of 1" if one else f"the median running average of {why.averages}"
    ends = "goes on" if why.then == "go" else "stopped"
    return f"{why.unit} {why.step}: best {what}, {of}: {ends}"


def _compared(value: float | None, cut: float | None, *, within: bool) -> str:
    """Both numbers with as many digits as it takes to tell them apart."""
    how = "within" if within else "not within"
    if value is None or cut is None:
        return f"{how} the best"
    digits = 4
    while digits < 17 and value != cut and f"{value:.{digits}g}" == f"{cut:.{digits}g}":
        digits += 1
    of_earlier = " of earlier trials" if value == cut and not within else ""
    return f"{value:.{digits}g} {how} {cut:.{digits}g}{of_earlier}"


def _diverged(why: r.Diverged) -> str:
    where = f"{why.unit} {why.step}" if why.rung is None else rung_words(why.rung)
    what = "an earlier report was not finite" if why.value is None else why.value
    return f"diverged: {what}, {where}"


_STYLES = {
    "file": "as the study file says",
    "method": "this pruner stops trials for good",
    "can save": "trials can save: they wait at a rung and go on from their checkpoint",
    "can't save": "trials can't save: one sent on later would have to start again",
}

_CAUSES = {
    "cheap": "short runs are a cheap way to explore",
    "few": "too few outcomes to model",
    "explore": "a share of the trials explores",
    "all tried": "all that the model finds likely was tried",
}


def _believed(source: str, *, believed: bool) -> str:
    return f"{source}, moved to what is likely" if believed else source


def _drawn(why: r.Drawn) -> str:
    before = f", as {reason_words(why.instead_of)} was tried before" if why.instead_of else ""
    return f"random draw {why.index}{before}"


def _given(why: r.Given) -> str:
    name = "added by the user" if why.index is None else f"given point {why.index}"
    if not why.filled:
        return name
    return f"{name}, {', '.join(why.filled)} filled in by {reason_words(why.source)}"


def _modelled(why: r.Modelled) -> str:
    parts = [f"model of {why.outcomes} outcomes"]
    if why.expected is not None:
        middle, low, high = why.expected
        parts.append(f"expects {middle:.4g} ({low:.4g} to {high:.4g})")
    if why.improvement is not None:
        gain, best = why.improvement
        parts.append(f"expected improvement {gain:.2g} on {best:.4g}")
    shares = ", ".join(f"{name} {share:.0%}" for name, share in why.shares)
    parts.append(f"matters by length scale: {shares}")
    if why.correlation is not None:
        low_rung, high_rung, correlation = why.correlation
        poor = ", so short runs count for little" if correlation < POOR_CORRELATION else ""
        parts.append(f"values at {low_rung} and at {high_rung} correlate {correlation:.2f}{poor}")
    return "; ".join(parts)


def _denser(why: r.Denser) -> str:
    where = "" if why.rung is None else f" at {why.rung}"
    return (
        f"{why.ratio:.3g} times denser in good trials than in poor ones; {why.good} good and "
        f"{why.poor} poor trials{where}; running and failed ones are among the poor"
    )


_WORDS: dict[type[r.Reason], Callable[[Any], str]] = {
    r.Ranked: _ranked,
    r.Averaged: _averaged,
    r.Diverged: _diverged,
    r.StyleBasis: lambda why: _STYLES[why.basis],
    r.Extended: lambda why: reason_words(why.why) + why.text,
    r.Drawn: _drawn,
    r.SobolPoint: lambda why: _believed(f"Sobol point {why.index}", believed=why.believed),
    r.MiddleOfRanges: lambda why: _believed("the middle of every range", believed=why.believed),
    r.GridPoint: lambda why: f"grid point {why.index + 1} of {why.size}, level {why.level}",
    r.Given: _given,
    r.NotModelled: lambda why: f"{reason_words(why.source)}: {_CAUSES[why.cause]}",
    r.ModelFailed: lambda why: f"{reason_words(why.source)}, without a model: {why.error}",
    r.EarlierBest: lambda why: f"among the best of earlier studies, {why.value:.4g} there",
    r.Remaining: lambda _: "drawn from what is left: all that the model likes was tried",
    r.Modelled: _modelled,
    r.Denser: _denser,
}
