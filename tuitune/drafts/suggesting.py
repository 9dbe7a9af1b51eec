"""What a draft makes of each option: searched, sent to the trial's folder, or left alone."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from tuitune.core.space import is_number, spell
from tuitune.drafts.names import domain, is_choice, is_never, is_switch, known, snake
from tuitune.drafts.option import VALUE, Option, escaped, toml_key
from tuitune.studyfile.fill_ins import FILL_IN

_FOLDERS = re.compile(
    r"out|outdir|outf|(output|out|save|log|logs|logging|results?|work|exp|experiment|run|runs|tb|"
    r"tensorboard|artifact)_?(dir|folder|directory)|output_path|save_path|result_path|"
    r"default_root_dir|workdir"
)
_FOLDERS_WITH_DEFAULT = re.compile(
    r"save|output|(ckpt|checkpoints?|model|train)_?(dir|folder)|(model|checkpoint)_(file|path)|"
    r"(output|out|save|log|result)_file(name)?|save_as|logs"
)
_HEADS = "heads"
_SIZE = "hidden size"


@dataclass(frozen=True, slots=True)
class Line:
    """What one option becomes: its part of the command, and its lines in [space]."""

    option: Option
    command: str = ""  # TOML; empty: the script's own default
    parameters: tuple[str, ...] = ()
    why: str = ""  # a comment
    known: str = ""  # the row of the table of names


def suggest(
    options: Sequence[Option], imported: Collection[str], given: Sequence[Option] = ()
) -> list[Line]:
    """One line for each option, in their order. Nothing is searched that the table doesn't know.

    given: the options whose value the user has chosen. The number of attention heads has to divide
    the sizes. Powers of two do, if both are searched; otherwise neither is, but for sizes that one
    or no number of heads, or a power of two, goes into.
    """
    lines = [_suggest(option, imported) for option in options]
    heads = [line for line in lines if line.known == _HEADS]
    fixed = [o for o in given if _is_heads(o)]
    fixed += [line.option for line in lines if _is_heads(line.option) and line not in heads]
    left: set[str] = set()
    if fixed or not any(line.known == _SIZE for line in lines):
        left.add(_HEADS)
    if any(not _is_power(option.default) or option in given for option in fixed):
        left.add(_SIZE)
    if heads and _HEADS in left and not all(_is_power(line.option.default) for line in heads):
        left.add(_SIZE)
    return [_left(line.option) if line.known in left else line for line in lines]


def _is_heads(option: Option) -> bool:
    """Whether an option is a number of attention heads, of which there are several kinds."""
    row = known(option.name, (), _number(option.default))
    kv = re.fullmatch(r"(n|num)_?(kv|key_value|query)_?(heads?|groups)", snake(option.name))
    return (row is not None and row.name == _HEADS) or (kv is not None and option.default != 0)


def _is_power(value: Any) -> bool:
    return value is None or (isinstance(value, int) and value > 0 and value & (value - 1) == 0)


def _suggest(option: Option, imported: Collection[str]) -> Line:
    if option.domain:
        return _searched(option, option.domain, "")
    found = (
        _boolean(option)
        if option.kind == "bool"
        else _folder(option) or _chosen(option, imported) or _betas(option)
    )
    return found or _ranged(option, imported) or _left(option)


def _boolean(option: Option) -> Line | None:
    if not is_switch(option.name):
        return None
    return _searched(option, "[true, false]", _default_words(option))


def _chosen(option: Option, imported: Collection[str]) -> Line | None:
    """An option with choices, where their name says that they are worth a search."""
    values = [value for value in option.choices if isinstance(value, str | int | float)]
    if len(values) < 2 or len(values) < len(option.choices) or option.count != 1:
        return None
    if not is_choice(option.name) and known(option.name, imported, _number(option.default)) is None:
        return None
    return _searched(option, spell(list(dict.fromkeys(values))), _default_words(option))


def _ranged(option: Option, imported: Collection[str]) -> Line | None:
    """A number that the table of names has a range for."""
    default = _number(option.default)
    if default is None and (not option.needed or option.kind not in ("int", "float")):
        return None  # without a default it is switched off, or worked out from others
    row = known(option.name, imported, option.default)
    if row is None or option.count != 1 or option.choices or option.kind == "str":
        return None
    found = domain(row, default, option.kind)
    if not found:
        return None
    return replace(_searched(option, found, _default_words(option)), known=row.name)


def _number(value: Any) -> float | None:
    return value if is_number(value) else None


def _default_words(option: Option) -> str:
    flag = "" if option.flag == option.name else option.flag
    default = "" if option.default is None else f"{option.default!r} in {option.origin}"
    return ", ".join(filter(None, (flag, default)))


def _searched(option: Option, toml: str, why: str) -> Line:
    if option.switch is not None:
        return _switch(option, option.switch)
    spelled = option.boolean if option.kind == "bool" else ""
    words = [word.replace(VALUE, f"{{{option.name}{spelled}}}") for word in option.words]
    command = ", ".join(map(spell, words))
    if "when = {" in toml and command:
        command = f"[{command}]"
    return Line(option, command, (f"{toml_key(option.name)} = {toml}",), why)


def _switch(option: Option, switch: tuple[str, str]) -> Line:
    """A boolean that is set by flags: one for true, one for false; either may be missing."""
    on, off = switch
    if on and off:
        choice = f"{toml_key(option.name)} = {spell([on, off])}"
        return Line(option, f'"{{{option.name}}}"', (choice,), option.flag)
    # --no-bias alone is what is searched: no word stands for its opposite
    name = option.name if on else snake(off)
    word = f"{escaped(on or off)}{{{name}!if}}"
    return Line(option, f"[{spell(word)}]", (f"{toml_key(name)} = [true, false]",), on or off)


def _betas(option: Option) -> Line | None:
    """Two values after one flag, as Adam's."""
    default = option.default
    if snake(option.name) not in ("betas", "adam_betas") or len(option.words) != 2:
        return None
    if option.count not in (0, 2) or not isinstance(default, list) or len(default) != 2:
        return None
    ranges = []
    for name, value in zip(("beta1", "beta2"), default, strict=True):
        row = known(name, (), value)
        if row is None:
            return None
        ranges.append(f"{name} = {domain(row, value, 'float')}")
    words = f'{spell(option.flag)}, "{{beta1}}", "{{beta2}}"'
    return Line(option, words, tuple(ranges), _default_words(option))


