"""Decisions about a trial or the study as lines: one a rung, and all of them with their times."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from tuitune.core import events, reasons
from tuitune.messages import states
from tuitune.messages.facts import told, whose
from tuitune.messages.reasons import reason_words
from tuitune.messages.text import ordinal
from tuitune.ui.render.glyphs import Glyphs
from tuitune.ui.render.lines import Line, Segment, cut, joined, line, wrapped
from tuitune.ui.state.snapshot import Snapshot
from tuitune.ui.table.cells import metric
from tuitune.ui.text.trial import clock, resource


class _AtRung(NamedTuple):
    """What was decided at one rung. needed: "" where nothing was."""

    sign: str
    role: str
    step: str
    value: str
    rank: str
    needed: str

    @property
    def words(self) -> str:
        """The rank and what was needed."""
        return ", ".join(filter(None, (self.rank, self.needed)))


def rung_lines(
    snapshot: Snapshot, facts: Sequence[tuple[int, events.AnyFact]], glyphs: Glyphs, width: int
) -> list[Line]:
    """A line for each rung that the trial has reached: value, rank, what was needed."""
    found = _at_rungs(snapshot, facts, glyphs)
    steps = max((len(one.step) for one in found), default=0)
    values = max((len(one.value) for one in found), default=0)
    return [
        cut(
            line(
                (f"{one.sign} ", one.role),
                (f"{one.step:{steps}}   {one.value:{values}}   ", "muted"),
                (one.words, "text"),
            ),
            width,
        )
        for one in found
    ]


def rungs_on_one_line(
    snapshot: Snapshot, facts: Sequence[tuple[int, events.AnyFact]], glyphs: Glyphs, width: int
) -> Line:
    """All rungs on one line, the first left out if need be; what was needed only at the last."""
    found = _at_rungs(snapshot, facts, glyphs)
    parts: list[Segment] = []
    for place, one in enumerate(found, 1):
        words = one.words if place == len(found) else one.rank
        shown = line((one.sign, one.role), (f" {one.step} {words}", "muted"))
        parts.append(Segment(place, shown))
    return cut(joined(parts, width, 3), width)


def _at_rungs(
    snapshot: Snapshot, facts: Sequence[tuple[int, events.AnyFact]], glyphs: Glyphs
) -> list[_AtRung]:
    """The newest verdict of each rung; a held trial that was promoted has passed it."""
    found: dict[int, _AtRung] = {}
    steps: dict[int, int] = {}
    for _, fact in facts:
        if isinstance(fact, events.Verdict):
            key = fact.step if fact.rung is None else fact.rung
            steps[key] = fact.step
            found[key] = _verdict(snapshot, fact, glyphs)
        elif isinstance(fact, events.Promoted) and fact.rung in found:
            passed = glyphs.states[states.Shown.COMPLETE]
            rank = f"{ordinal(fact.rank)} of {fact.n}, promoted"
            found[fact.rung] = found[fact.rung]._replace(
                sign=passed, role="success", rank=rank, needed=""
            )
    return [found[key] for key in sorted(found, key=lambda key: steps[key])]


def _verdict(snapshot: Snapshot, fact: events.Verdict, glyphs: Glyphs) -> _AtRung:
    signs = {"stop": (glyphs.cross, "error"), "pause": (glyphs.states[states.Shown.HELD], "quiet")}
    sign, role = signs.get(fact.action, (glyphs.states[states.Shown.COMPLETE], "success"))
    why = fact.why
    value = _value_at(snapshot, fact.trial, fact.step)
    if isinstance(why, reasons.Ranked):
        value = why.value
    if fact.rank is None or fact.n is None:
        rank, needed = reason_words(why), ""
    else:
        rank = f"{ordinal(fact.rank)} of {fact.n}"
        needed = "" if fact.cut is None else f"needed {metric(fact.cut)}"
        if isinstance(why, reasons.Ranked) and why.kept == 0:
            needed = f"promotion needs {why.needed or 'more'}"
        if isinstance(why, reasons.Promising):
            needed = f"{why.chance:.0%} for the best tenth"
    step = f"{resource(snapshot)} {fact.step}"
    return _AtRung(sign, role, step, "" if value is None else metric(value), rank, needed)


def _value_at(snapshot: Snapshot, trial: int, step: int) -> float | None:
    steps, values = snapshot.curves.points(trial)
    return values[steps.index(step)] if step in steps else None


def decisions(
    snapshot: Snapshot, facts: Sequence[tuple[int, events.AnyFact]], width: int, *, study: bool
) -> Iterator[Line]:
    """All decisions in the order of the facts, each with its time; `study`: of whom it is."""
    settled: dict[int, reasons.Why] = {}  # by trial: why it is in its newest state
    for _, fact in facts:
        words = told(fact)
        if isinstance(fact, events.Settled):
            settled[fact.trial] = fact.why
        if (
            not words
            or (isinstance(fact, events.Checkpointed) and not study)
            or _is_repeated(fact, settled)
        ):
            continue
        if study and (who := whose(fact)):
            words = f"{who}  {words}"
        when = clock(fact.time, snapshot.now) + " "
        for place, text in enumerate(wrapped(words, width - len(when))):
            before = when if place == 0 else " " * len(when)
            yield cut(line((before, "muted"), (text, _role(fact))), width)


def _is_repeated(fact: events.AnyFact, settled: Mapping[int, reasons.Why]) -> bool:
    """Whether the change of state that followed from this fact has the same reason."""
    match fact:
        case events.Verdict(trial=trial, why=words) | events.Exited(trial=trial, error=words):
            return bool(words) and settled.get(trial) == words
    return False


def _role(fact: events.AnyFact) -> str:
    if getattr(fact, "by", "") or isinstance(fact, events.Added):
        return "accent"  # done by a person
    match fact:
        case events.Settled(state=state) if state == events.TrialState.FAILED:
            return "error"
        case events.Exited(error=error) if error:
            return "error"
        case (
            events.Halted() | events.Warned() | events.OnWrongGpu() | events.Verdict(action="stop")
        ):
            return "warning"
        case events.Promoted() | events.Verdict():
            return "success"
    return ""
