"""Options from annotated names: the fields of dataclasses and the parameters of functions."""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from tuitune.drafts.option import Option, guessed_kind, kind_of
from tuitune.drafts.script import Script, called, keywords

_KINDS = {kind: kind for kind in ("int", "float", "bool", "str")} | {
    "PositiveInt": "int",
    "NonNegativeInt": "int",
    "PositiveFloat": "float",
    "NonNegativeFloat": "float",
}
_MARKS = {"Optional", "Annotated", "Final", "ClassVar"}
_DEEPEST = 8  # classes within others, which may be their own parts


@dataclass(frozen=True, slots=True)
class Entry:
    """One annotated name: a field, or a parameter of a function."""

    name: str
    kind: str  # "int", "float", "bool", "str", or empty
    default: Any
    needed: bool  # it has no default at all
    choices: tuple[Any, ...] = ()
    count: int = 1  # values that it takes; 0: any number
    nested: ast.ClassDef | None = None  # its type is a dataclass of the script
    value: ast.expr | None = None  # the default as written
    marks: tuple[ast.expr, ...] = ()  # what Annotated adds to its type


def fields(script: Script, node: ast.ClassDef) -> list[Entry]:
    """The fields of a dataclass, those of its bases first."""
    found: dict[str, Entry] = {}
    for base in node.bases:
        if called(base) in script.classes and script.classes[called(base)] is not node:
            found |= {entry.name: entry for entry in fields(script, script.classes[called(base)])}
    for part in node.body:
        if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
            entry = _entry(script, part.target.id, part.annotation, part.value)
            if called(part.annotation) != "ClassVar":
                found[entry.name] = entry
    return list(found.values())


def parameters(script: Script, node: ast.FunctionDef) -> list[Entry]:
    """The parameters of a function that can be given by name."""
    places = [*node.args.posonlyargs, *node.args.args]
    missing: list[ast.expr | None] = [None] * (len(places) - len(node.args.defaults))
    pairs = [*zip(places, [*missing, *node.args.defaults], strict=True)]
    pairs += zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
    return [
        _entry(script, place.arg, place.annotation, value)
        for place, value in pairs
        if place.arg not in ("self", "cls")
    ]


def flat(
    script: Script, entries: Iterable[Entry], prefix: str = "", *, only_dataclasses: bool = False
) -> Iterator[Entry]:
    """The entries with names like "optim.lr": the fields of a nested class in place of its own."""
    for entry in entries:
        node = entry.nested if prefix.count(".") < _DEEPEST else None
        if node is None or (only_dataclasses and not is_dataclass(node)):
            yield replace(entry, name=prefix + entry.name)
        else:
            inner = fields(script, node)
            path = f"{prefix}{entry.name}."
            yield from flat(script, inner, path, only_dataclasses=only_dataclasses)


def is_dataclass(node: ast.ClassDef) -> bool:
    """Whether a class is decorated as one."""
    return "dataclass" in map(called, node.decorator_list)


def option_of(entry: Entry, *words: str) -> Option:
    """The entry as an option that is written with these words."""
    return Option(
        name=entry.name,
        words=words,
        kind=entry.kind,
        default=entry.default,
        choices=entry.choices,
        needed=entry.needed,
        count=entry.count,
    )


def _entry(script: Script, name: str, annotation: ast.expr | None, value: ast.expr | None) -> Entry:
    annotation, marks = _unmarked(annotation)
    written = _default(value)
    default = script.literal(written)
    kind, choices, count = _type(script, annotation)
    return Entry(
        name=name,
        kind=kind or guessed_kind(default),
        default=_member(script, written) if default is None else default,
        needed=value is None or _is_needed(value),
        choices=choices,
        count=0 if isinstance(default, list) and count == 1 else count,
        nested=script.classes.get(called(annotation)) if not choices else None,
        value=value,
        marks=marks,
    )


