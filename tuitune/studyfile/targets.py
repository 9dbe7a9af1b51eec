"""Checks of targets by the syntax tree of their file, without an import."""

import ast
import sys
from pathlib import Path

from tuitune.studyfile.hints import nearest
from tuitune.studyfile.problems import WrongValueError

PICKLE = ".pickle"  # a function that `tuitune.run` has stored, as it has no file


def _check_form(target: str) -> None:
    """Raises WrongValueError unless it is "file.py:function" or "package.module:function"."""
    module, colon, function = target.rpartition(":")
    if not colon and target.endswith(".py"):
        raise WrongValueError(f'names no function; write "{target}:train", say')
    if not colon:
        dotted, _, last = target.rpartition(".")
        example = f"{dotted.replace('.', '/')}.py:{last}" if dotted else f"train.py:{target}"
        raise WrongValueError(f'names no file; write "file.py:function", as in "{example}"')
    if not module or not function.isidentifier():
        raise WrongValueError('is not "file.py:function" or "package.module:function"; write one')
    if module.endswith((".py", PICKLE)):
        return
    if "/" in module:
        raise WrongValueError(f'names a file without its ending; write "{module}.py:{function}"')
    if not all(part.isidentifier() for part in module.split(".")):
        raise WrongValueError(f"{module} is neither a .py file nor a module's name; write one")


def check_target(target: str, folder: Path | None, arguments: int, *, here: bool = True) -> None:
    """Raises WrongValueError where the file, the function or its arguments are wrong.

    A file is searched in the study file's folder, a module there and on the import path. What needs
    an import to be known (star imports, compiled modules) is accepted. Without a folder only the
    form is checked. here: it runs in this interpreter; another one may have other modules, and
    read newer code.
    """
    _check_form(target)
    if folder is None:
        return
    module, _, function = target.rpartition(":")
    if module.endswith(PICKLE) and not _is_file(folder / module):
        raise WrongValueError(f"there is no file {folder / module}; run tuitune.run(...) again")
    file = None if module.endswith(PICKLE) else file_of(module, folder, here=here)
    if file is None:
        return
    try:
        tree = ast.parse(file.read_bytes(), str(file))
    except SyntaxError as wrong:
        if not here:
            return
        place = f"{file.name}, line {wrong.lineno}" if wrong.lineno else file.name
        raise WrongValueError(f"{place}: {wrong.msg}; correct it") from None
    except (OSError, ValueError) as wrong:
        raise WrongValueError(f"{file} can't be read: {wrong}; correct it") from None
    _check_function(tree, file.name, function, arguments)


def file_of(module: str, folder: Path, *, here: bool) -> Path | None:
    """The source of a target's file or module; None where unknown. Raises WrongValueError.

    here: a module may also be one that this interpreter can import.
    """
    if module.endswith(".py"):
        file = folder / module
        if _is_file(file):
            return file
        files = sorted(path.name for path in folder.glob("*.py"))
        near = nearest(module, files)
        mend = f"did you mean {near}?" if near else "name one next to the study file"
        raise WrongValueError(f"there is no file {file}; {mend}")
    stem = folder.joinpath(*module.split("."))
    for file in (stem.with_name(stem.name + ".py"), stem / "__init__.py"):
        if _is_file(file):
            return file
    return _importable(module) if here else None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # the name is too long, or access is denied
        return False


def _importable(module: str) -> Path | None:
    """The file of a module, without running any package's code; None where unknown."""
    path: list[str] | None = None
    spec = None
    name = ""
    for part in module.split("."):
        name = f"{name}.{part}" if name else part
        try:
            specs = (finder.find_spec(name, path) for finder in sys.meta_path)
            spec = next((found for found in specs if found is not None), None)
            path = None if spec is None else list(spec.submodule_search_locations or [])
        except (ImportError, KeyError, AttributeError, ValueError):
            return None  # a namespace package, or a finder that would have to import
        if spec is None:
            raise WrongValueError(
                f"there is no module {name}, neither next to the study file nor installed; "
                'write the file instead, as in "train.py:function"'
            )
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    return Path(spec.origin)


def _check_function(tree: ast.Module, file: str, name: str, arguments: int) -> None:
    bound, open_ended = _bound(tree.body)
    if name in bound:
        _check_call(bound[name], file, name, arguments)
    elif not open_ended:
        functions = [n for n, node in bound.items() if isinstance(node, ast.FunctionDef)]
        near = nearest(name, bound)
        mend = f"did you mean {near}?" if near else f"there are: {', '.join(functions) or 'none'}"
        raise WrongValueError(f"{file} has no function {name}; {mend}")


def _check_call(node: ast.AST, file: str, name: str, arguments: int) -> None:
    if isinstance(node, ast.AsyncFunctionDef):
        raise WrongValueError(f"{name} in {file} is async; write it as a plain function")
    if not isinstance(node, ast.FunctionDef) or node.decorator_list:
        return
    entry = node.args
    places = len(entry.posonlyargs) + len(entry.args)
    needed = places - len(entry.defaults)
    named = [a.arg for a, d in zip(entry.kwonlyargs, entry.kw_defaults, strict=True) if d is None]
    if needed > arguments or (places < arguments and entry.vararg is None) or named:
        wanted = "the trial" if arguments == 1 else "a random.Random and the configuration"
        example = "trial" if arguments == 1 else "random, configuration"
        raise WrongValueError(
            f"{name} in {file} can't be called with {wanted} alone; write def {name}({example})"
        )


def _bound(body: list[ast.stmt]) -> tuple[dict[str, ast.AST], bool]:
    """The names that the code binds at module level, and whether it may bind more."""
    bound: dict[str, ast.AST] = {}
    open_ended = False
    for node in body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                bound[node.name] = node
                open_ended |= node.name == "__getattr__"
            case ast.Import() | ast.ImportFrom():
                names = [alias.asname or alias.name.partition(".")[0] for alias in node.names]
                bound |= dict.fromkeys(names, node)
                open_ended |= "*" in names
            case ast.Assign() | ast.AnnAssign():
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                names = [n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)]
                bound |= dict.fromkeys(names, node)
            case _:
                inner, more = _bound(_blocks(node))
                bound |= inner
                open_ended |= more
    return bound, open_ended


def _blocks(node: ast.stmt) -> list[ast.stmt]:
    """The statements in an if, try, with or loop, which bind in the same scope."""
    inner: list[ast.stmt] = []
    for part in ("body", "orelse", "finalbody"):
        inner += getattr(node, part, [])
    for handler in getattr(node, "handlers", []):
        inner += handler.body
    return inner
