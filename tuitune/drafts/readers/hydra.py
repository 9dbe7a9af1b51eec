"""Options of hydra: the configuration files beside a script, or its dataclasses."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tuitune.drafts.option import VALUE, Option, Reading, guessed_kind, python
from tuitune.drafts.readers.annotations import fields, flat
from tuitune.drafts.script import Script, called, dotted, keywords
from tuitune.drafts.yaml_files import number, read_yaml

_FOLDER = "hydra.run.dir={trial.folder}"
_DEEPEST = 8  # configurations within others


def read_hydra(script: Script) -> Reading | None:
    """The configuration that @hydra.main names."""
    if "hydra" not in script.imported:
        return None
    for function in script.find(ast.FunctionDef):
        for node in function.decorator_list:
            if isinstance(node, ast.Call) and dotted(node.func) in ("hydra.main", "main"):
                given = keywords(node)
                options = _options(script, given)
                return Reading(
                    source="hydra",
                    command=python(script),
                    options=tuple(options),
                    folder=(_FOLDER,),
                )
    return None


def _options(script: Script, given: dict[str, ast.expr]) -> Iterator[Option]:
    folder = script.literal(given.get("config_path"))
    name = script.literal(given.get("config_name"))
    if not isinstance(name, str):
        return
    place = script.path.parent / (folder if isinstance(folder, str) else ".")
    file = place / (name if name.endswith(".yaml") else f"{name}.yaml")
    if file.is_file():
        yield from _entries(_composed(place, file, 0), "")
        return
    stored = _stored(script).get(name)
    if stored in script.classes:
        yield from _structured(script, script.classes[stored])


def _composed(place: Path, file: Path, depth: int) -> dict[str, Any]:
    """A configuration together with those in its list of defaults."""
    content = read_yaml(file)
    if not isinstance(content, dict):
        return {}
    whole: dict[str, Any] = {}
    included = content.pop("defaults", None)
    for item in included if isinstance(included, list) else []:
        for group, chosen in item.items() if isinstance(item, dict) else [("", item)]:
            path = str(group).removeprefix("optional ")
            if path.startswith(("override ", "hydra/")):
                continue
            if not isinstance(chosen, str) or chosen == "_self_" or depth >= _DEEPEST:
                continue
            path, _, package = path.partition("@")
            other = place / path / f"{chosen.removesuffix('.yaml')}.yaml"
            if other.is_file():
                inner = _composed(place, other, depth + 1)
                whole = _merged(whole, _placed(inner, other, package or path))
    return _merged(whole, content)


def _placed(content: dict[str, Any], file: Path, package: str) -> dict[str, Any]:
    """A configuration of a group, under the group's name."""
    head = file.read_text(encoding="utf-8", errors="replace").lstrip()[:200]
    named = re.match(r"#\s*@package\s+(\S+)", head)
    if named and named[1] != "_group_":
        package = "" if named[1] == "_global_" else named[1]
    for part in reversed([p for p in re.split(r"[/.]", package) if p and p != "_global_"]):
        content = {part: content}
    return content


def _merged(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    whole = dict(first)
    for key, value in second.items():
        old = whole.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            whole[key] = _merged(old, value)
        else:
            whole[key] = value
    return whole


def _entries(content: dict[str, Any], prefix: str) -> Iterator[Option]:
    for key, value in content.items():
        if prefix + str(key) in ("hydra", "wandb", "logger"):
            continue
        if isinstance(value, dict):
            yield from _entries(value, f"{prefix}{key}.")
            continue
        default = number(value)
        if isinstance(default, str) and "${" in default:
            continue  # it follows from others
        needed = default == "???"
        yield _option(
            prefix + str(key), None if needed else default, guessed_kind(default), needed=needed
        )


def _option(path: str, default: Any, kind: str, *, needed: bool) -> Option:
    return Option(
        name=path,
        words=(f"{path}={VALUE}",),
        kind="" if needed else kind,
        default=default,
        needed=needed,
        count=0 if isinstance(default, list) else 1,
    )


def _stored(script: Script) -> dict[str, str]:
    """The dataclass of each name in hydra's ConfigStore."""
    found = {}
    for call in script.calls("store"):
        given = dict(zip(("name", "node", "group"), call.args, strict=False)) | keywords(call)
        name = script.literal(given.get("name"))
        if isinstance(name, str) and "group" not in given:
            found[name] = called(given.get("node"))
    return found


def _structured(script: Script, node: ast.ClassDef) -> Iterator[Option]:
    for entry in flat(script, fields(script, node)):
        missing = entry.needed or called(entry.value) == "MISSING"
        yield _option(entry.name, entry.default, entry.kind, needed=missing)
