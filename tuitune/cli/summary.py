"""The result of a study: counts, time, the best configuration."""

from __future__ import annotations

import os
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

from tuitune.cli import console
from tuitune.cli.output import output
from tuitune.core.events import TrialState
from tuitune.messages import configuration, states, text
from tuitune.store.rows import StudyRow
from tuitune.ui.render.lines import Line, Span, line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tuitune.cli.studies import StudyFolder
    from tuitune.core.study import Study

AGAIN = "once that is mended, the same command tries them again"


class Best(msgspec.Struct, frozen=True):
    """The best trial. partial: it has not reached its end."""

    trial: int
    value: float | None
    config: dict[str, Any]
    partial: bool


class Result(msgspec.Struct, frozen=True):
    """What is printed of a study that is over. seconds: of all its runs."""

    name: str
    metric: str
    counts: dict[TrialState, int]
    held: int
    seconds: float
    exhausted: str
    best: Best | None


def result_of(study: Study) -> Result:
    """The result of a study in memory."""
    state, spec = study.state, study.spec
    found, partial = study.best()
    best = None
    if found is not None:
        best = Best(found.number, found.counted(spec.objective), found.config, partial)
    counted, held = counts((t.state, t.at_rung and not t.paused_by_user) for t in state.trials)
    metric = spec.objective.metric
    return Result(spec.name, metric, counted, held, state.elapsed, state.exhausted, best)


def result_in(folder: StudyFolder) -> Result:
    """The result of a study in the store, that no engine runs."""
    changes = folder.reader.changes()
    row = changes.study or StudyRow()
    found, partial = folder.best(changes.rows)
    best = None if found is None else Best(found.number, found.value, found.config, partial)
    counted, held = counts((r.state, r.is_held) for r in changes.rows)
    metric = folder.spec.objective.metric
    return Result(folder.spec.name, metric, counted, held, row.elapsed, row.exhausted, best)


def print_result(result: Result, *, as_json: bool = False) -> int:
    """Print the result of a study; the exit status: 0, or 1 if no trial completed."""
    try:
        if as_json:
            console.print_json(_record(result))
        else:
            output().print(*_summary(result), fold=False)
        sys.stdout.flush()
    except OSError:  # the reader is gone: the exit status is still that of the study
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0 if result.counts[TrialState.COMPLETE] else 1


def _summary(result: Result) -> list[Line]:
    """Counts, time, and the best configuration as TOML."""
    counted = counted_spans(states.shown_counts(result.counts, result.held))
    why = f" ({result.exhausted})" if result.exhausted else ""
    name, took = (
        f"{text.plain(result.name)}: ",
        f" in {text.duration(result.seconds)}{text.plain(why)}",
    )
    lines = [line((name, "bold"), *counted, took)]
    best = result.best
    if best is None:
        is_each_failed = {state for state, n in result.counts.items() if n} == {TrialState.FAILED}
        again = f"; {AGAIN}" if is_each_failed else ""
        return [
            *lines,
            line(f"no trial has reported a number for {text.plain(result.metric)}{again}"),
        ]
    from tuitune.cli import trials_table  # noqa: PLC0415 - no trial has to wait for it

    value = f"{result.metric} {text.number(best.value)}"
    head = trials_table.best_head(text.trial_name(best.trial), value, partial=best.partial)
    toml = configuration.configuration_toml(best.config).splitlines()
    return [*lines, head, (), *(line(one) for one in toml)]


def _record(result: Result) -> dict[str, Any]:
    """The same as one object, under the event "summary"."""
    best = result.best
    return {
        "event": "summary",
        "study": result.name,
        "counts": result.counts,
        "best": best and best_record(best.trial, best.value, best.config, partial=best.partial),
    }


def counts(trials: Iterable[tuple[TrialState, bool]]) -> tuple[dict[TrialState, int], int]:
    """How many trials are in each of all states, and how many of the paused are held at a rung.

    `trials`: the state of each, and whether it waits at a rung.
    """
    found = Counter(trials)
    held = found[TrialState.PAUSED, True]
    return {state: found[state, True] + found[state, False] for state in TrialState}, held


def counted_spans(found: Mapping[states.Shown, int]) -> Line:
    """As "4 complete, 2 held", each in the colour of its state."""
    spans: list[Span] = []
    for state, count in found.items():
        spans += [(", ", "")] if spans else []
        spans.append((f"{count} {state}", states.WORDS[state].role))
    return tuple(spans) or (("no trials", ""),)


def best_record(
    trial: int, value: float | None, config: dict[str, Any], *, partial: bool
) -> dict[str, Any]:
    """The best trial as the commands' JSON has it."""
    return {"trial": trial, "value": value, "config": config, "partial": partial}
