"""What was decided about one trial, and why?"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import msgspec

from tuitune import events as ev
from tuitune.cli.progress import fact_record
from tuitune.cli.text import configuration_words, duration, plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuitune.cli.studies import StudyFolder


def print_why(study: StudyFolder, trial: int, *, as_json: bool) -> int:
    """Everything that befell a trial but its reports, in order."""
    facts = [fact for _, fact in study.reader.facts() if getattr(fact, "trial", None) == trial]
    if not facts:
        print(f"{study.name}: there is no trial {trial}", file=sys.stderr)
        return 2
    for fact in facts:
        tell = TELL.get(type(fact))
        if tell is None:
            continue
        if as_json:
            print(msgspec.json.encode(fact_record(fact)).decode())
        else:
            clock = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(fact.time))
            print(f"{clock}  {plain(tell(fact))}")
    return 0


def _started(fact: ev.Started) -> str:
    origin = f" from step {fact.resumed_from}" if fact.resumed_from else ""
    dirty = " with uncommitted changes" if fact.dirty else ""
    commit = f", commit {fact.commit}{dirty}" if fact.commit else ""
    return f"attempt {fact.attempt} started{origin}: process {fact.pid}, code {fact.code}{commit}"


def _exited(fact: ev.Exited) -> str:
    how = f"signal {fact.signal}" if fact.signal else f"exit status {fact.code}"
    return f"attempt {fact.attempt} ended: {fact.error or ('lost' if fact.lost else how)}"


TELL: dict[type, Callable[[Any], str]] = {
    ev.Proposed: lambda f: f"proposed: {f.why}: {configuration_words(f.config)}",
    ev.Launch: lambda f: f"attempt {f.attempt} launched on {f.device}",
    ev.Started: _started,
    ev.Checkpointed: lambda f: f"checkpoint at step {f.step}",
    ev.Verdict: lambda f: f"{f.action}: {f.why}",
    ev.Added: lambda f: f"added by hand: {f.why}: {configuration_words(f.config)}",
    ev.Promoted: lambda f: f"promoted: {f.why}",
    ev.Held: lambda f: f"attempt {f.attempt} stands still",
    ev.RetryAsked: lambda _: "taken up again by hand",
    ev.Signal: lambda f: f"told to end ({f.reason}): {f.how}",
    ev.Exited: _exited,
    ev.Settled: lambda f: f"{f.state}: {f.why}",
    ev.Warned: lambda f: f"warning: {f.text}",
    ev.Silent: lambda f: f"silent for {duration(f.seconds)}",
}
