"""The steps of an attempt: which of its reports wait for a verdict, and which come too late."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuitune.trial.wire import Order, Stop, Verdict, number_of, whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


NEVER = 1 << 62


class Steps:
    """An attempt's progress. A step may be reported several times; each is judged once at most."""

    def __init__(self, order: Order) -> None:
        self.resource = order.resource
        self.now = 0 if order.resource else order.resume_step or 0  # the highest one reported
        self.first = 0  # the first one that this attempt has reported, 0 before it
        self.newest_objective = 0  # the newest one that came with the objective
        self.end = order.max_resource or NEVER  # the last step of the trial
        self.is_complete = False
        self._resumed = order.resume_step or 0
        self.names: list[str] = []  # metrics of this step, while it has no objective
        self._metric = order.metric
        # Those not filled, also below the step that the attempt goes on from; falling
        self._rungs = sorted(order.rungs, reverse=True)
        self._every = NEVER if order.judged_from is None else order.judged_from
        self._target = order.target
        self._sign = -1.0 if order.mode == "max" else 1.0
        self._wait_at = 0
        self.judged_from = 0  # no report before this step waits
        self.waited(0)

    def step_of(self, values: Mapping[str, Any]) -> int | None:
        """The step that a report names, of any size; None if it is not a whole number."""
        if self.resource is None:
            return self.now + 1
        given = values.get(self.resource)
        return given if type(given) is int else whole(given)

    def problem(self, given: object, step: int | None) -> str:
        """Why a report of step `given` can't be taken. Raises ValueError above 2**53."""
        name = self.resource
        if step is not None and step > 0:
            raise ValueError(f"{name} is above 2**53 in a report: no step can be so large")
        if given is None:
            return f"a report without {name!r}, which counts its resource, was dropped"
        if step == 0:
            return f"a report with {name} = 0 was dropped: it counts from 1"
        return f"a report with {name} = {given!r:.100} was dropped: not a positive whole number"

    def is_beyond(self, step: int, *, objective: bool) -> bool:
        """Whether a report is for a step after the trial's last one.

        A trial whose objective is not reported at every step may report it a little later.
        """
        return step > self.now >= self.end and (self.is_complete or not objective)

    def waits(self, step: int, value: object, *, closing: bool = False) -> bool:
        """Whether a report with the objective is judged: the trial must wait for the verdict.

        Of several for one step only the first is judged, unless a later one is `closing`.
        """
        if step < self.now or self.is_complete:
            return False
        return step >= self._wait_at or (
            (closing or step > self.newest_objective) and self._is_target(value)
        )

    def waited(self, step: int) -> None:
        """`step` is being judged: find the step of the next wait."""
        rungs = self._rungs
        while rungs and rungs[-1] <= step:
            rungs.pop()
        at = min(self._every, self.end)
        if rungs and rungs[-1] < at:
            at = rungs[-1]
        self._wait_at = at if at > step else step + 1
        self.judged_from = self._wait_at if self._target is None else 0

    def complete(self, step: int) -> None:
        """The verdict: this step completes the trial."""
        self.is_complete = True
        self.end = step

    def counted_again(self, began: int | None) -> str | None:
        """A warning if the attempt goes on from a checkpoint, and its first step is not beyond it.

        The checkpoint's own step may have been evaluated once more: a warning only if it is the
        first one that the trial has ever reported, `began`.
        """
        resumed, first = self._resumed, self.first
        if not resumed or first > resumed or (first == resumed != began):
            return None
        unit = self.resource or "report"
        again = " again" if first == resumed else ""
        return (
            f"it goes on from the checkpoint of {unit} {resumed}, but its first report is of "
            f"{unit} {first}{again}: load what trial.resume_path (a command: {{trial.checkpoint}}) "
            f"holds, and count on from {unit} {resumed + 1}"
        )

    def lack(self) -> str | None:
        """A warning if the current step was reported without the objective; else None."""
        if not self.names or not self._metric or self.newest_objective == self.now:
            return None
        unit = self.resource or "report"
        only = f"{unit} = {self.now} came without the objective {self._metric!r}"
        return f"{only} (only {', '.join(self.names):.100}): it is never judged"

    def came_without(self, names: Iterable[object]) -> None:
        """The current step was reported with these metrics and without the objective."""
        self.names = [str(name) for name in names] or ["nothing"]

    def _is_target(self, value: object) -> bool:
        number = number_of(value)
        if number is None or self._target is None:
            return False
        return self._sign * number <= self._sign * self._target


class Postponed:
    """An order to save and stop, postponed to the next report with `save`.

    For one step at most, since what is trained after that report is lost.
    """

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._until = NEVER  # the last step that it is postponed to
        self.may_wait = True
        self.can_save = False  # a report has come with `save`
        self.answer: Verdict | Stop | None = None  # the postponed order

    def waits(self, answer: Verdict | Stop) -> bool:
        """Whether the order, given at a report without `save`, is postponed to a later one."""
        if not answer.save or not (isinstance(answer, Stop) or answer.action == "stop"):
            return False
        if not self.may_wait:
            return False
        if self.answer is None:
            self._until = self._last()
        self.answer = answer  # a second order changes the reason, not the time
        return self._steps.now <= self._until

    def due(self, *, saves: bool) -> Verdict | Stop | None:
        """The postponed order, if it is to be carried out at this report."""
        return self.answer if saves or self._steps.now > self._until else None

    def never_due(self) -> None:
        """No report follows: the order is not carried out any more."""
        self._until = NEVER

    def take_back(self) -> None:
        """Drop the order."""
        self.answer = None

    def _last(self) -> int:
        now = self._steps.now
        if self.can_save:
            return now + 1
        # In the first step it is unknown whether each step ends with a report with `save`.
        return now if now <= self._steps.first else now - 1
