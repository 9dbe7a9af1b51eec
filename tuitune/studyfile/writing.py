"""How is a study file written, so that its parameters keep the order that its user gave them?

TOML's own writers put tables behind plain values; a table written inline stays where it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tomli_w

if TYPE_CHECKING:
    from collections.abc import Mapping


def written(document: Mapping[str, Any]) -> str:
    """The document as TOML: its tables as tables, and all within them inline, in their order."""
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
