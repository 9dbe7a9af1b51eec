"""The shape of the source: imports without circles, modules of a readable size, docstrings that say what is there."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import tuitune

ROOT = Path(tuitune.__file__).parent
LONGEST = 400  # lines of a module
DOCUMENTED = 0.95  # of the public functions and methods
IMPORTING = 0.063  # of all lines, at most


@cache
def modules() -> dict[str, ast.Module]:
    """Every module of the package, by its dotted name."""
    found = {}
    for file in sorted(ROOT.rglob("*.py")):
        parts = file.relative_to(ROOT.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(file.read_text(encoding="utf-8"))
    return found


def imports(name: str) -> Iterator[tuple[str, str]]:
    """Each import of the package's own by this module: (module, imported name or ""). Types included."""
    for node in ast.walk(modules()[name]):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield (full, "") if full in modules() else (node.module, alias.name)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, ""


def circles() -> list[list[str]]:
    """Groups of modules that import each other, directly or by way of others (Tarjan, SIAM J. Comput. 1972)."""
    known = modules()
    arrows = {name: sorted({m for m, _ in imports(name) if m in known} - {name}) for name in known}
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in arrows[name]:
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            group = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(group) > 1:
                found.append(sorted(group))

    for name in arrows:
        if name not in index:
            visit(name)
    return found


def public(tree: ast.Module) -> Iterator[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    """Public classes and functions of a module, and public methods of its public classes."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if node.name.startswith("_"):
                continue
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public(ast.Module(node.body, []))


def test_no_modules_import_each_other() -> None:
    assert circles() == []


def test_what_begins_with_an_underscore_stays_in_its_module() -> None:
    private = [
        f"{name}: {module}.{what}"
        for name in modules()
        for module, what in imports(name)
        if module.startswith("tuitune") and what.startswith("_") and not what.startswith("__")
    ]
    assert private == []


def test_modules_are_of_a_readable_size() -> None:
    long = {
        str(file.relative_to(ROOT)): lines
        for file in ROOT.rglob("*.py")
        if (lines := len(file.read_text(encoding="utf-8").splitlines())) > LONGEST
    }
    assert long == {}


def test_few_lines_are_imports() -> None:
    """A module of a package is imported in one line with its neighbours, and names are qualified."""
    statements = (
        node
        for tree in modules().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
    )
    lines = sum((node.end_lineno or node.lineno) - node.lineno + 1 for node in statements)
    files = ROOT.rglob("*.py")
    whole = sum(len(file.read_text(encoding="utf-8").splitlines()) for file in files)
    assert lines <= IMPORTING * whole


def test_module_docstrings_say_what_is_inside() -> None:
    asking = [
        name for name, tree in modules().items() if (ast.get_docstring(tree) or "").endswith("?")
    ]
    missing = [
        name for name, tree in modules().items() if tree.body and not ast.get_docstring(tree)
    ]
    assert (asking, missing) == ([], [])


def test_public_classes_have_docstrings() -> None:
    bare = [
        f"{name}.{node.name}"
        for name, tree in modules().items()
        for node in public(tree)
        if isinstance(node, ast.ClassDef) and not ast.get_docstring(node)
    ]
    assert bare == []


def test_public_functions_have_docstrings() -> None:
    functions = [
        (f"{name}.{node.name}", ast.get_docstring(node))
        for name, tree in modules().items()
        for node in public(tree)
        if not isinstance(node, ast.ClassDef) and not node.name.startswith("__")
    ]
    bare = [name for name, docstring in functions if not docstring]
    assert len(bare) <= (1 - DOCUMENTED) * len(functions), bare
