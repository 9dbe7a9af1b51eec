"""Options of argparse, and of parsers with the same methods: add_argument calls."""

import ast
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tuitune.drafts.option import VALUE, Option, Reading, guessed_kind, kind_of, python, unique
from tuitune.drafts.script import Script, called, dotted, keywords

_BOOLEAN_TYPES = [
    *("str2bool", "string_to_bool", "strtobool", "str_to_bool", "boolean", "bool_"),
    *("parse_bool", "bool_arg", "bool_flag", "boolean_string", "to_bool"),
    *("str_bool", "true_or_false"),
]
_MAIN = ""  # in place of a subcommand's name: options of the parser that has the subcommands
_TRAINING = ("train", "fit", "training", "run", "finetune", "pretrain")


def read_argparse(script: Script) -> Reading | None:
    """The add_argument calls of a script and of the modules beside it that it imports."""
    calls = list(script.calls("add_argument"))
    if not calls:
        return None
    command, owners = _subcommand(script)
    defaults = _set_defaults(script)
    found = []
    for call in calls:
        owner = dotted(call.func.value) if isinstance(call.func, ast.Attribute) else ""
        if owners.get(owner, command) not in (command, _MAIN):
            continue  # of another subcommand
        option = _option(script, call, defaults)
        if option is not None:
            found.append(replace(option, is_main=owners.get(owner) == _MAIN))
    return Reading(
        source="argparse",
        command=python(script),
        subcommand=(command,) if command else (),
        options=unique(found),
    )


def _subcommand(script: Script) -> tuple[str, dict[str, str]]:
    """The subcommand that trains, and the subcommand of each variable that holds a parser."""
    owners: dict[str, str] = {
        dotted(call.func.value): _MAIN
        for call in script.calls("add_subparsers")
        if isinstance(call.func, ast.Attribute)
    }
    for node in script.find(ast.Assign):
        call = node.value
        if isinstance(call, ast.Call) and called(call) == "add_parser" and call.args:
            name = script.literal(call.args[0])
            if isinstance(name, str):
                owners |= {dotted(target): name for target in node.targets}
    changed = True
    while changed:  # groups of arguments belong to their parser
        changed = False
        for node in script.find(ast.Assign):
            call = node.value
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
                continue
            if call.func.attr not in ("add_argument_group", "add_mutually_exclusive_group"):
                continue
            owner = owners.get(dotted(call.func.value))
            if owner is not None and dotted(node.targets[0]) not in owners:
                owners[dotted(node.targets[0])] = owner
                changed = True
    names = [name for name in owners.values() if name != _MAIN]
    return next((n for n in _TRAINING if n in names), names[0] if names else ""), owners


def _set_defaults(script: Script) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for call in script.calls("set_defaults"):
        values |= {name: script.literal(node) for name, node in keywords(call).items()}
    return values


def _option(script: Script, call: ast.Call, defaults: dict[str, Any]) -> Option | None:
    flags = [script.literal(node) for node in call.args]
    flags = [flag for flag in flags if isinstance(flag, str) and flag]
    if not flags or len(flags) < len(call.args):
        return None
    flag = next((flag for flag in flags if flag.startswith("--")), flags[0])
    given = keywords(call)
    action = _action(script, given.get("action"))
    if action in ("help", "version"):
        return None
    bare = flag.lstrip("-").replace("-", "_")
    name = str(script.literal(given.get("dest")) or bare)
    default = defaults.get(name, script.literal(given.get("default")))
    nargs = script.literal(given.get("nargs"))
    positional = not flag.startswith("-")
    choices = _choices(script, given.get("choices"))
    kind, boolean = _kind(given.get("type"), default)
    several = "nargs" in given and nargs not in ("?", 1)
    option = Option(
        name=name,
        words=(VALUE,) if positional else (flag, VALUE),
        kind=kind,
        default=default,
        choices=choices,
        needed=script.literal(given.get("required")) is True
        or (positional and nargs not in ("?", "*") and default is None),
        boolean=boolean,
        count=(nargs if isinstance(nargs, int) else 0) if several else 1,
        said=flag,
        aliases=tuple(flags),
    )
    return _with_action(option, action, flag)


def _with_action(option: Option, action: str, flag: str) -> Option:
    switches = {
        "store_true": (flag, ""),
        "store_false": ("", flag),
        "optional": (flag, "--no-" + flag.removeprefix("--")),
    }
    if action == "optional" and flag.startswith("--no-"):
        return replace(option, kind="", count=0)  # argparse reads both of its words as false
    if action in switches:
        return replace(option, kind="bool", switch=switches[action])
    if action != "store":  # it counts, appends or calls
        return replace(option, kind="", count=0)
    return option


def _action(script: Script, node: ast.expr | None) -> str:
    if node is None:
        return "store"
    value = script.literal(node)
    if isinstance(value, str):
        return value
    return "optional" if called(node) == "BooleanOptionalAction" else "other"


def _choices(script: Script, node: ast.expr | None) -> tuple[Any, ...]:
    if (
        isinstance(node, ast.Call)
        and called(node) == "keys"
        and isinstance(node.func, ast.Attribute)
    ):
        node = node.func.value
    if isinstance(node, ast.Call) and called(node) in ("list", "sorted", "tuple") and node.args:
        return _choices(script, node.args[0])
    value = script.literal(node)
    return tuple(value) if isinstance(value, list | dict) else ()


def _kind(node: ast.expr | None, default: Any) -> tuple[str, str]:
    """The kind of an option's value, and the spelling of a boolean one."""
    name = called(node)
    if name in _BOOLEAN_TYPES or (isinstance(node, ast.Lambda) and _is_boolean(node)):
        return "bool", ""
    if name in ("eval", "literal_eval"):
        return kind_of(default), "!py"
    if name == "bool":
        return "", ""  # bool("False") is True: no word stands for false
    if node is None:
        return ("" if isinstance(default, bool) else guessed_kind(default)), ""
    if name in ("int", "float", "str"):
        return name, ""
    numbers = {"positive_int": "int", "nonneg_int": "int", "positive_float": "float"}
    return numbers.get(name, kind_of(default) if not isinstance(default, bool) else ""), ""


def _is_boolean(node: ast.Lambda) -> bool:
    names: Iterator[str] = (called(part) for part in ast.walk(node))
    return any(name in (*_BOOLEAN_TYPES, "lower") for name in names)
