"""Which parameters matter? Asked of a small model of the trials so far, which may know nothing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tuitune.core.events import TrialState
from tuitune.core.space import key as config_key
from tuitune.ui.charts.axis import axes
from tuitune.ui.charts.background import Background
from tuitune.ui.charts.ended_trials import merit, some
from tuitune.ui.charts.forest import TREES, Column, Fit, fit, ranks
from tuitune.ui.charts.frame import Drawing, words
from tuitune.ui.render.lines import fit as fitted
from tuitune.ui.render.wrapping import wrapped

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from tuitune.core.spec import StudySpec
    from tuitune.store.rows import TrialRow
    from tuitune.ui.charts.axis import Axis
    from tuitune.ui.render.lines import Line, Size
    from tuitune.ui.state.render_context import RenderContext
    from tuitune.ui.state.snapshot import Snapshot

ACTIONS: Final = (("chart.importance", "curve"),)
LEAST: Final = 8  # trials below which no model is made
MOST: Final = 400  # trials that a model is made of
MORE: Final = 0.1  # of the trials so far have to come new for another one
USELESS: Final = 0.1  # R2 below which a model says nothing
WEAK: Final = 0.4
TITLE: Final = "Importance by permutation"


class Question(NamedTuple):
    """What the model is asked: to tell the targets, ranks from 0 for the best, from the columns."""

    names: tuple[str, ...]
    columns: tuple[Column, ...]
    targets: tuple[float, ...]
    trials: int  # that could have been asked about


class Answer(NamedTuple):
    """`fit`: None where there is nothing that a model could be made of, and `why`."""

    question: Question
    fit: Fit | None
    why: str = ""


class Importance:
    """Makes a model when enough has ended since the last one; its answer holds until the next."""

    def __init__(self) -> None:
        self._running: Background[Answer] | None = None
        self._answer: Answer | None = None
        self._tried = 0  # trials that had ended when the newest model was begun

    def key(self, context: RenderContext) -> object:
        self._follow(context.snapshot)
        done = round(self._running.progress, 1) if self._running and not self._answer else None
        return self._answer, done, min(_usable(context.snapshot), LEAST)

    def draw(self, context: RenderContext, size: Size) -> Drawing:
        if self._answer is not None and self._answer.fit is not None:
            lines = _told(context, self._answer.question, self._answer.fit, size.width)
            note = f"forest of {self._answer.question.trials} trials"
            return Drawing(TITLE, lines, note, ACTIONS)
        usable = _usable(context.snapshot)
        if self._answer is not None:
            why = self._answer.why
        elif self._running is not None:
            why = f"making a model of {min(usable, MOST)} trials, {self._running.progress:.0%}"
        else:
            why = f"needs {LEAST} finished trials, has {usable}"
        return Drawing(TITLE, words(why), actions=ACTIONS)

    def wait(self) -> None:
        """For the model that is being made."""
        if self._running is not None:
            self._running.wait()

    def _follow(self, snapshot: Snapshot) -> None:
        if self._running is not None and self._running.result is not None:
            self._answer, self._running = self._running.result, None
        usable = _usable(snapshot)
        if self._running or usable < LEAST or usable < self._tried + max(1.0, MORE * self._tried):
            return
        self._tried = usable
        ended = [
            row for row in snapshot.rows if row.state in (TrialState.COMPLETE, TrialState.PRUNED)
        ]
        self._running = Background(answered(snapshot.spec, some(ended, MOST), len(ended)))


def answered(
    spec: StudySpec, rows: Sequence[TrialRow], trials: int
) -> Generator[float, None, Answer]:
    """The answer of a model of these trials, piece by piece. trials: of how many they are some."""
    question = asked(spec, rows, trials)
    yield 0.0
    if not question.names:
        return Answer(question, None, "no parameter has taken more than one value")
    if len(set(question.targets)) < 2:
        return Answer(question, None, "all finished trials stand equal: nothing to explain")
    found = yield from fit(question.columns, question.targets)
    return Answer(question, found)


def asked(spec: StudySpec, rows: Sequence[TrialRow], trials: int) -> Question:
    """Equal configurations are one, with the mean of their ranks."""
    targets = ranks([merit(row, spec.objective)[:-1] for row in rows])
    together: dict[str, list[float]] = {}
    configs: dict[str, Mapping[str, Any]] = {}
    for row, target in zip(rows, targets, strict=True):
        same = config_key(row.config)
        configs[same] = row.config
        together.setdefault(same, []).append(target)
    different = list(configs.values())
    columns = [(axis.name, _column(axis, different)) for axis in axes(spec.space, rows)]
    varied = [(name, column) for name, column in columns if _varies(column)]
    return Question(
        tuple(name for name, _ in varied),
        tuple(column for _, column in varied),
        tuple(sum(own) / len(own) for own in together.values()),
        trials,
    )


def _usable(snapshot: Snapshot) -> int:
    return snapshot.counts.get(TrialState.COMPLETE, 0) + snapshot.counts.get(TrialState.PRUNED, 0)


def _column(axis: Axis, configs: Sequence[Mapping[str, Any]]) -> Column:
    places = [axis.at(config) for config in configs]
    return Column([math.nan if at is None else at for at in places], axis.ordered)


def _varies(column: Column) -> bool:
    return len({-1.0 if math.isnan(value) else value for value in column.values}) > 1


def _told(context: RenderContext, question: Question, found: Fit, width: int) -> list[Line]:
    """What the model is worth, a bar a parameter, the longest first, and what the model is."""
    useless = found.r2 < USELESS
    score = f"R2 {found.r2:.2f}, rank correlation {found.rank:.2f}"
    lines: list[Line] = [((f"  {score}", "warning" if useless else "text"),), _verdict(found), ()]
    bars = zip(question.names, found.importance, question.columns, strict=True)
    widest = min(max(len(name) for name in question.names), max(8, width // 3))
    longest = max(*found.importance, 1e-9)
    for name, rise, column in sorted(bars, key=lambda bar: -bar[1]):
        cells = (width - widest - 10) * max(0.0, rise) / longest
        bar = _bar(context, fitted(name, widest), rise, cells, useless=useless)
        lines.append((*bar, *_absent(column)))
    explained = wrapped(_method(context, question), max(10, width - 4))
    return [*lines, (), *(((f"  {text}", "faint"),) for text in explained)]


def _absent(column: Column) -> Line:
    """In how many a parameter is there that is not in all."""
    there = sum(not math.isnan(value) for value in column.values)
    if there == len(column.values):
        return ()
    return ((f"  in {there} of {len(column.values)}", "faint"),)


def _bar(context: RenderContext, name: str, rise: float, cells: float, useless: bool) -> Line:  # noqa: FBT001
    bar = context.glyphs.full * round(cells)
    role = "faint" if useless else "line-a"
    return ((f"  {name} ", "text"), (f"{max(0.0, rise):5.2f} ", "muted"), (bar, role))


def _verdict(found: Fit) -> Line:
    if found.r2 < USELESS:
        return (("  a worthless model: don't trust it", "warning bold"),)
    if found.r2 < WEAK:
        return (("  a weak model: trust long bars only", "warning"),)
    return (("  bars: its error without a parameter", "muted"),)


def _method(context: RenderContext, question: Question) -> str:
    ranked = "the metric" if context.snapshot.spec.pruning.method == "none" else "rung, then metric"
    return (
        f"permutation importance, {TREES} extremely randomised trees, of ranks by {ranked}; "
        f"{len(question.targets)} configurations, figures of those that a tree has not seen"
    )
