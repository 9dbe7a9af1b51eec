"""`init`: a first study file, drafted from the argparse calls of a script."""

from __future__ import annotations

import ast
import math
import os
import re
import shlex
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuitune.core.space import spell
from tuitune.messages.text import plain
from tuitune.studyfile.reading import LONGEST_NAME

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Argument:
    """One add_argument call, as far as it is written out."""

    flag: str  # "--batch-size"; the bare name of a positional one
    name: str  # "batch_size"
    kind: str | None  # "float", "int", "str", …: the name of its type
    default: Any
    choices: tuple[Any, ...]
    action: str  # "store", "store_true", "store_false", "optional" (--x and --no-x), or another
    needed: bool
    bare: bool  # positional: given without a flag
    several: bool  # takes more than one value


def _read_arguments(tree: ast.Module) -> list[Argument]:
    """Read every add_argument call of a module, in the order of its lines."""
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "add_argument"
    ]
    calls.sort(key=lambda call: (call.lineno, call.col_offset))
    read = [_argument(call) for call in calls]
    return list({argument.name: argument for argument in read if argument}.values())


def _argument(call: ast.Call) -> Argument | None:
    flags = [flag for flag in map(_literal, call.args) if isinstance(flag, str) and flag]
    if not flags or len(flags) < len(call.args):
        return None
    flag = next((flag for flag in flags if flag.startswith("--")), flags[0])
    keywords = {word.arg: word.value for word in call.keywords if word.arg}
    action = _action(keywords.get("action"))
    if action in ("help", "version"):
        return None
    positional = not flag.startswith("-")
    default = _literal(keywords.get("default"))
    nargs = _literal(keywords.get("nargs"))
    bare = flag.lstrip("-").replace("-", "_")
    # --no-bias sets "bias" to false: the value belongs to the flag, so its name is used
    name = bare if action == "store_false" else _literal(keywords.get("dest")) or bare
    choices = _literal(keywords.get("choices"))
    return Argument(
        flag=flag,
        name=str(name),
        kind=_name(keywords.get("type")),
        default=default,
        choices=tuple(choices) if isinstance(choices, list | tuple) else (),
        action=action,
        needed=_literal(keywords.get("required")) is True
        or (positional and nargs not in ("?", "*")),
        bare=positional,
        several="nargs" in keywords and nargs != "?",
    )


def _action(node: ast.expr | None) -> str:
    if node is None:
        return "store"
    value = _literal(node)
    if isinstance(value, str):
        return value
    return "optional" if _name(node) == "BooleanOptionalAction" else "other"


def _name(node: ast.expr | None) -> str | None:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None


def _literal(node: ast.expr | None) -> Any:
    if node is None:
        return None
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    is_number = isinstance(value, float)
    return None if is_number and not math.isfinite(value) else value


# Arguments that are not searched: the length of a run, its inputs, its logging.
_NOT_SEARCHED = re.compile(
    r"epoch|seed|step|iter|worker|interval|freq|every|log|print|save|verbose|debug|port|rank|"
    r"world|gpu|cuda|device|cpu|thread|patience|path|dir|file|resume|checkpoint|eval|test|dry"
)
_LOG = re.compile(r"(^|_)(lr|learning_rate|wd|decay|reg|alpha|eps|epsilon|tol|lambda|l1|l2)($|_)")
_SIZES = re.compile(r"batch|hidden|unit|width|dim|channel|embed|filter|size|neuron")


@dataclass(frozen=True, slots=True)
class Line:
    """What one argument becomes: its part of the command, and its lines in [space]."""

    command: str = ""  # TOML; empty: left to the script's default
    parameters: tuple[str, ...] = ()
    why: str = ""


def _suggest(argument: Argument) -> Line:
    """Suggest a range around an argument's default; without one it is left to the script."""
    if argument.action in ("store_true", "store_false", "optional"):
        return _switch(argument)
    domain = _range(argument)
    if domain:
        key = _toml_key(argument.name)
        why = argument.flag
        if argument.default is not None:
            why += f", the script's default is {argument.default!r}"
        value = f'"{{{argument.name}}}"'
        words = value if argument.bare else f"{spell(argument.flag)}, {value}"
        return Line(words, (f"{key} = {domain}",), why)
    if argument.needed:
        return Line('"FILL-IN"' if argument.bare else f'{spell(argument.flag)}, "FILL-IN"')
    return Line()