def _unmarked(node: ast.expr | None) -> tuple[ast.expr | None, tuple[ast.expr, ...]]:
    """An annotation without Annotated, Optional and `| None`, and what Annotated adds."""
    marks: tuple[ast.expr, ...] = ()
    while True:
        node = _parsed(node)
        if isinstance(node, ast.Subscript) and called(node) in (*_MARKS, "Positional"):
            inner = _within(node)
            marks += tuple(inner[1:])
            node = inner[0]
        elif isinstance(node, ast.Subscript) and called(node) == "Union":
            node = _other_than_none(_within(node))
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            node = _other_than_none([node.left, node.right])
        else:
            return node, marks
        if node is None:
            return None, marks


def _within(node: ast.Subscript) -> list[ast.expr]:
    """The expressions between the brackets."""
    return node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]


def _parsed(node: ast.expr | None) -> ast.expr | None:
    """An annotation in quotes as an expression."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        try:
            return ast.parse(node.value, mode="eval").body
        except SyntaxError:
            return None
    return node


def _other_than_none(nodes: list[ast.expr]) -> ast.expr | None:
    others = [n for n in nodes if not (isinstance(n, ast.Constant) and n.value is None)]
    return others[0] if len(others) == 1 else None


def _type(script: Script, node: ast.expr | None) -> tuple[str, tuple[Any, ...], int]:
    """Kind, choices and number of values of an annotation."""
    if isinstance(node, ast.Subscript):
        return _subscript(script, node)
    name = called(node)
    if name in script.classes:
        return "", tuple(_members(script, script.classes[name])), 1
    return _KINDS.get(name, ""), (), 0 if name in ("list", "List", "tuple", "Tuple") else 1


def _subscript(script: Script, node: ast.Subscript) -> tuple[str, tuple[Any, ...], int]:
    """As `_type`, of Literal[...], list[...] and tuple[...]."""
    inner = _within(node)
    match called(node):
        case "Literal":
            values = tuple(script.literal(item) for item in inner)
            return kind_of(values[0]), values if None not in values else (), 1
        case "list" | "List" | "Sequence" | "Iterable":
            return called(inner[0]), (), 0
        case "tuple" | "Tuple":
            return called(inner[0]), (), len(inner)
        case _:
            return "", (), 1


def _members(script: Script, node: ast.ClassDef) -> Iterator[Any]:
    """The values of an enumeration; none where the class is not an enumeration."""
    if any("Enum" in called(base) or called(base) == "Choice" for base in node.bases):
        for part in node.body:
            if isinstance(part, ast.Assign) and script.literal(part.value) is not None:
                yield script.literal(part.value)


def _member(script: Script, node: ast.expr | None) -> Any:
    """The value of Enum.member, or Enum.member.value."""
    if isinstance(node, ast.Attribute) and node.attr == "value":
        node = node.value
    if not isinstance(node, ast.Attribute) or called(node.value) not in script.classes:
        return None
    for part in script.classes[called(node.value)].body:
        if isinstance(part, ast.Assign) and called(part.targets[0]) == node.attr:
            return script.literal(part.value)
    return None


_WRAPPERS = ("field", "Field", "Option", "Argument", "arg", "mutable_field", "HfArg")


def _default(value: ast.expr | None) -> ast.expr | None:
    """The default within field(default=…), Option(…) and the like."""
    if not isinstance(value, ast.Call) or called(value) not in _WRAPPERS:
        return value
    given = keywords(value)
    if "default" in given:
        return given["default"]
    factory = given.get("default_factory")
    if isinstance(factory, ast.Lambda):
        return factory.body
    if factory is not None:
        return None
    first = value.args[0] if value.args else None
    return None if isinstance(first, ast.Constant) and first.value is ... else first


def _is_needed(value: ast.expr) -> bool:
    if isinstance(value, ast.Constant):
        return value.value is ...
    if not isinstance(value, ast.Call) or called(value) not in _WRAPPERS:
        return False
    given = keywords(value)
    if given.keys() & {"default", "default_factory", "factory"}:
        return False
    first = value.args[0] if value.args else None
    return first is None or (isinstance(first, ast.Constant) and first.value is ...)
