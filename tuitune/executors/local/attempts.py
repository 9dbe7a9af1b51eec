"""The engine's view of one running attempt, and the events that its messages become."""

import secrets
from asyncio import TimerHandle
from collections.abc import Iterable
from pathlib import Path

import msgspec

from tuitune.core import events
from tuitune.executors.local import exit_text, listener, zygote_client
from tuitune.trial import wire

_REFUSED = wire.encode_instruction(wire.Refused())


class Attempt(msgspec.Struct):
    """One attempt at a trial, from its launch to its exit."""

    order: wire.Order
    # its processes send it
    token: str = msgspec.field(default_factory=lambda: secrets.token_hex(8))
    zygote: zygote_client.ZygoteClient | None = None  # None: it waits for a zygote
    log_start: int = 0  # byte of the trial's log at which it begins: earlier ones are before it
    is_started: bool = False
    # one for each of its processes
    connections: list[listener.Connection] = []
    reporter: listener.Connection | None = None  # of the first process that has reported
    stop: wire.Stop | None = None  # asked for: each process that connects later must get it, too
    may_end: bool = False  # it was signalled, or answered that it is to stop
    error: str | None = None  # as its Done says; None before Done has come
    stopped: bool = False  # it ended by TrialStopped
    has_returned: bool = False  # its function or command has come to its end, or ignores a stop
    ignores_stop: bool = False  # its code has caught TrialStopped, and goes on
    exit_timer: TimerHandle | None = None  # until its exit counts as overdue
    is_exit_overdue: bool = False  # its function has returned, but its process goes on

    @property
    def key(self) -> tuple[int, int]:
        """The trial's number and the attempt's."""
        return self.order.trial, self.order.attempt

    @property
    def log(self) -> Path:
        """The trial's log, in which each attempt goes on."""
        return Path(self.order.folder, "output.log")

    @property
    def addressee(self) -> listener.Connection | None:
        """Where a stop is sent: the process that reports; before one does, the newest."""
        if self.reporter is not None and self.reporter.is_open:
            return self.reporter
        return next((each for each in reversed(self.connections) if each.is_open), None)

    @property
    def waiting(self) -> listener.Connection | None:
        """The process that waits for a verdict."""
        return next((each for each in self.connections if each.waits and each.is_open), None)

    @property
    def ends_too_early(self) -> bool:
        """Whether an exit now would come before its function has returned, and unasked."""
        is_function = self.order.command is None
        return is_function and self.error is None and self.stop is None and not self.may_end

    def may_report(self, connection: listener.Connection) -> bool:
        """Whether this process may report: only the first one may, since it gets the verdicts.

        Where no report waits for a verdict, another may report once the first is gone.
        """
        first = self.reporter
        if first is None or (not first.is_open and not self.order.waits()):
            self.reporter = connection
        return self.reporter is connection

    def drain(self) -> None:
        """Read all that its processes, which are gone, have sent."""
        for connection in self.connections:
            while connection.read():
                pass
            connection.close()


def events_of(
    attempt: Attempt,
    connection: listener.Connection,
    messages: Iterable[listener.Message],
    now: float,
) -> list[events.Event]:
    """The study's events among the messages; the rest is kept in the attempt's fields."""
    trial, number = attempt.key
    found: list[events.Event] = []
    for message in messages:
        match message:
            case listener.Report() if attempt.reporter is connection or attempt.may_report(
                connection
            ):
                connection.waits = connection.waits or message.wait
                found.append(_reported(message, trial, number, now))
            case listener.Report():
                connection.send(_REFUSED)
            case listener.Saving(step, failed) if failed:
                why = exit_text.printable(failed)
                found.append(events.SaveFailed(now, trial, number, step, why))
            case listener.Saving(step):
                found.append(events.SaveStarted(now, trial, number, step))
            case listener.Checkpoint(step):
                found.append(events.Checkpointed(now, trial, number, step))
            case listener.Warn(text):
                found.append(events.Warned(now, trial, number, exit_text.printable(text)))
            case listener.Frozen():
                found.append(events.Frozen(now, trial, number))
            case listener.Done(error, stopped, ignored):
                # A trial that is stopped sends its first Done where TrialStopped is raised
                attempt.has_returned = not stopped or attempt.error is not None
                attempt.error = error
                attempt.ignores_stop = ignored
                attempt.stopped = attempt.stopped or stopped
            case _:  # Hello
                pass
    return found


def _reported(report: listener.Report, trial: int, attempt: int, now: float) -> events.Event:
    if report.odd:
        report.metrics.update(listener.odd_numbers(report.odd))
    return events.Reported(
        now, trial, attempt, report.step, report.metrics, report.saves, report.open, report.wait
    )
