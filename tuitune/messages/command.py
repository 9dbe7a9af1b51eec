"""A study's command, filled in with a configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tuitune.core.space import spell

_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")


def fill_command(
    command: tuple[str | tuple[str, ...], ...], configuration: Mapping[str, Any]
) -> list[str]:
    """The program's arguments, without the groups that have an inactive parameter.

    Raises KeyError if a parameter outside any group is inactive.
    """
    arguments: list[str] = []
    for part in command:
        group = (part,) if isinstance(part, str) else part
        try:
            arguments += [_fill(text, configuration) for text in group]
        except KeyError:
            if isinstance(part, str):
                raise
    return arguments


def _fill(text: str, configuration: Mapping[str, Any]) -> str:
    def replaced(match: re.Match[str]) -> str:
        name = match[1]
        return match[0][0] if name is None else spelled(configuration[name])

    return _PLACEHOLDER.sub(replaced, text)


def spelled(value: Any) -> str:
    """A value as in TOML; a string without its quotes."""
    return value if isinstance(value, str) else spell(value)
