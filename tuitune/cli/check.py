"""`check`: mistakes of a study file, what a run of it would do, and warnings."""

import math
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

from tuitune.cli import machine, nodes, studies
from tuitune.cli.arguments import Refusal
from tuitune.core.placement import host
from tuitune.core.pruning.registry import pruner_kind
from tuitune.core.search.proposal import Proposal
from tuitune.core.search.registry import make_searcher, searcher_kind
from tuitune.core.space import SHARE_DRAWS, Choice, Parameter, SearchSpace, likely_of, spell
from tuitune.core.spec import StudySpec
from tuitune.devices.host import host_room
from tuitune.engine import learning, loggers, settings
from tuitune.executors.local.interpreter import Interpreter
from tuitune.messages import configuration, parameters, reasons
from tuitune.messages.command import CHECKPOINT
from tuitune.messages.text import duration, table, trial_count, trial_name
from tuitune.store.folder import check_place, newest_study
from tuitune.studyfile import load_whole
from tuitune.studyfile.changes import changes
from tuitune.studyfile.chosen_gpus import chosen_gpus

_FOR_RUNGS = ("reduction", "style", "brackets")  # of [pruning]


def _warnings(
    spec: StudySpec, document: Mapping[str, Mapping[str, object]], begun: studies.StudyFolder | None
) -> list[str]:
    """document: the study file's tables; begun: the newest study that it has begun."""
    found = [*_switched_off(spec, document), *_commands_at_max(spec), *_saves(spec)]
    found += filter(None, [settings.no_notifier(spec)])
    if settings.wants_gpus(spec):
        found += [*_chosen_gpus(spec), *machine.gpu_warnings(spec)]
    if begun is not None:
        found += [*_seen_repeats(spec, begun), *_short_leave(spec, begun)]
    return found


def _chosen_gpus(spec: StudySpec) -> Iterator[str]:
    for file, line in chosen_gpus(spec):
        yield (
            f"{file.name}, line {line} sets CUDA_VISIBLE_DEVICES: every trial then computes on the "
            f"same GPU, whatever it was given, and on one that others may use. Remove that line"
        )


def _switched_off(spec: StudySpec, document: Mapping[str, Mapping[str, object]]) -> Iterator[str]:
    written, pruning = document.get("pruning", {}), spec.pruning
    unused = [key for key in _FOR_RUNGS if key in written and key not in pruner_kind(pruning).keys]
    if unused:
        yield f'[pruning] {", ".join(unused)}: no effect with method = "{pruning.method}"'


def _commands_at_max(spec: StudySpec) -> Iterator[str]:
    pruning = spec.pruning
    command = spec.trial.command
    if command is None or pruning.max is None or _has_number(command, pruning.max):
        return
    end = f"{pruning.unit} {pruning.max}"
    yield (
        f"[pruning] max = {pruning.max}: the command is not signalled at {end}, where scripts save "
        f"their model; it ends by itself, or when it reports beyond {end}. One that runs longer "
        f"and reports no more keeps its slot until it ends: let it stop at {end}"
    )


def _has_number(command: Iterable[str | tuple[str, ...]], number: int) -> bool:
    """Whether it has the number as a word, or after "=": most likely its own end, as --epochs 9."""
    return any(word.rpartition("=")[2] == str(number) for word in _words_of(command))


def _words_of(command: Iterable[str | tuple[str, ...]]) -> Iterator[str]:
    """All words of a command, those of its groups too."""
    for part in command:
        yield from (part,) if isinstance(part, str) else part


