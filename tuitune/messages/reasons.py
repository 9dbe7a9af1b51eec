"""The text of typed reasons, which verdicts, proposals and settled trials have."""

import math
from collections.abc import Callable
from typing import Any, Literal

from tuitune.core import gpu_reasons as g, reasons as r, sizes, spec
from tuitune.core.placement.host import most_on_gpus
from tuitune.core.placement.hours import Allowance
from tuitune.core.pruning.registry import pruner_kind
from tuitune.messages.models import denser, modelled
from tuitune.messages.text import allowance, gpus, ordinal, trial_count, trial_name


def reason_words(why: r.Why | g.Reason) -> str:
    """One line for a person; the text of older journals is returned as it is."""
    return why if isinstance(why, str) else _WORDS[type(why)](why)


def too_few(pruning: spec.PruningSpec, trials: int, style: str) -> str:
    """A warning that too few trials are planned for one to be promoted to `max`; else empty.

    trials: of the whole study. style: "promote" or "stop"; empty if that is not known yet.
    """
    style = style or pruning.style
    kind = pruner_kind(pruning)
    if kind.trials_needed is None or style == "stop":
        return ""
    needed = kind.trials_needed(pruning)
    if trials >= needed:
        return ""
    condition = "if trials wait at rungs, " if style == "auto" else ""
    return (
        f"{condition}{trials} trials are too few for the rungs to be sure to send one to "
        f"{pruning.unit} {pruning.max} by its rank ({needed} are needed): if they send none, the "
        "best goes on at the end"
    )


def idle_gpus(slots: float, cpus: float, there: int, gpus: float | Literal["auto"] | None) -> str:
    """A warning that there are CPU slots for fewer trials than GPUs are for; else empty.

    slots: of the machine. cpus, gpus: of a trial. there: GPUs that the study may use.
    """
    by_gpus = most_on_gpus(there, gpus)
    if slots + 1e-9 >= by_gpus * cpus:
        return ""
    by_cpus, few = math.floor(slots / cpus + 1e-9), math.floor(100 * slots / by_gpus) / 100
    return (
        f"the CPU slots are for {trial_count(by_cpus)} at once, the GPUs for {by_gpus}: "
        f"cpus = {few:g} in [trial] uses them all"
    )


def _ranked(why: r.Ranked) -> str:
    """As "stopped at epoch 1: 2nd of 5, needed 4.1e-05, had 0.00068"."""
    head = f"{_THEN[why.then]} {_where(why.rung)}: {ordinal(why.rank)} of {why.n}"
    if why.then == "last resort":
        return f"{head}, as no trial is complete and nothing else is left to launch"
    if why.ahead is not None:
        trial, rung = why.ahead
        return f"{head}; {trial_name(trial)} {_where(rung)} comes first"
    if why.kept == 0:
        return f"{head}, promotion needs {why.needed or 'more'}"
    if why.value == why.cut and why.rank > why.kept:
        return f"{head}, tied with the cut-off; the earlier trial wins"
    return f"{head}, {_compared(why.value, why.cut)}"


_THEN = {
    "go": "goes on",
    "stop": "stopped",
    "wait": "held",
    "promote": "promoted",
    "last resort": "promoted",
    "end": "not promoted",
}


def _where(rung: r.RungName) -> str:
    """As "at epoch 3"; with its bracket where the study has several."""
    of = "" if rung.bracket is None else f" of bracket {rung.bracket}"
    return f"at {rung.unit} {rung.step}{of}"


def _promising(why: r.Promising) -> str:
    """As "promoted at epoch 3: 2nd of 12, 80 % for the best tenth, end 0.2 (0.1 to 0.3)"."""
    words = f"{_THEN[why.then]} {_where(why.rung)}: {ordinal(why.rank)} of {why.n}"
    words += f", {why.chance:.0%} for the best tenth"
    if why.end is not None:
        middle, low, high = why.end
        words += f", end {middle:.4g} ({low:.4g} to {high:.4g})"
    if why.times is not None:
        words += f", promises {why.times:.2g} times as much as a new trial"
    return words


def _averaged(why: r.Averaged) -> str:
    averages = "running average" if why.averages == 1 else "median of running averages"
    needed = f"{_compared(why.best, why.median)} ({averages} of {why.averages})"
    return f"{_THEN[why.then]} at {why.unit} {why.step}: {needed}"


def _compared(value: float | None, cut: float | None) -> str:
    """Both numbers with as many digits as it takes to tell them apart."""
    if value is None or cut is None:
        return "no value to compare"
    digits = 4
    while digits < 17 and value != cut and f"{value:.{digits}g}" == f"{cut:.{digits}g}":
        digits += 1
    return f"needed {cut:.{digits}g}, had {value:.{digits}g}"


