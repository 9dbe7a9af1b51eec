"""Typed reasons of decisions and proposals; `tuitune.messages.reasons` formats them.

Facts of the journal hold them, so tags and the order of fields never change; a field may be
added at the end, with a default. A reason may also be text: that of older journals, of the user's
own code and of installed packages.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from tuitune.core.gpu_reasons import GpuReason, Reason

# --- verdicts ----------------------------------------------------------------------------------


class RungName(msgspec.Struct, frozen=True, array_like=True):
    """A rung: its number from 0 in its bracket, and its step of the resource `unit`."""

    number: int
    step: int
    unit: str
    bracket: int | None = None  # None: the study has only one


class Ranked(Reason, frozen=True, tag="ranked"):
    """A trial's rank among a rung's entries, and what follows.

    value, cut: its own value and that of the last one kept, in the objective's direction; None
    where there is no such number.
    """

    rung: RungName
    rank: int  # from 1
    n: int
    kept: int  # so many go on
    value: float | None
    cut: float | None
    then: Literal["go", "stop", "wait", "promote", "last resort", "end"]
    ahead: tuple[int, RungName] | None = None  # the waiting trial that a free slot takes first
    needed: int = 0  # entries from which one of them goes on; 0: not recorded


class Averaged(Reason, frozen=True, tag="averaged"):
    """A trial's best value against the median of the complete trials' running averages."""

    unit: str
    step: int
    best: float | None
    median: float | None
    averages: int  # how many of them
    then: Literal["go", "stop"]


class Diverged(Reason, frozen=True, tag="diverged"):
    """A report that was not finite, or one after it.

    value: "nan", "inf" or "-inf", as text since NaN equals nothing; None: an earlier report's was.
    """

    value: str | None
    unit: str
    step: int
    rung: RungName | None = None


class StyleBasis(Reason, frozen=True, tag="style"):
    """Why trials wait at a rung, or are stopped for good."""

    basis: Literal["file", "method", "can save", "can't save"]


class Extended(Reason, frozen=True, tag="extended"):
    """A reason with text after it."""

    why: Why
    text: str


# --- ends of attempts and trials ---------------------------------------------------------------


class ToItsEnd(Reason, frozen=True, tag="to its end"):
    """Why a report that a trial waits with is not judged."""

    cause: Literal["past the last rung", "seen before", "nothing to compare with"]


class MaximumReached(Reason, frozen=True, tag="maximum"):
    """A report of the maximum, step 0: not recorded; error: what went wrong after it."""

    unit: str = ""
    step: int = 0
    error: str = ""


class TargetReached(Reason, frozen=True, tag="target"):
    """The study's target, reached by a trial. value None: it is not shown."""

    trial: int
    metric: str = ""
    value: float | None = None


class Returned(Reason, frozen=True, tag="returned"):
    """Its function returned after it had reported an objective."""


class Killed(Reason, frozen=True, tag="killed"):
    """The user has killed the trial."""


class Interrupted(Reason, frozen=True, tag="interrupted"):
    """An attempt that left before its end, by no fault of its own.

    reached: the step that is lost with it; 0: none beyond the checkpoint. checkpoint: the step that
    the next attempt goes on from. error: the executor's message about a process that was lost.
    """

    cause: Literal[
        "stop", "user", "GPU left", "GPU lost", "process lost", "GPU memory", "GPU fault", "parked"
    ]
    reached: int
    checkpoint: int | None
    unsaved: Literal[
        "", "save cut off", "ended", "parked"
    ]  # what kept its newest work from being saved
    error: str = ""


class AtRung(Reason, frozen=True, tag="at rung"):
    """A verdict made it wait at its rung, without a checkpoint of the step that it reached."""

    verdict: Why
    reached: int
    checkpoint: int | None  # the step that it goes on from


class TimedOut(Reason, frozen=True, tag="timeout"):
    """An attempt ran for longer than it may."""

    seconds: float


class NoObjective(Reason, frozen=True, tag="no objective"):
    """It ended without a report of the metric. pattern: its output is searched for it."""

    metric: str
    pattern: bool


class CountedAgain(Reason, frozen=True, tag="counted again"):
    """It went on from a checkpoint of step `checkpoint`, counted from below, and returned early.

    reached: the step that it returned at, of `end`. That does not say how far it is.
    """

    unit: str
    reached: int
    end: int
    checkpoint: int


class TriedAgain(Reason, frozen=True, tag="tried again"):
    """Retry number `retry` of `retries`."""

    retry: int
    retries: int
    error: Why


class ByUser(Reason, frozen=True, tag="by user"):
    """What the user has done to a trial, "run again" to its study."""

    act: Literal["paused before launch", "frozen", "resumed", "taken up again", "run again"]


# --- ends of studies ---------------------------------------------------------------------------


class TimeLimit(Reason, frozen=True, tag="time limit"):
    """The study has reached its time limit."""


