"""What would a run of this study file do?"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tuitune.devices.host import host_room
from tuitune.devices.placement import Room, most_at_once
from tuitune.engine.settings import CannotRunError, check_machine
from tuitune.search.searcher import make_searcher
from tuitune.space import grid_size
from tuitune.studyfile import StudyFileError, load
from tuitune.words.parameters import condition, domain
from tuitune.words.text import configuration_toml, table

if TYPE_CHECKING:
    from pathlib import Path

    from tuitune.space import Parameter
    from tuitune.spec import StudySpec


def check_file(file: Path, overrides: tuple[str, ...]) -> int:
    """0, or 2 with every problem on stderr."""
    try:
        spec = load(file, overrides=overrides)
        check_machine(spec, host_room())
    except (StudyFileError, CannotRunError) as error:
        print(error, file=sys.stderr)
        return 2
    print(_words(spec))
    return 0


def _words(spec: StudySpec) -> str:
    machine = host_room()
    need = Room(spec.trial.cpus, spec.trial.memory or 0)
    at_once = most_at_once(machine, need, spec.search.concurrency)
    space = spec.space
    size = "without end" if space.size is None else f"{space.size} configurations"
    if spec.search.method == "grid":
        size += f", a grid of {grid_size(space, spec.search.levels)} points"
    pruning = spec.pruning
    judged = "no pruning"
    if pruning.method != "none":
        resource = pruning.resource or "report"
        judged = f"{pruning.method} over {resource} {pruning.min} to {pruning.max}"
    lines = [
        f"{spec.file}: ok",
        "",
        table([_parameter_cells(p) for p in space.parameters]) if space.parameters else "",
        "",
        f"space: {size}",
        f"search: {spec.search.trials} trials by {spec.search.method}, {judged}",
        f"devices: {machine.cpus:g} CPU slots, {need.cpus:g} a trial, {at_once} at once",
        "",
        "one sample:",
    ]
    proposal = make_searcher(space, spec.search).propose(0, set())
    sample = configuration_toml(proposal.config) if proposal else ""
    lines += [f"  {line}" for line in sample.splitlines()]
    lines += [f"  # {p.name}: sampled by {p.target}" for p in space.sampled]
    return "\n".join(lines)


def _parameter_cells(parameter: Parameter) -> list[str]:
    return [parameter.name, domain(parameter), condition(parameter)]
