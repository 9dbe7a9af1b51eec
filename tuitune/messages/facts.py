"""One line of text for each fact of the journal."""

from collections.abc import Callable
from typing import Any, Final

from tuitune.core import events as ev, gpu_reasons, reasons, sizes
from tuitune.messages import states, text
from tuitune.messages.reasons import reason_words


def told(fact: ev.AnyFact) -> str:
    """The line of a fact, without its trials; empty for facts that get no line."""
    tell = TELL.get(type(fact))
    return "" if tell is None else text.plain(tell(fact)) + _by(fact)


def whose(fact: ev.AnyFact) -> str:
    """The trials of a fact: "#7", "#3, #4"; empty for a fact of the whole study."""
    trial = getattr(fact, "trial", None)
    return text.trial_names(getattr(fact, "trials", ()) if trial is None else (trial,))


def _by(fact: ev.AnyFact) -> str:
    by = getattr(fact, "by", "")
    return f" ({text.plain(by)})" if by else ""


def _started(fact: ev.Started) -> str:
    origin = f" from step {fact.resumed_from}" if fact.resumed_from else ""
    dirty = " with uncommitted changes" if fact.dirty else ""
    commit = f", commit {fact.commit}{dirty}" if fact.commit else ""
    on = f" on {fact.node}" if fact.node else ""
    return (
        f"attempt {fact.attempt} started{origin}: process {fact.pid}{on}, code {fact.code}{commit}"
    )


def _exited(fact: ev.Exited) -> str:
    how = f"signal {fact.signal}" if fact.signal else f"exit status {fact.code}"
    return f"attempt {fact.attempt} ended: {fact.error or ('lost' if fact.lost else how)}"


def _opened(fact: ev.Opened) -> str:
    full = ", but the disk is too full to launch on" if fact.disk_low else ""
    count = len(fact.gpus) + sum(len(node.gpus) for node in fact.nodes)
    with_gpus = f", {text.gpus(count)}" if count else ""
    on = f" on {len(fact.nodes)} nodes" if fact.nodes else ""
    return f"an engine opened the study: {fact.cpus:g} CPU slots{with_gpus}{on}{full}"


def _paused(fact: ev.PauseAsked) -> str:
    return "to be paused by hand" if fact.trials else "launching is paused by hand"


def _resumed(fact: ev.ResumeAsked) -> str:
    return "resumed by hand" if fact.trials else "launching is resumed by hand"


def _to_be_killed(fact: ev.KillAsked) -> str:
    return f"to be killed by hand{f' in {fact.after:g} s' if fact.after else ''}"


def _settings(fact: ev.SettingsChanged) -> str:
    if fact.what:
        return f"settings changed: {fact.what}"
    settings = fact.settings
    at_once = settings.concurrency or "as many as there is room for"
    return f"settings changed: {settings.trials} trials, {at_once} at once"


def _halted(fact: ev.Halted) -> str:
    how = "running trials come to their end" if fact.finish else "running trials save and leave"
    why = reason_words(fact.why)
    return f"nothing more starts, {'running trials are killed' if fact.now else how}: {why}"


def _disk(fact: ev.DiskChanged) -> str:
    if not fact.low:
        return "there is room on the disk again: launching goes on"
    share = f"{fact.free:.1%}"
    free = share if fact.free_bytes is None else f"{sizes.size(fact.free_bytes)} ({share})"
    remedy = "nothing is launched until there is more, or `disk_free` in [limits] is less"
    return f"only {free} of the disk is free: {remedy}"


def _blocked(fact: ev.LaunchBlocked) -> str:
    if fact.cause == "code":
        if not fact.why:
            return "the training code can be imported again: launching goes on"
        return f"nothing is launched until the training code can be imported: {fact.why}"
    if not fact.why:
        return "launching is tried again"
    return f"nothing is launched for the moment: {fact.why}"


def _sample_failed(fact: ev.SampleFailed) -> str:
    """How an attempt ended; its error is in the trial's Settled fact."""
    found = text.configuration_words(fact.config)
    return f"proposed: {reason_words(fact.why)}: {found}, without what was to be sampled"


def _signal(fact: ev.Signal) -> str:
    if fact.how == "release":
        return "may stay after all"
    cause = states.CAUSES[fact.reason]
    if fact.park:
        return f"asked to stand still, to be parked: {cause}"
    if fact.how == "ask":
        return f"asked to {'save and leave' if fact.save else 'leave'}: {cause}"
    # a trial on a GPU that is lost gets SIGTERM without being asked
    if fact.how == "term" and fact.reason is not ev.StopReason.MOVED:
        return f"SIGTERM: it had not left in time ({cause})"
    return f"SIG{fact.how.upper()}: {cause}"


