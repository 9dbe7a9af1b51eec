"""A study's command and variables, filled in with a configuration and the trial's own values."""

import json
import re
from collections.abc import Collection, Mapping
from typing import Any, Final

from tuitune.core.space import spell

OF_THE_TRIAL: Final = "trial."  # what its own placeholders begin with
# The values that a trial has besides its configuration; `trial.checkpoint` only if it has one.
TRIAL_VALUES: Final = tuple(
    f"{OF_THE_TRIAL}{name}" for name in ("folder", "number", "seed", "config", "checkpoint", "gpus")
)
CHECKPOINT: Final = f"{OF_THE_TRIAL}checkpoint"
# As `{name!py}` asks for; `if` is empty, and leaves its group out where the value is not there.
SPELLINGS: Final = ("py", "json", "int", "yn", "if")
OF_NOTHING: Final = {"py": "None", "json": "null"}  # these spell a value that is not there
_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")
_IN_A_VARIABLE = re.compile(r"(\{?)\{([^{}]+)\}(\}?)")


def trial_values(
    folder: str, number: int, seed: int, gpus: int, checkpoint: str | None
) -> dict[str, Any]:
    """The values of TRIAL_VALUES. folder: absolute. checkpoint: the path of what it goes on from.

    gpus: how many the trial sees.
    """
    values = folder, number, seed, f"{folder}/config.json", checkpoint, gpus
    named = dict(zip(TRIAL_VALUES, values, strict=True))
    return {name: value for name, value in named.items() if value is not None}


def fill_command(
    command: tuple[str | tuple[str, ...], ...], values: Mapping[str, Any]
) -> list[str]:
    """The program's arguments, without the groups in which a value is not there.

    values: the configuration, and those of `trial_values`. Raises KeyError if one that no spelling
    stands in for is not there outside any group.
    """
    arguments: list[str] = []
    for part in command:
        if isinstance(part, str):
            arguments.append(_fill(part, values, OF_NOTHING))
            continue
        try:
            arguments += [_fill(text, values, {}) for text in part]
        except KeyError:
            continue
    return arguments


def fill_variables(
    variables: Mapping[str, str], values: Mapping[str, Any], names: Collection[str]
) -> dict[str, str]:
    """Those variables that contain a placeholder, filled in; those that lack a value are left out.

    names: the parameters. Other braces stay as they are, since a variable may hold JSON.
    """
    filled: dict[str, str] = {}
    for name, text in variables.items():
        try:
            value = _fill_variable(text, values, names)
        except KeyError:
            continue
        if value != text:
            filled[name] = value
    return filled


def variables_of_all(variables: Mapping[str, str], names: Collection[str]) -> dict[str, str]:
    """The variables without a placeholder, which are the same in each trial."""
    return {name: text for name, text in variables.items() if not placeholders(text, names)}


def placeholders(text: str, names: Collection[str]) -> list[tuple[str, str]]:
    """(name, spelling) of each placeholder of a variable's text; names: the parameters."""
    found = (_known(match, names) for match in _IN_A_VARIABLE.finditer(text))
    return [each for each in found if each is not None]


def name_and_spelling(text: str, names: Collection[str]) -> tuple[str, str]:
    """What is between braces, as "lr!py" or "lr", in its parts; the spelling may be empty.

    names: the parameters, since a parameter's own name may hold a "!".
    """
    if text in names:
        return text, ""
    name, _, spelling = text.partition("!")
    return name, spelling


def spelled(value: Any, spelling: str = "") -> str:
    """A value as in TOML, a string without its quotes; or as one of SPELLINGS, except `if`.

    `int` and `yn` change true and false, and `int` whole floats; other values stay as in TOML.
    """
    if spelling == "py":
        return repr(value)
    if spelling == "json":
        return json.dumps(value, ensure_ascii=False)
    if spelling == "yn" and isinstance(value, bool):
        return "yes" if value else "no"
    if spelling == "int" and (isinstance(value, bool) or _is_whole(value)):
        return str(int(value))
    return value if isinstance(value, str) else spell(value)


def _is_whole(value: object) -> bool:
    return isinstance(value, float) and value.is_integer()


def _fill(text: str, values: Mapping[str, Any], of_nothing: Mapping[str, str]) -> str:
    def replaced(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0][0]
        name, spelling = name_and_spelling(match[1], values)
        if name not in values and spelling in of_nothing:
            return of_nothing[spelling]
        return _value(values, name, spelling)

    return _PLACEHOLDER.sub(replaced, text)


def _value(values: Mapping[str, Any], name: str, spelling: str) -> str:
    """Raises KeyError where it is not there, or is false and `if` asks."""
    value = values[name]
    if spelling != "if":
        return spelled(value, spelling)
    if value is False:
        raise KeyError(name)
    return ""


def _fill_variable(text: str, values: Mapping[str, Any], names: Collection[str]) -> str:
    def replaced(match: re.Match[str]) -> str:
        known = _known(match, names)
        if known is None:
            return match[0]
        return f"{match[1]}{_value(values, *known)}{match[3]}"

    def unescaped(match: re.Match[str]) -> str:
        is_ours = match[1] and match[3] and _is_ours(match[2], names)
        return f"{{{match[2]}}}" if is_ours else replaced(match)

    return _IN_A_VARIABLE.sub(unescaped, text)


def _known(match: re.Match[str], names: Collection[str]) -> tuple[str, str] | None:
    """The placeholder's name and spelling; None if it is other text, or in double braces."""
    if (match[1] and match[3]) or not _is_ours(match[2], names):
        return None
    return name_and_spelling(match[2], names)


def _is_ours(text: str, names: Collection[str]) -> bool:
    name = name_and_spelling(text, names)[0]
    return name in names or name.startswith(OF_THE_TRIAL)
