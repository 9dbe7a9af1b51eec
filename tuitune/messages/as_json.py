"""JSON text that any parser accepts."""

import codecs
import json
import re
from typing import Any

import msgspec

_FOREIGN = re.compile(r"[^\x00-\x7f]")


def as_json(value: object, *, indent: int = 0, ascii_only: bool = False) -> str:
    """One JSON text; numbers that are not finite are null.

    A lone surrogate (from a file name that is not UTF-8) can't be JSON: it is written as a
    backslash escape.
    """
    try:
        encoded = msgspec.json.encode(value)
    except UnicodeEncodeError:
        encoded = msgspec.json.encode(_escaped(msgspec.to_builtins(value)))
    if indent:
        encoded = msgspec.json.format(encoded, indent=indent)
    text = encoded.decode()
    return _FOREIGN.sub(lambda found: json.dumps(found[0])[1:-1], text) if ascii_only else text


def is_utf8(encoding: str | None) -> bool:
    """Whether this names UTF-8, in any spelling; false for None and unknown names."""
    try:
        return codecs.lookup(encoding or "").name == "utf-8"
    except LookupError:
        return False


def _escaped(value: Any) -> Any:
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case dict():
            return {_escaped(name): _escaped(one) for name, one in value.items()}
        case list() | tuple():
            return [_escaped(one) for one in value]
        case _:
            return value
