"""Options that are constants at the top of a script."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tuitune.drafts.names import known
from tuitune.drafts.option import VALUE, Option, Reading, guessed_kind, kind_of, python
from tuitune.drafts.script import Script, assignments, called, read_script

CONFIGURATOR = "a configurator"
_RUNNER = ("python", "-m", "tuitune.integrations.constants")


def read_configurator(script: Script) -> Reading | None:
    """Constants that a script replaces by its arguments --name=value, as nanoGPT does."""
    for node in script.tree.body:
        if _is_configurator(node):
            before = [part for part in script.tree.body if part.lineno < node.lineno]
            options = tuple(_options(script, before, "--"))
            return Reading(source=CONFIGURATOR, command=python(script), options=options)
    return None


def _is_configurator(node: ast.stmt) -> bool:
    """Whether the script executes configurator.py, or any other file, at its top."""
    call = node.value if isinstance(node, ast.Expr) else None
    if not isinstance(call, ast.Call) or called(call) != "exec":
        return False
    return any(called(part) in ("open", "read_text") for part in ast.walk(call))


def with_files(options: Sequence[Option], folder: Path, arguments: Sequence[str]) -> list[Option]:
    """The options with the defaults of the configuration files among the arguments."""
    values: dict[str, Any] = {}
    for word in arguments:
        file = folder / word
        if word.endswith(".py") and not word.startswith("-") and file.is_file():
            values |= read_script(file).constants
    return [
        replace(option, default=values[option.said], origin="its configuration")
        if kind_of(values.get(option.said)) == option.kind
        else option
        for option in options
    ]


def read_constants(script: Script) -> Reading | None:
    """Constants of a script that takes no arguments, of which at least one is well known."""
    options = tuple(_options(script, script.tree.body, ""))
    if not any(known(o.name, script.imported, o.default) for o in options):
        return None
    name = script.path.name
    return Reading(
        source="constants",
        command=(*_RUNNER, *python(script)[1:]),
        options=options,
        notes=(
            f"{name} takes no arguments. tuitune.integrations.constants runs it with other values",
            "for the constants at its top, and leaves the file as it is.",
        ),
    )


def _options(script: Script, body: list[ast.stmt], prefix: str) -> Iterator[Option]:
    seen = set()
    for name, node in assignments(body):
        default = script.literal(node) if name not in seen else None
        seen.add(name)
        if not kind_of(default):
            continue
        yield Option(
            name=name,
            words=(f"{prefix}{name}={VALUE}",),
            kind=kind_of(default) if prefix else guessed_kind(default),
            default=default,
            boolean="!py",
            said=name,
        )
