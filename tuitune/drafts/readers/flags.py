"""Options of absl: its DEFINE calls, and configurations of ml_collections."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tuitune.drafts.option import VALUE, Option, Reading, kind_of, python, unique
from tuitune.drafts.script import Script, called, dotted, keywords, read_script

_KINDS = {"float": "float", "integer": "int", "string": "str", "boolean": "bool", "bool": "bool"}


def read_absl(script: Script) -> Reading | None:
    """The flags that a script defines with absl, or with its wrapper in TensorFlow."""
    found: list[Option] = []
    needed = _required(script)
    config: tuple[str, ...] = ()
    for call in script.find(ast.Call):
        name = called(call)
        if name == "DEFINE_config_file":
            file = script.literal(call.args[1] if len(call.args) > 1 else None)
            flag = script.literal(call.args[0]) if call.args else None
            if isinstance(flag, str) and isinstance(file, str):
                config = (f"--{flag}={file}",)
                found += _configuration(script.path.parent / file, flag)
        elif name.startswith("DEFINE_") and call.args:
            option = _flag(script, call, name.removeprefix("DEFINE_"), needed)
            found += [option] if option else []
    if not found:
        return None
    return Reading(source="absl", command=python(script, *config), options=unique(found))


def _required(script: Script) -> set[str]:
    calls = script.calls("mark_flag_as_required", "mark_flags_as_required")
    values = [script.literal(call.args[0]) for call in calls if call.args]
    return {name for value in values for name in (value if isinstance(value, list) else [value])}


def _flag(script: Script, call: ast.Call, form: str, needed: set[str]) -> Option | None:
    given = keywords(call)
    name = script.literal(call.args[0])
    if not isinstance(name, str):
        return None
    default = script.literal(call.args[1] if len(call.args) > 1 else given.get("default"))
    choices: Any = ()
    if form == "enum":
        choices = script.literal(call.args[2] if len(call.args) > 2 else given.get("enum_values"))
    several = form in ("list", "spaceseplist", "sequence") or form.startswith("multi")
    return Option(
        name=name,
        words=(f"--{name}={VALUE}",),
        kind=_KINDS.get(form, ""),
        default=default,
        choices=tuple(choices) if isinstance(choices, list) else (),
        needed=name in needed or script.literal(given.get("required")) is True,
        count=0 if several else 1,
    )


def _configuration(file: Path, flag: str) -> Iterator[Option]:
    """The entries of a configuration that get_config of a file makes."""
    if not file.is_file():
        return
    config = read_script(file)
    for node in ast.walk(config.tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute):
            path = dotted(node.targets[0]).partition(".")[2]
            yield from _entry(config, f"{flag}.{path}", node.value)
        elif isinstance(node, ast.Return) and node.value is not None:
            yield from _entry(config, flag, node.value)


def _entry(config: Script, path: str, node: ast.expr) -> Iterator[Option]:
    """One entry; those within a ConfigDict(...) or a dict(...)."""
    if isinstance(node, ast.Call) and called(node) in ("ConfigDict", "dict"):
        for name, value in keywords(node).items():
            yield from _entry(config, f"{path}.{name}", value)
        for value in node.args:
            yield from _entry(config, path, value)
        return
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(config.literal(key), str):
                yield from _entry(config, f"{path}.{config.literal(key)}", value)
        return
    default = config.literal(node)
    if kind_of(default):
        name = path.partition(".")[2]
        words = (f"--{path}={VALUE}",)
        yield Option(name=name, words=words, kind=kind_of(default), default=default)