def _with_verb(verb: str, why: reasons.Why | gpu_reasons.Reason) -> str:
    """The verb and the reason; a pruner's reason has the verb in its own text."""
    words = reason_words(why)
    has_verb = isinstance(
        why, reasons.Ranked | reasons.Promising | reasons.Averaged | reasons.Diverged
    )
    return words if has_verb else f"{verb}: {words}"


def _clock(fact: ev.ClockStepped) -> str:
    where = "forward" if fact.seconds > 0 else "back"
    return f"the clock was set {where} by {text.duration(abs(fact.seconds))}; no deadline moves"


def _returned(fact: ev.Returned) -> str:
    if fact.ignored:
        return f"attempt {fact.attempt} was told to end, and goes on"
    return f"attempt {fact.attempt} has returned, and its process does not exit"


def _finished(fact: ev.Finished) -> str:
    how = "the study is finished" if fact.complete else "the study has stopped, and can go on"
    why = reason_words(fact.why)
    return f"{how}{f': {why}' if why else ''}"


def _set_aside(fact: ev.SetAside) -> str:
    again = "; what failed there is taken up again" if fact.trials else ""
    return f"GPU {', '.join(fact.gpus)}: {reason_words(fact.why)}{again}"


def _park_failed(fact: ev.ParkFailed) -> str:
    return f"{'it is lost' if fact.broken else 'can not be parked'}: {fact.why}"


TELL: dict[type[ev.Fact], Callable[[Any], str]] = {
    ev.Opened: _opened,
    ev.Proposed: lambda f: f"proposed: {reason_words(f.why)}: {text.configuration_words(f.config)}",
    ev.SampleFailed: _sample_failed,
    ev.Exhausted: lambda f: f"no more configurations: {f.why}",
    ev.Launch: lambda f: f"attempt {f.attempt} launched on {reason_words(f.device)}",
    ev.Started: _started,
    ev.SaveFailed: lambda f: f"the checkpoint of step {f.step} could not be written: {f.why}",
    ev.Checkpointed: lambda f: f"checkpoint at step {f.step}",
    ev.Verdict: lambda f: _with_verb(f.action, f.why),
    ev.CodeChanged: lambda f: f"the training code has changed: {f.now} now, {f.before} before",
    ev.StyleChosen: lambda f: f"pruning style: {f.style} ({reason_words(f.why)})",
    ev.AddAsked: lambda f: f"a trial is added by hand: {text.configuration_words(f.config)}",
    ev.Added: lambda f: (
        f"added by hand: {reason_words(f.why)}: {text.configuration_words(f.config)}"
    ),
    ev.Promoted: lambda f: _with_verb("promoted", f.why),
    ev.Frozen: lambda f: f"attempt {f.attempt} stands still",
    ev.Park: lambda _: "its GPU memory is moved to the host's",
    ev.Parked: lambda f: f"parked: its GPU is free, the host holds {sizes.size(f.memory)} of it",
    ev.ParkFailed: _park_failed,
    ev.Unpark: lambda f: f"its GPU memory is moved back, to {reason_words(f.device)}",
    ev.Restored: lambda f: f"stays parked: {f.why}" if f.why else "goes on where it stood still",
    ev.PauseAsked: _paused,
    ev.ResumeAsked: _resumed,
    ev.KillAsked: _to_be_killed,
    ev.UndoKillAsked: lambda _: "the kill is taken back",
    ev.RetryAsked: lambda f: reason_words(
        reasons.ByUser("run again" if f.setup else "taken up again")
    ),
    ev.Signal: _signal,
    ev.Returned: _returned,
    ev.Exited: _exited,
    ev.Settled: lambda f: f"{states.shown(f.state)}: {reason_words(f.why)}",
    ev.Warned: lambda f: f"warning: {f.text}",
    ev.Silent: lambda f: f"silent for {text.duration(f.seconds)}",
    ev.SettingsChanged: _settings,
    ev.DiskChanged: _disk,
    ev.ClockStepped: _clock,
    ev.LaunchBlocked: _blocked,
    ev.DevicesChanged: lambda f: reason_words(f.why),
    ev.NodeChanged: lambda f: reason_words(f.why),
    ev.OnWrongGpu: lambda f: reason_words(f.why).removeprefix(f"{text.trial_name(f.trial)} "),
    ev.SetAside: _set_aside,
    ev.Packed: lambda f: f"{f.model}: {reason_words(f.why)}",
    ev.Halted: _halted,
    ev.Finished: _finished,
}
_OF_ONE_TRIAL: Final = frozenset(
    {ev.Launch, ev.Started, ev.Checkpointed, ev.Signal, ev.Exited, ev.Park, ev.Unpark}
)
# Facts shown for the study as a whole: decisions, acts of users, how trials ended.
NOTABLE: tuple[type[ev.Fact], ...] = tuple(kind for kind in TELL if kind not in _OF_ONE_TRIAL)
