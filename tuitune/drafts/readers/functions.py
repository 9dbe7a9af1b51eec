"""Options of functions: the decorators of click, the parameters that typer and fire read."""

import ast
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tuitune.drafts.option import VALUE, Option, Reading, kind_of, python, unique
from tuitune.drafts.readers.annotations import Entry, option_of, parameters
from tuitune.drafts.script import Script, called, keywords

_TRAINING = ("train", "fit", "main", "training", "run", "finetune", "pretrain")
_NUMBERS = {"INT": "int", "FLOAT": "float", "IntRange": "int", "FloatRange": "float"}


def read_click(script: Script) -> Reading | None:
    """The function that has most click options, among several commands the one that trains."""
    if not script.imported & {"click", "rich_click"}:
        return None
    commands = [f for f in script.functions.values() if _decorators(script, f, ("command",))]
    if not commands:
        return None
    function = _training(commands)
    decorator = _decorators(script, function, ("command",))[0]
    grouped = isinstance(decorator.func, ast.Attribute) and called(decorator.func.value) != "click"
    added = script.calls("add_command")
    grouped |= any(called(node) == function.name for call in added for node in call.args)
    words = (_command_name(script, decorator, function.name),) if grouped else ()
    found = [
        _click_option(script, call)
        for call in _decorators(script, function, ("option", "argument"))
    ]
    return Reading(
        source="click",
        beside=tuple(other for other in commands if other is not function),
        command=python(script, *words),
        options=unique([option for option in found if option is not None]),
    )


def _decorators(script: Script, function: ast.FunctionDef, names: Sequence[str]) -> list[ast.Call]:
    """The decorators of these names, as calls: @click.command has none of its own.

    A decorator may be the name of an option: lr_option = click.option("--lr").
    """
    found = []
    for decorator in function.decorator_list:
        node = script.bound.get(called(decorator), decorator)
        call = node if isinstance(node, ast.Call) else ast.Call(node, [], [])
        if called(call) in names:
            found.append(call)
    return found


def _training(functions: list[ast.FunctionDef]) -> ast.FunctionDef:
    named = [f for name in _TRAINING for f in functions if f.name == name]
    named += [f for f in functions if "train" in f.name]
    return (named or functions)[0]


def _command_name(script: Script, decorator: ast.Call, function: str) -> str:
    given = keywords(decorator).get("name") or (decorator.args[0] if decorator.args else None)
    name = script.literal(given)
    if isinstance(name, str):
        return name
    for ending in ("_command", "_cmd", "_group", "_grp"):
        function = function.removesuffix(ending)
    return function.lower().replace("_", "-")


def _click_option(script: Script, call: ast.Call) -> Option | None:
    given = keywords(call)
    texts = [t for t in map(script.literal, call.args) if isinstance(t, str)]
    flags = [t for t in texts if t.startswith("-")]
    default = script.literal(given.get("default"))
    kind, choices = _click_type(script, given.get("type"), default)
    if called(call) == "argument":
        needed = default is None and script.literal(given.get("required")) is not False
        name = texts[0] if texts else "argument"
        count = 1 if "nargs" not in given else 0
        return Option(
            name=name.lower(), words=(VALUE,), kind=kind, default=default,
            choices=choices, needed=needed, count=count, said=name,
        )  # fmt: skip
    if not flags:
        return None
    flag = next((f for f in flags if f.startswith("--")), flags[0])
    flag, _, off = (part.strip() for part in flag.partition("/"))
    name = next((t for t in texts if not t.startswith("-")), flag.lstrip("-"))
    is_flag = script.literal(given.get("is_flag")) is True or bool(off)
    several = script.literal(given.get("multiple")) is True or script.literal(given.get("count"))
    nargs = script.literal(given.get("nargs"))
    return Option(
        name=name.lower(),
        words=(flag, VALUE),
        kind="bool" if is_flag else kind,
        default=default,
        choices=choices,
        needed=script.literal(given.get("required")) is True and "default" not in given,
        switch=(flag, off) if is_flag else None,
        count=0 if several else nargs if isinstance(nargs, int) else 1,
        said=flag,
        aliases=tuple(flags),
    )


