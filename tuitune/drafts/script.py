"""The syntax tree of a script and of the modules beside it, with the constants in them."""

import ast
import math
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from tuitune.core.space import is_number

_MOST_MODULES = 30  # beside the script, so that a large package is not read whole
_LARGEST = 2**62  # of a whole number that is worked out
_MOST_POWER = 64
_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Pow: operator.pow,
}
_Node = TypeVar("_Node", bound=ast.AST)


class DraftError(Exception):
    """No study file can be drafted; str() says why and what to do instead."""


@dataclass(frozen=True)
class Script:
    """A script that is read by its syntax tree and never imported.

    `modules` holds the script's own tree first, then those of the modules beside it that it
    imports.
    """

    path: Path
    modules: tuple[ast.Module, ...] = field(repr=False)

    @property
    def tree(self) -> ast.Module:
        """The script's own tree."""
        return self.modules[0]

    def find(self, kind: type[_Node]) -> Iterator[_Node]:
        """Nodes of a kind in all modules: the script's own first, in the order of their lines."""
        for nodes in self._nodes:
            yield from nodes.get(kind, ())

    @cached_property
    def _nodes(self) -> list[dict[type, list[Any]]]:
        """For each module, its nodes by kind, in the order of their lines."""
        found: list[dict[type, list[Any]]] = []
        for module in self.modules:
            by_kind: dict[type, list[Any]] = {}
            for node in ast.walk(module):
                by_kind.setdefault(type(node), []).append(node)
            for nodes in by_kind.values():
                nodes.sort(key=lambda node: getattr(node, "lineno", 0))
            found.append(by_kind)
        return found

    @cached_property
    def constants(self) -> dict[str, Any]:
        """Names that are bound to a literal at the top of a module; the script's own come last."""
        found: dict[str, Any] = {}
        for module in reversed(self.modules):
            for name, node in assignments(module.body):
                value = literal(node, found)
                if value is not None:
                    found[name] = value
        return found

    @cached_property
    def bound(self) -> dict[str, ast.expr]:
        """What each name is bound to at the top of a module; the script's own come last."""
        pairs = [pair for module in reversed(self.modules) for pair in assignments(module.body)]
        return dict(pairs)

    @cached_property
    def functions(self) -> dict[str, ast.FunctionDef]:
        """Functions at the top of the modules, by name."""
        return _by_name(self.modules, ast.FunctionDef)

    @cached_property
    def classes(self) -> dict[str, ast.ClassDef]:
        """Classes at the top of the modules, by name."""
        return _by_name(self.modules, ast.ClassDef)

    @cached_property
    def imported(self) -> frozenset[str]:
        """First names of the packages that the modules import."""
        names = [alias.name for node in self.find(ast.Import) for alias in node.names]
        names += [node.module or "" for node in self.find(ast.ImportFrom) if node.level == 0]
        return frozenset(name.partition(".")[0] for name in names)

    def literal(self, node: ast.AST | None) -> Any:
        """The value of a literal expression or a constant's name; None where it isn't known."""
        return literal(node, self.constants)

    def calls(self, *names: str) -> Iterator[ast.Call]:
        """Calls of functions by the last part of their name, as they stand in the code."""
        wanted = set(names)
        return (node for node in self.find(ast.Call) if called(node) in wanted)


def read_script(path: Path) -> Script:
    """Read a script and the modules beside it that it imports. Raises DraftError."""
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except SyntaxError as error:
        raise DraftError(f"{path}, line {error.lineno}: {error.msg}; is it Python?") from None
    except OSError as error:
        raise DraftError(f"{path} can't be read: {error.strerror}.") from None
    except (RecursionError, MemoryError):
        raise DraftError(f"{path} can't be read: it is nested too deeply.") from None
    except ValueError as error:
        raise DraftError(f"{path} can't be read: {error}.") from None
    modules = {path.absolute(): tree}
    waiting = [tree]
    while waiting and len(modules) < _MOST_MODULES:
        for file in _beside(waiting.pop(0), path.absolute().parent):
            if file not in modules and (module := _module(file)) is not None:
                modules[file] = module
                waiting.append(module)
    return Script(path, tuple(modules.values()))