def _folder(option: Option) -> Line | None:
    """An option for what a script writes: each trial has a folder of its own."""
    name, default = snake(option.name), option.default
    if option.kind not in ("", "str") or option.choices or option.count != 1 or not option.words:
        return None
    known_folder = _FOLDERS.fullmatch(name)
    if not known_folder and not (_FOLDERS_WITH_DEFAULT.fullmatch(name) and default):
        return None
    if default is not None and not isinstance(default, str):
        return None
    file = PurePosixPath(default or "")
    place = f"{{trial.folder}}/{escaped(file.name)}" if file.suffix else "{trial.folder}"
    words = [word.replace(VALUE, place) for word in option.words]
    return Line(option, ", ".join(map(spell, words)), (), "each trial has a folder of its own")


def _left(option: Option) -> Line:
    """An option that keeps its default; one without a default has to be filled in."""
    if not option.needed:
        return Line(option)
    if option.switch is not None:
        return Line(option, spell(option.switch[0] or option.switch[1]))
    words = [word.replace(VALUE, FILL_IN) for word in option.words]
    why = f"the script needs {option.name}: write it in place of {FILL_IN}"
    return Line(option, ", ".join(map(spell, words)), (), why)


def kept(lines: Sequence[Line]) -> str:
    """The options that keep the script's default, in words."""
    texts = [
        line.option.flag
        if line.option.default is None
        else f"{line.option.flag} {line.option.default}"
        for line in lines
        if not line.command and not line.parameters
    ]
    return ", ".join(texts)


_EPOCHS = re.compile(r"(n_?|num_|max_|num_train_)?epochs")
_STEPS = re.compile(r"(n_?|num_|max_|total_|num_train_)?(iters|steps|iterations)")


def length(options: Sequence[Option], unit: str) -> int | None:
    """How many epochs or steps a script trains for by default."""
    names = _STEPS if unit.startswith(("step", "iter")) else _EPOCHS
    for option in options:
        if (
            names.fullmatch(snake(option.name))
            and isinstance(option.default, int | float)
            and option.default >= 2
        ):
            return int(option.default)
    return None


def is_free(option: Option) -> bool:
    """Whether an option is a number that the table of names has no range for."""
    return _number(option.default) is not None and not is_never(option.name)