def _saves(spec: StudySpec) -> Iterator[str]:
    """What a command needs to save into its trial's folder, and to go on from there."""
    trial = spec.trial
    if trial.command is None:
        return
    texts = [*_words_of(trial.command), *trial.env.values()]
    if trial.saves is None:
        if trial.metrics and any(f"{{{CHECKPOINT}" in text for text in texts):
            yield (
                f"[trial] {{{CHECKPOINT}}} is never there, since nothing is known to be saved; "
                'name what the program saves below its folder: saves = "last.ckpt", say'
            )
        return
    key = f"[trial] saves = {spell(trial.saves)}"
    if not any("{trial.folder" in text for text in texts):
        yield (
            f"{key}: it is looked for in each trial's folder, which neither command nor env names; "
            "let the program write below {trial.folder}"
        )
    if not any(f"{{{CHECKPOINT}" in text for text in texts):
        yield (
            f"{key}: neither command nor env has {{{CHECKPOINT}}}, so what goes on starts again; "
            f'add ["--resume", "{{{CHECKPOINT}}}"] to the command, or a switch for it, as '
            f'["--resume{{{CHECKPOINT}!if}}"]'
        )


def _seen_repeats(spec: StudySpec, begun: studies.StudyFolder) -> Iterator[str]:
    """Only for patterns: a script that reports by itself repeats a step on purpose."""
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


def _short_leave(spec: StudySpec, begun: studies.StudyFolder) -> Iterator[str]:
    given, slowest = spec.trial.leave_within, begun.reader.longest_pause()
    if given is None or slowest is None or given >= slowest:
        return
    lasted = f"{slowest:.1f}s" if slowest < 10 else duration(slowest)
    yield (
        f"[trial] leave_within = {given:g} s: in {begun.name} up to {lasted} passed "
        f"between two reports, and a trial can leave only at a report; one that is ended before "
        f"its next report loses its work since its last checkpoint. Write "
        f'leave_within = "{_longer(slowest)}" or more, or leave it out'
    )


def _longer(seconds: float) -> str:
    """A duration one and a half times as long, in whole minutes or seconds."""
    ample = 1.5 * seconds
    return f"{-(-ample // 60):.0f}m" if ample > 60 else f"{-(-ample // 1):.0f}s"


def check_file(file: Path, overrides: tuple[str, ...], runs: Path, on: str | None = None) -> int:
    """The exit status: 0, or 2 with every mistake on stderr, as a run would be refused.

    on: the cluster whose nodes are to run the trials.
    """
    try:
        spec, document = load_whole(file, overrides=overrides)
        devices, warnings = _devices(spec) if on is None else nodes.node_lines(on, spec, runs)
        loggers.check_logs(spec)
        python = settings.interpreter_of(spec)
        begun, more = _begun(spec, runs)
        learned, others = _learned(spec, begun)
        warnings += [*more, *others, *_warnings(spec, document, begun)]
    except settings.CannotRunError as error:
        raise Refusal(str(error)) from error
    print(_words(spec, learned, devices, python))
    for warning in warnings:
        print(f"{spec.file}: warning: {warning}", file=sys.stderr)
    return 0


def _devices(spec: StudySpec) -> tuple[list[str], list[str]]:
    """What a run would use of this machine, and no warning. Raises CannotRunError."""
    room, seen = host_room(), settings.look_for(spec, partial(print, file=sys.stderr))
    settings.check_machine(spec, room, seen)
    settings.check_program(spec)
    need = host.HostResources(spec.trial.cpus, spec.trial.memory or 0)
    at_once = host.most_at_once(room, need, spec.search.concurrency)
    cpus = f"devices: {room.cpus:g} CPU slots, {need.cpus:g} a trial, {at_once} at once"
    return [cpus, *machine.gpu_lines(spec, seen, room.cpus)], []


def _begun(spec: StudySpec, runs: Path) -> tuple[studies.StudyFolder | None, list[str]]:
    """The study that a run of this file would continue, and a warning if it can't."""
    folder = newest_study(runs, spec.name)
    if folder is None:
        check_place(runs)
        return None, []
    study = studies.StudyFolder(folder)
    _, refused = changes(study.spec, spec)
    if not refused or not study.reader.trials():
        return study, []
    differences = "; ".join(map(str, refused))
    words = f"a run is refused without --new, since {study.name} was started with other values: "
    return None, [words + differences]