class Failures(Reason, frozen=True, tag="failures"):
    """So many attempts have failed in a row. first: no trial has reported, and all failed alike."""

    count: int
    first: bool
    error: Why


class Stopped(Reason, frozen=True, tag="stopped"):
    """The user has stopped the study: after saves, after the trials' ends, or at once."""

    how: Literal["save", "finish", "now"]


class Promising(Reason, frozen=True, tag="promising"):
    """What a trial at a rung promises, by the model of the curves.

    rank: from 1, of n in the rung. chance: of an end among the best tenth of all trials. end: the
    predicted value there, in the middle and at 10 and 90 %; None where it may have none. times: how
    many times as much as a new trial an epoch of it promises; None after the last new one.
    """

    rung: RungName
    rank: int
    n: int
    then: Literal["go", "wait", "promote", "end"]
    chance: float
    end: tuple[float, float, float] | None
    times: float | None


# --- proposals ---------------------------------------------------------------------------------


class Drawn(Reason, frozen=True, tag="drawn"):
    """Random draw number `index`; in place of a configuration that was tried before."""

    index: int
    instead_of: Why = ""


class SobolPoint(Reason, frozen=True, tag="sobol"):
    """Point number `index` of Sobol's sequence; believed: moved to the user's likely values."""

    index: int
    believed: bool = False


class MiddleOfRanges(Reason, frozen=True, tag="middle"):
    """The middle of every range; believed: moved to the user's likely values."""

    believed: bool = False


class GridPoint(Reason, frozen=True, tag="grid"):
    """Point number `index`, from 0, of a grid with `size`; level: of refinement, from 0."""

    index: int
    size: int
    level: int


class Given(Reason, frozen=True, tag="given"):
    """A configuration of the user's. index: of its point in the study file; None: added later.

    filled: the parameters that it leaves out, whose values are from `source`.
    """

    index: int | None
    filled: tuple[str, ...] = ()
    source: Why = ""


Cause = Literal["cheap", "few", "explore", "all tried"]


class NotModelled(Reason, frozen=True, tag="not modelled"):
    """Why the model did not choose, and where the configuration is from instead.

    cause: "cheap": at the start of a study with rungs bad trials are stopped early; "few": there
    are too few outcomes; "explore": a share of all trials explores; "all tried": all that the model
    would choose was tried before.
    """

    cause: Cause
    source: Why


class ModelFailed(Reason, frozen=True, tag="model failed"):
    """The error of a model, and where the configuration is from instead."""

    error: str
    source: Why


class EarlierBest(Reason, frozen=True, tag="earlier best"):
    """Among the best of earlier studies, where it had this value; study: the name of that one."""

    value: float
    study: str = ""


class Remaining(Reason, frozen=True, tag="remaining"):
    """Drawn from what was not tried, since all candidates of the model were."""


class Pace(msgspec.Struct, frozen=True, array_like=True):
    """The seconds that a whole trial is expected to take, which its proposal has weighed.

    times: beside the median trial's. rate: improvement a second, beside that of the configuration
    with the greatest improvement; None: not known.
    """

    seconds: float
    times: float
    rate: float | None = None


class Modelled(Reason, frozen=True, tag="modelled"):
    """What the Gaussian process expects of a configuration, in the metric's own units."""

    outcomes: int
    expected: tuple[float, float, float] | None  # middle, and one deviation to both sides, rising
    improvement: tuple[float, float] | None  # expected, on this best one
    shares: tuple[tuple[str, float], ...]  # parameters by 1 / length scale, of 1; the largest first
    correlation: tuple[int, int, float] | None = None  # of the values at two rungs' steps
    earlier: tuple[tuple[str, float], ...] = ()  # earlier studies, with their weights from 0 to 1
    pace: Pace | None = None  # None: trials take about as long as each other


class Denser(Reason, frozen=True, tag="denser"):
    """How much denser good trials are here than poor ones, by TPE's two densities."""

    ratio: float
    good: int
    poor: int
    rung: int | None = None  # the resource at which trials are compared; None: at their end
    running: bool = True  # whether running trials are among the poor
    earlier: tuple[tuple[str, float], ...] = ()  # as of `Modelled`
    pace: Pace | None = None  # the same


Why = (
    str
    | Ranked
    | Promising
    | Averaged
    | Diverged
    | StyleBasis
    | Extended
    | Drawn
    | SobolPoint
    | MiddleOfRanges
    | GridPoint
    | Given
    | NotModelled
    | ModelFailed
    | EarlierBest
    | Remaining
    | Modelled
    | Denser
    | ToItsEnd
    | MaximumReached
    | TargetReached
    | Returned
    | Killed
    | Interrupted
    | AtRung
    | TimedOut
    | NoObjective
    | CountedAgain
    | TriedAgain
    | ByUser
    | TimeLimit
    | Failures
    | Stopped
    | GpuReason
)
