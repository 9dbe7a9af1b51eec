"""TOML of study files: reading with --set, and writing in the user's order."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tomli_w

from tuitune.studyfile.hints import SCRIPTS, nearest
from tuitune.studyfile.problems import Problems

_LONGEST = 10**30
_DEEPEST = 100  # nested tables and lists
_PYTHON_WORDS = {"True": "true", "False": "false", "None": "no key at all for none"}


def read_document(path: Path, overrides: Sequence[str], problems: Problems) -> dict[str, Any]:
    """The tables of the file after the overrides; empty where it can not be read."""
    text = _text(path, problems)
    if text is None:
        return {}
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as wrong:
        is_script = path.name.endswith(SCRIPTS)
        mend = f"is no study file; `tuitune init {path.name}` writes one for it"
        problems.note(mend if is_script else _syntax(text, str(wrong)))
        return {}
    except (ValueError, RecursionError) as wrong:
        problems.note(f"can't be read: {wrong}; shorten it")
        return {}
    for override in overrides:
        _override(document, override, problems)
    if _is_deep(document):
        problems.note(f"has more than {_DEEPEST} nested tables or lists; write fewer")
        return {}
    return {name: _bounded(value) for name, value in document.items()}


def _text(path: Path, problems: Problems) -> str | None:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        near = nearest(path.name, [file.name for file in path.parent.glob("*.toml")])
        problems.note(
            "there is no such file; "
            + (f"did you mean {near}?" if near else "name an existing one")
        )
    except IsADirectoryError:
        problems.note("is a folder; name a study file in it")
    except UnicodeDecodeError as wrong:
        problems.note(f"byte {wrong.start} is not UTF-8; save the file as UTF-8")
    except OSError as wrong:
        problems.note(f"can't be read: {wrong.strerror}; correct it")
    return None


def _is_deep(document: dict[str, Any]) -> bool:
    level: list[Any] = [document]
    for _ in range(_DEEPEST + 1):
        within = [v.values() if isinstance(v, dict) else v for v in level]
        level = [item for items in within for item in items if isinstance(item, dict | list)]
    return bool(level)


def _bounded(value: Any) -> Any:
    """Whole numbers limited to a size that messages can show."""
    match value:
        case bool():
            return value
        case int():
            return min(max(value, -_LONGEST), _LONGEST)
        case list():
            return [_bounded(item) for item in value]
        case dict():
            return {name: _bounded(item) for name, item in value.items()}
        case _:
            return value


def _syntax(text: str, entry: str) -> str:
    """From "Words (at line 3, column 5)": place, words, the line and what to do."""
    words, _, place = entry.removesuffix(")").rpartition(" (at ")
    number = place.partition("line ")[2].partition(",")[0]
    lines = text.splitlines()
    if not number.isdigit() or int(number) > len(lines):
        return f"{place or 'somewhere'}: {words or entry}; this is not TOML"
    line = lines[int(number) - 1].strip()
    value = line.partition("=")[2].strip().split(" ")[0].strip(",]}")
    if value in _PYTHON_WORDS:
        mend = f"write {_PYTHON_WORDS[value]}"
    elif value[:1].isalpha() and "=" in line:
        mend = 'text must be in "quotes"'
    else:
        mend = "this is not TOML"
    return f"{place}: {words} in {line!r}; {mend}"


def _override(document: dict[str, Any], override: str, problems: Problems) -> None:
    path, value = parsed(override)
    if len(path) < 2:
        words = "is not of the form table.key=value; write --set search.trials=20, say"
        problems.found.append(f"--set {override}: {words}")
        return
    problems.overridden.add((path[0], path[1]))
    table = document
    for part in path[:-1]:
        inner = table.setdefault(part, {})
        if not isinstance(inner, dict):
            words = f"{part} is not a table in the file; set {part} itself"
            problems.found.append(f"--set {override}: {words}")
            return
        table = inner
    table[path[-1]] = value


def parsed(override: str) -> tuple[list[str], Any]:
    """(path, value) of "search.trials=20"; an empty path where it is malformed."""
    entry, equals, text = override.partition("=")
    path = _path(entry) if equals else []
    try:
        value: Any = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    except (ValueError, RecursionError):
        return [], None
    return path, value


def _path(entry: str) -> list[str]:
    path: list[str] = []
    try:
        table: Any = tomllib.loads(f"{entry} = 0")
    except tomllib.TOMLDecodeError:
        return path
    while isinstance(table, dict) and len(table) == 1:
        ((name, table),) = table.items()
        path.append(name)
    return path if table == 0 else []


def written(document: Mapping[str, Any]) -> str:
    """The document as TOML: its tables as tables, all values in them inline, in their order."""
    plain = {name: value for name, value in document.items() if not isinstance(value, dict)}
    parts = [tomli_w.dumps(plain)] if plain else []
    for name, table in document.items():
        if isinstance(table, dict):
            lines = [f"{_key(key)} = {_inline(value)}" for key, value in table.items()]
            parts.append("\n".join([f"[{_key(name)}]", *lines, ""]))
    return "\n".join(parts)


def _key(name: str) -> str:
    return tomli_w.dumps({name: 0}).removesuffix(" = 0\n")


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        pairs = ", ".join(f"{_key(key)} = {_inline(inner)}" for key, inner in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_inline(inner) for inner in value)}]"
    return tomli_w.dumps({"value": value}).removeprefix("value = ").removesuffix("\n")