def _switch(argument: Argument) -> Line:
    name, flag = argument.name, argument.flag
    if _NOT_SEARCHED.search(name.lower()) or not flag.startswith("--"):
        return Line()
    if argument.action == "optional":
        other = "--no-" + flag.removeprefix("--")
        choice = f"{_toml_key(name)} = {spell([flag, other])}"
        return Line(f'"{{{name}}}"', (choice,), "a switch and its opposite")
    present = f"{{ value = {spell(flag)}, when = {{ {_toml_key(name)} = true }} }}"
    lines = (f"{_toml_key(name)} = [true, false]", f"{_toml_key(name + '_flag')} = {present}")
    return Line(f'["{{{name}_flag}}"]', lines, f"{flag} is in the command only when true")


def _range(argument: Argument) -> str:
    if (
        argument.several
        or argument.action != "store"
        or _NOT_SEARCHED.search(argument.name.lower())
    ):
        return ""
    values = [c for c in argument.choices if isinstance(c, str | int | float)]
    if len(values) > 1 and len(values) == len(argument.choices):
        return spell(list(dict.fromkeys(values)))
    default = argument.default
    if isinstance(default, bool) or not isinstance(default, int | float):
        return ""
    if isinstance(default, float) or argument.kind == "float":
        return _floats(argument.name.lower(), float(default))
    return _wholes(argument.name.lower(), default)


def _floats(name: str, default: float) -> str:
    if _LOG.search(name):
        middle = default if default > 0 else 1e-4
        return f"{{ low = {_short(middle / 10)}, high = {_short(middle * 10)}, log = true }}"
    if "dropout" in name:
        return "{ low = 0.0, high = 0.5 }"
    if "momentum" in name or "beta" in name:
        return f"{{ low = 0.5, high = {_short(max(default, 0.99))} }}"
    if default <= 0:
        return ""
    high = min(default * 2, 1.0) if default < 1 else default * 2
    return f"{{ low = {_short(default / 2)}, high = {_short(high)} }}"


def _wholes(name: str, default: int) -> str:
    if default < 1:
        return ""
    if _SIZES.search(name) and default & (default - 1) == 0:
        return f"{{ low = {max(default // 4, 1)}, high = {default * 4}, powers_of = 2 }}"
    return f"{{ low = {max(default // 2, 1)}, high = {max(default * 2, 3)} }}"


def _short(value: float) -> str:
    return repr(float(f"{value:.3g}"))


