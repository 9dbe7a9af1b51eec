"""Which arguments does a script's argparse take?"""

from __future__ import annotations

import ast
import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Argument:
    """One add_argument call, as far as it is written out."""

    flag: str  # "--batch-size"; the bare name of a positional one
    name: str  # "batch_size"
    kind: str | None  # "float", "int", "str", …: the name of its type
    default: Any
    choices: tuple[Any, ...]
    action: str  # "store", "store_true", "store_false", "optional" (--x and --no-x), or another
    needed: bool
    bare: bool  # positional: its value stands without a flag
    several: bool  # takes more than one value


def read_arguments(tree: ast.Module) -> list[Argument]:
    """Read every add_argument call of a module, in the order of its lines."""
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "add_argument"
    ]
    calls.sort(key=lambda call: (call.lineno, call.col_offset))
    read = [_argument(call) for call in calls]
    return list({argument.name: argument for argument in read if argument}.values())


def _argument(call: ast.Call) -> Argument | None:
    flags = [flag for flag in map(_literal, call.args) if isinstance(flag, str) and flag]
    if not flags or len(flags) < len(call.args):
        return None
    flag = next((flag for flag in flags if flag.startswith("--")), flags[0])
    said = {word.arg: word.value for word in call.keywords if word.arg}
    action = _action(said.get("action"))
    if action in ("help", "version"):
        return None
    positional = not flag.startswith("-")
    default = _literal(said.get("default"))
    nargs = _literal(said.get("nargs"))
    bare = flag.lstrip("-").replace("-", "_")
    # What --no-bias sets is called bias, but true is said of the flag.
    name = bare if action == "store_false" else _literal(said.get("dest")) or bare
    choices = _literal(said.get("choices"))
    return Argument(
        flag=flag,
        name=str(name),
        kind=_name(said.get("type")),
        default=default,
        choices=tuple(choices) if isinstance(choices, list | tuple) else (),
        action=action,
        needed=_literal(said.get("required")) is True or (positional and nargs not in ("?", "*")),
        bare=positional,
        several="nargs" in said and nargs != "?",
    )


def _action(node: ast.expr | None) -> str:
    if node is None:
        return "store"
    value = _literal(node)
    if isinstance(value, str):
        return value
    return "optional" if _name(node) == "BooleanOptionalAction" else "other"


def _name(node: ast.expr | None) -> str | None:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None


def _literal(node: ast.expr | None) -> Any:
    if node is None:
        return None
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    is_number = isinstance(value, float)
    return None if is_number and not math.isfinite(value) else value
