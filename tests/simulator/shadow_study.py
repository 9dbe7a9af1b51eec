"""What the study as a whole may begin, from facts alone, and whether it was allowed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tuitune.core import events as ev

if TYPE_CHECKING:
    from collections.abc import Callable, Collection


class ShadowStudy:
    """The study of a `ShadowModel`. `problems`: the facts that were not allowed."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.asking: int | None = None
        self.adding = 0  # requested by the user, and not added yet
        self.launching = True
        self.disk_low = False
        self.blocked: set[str] = set()
        self.halted = False
        self.finished = False
        self._settings: ev.Settings | None = None
        self.nodes: dict[str, ev.Node] = {}
        self._exhausted = False
        self._proposed = self._added = 0

    @property
    def settings(self) -> ev.Settings:
        assert self._settings is not None
        return self._settings

    @property
    def begins_nothing(self) -> bool:
        shut = self.disk_low or bool(self.blocked) or not self.launching
        return self.halted or self.finished or shut

    @property
    def wants_more(self) -> bool:
        """Whether more trials are asked for than were proposed."""
        return self._proposed < self.settings.trials

    @property
    def may_ask(self) -> bool:
        return not self._exhausted and self.wants_more

    def has_room(self, live: Collection[ev.Launch], on: str | None = None) -> bool:
        """Whether one more trial fits on this node, or on any, by the sums of what these use."""
        most = self.settings.concurrency
        if most is not None and len(live) >= most:
            return False
        return any(
            self._fits(node, live) for node in self.nodes.values() if on in {None, node.name}
        )

    def _fits(self, node: ev.Node, live: Collection[ev.Launch]) -> bool:
        settings, here = self.settings, [one for one in live if one.node == node.name]
        most = math.floor(node.cpus / settings.cpus + 1e-9)
        if settings.memory:
            most = min(most, node.memory // settings.memory)
        return (
            not node.lost
            and not node.obstacle
            and len(here) < most
            and sum(launch.cpus for launch in here) + settings.cpus <= node.cpus + 1e-9
            and sum(launch.memory for launch in here) + (settings.memory or 0) <= node.memory
        )

    def fold(self, fact: ev.AnyFact) -> None:
        if fold := _FOLDS.get(type(fact)):
            fold(self, fact)

    def opened(self, fact: ev.Opened) -> None:
        nodes = fact.nodes or (ev.Node("", fact.cpus, fact.memory),)
        self.nodes = {node.name: node for node in nodes}
        self.disk_low = fact.disk_low
        self.blocked = set()
        self.halted = self.finished = False
        self.asking = None
        self.settings_changed(fact)

    def settings_changed(self, fact: ev.Opened | ev.SettingsChanged) -> None:
        self._settings = fact.settings
        self._exhausted = self._exhausted and not self.wants_more

    def ask(self, fact: ev.Ask) -> None:
        next_one = self._proposed + self._added
        if self.asking is not None or fact.trial != next_one or not self.may_ask:
            self.problems.append(f"trial {fact.trial} was asked for out of turn")
        self.asking = fact.trial

    def proposed(self, fact: ev.Proposed | ev.SampleFailed) -> None:
        if fact.trial != self.asking:
            self.problems.append(f"trial {fact.trial} was proposed and not asked for")
        self.asking = None
        self._proposed += 1

    def exhausted(self, _fact: ev.Exhausted) -> None:
        self.asking, self._exhausted = None, True

    def add_asked(self, _fact: ev.AddAsked) -> None:
        self.adding += 1

    def added(self, fact: ev.Added) -> None:
        if not self.adding:
            self.problems.append(f"trial {fact.trial} was added and not asked for")
        self.adding -= 1
        self._added += 1

    def pause_asked(self, fact: ev.PauseAsked) -> None:
        self.launching = self.launching and bool(fact.trials)

    def resume_asked(self, fact: ev.ResumeAsked) -> None:
        self.launching = self.launching or not fact.trials

    def disk_changed(self, fact: ev.DiskChanged) -> None:
        self.disk_low = fact.low

    def launch_blocked(self, fact: ev.LaunchBlocked) -> None:
        (self.blocked.add if fact.why else self.blocked.discard)(fact.cause)

    def halt(self, _fact: ev.Halted) -> None:
        self.halted = True

    def finish(self, fact: ev.Finished) -> None:
        if self.finished:
            self.problems.append("the study finished twice")
        self.finished = True
        if fact.complete and self.adding:
            self.problems.append(f"complete, and forgot {self.adding} trials to add")
        if fact.complete and not self.halted and self.may_ask:
            self.problems.append("complete, with trials that were never asked for")


_FOLDS: dict[type, Callable[[ShadowStudy, Any], None]] = {
    ev.Opened: ShadowStudy.opened,
    ev.SettingsChanged: ShadowStudy.settings_changed,
    ev.Ask: ShadowStudy.ask,
    ev.Proposed: ShadowStudy.proposed,
    ev.SampleFailed: ShadowStudy.proposed,
    ev.Exhausted: ShadowStudy.exhausted,
    ev.AddAsked: ShadowStudy.add_asked,
    ev.Added: ShadowStudy.added,
    ev.PauseAsked: ShadowStudy.pause_asked,
    ev.ResumeAsked: ShadowStudy.resume_asked,
    ev.DiskChanged: ShadowStudy.disk_changed,
    ev.LaunchBlocked: ShadowStudy.launch_blocked,
    ev.Halted: ShadowStudy.halt,
    ev.Finished: ShadowStudy.finish,
}
