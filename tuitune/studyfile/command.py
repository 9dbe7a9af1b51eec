"""Commands and environment variables of trials, checked with their placeholders."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from tuitune.core import space
from tuitune.messages import command
from tuitune.studyfile.hints import did_you_mean
from tuitune.studyfile.problems import WrongValueError, as_text, kind

LONGEST_WORD = 131_071  # bytes of an argument or a variable: Linux's MAX_ARG_STRLEN, less its end
_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|([{}])")


class Names(msgspec.Struct, frozen=True):
    """What placeholders may name. parameters: all of [space], also those that are wrong.

    longest: the largest size in bytes of each parameter's values.
    """

    parameters: Collection[str]
    space: space.SearchSpace
    longest: Mapping[str, int] = {}

    def __contains__(self, name: str) -> bool:
        """Whether it is a parameter."""
        return name in self.parameters


def read_command(entry: Any, names: Names) -> tuple[str | tuple[str, ...], ...]:
    """A command: texts, and groups of texts that are left out together. Raises WrongValueError."""
    if isinstance(entry, str):
        raise WrongValueError(f"is text, not a list; write {space.spell(_split(entry))}")
    if not isinstance(entry, list):
        raise WrongValueError(f'is {kind(entry)}; write ["python", "train.py", "--lr", "{{lr}}"]')
    if not entry or not isinstance(entry[0], str):
        raise WrongValueError('names no program; write ["python", "train.py"], say')
    command = tuple(_part(part, names) for part in entry)
    for part in command:
        for word in (part,) if isinstance(part, str) else part:
            _check_size(word, names.longest)
    return command


def check_variable(text: str, names: Names) -> None:
    """Raises WrongValueError for a placeholder of the trial that there is not, or its spelling."""
    for name, spelling in command.placeholders(text, names.parameters):
        given = f"{name}!{spelling}" if spelling else name
        _check_known(given, name, names)
        _check_spelling(given, name, spelling, names)


def _check_size(word: str, longest: Mapping[str, int]) -> None:
    given = [piece[1] for piece in _PIECE.finditer(word) if piece[1] is not None]
    size = len(word.encode("utf-8", "surrogateescape"))
    size += sum(longest.get(command.name_and_spelling(name, longest)[0], 0) for name in given)
    if size > LONGEST_WORD:
        raise WrongValueError(
            f"{space.spell(word):.40} … has {size} bytes, and an argument may have at most "
            f"{LONGEST_WORD}; write the name of a file that contains them"
        )


def _part(part: Any, names: Names) -> str | tuple[str, ...]:
    if isinstance(part, list):
        for text in part:
            _check(text, names)
        return tuple(part)
    for given in _check(part, names):
        _check_outside_groups(given, names)
    assert isinstance(part, str)
    return part


def _check_outside_groups(given: str, names: Names) -> None:
    """Raises WrongValueError for what may not be there, and can only be left out in a group."""
    name, spelling = command.name_and_spelling(given, names.parameters)
    if spelling == "if":
        raise WrongValueError(
            f"{{{given}}} leaves out the list that it stands in, and it stands in none; write "
            f'["--{_bare(name)}{{{given}}}"]'
        )
    if spelling in command.OF_NOTHING:
        return
    parameter = names.space.by_name.get(name)
    lacking = "isn't there when a trial begins" if name == command.CHECKPOINT else ""
    if parameter is not None and parameter.when:
        lacking = "isn't in every configuration"
    if lacking:
        raise WrongValueError(
            f"{{{given}}} {lacking}; put it in a list of its own, which is left out with it: "
            f'["--{_bare(name)}", "{{{given}}}"]'
        )


def _check(text: Any, names: Names) -> list[str]:
    """The content of each placeholder. Raises WrongValueError."""
    if not isinstance(text, str):
        raise WrongValueError(
            f"{space.spell(text)} is {kind(text)}, not text; write {as_text(text)}"
        )
    if "\0" in text:
        raise WrongValueError(
            f"{space.spell(text)} contains a NUL character, which no program can get; remove it"
        )
    found: list[str] = []
    for piece in _PIECE.finditer(text):
        if piece[2]:
            raise WrongValueError(
                f"{space.spell(text)} has a lone {piece[2]}; write {piece[2] * 2} for the character"
            )
        if piece[1] is None:
            continue
        name, spelling = command.name_and_spelling(piece[1], names.parameters)
        _check_known(piece[1], name, names)
        _check_spelling(piece[1], name, spelling, names)
        found.append(piece[1])
    return found


def _check_known(given: str, name: str, names: Names) -> None:
    if name in names or name in command.TRIAL_VALUES:
        return
    if name.startswith(command.OF_THE_TRIAL):
        there = ", ".join(f"{{{value}}}" for value in command.TRIAL_VALUES)
        raise WrongValueError(f"{{{given}}} is not a value of a trial; there are: {there}")
    mend = f"{did_you_mean(given, names.parameters)} (write {{{{ for the character {{)"
    raise WrongValueError(f"{{{given}}} names no parameter; {mend}")


def _check_spelling(given: str, name: str, spelling: str, names: Names) -> None:
    if given == name:
        return
    if spelling not in command.SPELLINGS:
        known = ", ".join(f"{{{name}!{each}}}" for each in command.SPELLINGS)
        raise WrongValueError(f"{{{given}}} has a spelling that there is not; there are: {known}")
    # It is none for a value of the trial, and for a parameter with a mistake.
    parameter = names.space.by_name.get(name)
    if spelling not in {"int", "yn"} or parameter is None or _suits(parameter, spelling):
        return
    what = "true or false" if spelling == "yn" else "true, false or a whole number"
    raise WrongValueError(f"{{{given}}}: {name} is never {what}; write {{{name}}}")


def _suits(parameter: space.Parameter, spelling: str) -> bool:
    """Whether a value of the parameter may be spelled so."""
    match parameter:
        case space.Sampled():
            return True
        case space.Choice() | space.Fixed():
            return any(_is_spelled(value, spelling) for value in space.listed(parameter))
        case space.FloatRange(step=step):
            return spelling == "int" and step is not None and step.is_integer()
        case _:
            return spelling == "int"


def _is_spelled(value: object, spelling: str) -> bool:
    if isinstance(value, bool):
        return True
    return spelling == "int" and isinstance(value, int | float) and float(value).is_integer()


def _bare(name: str) -> str:
    return "resume" if name == command.CHECKPOINT else name.removeprefix(command.OF_THE_TRIAL)


def _split(text: str) -> Sequence[str]:
    import shlex  # noqa: PLC0415 - only for a message

    try:
        return shlex.split(text)
    except ValueError:
        return text.split()