def _learned(
    spec: StudySpec, begun: studies.StudyFolder | None
) -> tuple[learning.Learned, list[str]]:
    """What the study learns from, and warnings. A study that has begun keeps what it learned."""
    count = None if begun is None else learning.kept(begun.reader.get(learning.KEY))
    if begun is None or not begun.reader.trials():
        return learning.learn(spec), []
    if count is None:
        return (
            learning.Learned((), ()) if spec.search.learn_from == "auto" else learning.learn(spec)
        ), []
    words = f"{trial_count(count)} of earlier studies, kept in {begun.name} since it began"
    warnings = []
    try:
        learning.learn(spec)
    except settings.CannotRunError as error:
        warnings.append(f"{str(error).removeprefix(f'{spec.file}: ')}; what was learned is kept")
    return learning.Learned((), (words,)), warnings


def _words(
    spec: StudySpec, learned: learning.Learned, devices: list[str], python: Interpreter
) -> str:
    space = spec.space
    size = "infinite" if space.size is None else f"{space.size} configurations"
    kind = searcher_kind(spec.search)
    if kind.size is not None:
        size += f", a {spec.search.method} of {kind.size(space, spec.search)} points"
    pruning = spec.pruning
    judged = "no pruning"
    if spec.pruner.milestones:
        judged = f"{pruning.method} over {pruning.unit} {pruning.min} to {pruning.max}"
    lines = [
        f"{spec.file}: ok",
        "",
        table([_parameter_cells(p) for p in space.parameters]) if space.parameters else "",
        "",
        f"space: {size}",
        *_constraint_lines(spec),
        f"search: {trial_count(spec.search.trials)} by {spec.search.method}, {judged}",
        *_early_end(spec),
        *filter(None, [reasons.too_few(pruning, spec.search.trials, "")]),
        *(f"learns from {words}" for words in learned.words),
        *devices,
        *([f"logs to: {', '.join(spec.log.to)}"] if spec.log.to else ()),
        *([f"notifies by: {shlex.join(spec.notify.command)}"] if spec.notify.command else ()),
        *([f"python: {python.version}, {python.path}"] if spec.trial.python else []),
        "",
        "one sample:",
    ]
    proposal = make_searcher(space, spec.search).propose(0, set())
    sample = (
        configuration.configuration_toml(proposal.config) if isinstance(proposal, Proposal) else ""
    )
    lines += [f"  {line}" for line in sample.splitlines()]
    lines += [f"  # {p.name}: sampled by {p.target}" for p in space.sampled]
    return "\n".join(lines)


def _early_end(spec: StudySpec) -> list[str]:
    """What is said where the space has fewer configurations than trials are asked for."""
    kind = searcher_kind(spec.search)
    of_method = None if kind.size is None else kind.size(spec.space, spec.search)
    sizes = [size for size in (spec.space.size, of_method) if size is not None]
    if not sizes or min(sizes) >= spec.search.trials:
        return []
    return [
        f"ends after {min(sizes)} of the {spec.search.trials} trials: no configuration is left then"
    ]


def _constraint_lines(spec: StudySpec) -> list[str]:
    """How much of the space the constraints leave."""
    space = spec.space
    if not space.groups:
        return []
    share = math.prod(group.share() for group in space.groups)
    left = f"about {100 * share:.2g} % of the space is left" if share else "next to nothing is left"
    lines = [f"constraints: {left}, estimated by {SHARE_DRAWS:,} draws"]
    kind = searcher_kind(spec.search)
    if kind.size is not None:
        size = kind.size(space, spec.search)
        whole = kind.size(SearchSpace(space.parameters), spec.search)
        lines.append(f"constraints: {size:,} of the {whole:,} points of the {spec.search.method}")
    return lines


def _parameter_cells(parameter: Parameter) -> list[str]:
    likely = " to ".join(map(spell, likely_of(parameter)))
    if isinstance(parameter, Choice):
        likely = " or ".join(map(spell, likely_of(parameter)))
    expected = f"likely {likely}" if likely else ""
    return [parameter.name, parameters.domain(parameter), expected, parameters.condition(parameter)]
