"""What of a run can be told beforehand that its user may not expect?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuitune.core.pruning.registry import pruner_kind
from tuitune.messages.text import duration, trial_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tuitune.cli.studies import StudyFolder
    from tuitune.core.spec import StudySpec

FOR_RUNGS = ("reduction", "style", "brackets")  # of [pruning]


def warnings(
    spec: StudySpec, document: Mapping[str, Mapping[str, object]], begun: StudyFolder | None
) -> list[str]:
    """document: the study file's tables; begun: the newest study that it has begun."""
    found = [*_switched_off(spec, document), *_commands_at_max(spec)]
    if begun is not None:
        found += [*_seen_repeats(spec, begun), *_short_leave(spec, begun)]
    return found


def _switched_off(spec: StudySpec, document: Mapping[str, Mapping[str, object]]) -> Iterator[str]:
    written, pruning = document.get("pruning", {}), spec.pruning
    idle = [key for key in FOR_RUNGS if key in written and key not in pruner_kind(pruning).keys]
    if idle:
        yield f'[pruning] {", ".join(idle)}: without effect, since method = "{pruning.method}"'


def _commands_at_max(spec: StudySpec) -> Iterator[str]:
    pruning = spec.pruning
    if spec.trial.command is None or pruning.max is None:
        return
    end = f"{pruning.unit} {pruning.max}"
    yield (
        f"[pruning] max = {pruning.max}: the command is not signalled at {end}, where scripts save "
        f"their model; it ends by itself, or when it reports beyond {end}. One that runs longer "
        f"and reports no more keeps its slot until it ends: let it stop at {end}"
    )


def _seen_repeats(spec: StudySpec, begun: StudyFolder) -> Iterator[str]:
    """Patterns alone: what a script reports by itself is meant as it is."""
    if spec.pruning.resource is None or not spec.trial.metrics:
        return
    found = begun.reader.repeated()
    if found is None:
        return
    trial, step = found
    unit, metric = spec.pruning.unit, spec.objective.metric
    yield (
        f"[trial.metrics] {metric}: its pattern has matched several times within one {unit} (in "
        f"{begun.name}, {unit} {step} of {trial_name(trial)}); the last value of each {unit} "
        f"counts, and a trial is judged once its next {unit} or its end is seen. If another line "
        f"is meant, write a pattern that matches that one alone"
    )


def _short_leave(spec: StudySpec, begun: StudyFolder) -> Iterator[str]:
    given, slowest = spec.trial.leave_within, begun.reader.longest_pause()
    if given is None or slowest is None or given >= slowest:
        return
    lasted = f"{slowest:.1f}s" if slowest < 10 else duration(slowest)
    yield (
        f"[trial] leave_within = {given:g} s: in {begun.name} up to {lasted} passed "
        f"between two reports, and a trial leaves at one; a trial that is ended before its next "
        f"report loses what it has done since its last checkpoint. Write "
        f'leave_within = "{_longer(slowest)}" or more, or leave it out'
    )


def _longer(seconds: float) -> str:
    """Half as much again, in whole minutes or seconds."""
    ample = 1.5 * seconds
    return f"{-(-ample // 60):.0f}m" if ample > 60 else f"{-(-ample // 1):.0f}s"
