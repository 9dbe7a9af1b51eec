"""What do a trial's messages tell of it?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuitune.core import events
from tuitune.executors.local import exit_text
from tuitune.executors.local.listener import (
    Checkpoint,
    Done,
    Frozen,
    Report,
    Saving,
    Warn,
    odd_numbers,
)
from tuitune.trial import wire

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tuitune.core.events import Event
    from tuitune.executors.local.attempts import Attempt
    from tuitune.executors.local.listener import Connection, Said

REFUSED = wire.encode(wire.Refused())


def heard(
    attempt: Attempt, connection: Connection, messages: Iterable[Said], now: float
) -> list[Event]:
    """The events that they are; what is no event of the study is noted on the attempt."""
    trial, number = attempt.key
    facts: list[Event] = []
    for said in messages:
        match said:
            case Report() if attempt.speaker is connection or attempt.may_report(connection):
                if said.odd:
                    said.metrics.update(odd_numbers(said.odd))
                connection.waits = connection.waits or said.wait
                facts.append(
                    events.Reported(
                        now,
                        trial,
                        number,
                        said.step,
                        said.metrics,
                        said.saves,
                        said.open,
                        said.wait,
                    )
                )
            case Report():
                connection.send(REFUSED)
            case Saving() if not said.failed:
                facts.append(events.SaveStarted(now, trial, number, said.step))
            case Saving():
                why = exit_text.plain(said.failed)
                facts.append(events.SaveFailed(now, trial, number, said.step, why))
            case Checkpoint():
                facts.append(events.Checkpointed(now, trial, number, said.step))
            case Warn():
                facts.append(events.Warned(now, trial, number, exit_text.plain(said.text)))
            case Frozen():
                facts.append(events.Frozen(now, trial, number))
            case Done():
                # the first word of one that is stopped comes where TrialStopped is raised
                attempt.has_returned = not said.stopped or attempt.said is not None
                attempt.said = said.error
                attempt.stopped = attempt.stopped or said.stopped
            case _:  # a greeting
                pass
    return facts
