"""Where a training program chooses its GPU by itself, read from its source."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tuitune.core.spec import StudySpec
from tuitune.studyfile.problems import WrongValueError
from tuitune.studyfile.targets import file_of
from tuitune.studyfile.trial import working_folder

_VARIABLE = "CUDA_VISIBLE_DEVICES"
_IN_SHELL = re.compile(rf"^\s*(export\s+)?{_VARIABLE}=".encode())


def chosen_gpus(spec: StudySpec) -> list[tuple[Path, int]]:
    """The files and lines that set CUDA_VISIBLE_DEVICES, in place of the GPUs of the trial.

    Only the target's own file, or the scripts that the command names, are read; what can't be read
    is passed over.
    """
    found = []
    for file in _sources(spec):
        try:
            text = file.read_bytes()  # of whatever encoding
            lines = _in_python(ast.parse(text)) if file.suffix == ".py" else _in_shell(text)
            found += [(file, line) for line in sorted(lines)]
        except (OSError, ValueError, SyntaxError):
            continue
    return found


def first_line(spec: StudySpec) -> str:
    """The first of these lines, as "train.py:7"; empty where there is none."""
    found = chosen_gpus(spec)
    return f"{found[0][0].name}:{found[0][1]}" if found else ""


def _sources(spec: StudySpec) -> list[Path]:
    if spec.trial.target is None:
        folder = working_folder(spec.file, spec.trial.cwd)
        words = [word for word in spec.trial.command or () if isinstance(word, str)]
        return [folder / word for word in words if word.endswith((".py", ".sh"))]
    try:
        file = file_of(spec.trial.target.rpartition(":")[0], Path(spec.file).parent, here=False)
    except WrongValueError:
        return []
    return [] if file is None else [file]


def _in_shell(text: bytes) -> Iterator[int]:
    return (n for n, line in enumerate(text.splitlines(), 1) if _IN_SHELL.match(line))


def _in_python(node: ast.AST) -> Iterator[int]:
    """Lines that set it, but for those that do so only where it is not set."""
    match node:
        case ast.If(
            test=ast.Compare(left=ast.Constant(value="CUDA_VISIBLE_DEVICES"), ops=[ast.NotIn()])
        ):
            return
        case ast.Assign(
            targets=[ast.Subscript(value=where, slice=ast.Constant(value="CUDA_VISIBLE_DEVICES"))]
        ):
            if _is_environment(where):
                yield node.lineno
        case ast.Call(
            func=ast.Attribute(attr="putenv"), args=[ast.Constant(value="CUDA_VISIBLE_DEVICES"), _]
        ):
            yield node.lineno
        case ast.Call(func=ast.Attribute(value=where, attr="update")):
            if _is_environment(where) and _names_it(node):
                yield node.lineno
    for child in ast.iter_child_nodes(node):
        yield from _in_python(child)


def _is_environment(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute | ast.Name) and ast.unparse(node).endswith("environ")


def _names_it(call: ast.Call) -> bool:
    keys = [key for word in call.args if isinstance(word, ast.Dict) for key in word.keys]
    is_key = any(isinstance(key, ast.Constant) and key.value == _VARIABLE for key in keys)
    return is_key or any(word.arg == _VARIABLE for word in call.keywords)