def _click_type(script: Script, node: ast.expr | None, default: Any) -> tuple[str, tuple[Any, ...]]:
    name = called(node)
    if name == "Choice" and isinstance(node, ast.Call) and node.args:
        values = script.literal(node.args[0])
        return "str", tuple(values) if isinstance(values, list) else ()
    if name in ("int", "float", "str", "bool"):
        return name, ()
    return _NUMBERS.get(name, kind_of(default) if node is None else ""), ()


def read_typer(script: Script) -> Reading | None:
    """The parameters of the function that typer runs."""
    if "typer" not in script.imported:
        return None
    commands = [f for f in script.functions.values() if _decorators(script, f, ("command",))]
    callbacks = [f for f in script.functions.values() if _decorators(script, f, ("callback",))]
    words: tuple[str, ...] = ()
    for call in script.calls("run"):
        name = called(call.args[0]) if call.args else ""
        if name in script.functions and not commands:
            commands = [script.functions[name]]
    if not commands:
        return None
    function = _training(commands)
    if len(commands) > 1 or callbacks:
        decorator = _decorators(script, function, ("command",))[0]
        words = (_command_name(script, decorator, function.name),)
    return Reading(
        source="typer",
        beside=tuple(other for other in commands if other is not function),
        command=python(script, *words),
        options=unique([_typer_option(script, entry) for entry in parameters(script, function)]),
    )


def _typer_option(script: Script, entry: Entry) -> Option:
    declared = [entry.value, *entry.marks]
    calls = [node for node in declared if isinstance(node, ast.Call)]
    option = next((c for c in calls if called(c) == "Option"), None)
    argument = next((c for c in calls if called(c) == "Argument"), None)
    skipped = 1 if option is not None and option is entry.value else 0
    flags = [script.literal(node) for node in (option.args[skipped:] if option else [])]
    flags = [flag for flag in flags if isinstance(flag, str)]
    flag = next((f for f in flags if f.startswith("--")), f"--{entry.name.replace('_', '-')}")
    flag, slash, off = flag.partition("/")
    is_argument = argument is not None or (option is None and entry.needed)
    switch = None
    if entry.kind == "bool" and not is_argument:
        off = off if slash or flags else "--no-" + flag.removeprefix("--")
        switch = (flag, off)
    return replace(
        option_of(entry, *((VALUE,) if is_argument else (flag, VALUE))),
        switch=switch,
        said=entry.name if is_argument else flag,
        aliases=tuple(flags),
    )


def read_fire(script: Script) -> Reading | None:
    """The parameters of the function that fire.Fire runs."""
    calls = list(script.calls("Fire")) if "fire" in script.imported else []
    if not calls:
        return None
    node = calls[0].args[0] if calls[0].args else keywords(calls[0]).get("component")
    functions = _fire_functions(script, node)
    if not functions:
        return None
    function = _training(list(functions.values()))
    word = next(name for name, found in functions.items() if found is function)
    found = [_fire_option(entry) for entry in parameters(script, function)]
    return Reading(
        source="fire",
        beside=tuple(other for other in functions.values() if other is not function),
        command=python(script, *((word,) if word else ())),
        options=unique(found),
    )


def _fire_functions(script: Script, node: ast.expr | None) -> dict[str, ast.FunctionDef]:
    """The functions that fire can call, each with its word on the command line."""
    name = called(node)
    if isinstance(node, ast.Name | ast.Attribute) and name in script.functions:
        return {"": script.functions[name]}
    if name in script.classes:
        methods = [n for n in script.classes[name].body if isinstance(n, ast.FunctionDef)]
        return {method.name: method for method in methods if not method.name.startswith("_")}
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        words = {script.literal(key): called(value) for key, value in pairs if key}
        return {w: script.functions[f] for w, f in words.items() if f in script.functions}
    if isinstance(node, ast.List):
        return {f: script.functions[f] for f in map(called, node.elts) if f in script.functions}
    if node is None:
        top = script.tree.body
        return {f.name: f for f in top if isinstance(f, ast.FunctionDef) and f.name[0] != "_"}
    return {}


def _fire_option(entry: Entry) -> Option:
    return replace(option_of(entry, f"--{entry.name}={VALUE}"), boolean="!py")
