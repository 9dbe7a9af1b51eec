"""What a reader finds in a script: its options, and how each is written in commands and TOML."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from tuitune.core.space import spell

if TYPE_CHECKING:
    import ast
    from collections.abc import Sequence

    from tuitune.drafts.script import Script

VALUE = "{}"  # in the words of an option: its value


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One setting that a script takes."""

    name: str
    words: tuple[str, ...] = ()  # of the command: ("--lr", VALUE)
    kind: str = ""  # "int", "float", "bool", "str", or empty where it isn't known
    default: Any = None
    choices: tuple[Any, ...] = ()
    needed: bool = False
    switch: tuple[str, str] | None = None  # a boolean: the word for true, and that for false
    boolean: str = ""  # how a boolean's value is spelled: "", "!py", "!int" or "!yn"
    count: int = 1  # values that it takes; 0: any number
    domain: str = ""  # TOML, where the source itself has the range
    said: str = ""  # the option as its user knows it, "--lr"
    aliases: tuple[str, ...] = ()  # its other flags
    origin: str = "the script"  # where its default is from
    is_main: bool = False  # it stands before the subcommand

    @property
    def flag(self) -> str:
        """The option as its user knows it."""
        return self.said or (self.words[0].partition("=")[0] if self.words else self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """The metric to improve. Without a pattern its reports need none, or it has to be filled in."""

    metric: str
    mode: str
    pattern: str = ""
    why: str = ""  # a comment
    unit: str = ""  # "epoch" or "step", where its count is in the same line
    count: str = ""  # the pattern of that count


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """All that a reader has found."""

    source: str  # what was read, as "argparse"
    command: tuple[str, ...]  # the words before the options
    subcommand: tuple[str, ...] = ()  # the words after those of the main parser
    options: tuple[Option, ...] = ()
    notes: tuple[str, ...] = ()  # comments at the head of the draft
    objective: Objective | None = None  # where the source itself names it
    beside: tuple[ast.FunctionDef, ...] = ()  # functions of the script's other commands
    reports_itself: bool = False  # no pattern is needed
    keeps_names: bool = False  # the program knows the parameters by the names that they have here
    folder: tuple[str, ...] = ()  # words that send its output to {trial.folder}
    tables: tuple[str, ...] = ()  # lines of [search], [pruning] and the like


class Reader(Protocol):
    """Reads one way in which scripts take their settings."""

    def __call__(self, script: Script) -> Reading | None:
        """What was found; None where the script takes its settings in another way."""
        ...


def python(script: Script, *more: str) -> tuple[str, ...]:
    """The words that start a script from its own folder, with braces as a study file has them."""
    return ("python", escaped(script.path.name), *more)


def escaped(word: str) -> str:
    """A word of a command that has no placeholders."""
    return word.replace("{", "{{").replace("}", "}}")


def kind_of(value: Any) -> str:
    """The kind of an option whose default is this value."""
    return type(value).__name__ if isinstance(value, bool | int | float | str) else ""


def guessed_kind(value: Any) -> str:
    """As `kind_of`, where no type is declared: a default of 0 may stand for a float."""
    return "" if kind_of(value) == "int" else kind_of(value)


def unique(options: Sequence[Option]) -> tuple[Option, ...]:
    """The last of each name, in the order of the first: an option may be defined twice."""
    return tuple({option.name: option for option in options}.values())


def named(options: Sequence[Option]) -> list[Option]:
    """The options with names for [space]: "lr" for "opt.lr", where no other one ends so."""
    last = Counter(_plain(option.name.rpartition(".")[2]) for option in options)
    found = []
    for option in options:
        short = _plain(option.name.rpartition(".")[2])
        found.append(replace(option, name=short if last[short] == 1 else _plain(option.name)))
    return found


def _plain(name: str) -> str:
    """A name without the characters that a parameter's name can't have, other than "trial"."""
    bare = re.sub(r"\W+", "_", name).strip("_")
    return f"{bare}_value" if bare in ("trial", "") else bare


def toml_key(name: str) -> str:
    """Spell a key, in quotes only where it needs them."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else spell(name)


def number_domain(
    low: float, high: float, *, whole: bool, log: bool, step: float | None = None
) -> str:
    """Spell a range of numbers."""
    kind = int if whole else float
    ends = (kind(low), kind(high))
    text = f"{{ low = {spell(ends[0])}, high = {spell(ends[1])}"
    text += ', type = "int"' if ends == (0, 1) and whole else ""  # else it may be a choice of two
    text += ", log = true" if log else ""
    if step and not (whole and step == 1):
        text += f", step = {spell(kind(step))}"
    return text + " }"
