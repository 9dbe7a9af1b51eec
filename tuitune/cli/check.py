"""What would a run of this study file do?"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tuitune.cli.gpus import gpu_lines
from tuitune.devices.host import host_room
from tuitune.devices.placement import Room, most_at_once
from tuitune.devices.probe import look
from tuitune.devices.snapshots import Snapshot
from tuitune.engine.learning import learn
from tuitune.engine.settings import CannotRunError, check_machine, wants_gpus
from tuitune.search.searcher import Proposal, make_searcher
from tuitune.space import Choice, grid_size, likely_of, spell
from tuitune.studyfile import StudyFileError, load
from tuitune.words.parameters import condition, domain
from tuitune.words.text import configuration_toml, table

if TYPE_CHECKING:
    from pathlib import Path

    from tuitune.engine.learning import Learned
    from tuitune.space import Parameter
    from tuitune.spec import StudySpec


def check_file(file: Path, overrides: tuple[str, ...]) -> int:
    """0, or 2 with every problem on stderr."""
    try:
        spec = load(file, overrides=overrides)
        seen = look() if wants_gpus(spec) else Snapshot(absent=True)
        check_machine(spec, host_room(), seen)
        learned = learn(spec)
    except (StudyFileError, CannotRunError) as error:
        print(error, file=sys.stderr)
        return 2
    print(_words(spec, learned, seen))
    return 0


def _words(spec: StudySpec, learned: Learned, seen: Snapshot) -> str:
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
        judged = f"{pruning.method} over {pruning.unit} {pruning.min} to {pruning.max}"
    lines = [
        f"{spec.file}: ok",
        "",
        table([_parameter_cells(p) for p in space.parameters]) if space.parameters else "",
        "",
        f"space: {size}",
        f"search: {spec.search.trials} trials by {spec.search.method}, {judged}",
        *(f"learns from {words}" for words in learned.words),
        f"devices: {machine.cpus:g} CPU slots, {need.cpus:g} a trial, {at_once} at once",
        *gpu_lines(spec, seen),
        "",
        "one sample:",
    ]
    proposal = make_searcher(space, spec.search).propose(0, set())
    sample = configuration_toml(proposal.config) if isinstance(proposal, Proposal) else ""
    lines += [f"  {line}" for line in sample.splitlines()]
    lines += [f"  # {p.name}: sampled by {p.target}" for p in space.sampled]
    return "\n".join(lines)


def _parameter_cells(parameter: Parameter) -> list[str]:
    likely = " to ".join(map(spell, likely_of(parameter)))
    if isinstance(parameter, Choice):
        likely = " or ".join(map(spell, likely_of(parameter)))
    believed = f"likely {likely}" if likely else ""
    return [parameter.name, domain(parameter), believed, condition(parameter)]