def _beside(tree: ast.Module, folder: Path) -> Iterator[Path]:
    """Files in the script's folder that a module imports, whether they exist or not."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            dotted = [node.module or "", *(f"{node.module}.{a.name}" for a in node.names)]
        elif isinstance(node, ast.Import):
            dotted = [alias.name for alias in node.names]
        else:
            continue
        for name in dotted:
            if name and "\0" not in name:
                yield folder.joinpath(*name.split(".")).with_suffix(".py")


def _module(file: Path) -> ast.Module | None:
    try:
        return ast.parse(file.read_bytes(), str(file))
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None  # only the script itself must be readable


def _by_name(modules: tuple[ast.Module, ...], kind: type[_Node]) -> dict[str, _Node]:
    found: dict[str, _Node] = {}
    for module in modules:
        for node in statements(module.body):
            if isinstance(node, kind):
                found.setdefault(getattr(node, "name", ""), node)
    return found


def statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a block, and those in its if, try and with blocks."""
    for node in body:
        yield node
        if isinstance(node, ast.If | ast.Try | ast.With):
            inner = [*node.body]
            if not isinstance(node, ast.With):
                inner += node.orelse
            yield from statements(inner)


def assignments(body: list[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    """Each `name = value` of a block, with or without an annotation."""
    for node in body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target, value = node.targets[0], node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            target, value = node.target, node.value
        else:
            continue
        if isinstance(target, ast.Name):
            yield target.id, value


def called(node: ast.AST | None) -> str:
    """The last part of the name of what a call calls, else of a name; empty where it has none."""
    if isinstance(node, ast.Call):
        node = node.func
    if isinstance(node, ast.Subscript):
        node = node.value
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def dotted(node: ast.AST | None) -> str:
    """The name a.b.c of an expression; empty where it is not a name."""
    if isinstance(node, ast.Attribute):
        owner = dotted(node.value)
        return f"{owner}.{node.attr}" if owner else ""
    return node.id if isinstance(node, ast.Name) else ""


def keywords(call: ast.Call) -> dict[str, ast.expr]:
    """The arguments of a call that are given by name."""
    return {word.arg: word.value for word in call.keywords if word.arg}


def literal(node: ast.AST | None, constants: dict[str, Any]) -> Any:
    """The value of a literal, of a constant, or of arithmetic with them; None where unknown."""
    try:
        value = _value(node, constants)
    except (ValueError, TypeError, ArithmeticError, RecursionError):
        return None
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _value(node: ast.AST | None, constants: dict[str, Any]) -> Any:
    match node:
        case ast.Constant(value=value):
            return value if isinstance(value, bool | int | float | str) else None
        case ast.List() | ast.Tuple() | ast.Dict():
            return _collection(node, constants)
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=operand):
            return _value(operand, constants) * (-1 if isinstance(sign, ast.USub) else 1)
        case ast.BinOp(left=left, op=op, right=right):
            return _arithmetic(_value(left, constants), op, _value(right, constants))
        case ast.Call(args=[only], keywords=[]):
            return _converted(called(node), _value(only, constants))
    return constants.get(node.id) if isinstance(node, ast.Name) else None


def _collection(node: ast.List | ast.Tuple | ast.Dict, constants: dict[str, Any]) -> Any:
    """A list, also of a tuple, or a dictionary; None where an item of a list isn't known."""
    if isinstance(node, ast.Dict):
        names = [_value(key, constants) for key in node.keys]
        return dict(zip(names, [_value(v, constants) for v in node.values], strict=True))
    values = [_value(item, constants) for item in node.elts]
    return values if None not in values else None


def _converted(kind: str, value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        return None
    match kind:
        case "float":
            return float(value)
        case "int":
            return int(value) if abs(float(value)) < _LARGEST else None
        case "Path" | "str":
            return value if isinstance(value, str) else None
        case _:
            return None


def _arithmetic(left: Any, op: ast.operator, right: Any) -> Any:
    if not all(is_number(x) and abs(x) <= _LARGEST for x in (left, right)):
        return None
    if isinstance(op, ast.Pow) and abs(right) > _MOST_POWER:
        return None
    work = _OPERATORS.get(type(op))
    return None if work is None else work(left, right)
