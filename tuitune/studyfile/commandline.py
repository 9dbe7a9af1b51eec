"""Does the command of [trial] name only parameters that are there?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tuitune.core.space import spell
from tuitune.studyfile.hints import did_you_mean
from tuitune.studyfile.problems import WrongValueError, kind

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

LONGEST_WORD = 131_071  # bytes of an argument or a variable: Linux's MAX_ARG_STRLEN, less its end
_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|([{}])")


def read_command(
    said: Any,
    parameters: Collection[str],
    conditional: Collection[str],
    longest: Mapping[str, int],
) -> tuple[str | tuple[str, ...], ...]:
    """Read a command: texts, and groups of texts that go when a parameter in them does.

    longest: how many bytes a parameter's values have, at most.
    """
    if isinstance(said, str):
        raise WrongValueError(f"is text, not a list; write {spell(_split(said))}")
    if not isinstance(said, list):
        raise WrongValueError(f'is {kind(said)}; write ["python", "train.py", "--lr", "{{lr}}"]')
    if not said or not isinstance(said[0], str):
        raise WrongValueError('names no program; write ["python", "train.py"], say')
    command = tuple(_part(part, parameters, conditional) for part in said)
    for part in command:
        for word in (part,) if isinstance(part, str) else part:
            _check_size(word, longest)
    return command


def _check_size(word: str, longest: Mapping[str, int]) -> None:
    names = [piece[1] for piece in _PIECE.finditer(word) if piece[1] is not None]
    size = len(word.encode("utf-8", "surrogateescape"))
    size += sum(longest.get(name, 0) for name in names)
    if size > LONGEST_WORD:
        raise WrongValueError(
            f"{spell(word):.40} … comes to {size} bytes, and the system takes {LONGEST_WORD} a "
            f"word; write the name of a file that holds them"
        )


def _part(
    part: Any, parameters: Collection[str], conditional: Collection[str]
) -> str | tuple[str, ...]:
    if isinstance(part, list):
        for text in part:
            _check(text, parameters)
        return tuple(part)
    names = _check(part, parameters)
    for name in names:
        if name in conditional:
            raise WrongValueError(
                f"{{{name}}} isn't always there; put it in a list of its own, which is "
                f'dropped without it: ["--{name}", "{{{name}}}"]'
            )
    assert isinstance(part, str)
    return part


def _check(text: Any, parameters: Collection[str]) -> list[str]:
    if not isinstance(text, str):
        raise WrongValueError(f'{spell(text)} is {kind(text)}, not text; write "{spell(text)}"')
    if "\0" in text:
        raise WrongValueError(f"{spell(text)} holds a NUL character; no program can get one")
    names: list[str] = []
    for piece in _PIECE.finditer(text):
        if piece[2]:
            raise WrongValueError(
                f"{spell(text)} has a lone {piece[2]}; write {piece[2] * 2} for the character"
            )
        if piece[1] is None:
            continue
        if piece[1] not in parameters:
            mend = f"{did_you_mean(piece[1], parameters)} (write {{{{ for the character {{)"
            raise WrongValueError(f"{{{piece[1]}}} names no parameter; {mend}")
        names.append(piece[1])
    return names


def _split(text: str) -> list[str]:
    import shlex  # noqa: PLC0415 - only a mistake pays for it

    try:
        return shlex.split(text)
    except ValueError:
        return text.split()