def _diverged(why: r.Diverged) -> str:
    where = f"at {why.unit} {why.step}" if why.rung is None else _where(why.rung)
    what = "an earlier value was not finite" if why.value is None else f"the value is {why.value}"
    return f"stopped {where}: {what}"


_STYLES = {
    "file": "as the study file says",
    "method": "this pruner stops trials for good",
    "can save": "trials can save: they wait at a rung and go on from their checkpoint",
    "can't save": "trials can't save: one sent on later would have to start again",
}

_CAUSES = {
    "cheap": "pruning makes exploring cheap",
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


_NOT_JUDGED = {
    "past the last rung": "goes on to its end",
    "seen before": "seen before: never judged again",
    "nothing to compare with": "nothing to compare with yet",
}
_INTERRUPTED = {
    "stop": "interrupted",
    "user": "paused by hand",
    "GPU left": "left its GPU",
    "GPU lost": "its GPU was lost",
    "process lost": "its process was lost with the one that ran it",
    "GPU memory": "too little memory was left on its GPU beside others; it waits for one alone",
    "GPU fault": "its GPU is at fault, or may be",
    "parked": "its process ended while it was parked",
}
_UNSAVED = {
    "": "",
    "save cut off": ": a checkpoint was being written, and is not whole",
    "ended": ": it did not leave in time, and was ended",
    "parked": ": it was parked, and can't save there",
}
_BY_USER = {
    "paused before launch": "paused by hand before it was launched",
    "frozen": "paused by hand; it can't save, so it stands still",
    "resumed": "resumed by hand",
    "taken up again": "taken up again by hand",
    "run again": "tried again, since it failed when nothing worked",
}
_STOPPED = {
    "save": "stopped as soon as they have saved, by hand",
    "finish": "stopped when its trials end, by hand",
    "now": "stopped at once, by hand",
}


def _maximum(why: r.MaximumReached) -> str:
    reached = f"{why.unit} {why.step}" if why.step else "the maximum"
    return f"reached {reached}{f', then: {why.error}' if why.error else ''}"


def _target(why: r.TargetReached) -> str:
    if why.value is None:
        return "reached the target"
    return f"target reached: #{why.trial} has {why.metric} {why.value:g}"


def _interrupted(why: r.Interrupted) -> str:
    what = why.error or _INTERRUPTED[why.cause]
    if why.error and why.cause in {"GPU fault", "parked"}:
        what = f"{_INTERRUPTED[why.cause]}: {why.error}"
    reached = f" at step {why.reached}" if why.reached else ""
    return f"{what}{reached}; goes on from {_start(why.checkpoint)}{_UNSAVED[why.unsaved]}"


def _start(checkpoint: int | None) -> str:
    return f"step {checkpoint}" if checkpoint else "the start"


def _at_rung(why: r.AtRung) -> str:
    lost = f"it has no checkpoint of step {why.reached}: goes on from {_start(why.checkpoint)}"
    return f"{reason_words(why.verdict)}; {lost}"


def _no_objective(why: r.NoObjective) -> str:
    words = f"ended without a report of {why.metric}"
    if not why.pattern:
        return words
    return f"{words}: no line of its output matches the pattern in [trial.metrics] with a number"


def _counted_again(why: r.CountedAgain) -> str:
    return (
        f"ended at {why.unit} {why.reached} of {why.end}, but had gone on from {why.unit} "
        f"{why.checkpoint} and counted from the beginning again, so its progress is unknown: "
        f"count on from {why.unit} {why.checkpoint + 1}, or train all of it again"
    )


def _failures(why: r.Failures) -> str:
    error = reason_words(why.error)
    if why.first:
        return f"the first {why.count} trials have failed, all with: {error}"
    return f"{why.count} attempts in a row have failed, the last with: {error}"


def _shared(why: g.GpusShared) -> str:
    what = f"{why.many} trials at once do {100 * (why.gain - 1):+.0f}% over {why.few}"
    more = ", and more are tried" if why.open else ""
    return f"{what}; up to {why.kept} are put together{more}"


def _sharing(why: g.TrialsOnGpu) -> str:
    """As "3 x 2.1 of 80 GiB, +64% over one"."""
    text = f"{why.trials} x {sizes.gib(why.largest)} of {sizes.gib(why.memory)} GiB"
    return text if why.gain is None else f"{text}, {why.gain - 1:+.0%} over one"


def process_words(user: str, name: str, pid: int, memory: int | None) -> str:
    """A process on a GPU, as: anna's python (pid 12, 2.1 GiB)."""
    held = "" if memory is None else f", {sizes.size(memory)}"
    whose = f"{user}'s {name}" if user else "somebody's process"
    return f"{whose} (pid {pid}{held})"


def _taken(why: g.GpuTaken) -> str:
    words = process_words(why.user, why.name, why.pid, why.memory)
    more = f" and {why.more} more" if why.more else ""
    remedy = "; --share uses it all the same" if why.own else ""
    return f"{words}{more} computes on it{remedy}"


_BARRED = {
    "just left": "another user has only just left it",
    "left free": "left free for others",
    "spare": "not needed for so few trials at a time",
    "locked": "taken by {text}",
    "held": "{trial} has ended, and its memory is still held there",
    "gone": "it is no longer there",
    "trouble": "{text}",
    "unknown": "its state is unknown: {text}",
}


def _barred(why: g.GpuBarred) -> str:
    trial = "a trial" if why.trial is None else trial_name(why.trial)
    return _BARRED[why.cause].format(text=why.text, trial=trial)


def _aside(why: g.GpuAside) -> str:
    xid = "" if why.xid is None else f" (Xid {why.xid})"
    often = "" if why.failures == 1 else f" {why.failures} times"
    where = f" in {why.study}" if why.study else ""
    return f"set aside, as it failed{often}{where}{xid}: {why.error}"


def _parked(why: g.GpuParked) -> str:
    where = "its GPU" if why.gpu is None else f"GPU {why.gpu}"
    if why.way:
        return f"made way on {where}, and goes on when that is free"
    return f"paused by hand on {where}"


def _wrong_gpu(why: g.WrongGpu) -> str:
    """As: #3 computes on GPU 0 and was given GPU 2: remove train.py:7, which sets …"""
    on = f" of {why.node}" if why.node else ""
    given = f"GPU {'+'.join(map(str, why.given))}"
    cause = "its program sets CUDA_VISIBLE_DEVICES by itself, remove that"
    if why.line:
        cause = f"remove {why.line}, which sets CUDA_VISIBLE_DEVICES"
    where = f"{trial_name(why.trial)} computes on GPU {why.gpu}{on}{_HARM[why.harm]}"
    return f"{where} and was given {given}: {cause}"


_HARM = {"": "", "others": ", where others compute,", "not allowed": ", which is not to be used,"}


def _news(why: g.GpuNews) -> str:
    """As: GPU 1: anna's python (pid 12, 2.1 GiB) computes on it; GPU 3: free again."""
    on = f" of {why.node}" if why.node else ""
    return "; ".join(
        f"GPU {index}{on}: {reason_words(change) or 'free again'}" for index, change in why.changes
    )


def _node(why: g.NodeNews) -> str:
    match why.what:
        case "joined":
            with_gpus = f", {gpus(why.gpus)}" if why.gpus else ""
            return f"node {why.node} has joined: {why.cpus:g} CPU slots{with_gpus}"
        case "lost":
            return f"node {why.node} is lost: {why.text}"
        case "barred":
            return f"nothing starts on node {why.node}: {why.text}"
        case "free":
            return f"trials start on node {why.node} again"


def _numbers(why: g.GpuNumbers) -> str:
    """As: GPU 0+1, or gpu-07, GPU 0+1."""
    on = f"{why.node}, " if why.node else ""
    return f"{on}GPU {'+'.join(map(str, why.numbers))}"


_WORDS: dict[type[g.Reason], Callable[[Any], str]] = {
    r.Ranked: _ranked,
    r.Averaged: _averaged,
    r.Promising: _promising,
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
    r.EarlierBest: lambda why: (
        f"among the best of {why.study or 'earlier studies'}, {why.value:.4g} there"
    ),
    r.Remaining: lambda _: "drawn from what is left: all that the model likes was tried",
    r.Modelled: modelled,
    r.Denser: denser,
    r.ToItsEnd: lambda why: _NOT_JUDGED[why.cause],
    r.MaximumReached: _maximum,
    r.TargetReached: _target,
    r.Returned: lambda _: "returned",
    r.Killed: lambda _: "killed by hand",
    r.Interrupted: _interrupted,
    r.AtRung: _at_rung,
    r.TimedOut: lambda why: f"ran past its timeout of {why.seconds:g} s",
    r.NoObjective: _no_objective,
    r.CountedAgain: _counted_again,
    r.TriedAgain: lambda why: (
        f"retry {why.retry} of {why.retries} after: {reason_words(why.error)}"
    ),
    r.ByUser: lambda why: _BY_USER[why.act],
    r.TimeLimit: lambda _: "the study's time limit is reached",
    r.Failures: _failures,
    r.Stopped: lambda why: _STOPPED[why.how],
    g.GpusShared: _shared,
    g.TrialsOnGpu: _sharing,
    g.GpuTaken: _taken,
    g.GpuFilled: lambda why: (
        f"{sizes.size(why.memory)} of it are in use by processes that can't be seen from here"
    ),
    g.GpuBarred: _barred,
    g.GpusAllowed: lambda why: allowance(Allowance(why.gpus, why.until)),
    g.GpuAside: _aside,
    g.GpuNews: _news,
    g.GpuParked: _parked,
    g.GpuNumbers: _numbers,
    g.WrongGpu: _wrong_gpu,
    g.NodeNews: _node,
}