def _toml_key(name: str) -> str:
    """Spell a key, in quotes only where it needs them."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else spell(name)


_NUMBER = "([-+.0-9eE]+|nan|inf)"
_LABEL = re.compile(r"([A-Za-z][\w/-]*(?: [A-Za-z][\w/-]*)?)(\s*[=:]?\s*)$")
_COLOUR = re.compile(r"\x1b\[[\d;]*m")
_GOOD = re.compile(r"acc|f1|auc|score|r2|bleu|map|iou|precision|recall|reward")
_BAD = re.compile(r"loss|err|mse|rmse|mae|perplexity|ppl|nll")
_HELD_OUT = re.compile(r"val|test|eval|dev")


class DraftError(Exception):
    """No study file can be drafted from the script; str() says why."""


def write_draft(script: Path) -> int:
    """Write the draft next to the script; the exit status: 0, or 2 with a message on stderr."""
    file = script.with_suffix(".toml")
    try:
        text = draft(script)
        with file.open("x", encoding="utf-8") as out:
            out.write(text)
    except DraftError as error:
        print(error, file=sys.stderr)
        return 2
    except FileExistsError:
        print(f"{file} exists already; move it away, or use it as it is.", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"{file} can't be written: {error.strerror}.", file=sys.stderr)
        return 2
    check = shlex.join(["tuitune", "check", str(file)])
    print(f"{file} is written. Edit its ranges and pattern, then: {check}")
    return 0


def draft(script: Path) -> str:
    """The text of a study file for a script. Raises DraftError if no argument can be used.

    The script is read by its syntax tree and never run.
    """
    tree = _tree(script)
    arguments = _read_arguments(tree)
    if not arguments:
        raise DraftError(
            f"{script} has no argparse call add_argument(…) to read. Write its study file by hand, "
            'with command = ["python", "' + script.name + '", "--lr", "{lr}"] or a target function.'
        )
    lines = [_suggest(argument) for argument in arguments]
    if not any(line.parameters for line in lines):
        names = ", ".join(argument.flag for argument in arguments)
        raise DraftError(
            f"{script} has no argument with a range to guess ({names}): it takes a number as its "
            "default, choices or a switch. Write its study file by hand."
        )
    metric, mode, pattern = _objective(tree)
    return "\n".join(
        [
            f"# A study of {plain(script.name)}: a start to edit, then: tuitune check FILE",
            "",
            *_study(script),
            "[objective]",
            f"metric = {spell(metric)}  # what to improve, by the pattern below",
            f'mode = "{mode}"  # "min" or "max"',
            "",
            "[trial]",
            "command = [",
            f'    "python", {spell(script.name.replace("{", "{{").replace("}", "}}"))},',
            *(f"    {line.command}," + _mark(line) for line in lines if line.command),
            "]",
            "",
            "[trial.metrics]  # the line that the script prints, with ( ) around the number",
            f"{_toml_key(metric)} = '{pattern}'",
            "",
            "[space]",
            *(text for line in lines for text in _space(line)),
            *_left(arguments, lines),
            "",
            "[search]",
            "trials = 50",
            "",
            "# [pruning]  # stops poor trials early, by a metric printed again and again",
            '# method = "asha"',
            "# max = 27  # how many times a whole trial prints it",
            "",
        ]
    )


def _tree(script: Path) -> ast.Module:
    try:
        return ast.parse(script.read_bytes(), str(script))
    except SyntaxError as error:
        raise DraftError(f"{script}, line {error.lineno}: {error.msg}; is it Python?") from None
    except OSError as error:
        raise DraftError(f"{script} can't be read: {error.strerror}.") from None
    except (RecursionError, MemoryError):
        raise DraftError(f"{script} can't be read: it is nested too deeply.") from None
    except ValueError as error:
        raise DraftError(f"{script} can't be read: {error}.") from None


def _study(script: Path) -> list[str]:
    """The table [study], where the file's own name is too long for the study's."""
    name = os.fsencode(script.stem)
    if len(name) <= LONGEST_NAME:
        return []
    return ["[study]", f"name = {spell(name[:LONGEST_NAME].decode('utf-8', 'ignore'))}", ""]


def _space(line: Line) -> list[str]:
    marked = [f"{text}  # {plain(line.why)}" for text in line.parameters[:1]]
    return [*marked, *line.parameters[1:]]


def _mark(line: Line) -> str:
    return "" if line.parameters else "  # the script needs it: fill it in"


def _left(arguments: list[Argument], lines: list[Line]) -> list[str]:
    left = [
        argument.flag if argument.default is None else f"{argument.flag} {argument.default}"
        for argument, line in zip(arguments, lines, strict=True)
        if not line.command
    ]
    return [f"# As the script has them: {plain(', '.join(left))}"] if left else []


def _objective(tree: ast.Module) -> tuple[str, str, str]:
    """Guess metric, mode and pattern from the f-strings that the script prints."""
    labels = [
        found
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for found in _labels(node)
    ]
    labels = [found for found in labels if _GOOD.search(found[0]) or _BAD.search(found[0])]
    if not labels:
        return "val_loss", "min", f"val_loss[=: ]+{_NUMBER}"
    name, text = max(labels, key=lambda found: bool(_HELD_OUT.search(found[0])))
    mode = "min" if _BAD.search(name) else "max"
    return name, mode, re.sub(r"(\\ )+", r"\\s+", re.escape(text)) + r"\s*" + _NUMBER


def _labels(node: ast.JoinedStr) -> list[tuple[str, str]]:
    """Find each "val loss: " that a value follows, as (val_loss, "val loss: ")."""
    found: list[tuple[str, str]] = []
    for part, after in zip(node.values, node.values[1:], strict=False):
        text = str(part.value) if isinstance(part, ast.Constant) else ""
        text = _COLOUR.sub("", text)  # no pattern sees it
        label = _LABEL.search(text) if isinstance(after, ast.FormattedValue) else None
        if label:
            name = re.sub(r"\W+", "_", label[1].lower())
            found.append((name, label[0].rstrip()))
    return found
