"""A script that takes no arguments, run with other values for the constants at its top."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from types import ModuleType
from typing import Any


def main() -> None:
    """Run `SCRIPT NAME=VALUE …`. The file stays as it is; each constant is changed where it is set.

    Values are Python literals, or else text. Processes that the script spawns, rather than forks,
    import the file itself and see its own constants.
    """
    if len(sys.argv) < 2:
        sys.exit("usage: python -m tuitune.integrations.constants SCRIPT NAME=VALUE ...")
    path, words = Path(sys.argv[1]), sys.argv[2:]
    values = dict(_parsed(word) for word in words)
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except (OSError, SyntaxError) as error:
        sys.exit(f"{path} can't be read: {error}")
    for name in values.keys() - _replaced(tree, values):
        sys.exit(f"{path} has no constant {name} at its top; take {name} out of the command")
    module = ModuleType("__main__")
    module.__dict__.update(__file__=str(path), __builtins__=__builtins__)
    sys.modules["__main__"] = module  # where pickle looks for the script's classes
    sys.argv = [str(path)]
    sys.path[0] = str(path.absolute().parent)
    exec(compile(tree, str(path), "exec"), module.__dict__)  # noqa: S102 - the user's own script


def _parsed(word: str) -> tuple[str, Any]:
    name, equals, text = word.partition("=")
    if not equals:
        sys.exit(f"{word} is not of the form NAME=VALUE")
    try:
        return name, ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return name, text


def _replaced(tree: ast.Module, values: dict[str, Any]) -> set[str]:
    """Put the values in place of those that the module's first assignments have."""
    done: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            target = node.target
        else:
            continue
        if isinstance(target, ast.Name) and target.id in values.keys() - done:
            done.add(target.id)
            value = ast.parse(repr(values[target.id]), mode="eval").body
            for part in ast.walk(value):
                ast.copy_location(part, node)
            node.value = value
    return done


if __name__ == "__main__":
    main()
