"""The nodes of a cluster, as `doctor --on` and `check --on` print them."""

import contextlib
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from tuitune.cli.arguments import Refusal
from tuitune.core.placement.host import HostResources, most_at_once, most_on_gpus
from tuitune.core.sizes import size
from tuitune.core.spec import StudySpec
from tuitune.engine import cluster, node_check, settings
from tuitune.executors.base import UnreachableError
from tuitune.executors.ray import protocol, surveying
from tuitune.messages.text import gpus, plain, trial_count
from tuitune.studyfile.trial import working_folder

_LONGEST = 40  # characters of a variable's value that are shown


def examine_nodes(where: str) -> int:
    """`doctor --on`; the exit status: 0, 1 if something is wrong, or 2 if there is no cluster."""
    try:
        cluster.check_place(where)
        with _marked(Path.cwd()) as mark:
            found = surveying.survey(where, msgspec.json.encode(node_check.Question(mark)))
    except (settings.CannotRunError, UnreachableError) as error:
        raise Refusal(str(error)) from error
    print(f"Ray {found.ray} at {found.address}, Python {found.python}")
    lines = [_line(node) for node in found.nodes]
    for how, words in lines:
        print(plain(f"{how:5}  {words}"))
    return int(any(how == "wrong" for how, _ in lines))


def node_lines(where: str, spec: StudySpec, runs: Path) -> tuple[list[str], list[str]]:
    """`check --on`: trials at once on each node, and warnings. Raises CannotRunError."""
    trial = spec.trial
    cluster.check_cluster(where, spec)
    folder = runs if runs.is_dir() else runs.parent
    with _marked(folder) as mark:
        question = node_check.Question(
            mark,
            str(working_folder(spec.file, trial.cwd)),
            settings.fixed_program(spec),
            trial.env.get("PATH", ""),
            trial.python or "",
            str(Path(spec.file).resolve().parent),
            spec.devices.allow,
            trial.gpus != 0,
        )
        try:
            found = surveying.survey(where, msgspec.json.encode(question))
        except UnreachableError as error:
            raise settings.CannotRunError(str(error)) from error
    lines, warnings = [f"on Ray at {found.address}:"], []
    for node in found.nodes:
        many = _at_once(spec, node)
        lines.append(f"  {node.name}: {many} at once" if many else f"  {node.name}: none")
        if node.room["CPU"]:  # else it is not meant to run any
            warnings += [f"node {node.name}: {problem}" for problem in _problems(node, runs)]
    if not any(_at_once(spec, node) for node in found.nodes):
        raise settings.CannotRunError(
            f"no node has room for a trial: {'; '.join(warnings) or lines[-1]}"
        )
    return lines, warnings


@contextlib.contextmanager
def _marked(folder: Path) -> Iterator[str]:
    """The path of a file there, by which nodes know whether they see the folder."""
    mark = folder.absolute() / f".tuitune-{secrets.token_hex(8)}"
    try:
        mark.write_text("", encoding="utf-8")
    except OSError as error:
        raise settings.CannotRunError(f"{folder} can't be written: {error.strerror}") from error
    try:
        yield str(mark)
    finally:
        for left in mark.parent.glob(f"{mark.name}*"):
            left.unlink(missing_ok=True)


def _answer(node: protocol.Surveyee) -> node_check.Answer | None:
    return msgspec.json.decode(node.answer, type=node_check.Answer) if node.answer else None


def _at_once(spec: StudySpec, node: protocol.Surveyee) -> str:
    """How many trials run there at once, if nobody else has room there; "" for none."""
    answer, trial = _answer(node), spec.trial
    if answer is None or not node.room["CPU"]:
        return ""
    need = HostResources(trial.cpus, trial.memory or 0)
    machine = HostResources(node.room["CPU"], int(node.room["memory"]))
    many = most_at_once(machine, need, spec.search.concurrency)
    there = min(int(node.room["GPU"]), len(answer.gpus))
    if trial.gpus == "auto":
        return f"as many as measured on {gpus(there)}" if there and many else ""
    if trial.gpus or (trial.gpus is None and there):
        many = min(many, most_on_gpus(there, trial.gpus))
    return trial_count(many) if many else ""


def _problems(node: protocol.Surveyee, runs: Path) -> list[str]:
    answer = _answer(node)
    if answer is None:
        return [node.why]
    found = list(answer.problems)
    if answer.gpu_problem:
        found.append(answer.gpu_problem)
    if not answer.sees:
        where = f"it does not see {runs}, or can't write there"
        found.append(f"{where}: --storage keeps checkpoints for all nodes")
    return found


def _line(node: protocol.Surveyee) -> tuple[str, str]:
    """How it is, and one line."""
    answer = _answer(node)
    if answer is None:
        return "wrong", f"{node.name}: {node.why}"
    room, free = node.room, node.free
    words = [
        f"tuitune {answer.version}",
        f"{free['CPU']:g} of {room['CPU']:g} CPUs free" if room["CPU"] else "no CPU for trials",
        f"{size(free['memory'])} of memory free",
        _gpu_words(answer, room, free),
        "disk unknown" if answer.disk is None else f"{size(answer.disk)} of disk free",
        "sees this folder" if answer.sees else "does not see this folder",
    ]
    wrong = [answer.gpu_problem, *_other_version(answer), node.drains]
    if room["GPU"] > len(answer.gpus):
        wrong.append(f"{gpus(int(room['GPU']))} declared, and NVML shows {len(answer.gpus)}")
    notes = [f"held by {holder}" for holder in node.held if free["CPU"] < room["CPU"]]
    notes += _differing(answer.environment)
    wrong = [text for text in wrong if text]
    how = "wrong" if wrong else "note" if notes or not answer.sees else "ok"
    text = "; ".join([", ".join(filter(None, words)), *wrong, *notes])
    return how, f"{node.name}: {text}"


def _gpu_words(
    answer: node_check.Answer, room: Mapping[str, float], free: Mapping[str, float]
) -> str:
    if not room["GPU"] and not answer.gpus:
        return "no GPU"
    models = ", ".join(dict.fromkeys(answer.gpus))
    return f"{free['GPU']:g} of {gpus(int(room['GPU']))} free{f' ({models})' if models else ''}"


def _other_version(answer: node_check.Answer) -> list[str]:
    from importlib.metadata import version  # noqa: PLC0415 - slow

    here = version("tuitune")
    return [] if here == answer.version else [f"here is tuitune {here}: install the same there"]


def _differing(there: Mapping[str, str]) -> list[str]:
    """The variables that trials on a node have otherwise than this shell."""
    here = node_check.variables(os.environ)
    names = sorted(name for name in {*here, *there} if here.get(name) != there.get(name))
    if not names:
        return []
    shown = ", ".join(_shown(name, there.get(name)) for name in names)
    return [f"differs from this shell: {shown}"]


def _shown(name: str, value: str | None) -> str:
    if value is None:
        return f"{name} (unset there)"
    return f"{name}={value}" if len(value) <= _LONGEST else name
