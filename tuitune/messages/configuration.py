"""A configuration as text to paste: TOML, JSON, YAML, a Python dict, command-line flags."""

import json
import math
import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

import tomli_w

from tuitune.core.space import spell
from tuitune.messages.as_json import as_json

ConfigurationForm = Literal["toml", "json", "yaml", "python", "flags"]

# Names that YAML 1.1 reads as they stand; the words for true, false and null are not names there.
_PLAIN_NAME: Final = r"(?i)(?!(?:y|n|yes|no|on|off|true|false|null)$)[a-z_][\w.-]*"
_INDENT: Final = 4


def configuration_text(configuration: Mapping[str, Any], form: ConfigurationForm) -> str:
    """The configuration in this form, without a newline at the end.

    JSON has null for numbers that are not finite. Flags: true is the flag alone, false the flag
    with "no-" before its name, a list one word for each value, None is left out.
    """
    return _WRITERS[form](configuration)


def configuration_toml(configuration: Mapping[str, Any]) -> str:
    """As TOML, one parameter a line; None, for which TOML has no sign, is a comment."""
    absent = [f"# {name} is None\n" for name, value in configuration.items() if value is None]
    written = {name: value for name, value in configuration.items() if value is not None}
    return "".join([tomli_w.dumps(written), *absent])


def _yaml(configuration: Mapping[str, Any]) -> str:
    """One parameter a line, its value in flow style: JSON, as far as YAML 1.1 reads it the same."""
    if not configuration:
        return "{}"
    return "\n".join(f"{_yaml_name(name)}: {_flow(v)}" for name, v in configuration.items())


def _yaml_name(name: str) -> str:
    return name if name.isascii() and re.fullmatch(_PLAIN_NAME, name) else _quoted(name)


def _flow(value: object) -> str:
    match value:
        case float():
            return _yaml_float(value)
        case str():
            return _quoted(value)
        case list() | tuple():
            return f"[{', '.join(map(_flow, value))}]"
        case dict():
            return f"{{{', '.join(f'{_quoted(n)}: {_flow(v)}' for n, v in value.items())}}}"
        case _:
            return json.dumps(value)


def _yaml_float(value: float) -> str:
    if math.isfinite(value):
        text = repr(value)  # 1e-05 without a dot is a string in YAML 1.1
        return text if "." in text else text.replace("e", ".0e")
    return ".nan" if math.isnan(value) else f"{'-' if value < 0 else ''}.inf"


def _quoted(text: str) -> str:
    """The text in double quotes; characters that YAML does not allow are escaped."""
    shown = json.dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in shown)


def _literal(value: object, depth: int) -> str:
    """A Python expression; dicts with entries are spread over lines."""
    match value:
        case float() if not math.isfinite(value):
            return f'float("{value}")'
        case str():
            return json.dumps(value, ensure_ascii=False)
        case list() | tuple():
            return f"[{', '.join(_literal(one, depth) for one in value)}]"
        case dict() if value:
            blank, inner = " " * _INDENT * depth, " " * _INDENT * (depth + 1)
            entries = (
                f"{inner}{_literal(name, 0)}: {_literal(one, depth + 1)},\n"
                for name, one in value.items()
            )
            return f"{{\n{''.join(entries)}{blank}}}"
        case _:
            return repr(value)


def _flag(name: str, value: object) -> list[str]:
    match value:
        case None:
            return []
        case bool():
            return [f"--{'' if value else 'no-'}{name}"]
        case list() | tuple():
            return [f"--{name}", *map(_word, value)]
    word = _word(value)
    # a word that begins with "-" would be read as another flag
    return [f"--{name}={word}"] if word.startswith("-") else [f"--{name}", word]


def _word(value: object) -> str:
    if isinstance(value, dict):
        return as_json(value)
    return value if isinstance(value, str) else spell(value)


_WRITERS: Final[Mapping[ConfigurationForm, Callable[[Mapping[str, Any]], str]]] = {
    "toml": lambda configuration: configuration_toml(configuration).rstrip("\n"),
    "json": lambda configuration: as_json(dict(configuration), indent=2),
    "yaml": _yaml,
    "python": lambda configuration: _literal(dict(configuration), 0),
    "flags": (
        lambda configuration: shlex.join(
            word for name, v in configuration.items() for word in _flag(name, v)
        )
    ),
}
