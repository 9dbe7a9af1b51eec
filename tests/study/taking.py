"""A study that gets a configuration whenever it asks for one."""

from __future__ import annotations

from tuitune.core import events as ev
from tuitune.core.study import Study


def take(study: Study, event: ev.Event, now: float) -> list[ev.AnyFact]:
    """The event with all that follows from it."""
    facts = study.react(event)
    for fact in list(facts):
        if isinstance(fact, ev.Ask):
            facts += take(study, ev.Proposed(now, fact.trial, {"x": 0.5}, "random", ""), now)
    return facts
