"""What one node of a cluster is like: a process there answers `doctor` and `check`."""

import contextlib
import importlib.metadata
import os
import secrets
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from tuitune.core.placement.visibility import NotAllowedError, allowed
from tuitune.engine.settings import missing_program
from tuitune.executors.local.interpreter import InterpreterError, ask_version
from tuitune.executors.remote import mark
from tuitune.studyfile.interpreter import find_interpreter
from tuitune.studyfile.problems import WrongValueError

PREFIXES = ("CUDA_", "HF_", "OMP_")  # of variables that change how trials run, beside PATH


class Question(msgspec.Struct, frozen=True):
    """What to look at. Texts are empty where a study doesn't name it."""

    mark: str  # a file that has just been written
    folder: str = ""  # where trials run
    program: str = ""  # the first word of a command
    search_path: str = ""  # the PATH that [trial] env sets
    python: str = ""  # the interpreter, as written
    home: str = ""  # the study file's folder
    allow: tuple[str | int, ...] = ()  # of [devices]
    looks_at_gpus: bool = True


class Answer(msgspec.Struct, frozen=True):
    """What was found."""

    version: str  # of tuitune
    sees: bool  # the file, and may write beside it
    disk: int | None  # bytes that are free there, or for temporary files where it is not seen
    gpus: tuple[str, ...]  # the models of those that may be used
    gpu_problem: str
    environment: Mapping[str, str]
    problems: tuple[str, ...]  # what a study needs and this node lacks


def main() -> None:
    """Answer the question that comes by standard input."""
    question = msgspec.json.decode(sys.stdin.buffer.read(), type=Question)
    sys.stdout.buffer.write(msgspec.json.encode(_look(question)))


def variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Those that change how trials run."""
    return {
        name: value
        for name, value in environment.items()
        if name == "PATH" or name.startswith(PREFIXES)
    }


def _look(question: Question) -> Answer:
    gpus, gpu_problem = _gpus(question) if question.looks_at_gpus else ((), "")
    sees = _sees(Path(question.mark))
    return Answer(
        importlib.metadata.version("tuitune"),
        sees,
        _free(Path(question.mark).parent if sees else Path("/tmp")),  # noqa: S108 - not shared
        gpus,
        gpu_problem,
        variables(os.environ),
        tuple(_problems(question)),
    )


def _sees(file: Path) -> bool:
    own = secrets.token_hex(4)
    seen = mark.answer(file.parent, file.name, own)
    with contextlib.suppress(OSError):
        file.with_name(f"{file.name}.{own}").unlink()
    return seen


def _free(folder: Path) -> int | None:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def _gpus(question: Question) -> tuple[tuple[str, ...], str]:
    from tuitune.devices.watchdog import look  # noqa: PLC0415 - it loads asyncio

    seen = look()
    try:
        found = allowed(seen.devices, os.environ, question.allow)
    except NotAllowedError as error:
        return (), str(error)
    ill = [f"GPU {gpu.index}: {gpu.trouble}" for gpu in found if gpu.trouble]
    if seen.problem and not seen.absent:
        ill.append(seen.problem)
    return tuple(gpu.name for gpu in found if not gpu.trouble), "; ".join(ill)


def _problems(question: Question) -> list[str]:
    """What of a study is not there."""
    found = []
    if question.folder and not Path(question.folder).is_dir():
        found.append(f"its folder {question.folder} is not there")
    elif question.program:
        found.append(missing_program(question.program, Path(question.folder), question.search_path))
    if question.python:
        try:
            ask_version(find_interpreter(question.python, Path(question.home)))
        except (WrongValueError, InterpreterError) as error:
            found.append(f'[trial] python = "{question.python}": {error}')
    return [problem for problem in found if problem]
