"""A study that gets a configuration whenever it asks for one."""

from __future__ import annotations

from typing import Protocol

from tuitune.core import events as ev
from tuitune.core.study import Study


def take(study: Study, event: ev.Event, now: float) -> list[ev.AnyFact]:
    """The event with all that follows from it."""
    facts = study.react(event)
    for fact in list(facts):
        if isinstance(fact, ev.Ask):
            facts += take(study, ev.Proposed(now, fact.trial, {"x": 0.5}, "random", ""), now)
    return facts


class Timed(Protocol):
    """A story of a study; now: Unix seconds."""

    now: float
    study: Study

    def take(self, event: ev.Event) -> list[ev.AnyFact]: ...


def pass_time(story: Timed, seconds: float) -> list[ev.AnyFact]:
    """Let time pass, with every deadline on the way."""
    end, facts = story.now + seconds, []
    while (due := story.study.next_deadline()) is not None and due <= end:
        story.now = due
        facts += story.take(ev.DeadlinePassed(story.now))
    story.now = end
    return facts
