"""What study file would suit a script, going by its argparse calls?"""

from __future__ import annotations

import ast
import os
import re
import shlex
import sys
from typing import TYPE_CHECKING

from tuitune.cli.arguments import Argument, read_arguments
from tuitune.cli.ranges import Line, suggest, toml_key
from tuitune.core.space import spell
from tuitune.studyfile.reading import LONGEST_NAME

if TYPE_CHECKING:
    from pathlib import Path

_NUMBER = "([-+.0-9eE]+|nan|inf)"
_LABEL = re.compile(r"([A-Za-z][\w/-]*(?: [A-Za-z][\w/-]*)?)(\s*[=:]?\s*)$")
_COLOUR = re.compile(r"\x1b\[[\d;]*m")
_GOOD = re.compile(r"acc|f1|auc|score|r2|bleu|map|iou|precision|recall|reward")
_BAD = re.compile(r"loss|err|mse|rmse|mae|perplexity|ppl|nll")
_HELD_OUT = re.compile(r"val|test|eval|dev")


class DraftError(Exception):
    """A script that no study file can be drafted from, in words."""


def write_draft(script: Path) -> int:
    """Write the draft beside the script and say so; the exit code is 0, or 2 with words."""
    file = script.with_suffix(".toml")
    try:
        text = draft(script)
        with file.open("x", encoding="utf-8") as out:
            out.write(text)
    except DraftError as wrong:
        print(wrong, file=sys.stderr)
        return 2
    except FileExistsError:
        print(f"{file} is there already; move it away or take it as it is.", file=sys.stderr)
        return 2
    except OSError as wrong:
        print(f"{file} can't be written: {wrong.strerror}.", file=sys.stderr)
        return 2
    check = shlex.join(["tuitune", "check", str(file)])
    print(f"{file} is written. Edit its ranges and pattern, then: {check}")
    return 0


def draft(script: Path) -> str:
    """Give the text of a study file for a script; DraftError where there is nothing to go by.

    The script is read by its syntax tree and never run.
    """
    tree = _tree(script)
    arguments = read_arguments(tree)
    if not arguments:
        raise DraftError(
            f"{script} has no argparse call add_argument(…) to read. Write its study file by hand, "
            'with command = ["python", "' + script.name + '", "--lr", "{lr}"] or a target function.'
        )
    lines = [suggest(argument) for argument in arguments]
    if not any(line.parameters for line in lines):
        names = ", ".join(argument.flag for argument in arguments)
        raise DraftError(
            f"{script} has no argument with a range to guess ({names}): it takes a number as its "
            "default, choices or a switch. Write its study file by hand."
        )
    metric, mode, pattern = _objective(tree)
    return "\n".join(
        [
            f"# A study of {_comment(script.name)}: a start to edit, then: tuitune check FILE",
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
            f"{toml_key(metric)} = '{pattern}'",
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
    except SyntaxError as wrong:
        raise DraftError(f"{script}, line {wrong.lineno}: {wrong.msg}; is it Python?") from None
    except OSError as wrong:
        raise DraftError(f"{script} can't be read: {wrong.strerror}.") from None
    except (RecursionError, MemoryError):
        raise DraftError(f"{script} can't be read: it is nested too deeply.") from None
    except ValueError as wrong:
        raise DraftError(f"{script} can't be read: {wrong}.") from None


def _study(script: Path) -> list[str]:
    """The table [study], where the file's own name is too long for the study's."""
    name = os.fsencode(script.stem)
    if len(name) <= LONGEST_NAME:
        return []
    return ["[study]", f"name = {spell(name[:LONGEST_NAME].decode('utf-8', 'ignore'))}", ""]


def _space(line: Line) -> list[str]:
    marked = [f"{text}  # {_comment(line.why)}" for text in line.parameters[:1]]
    return [*marked, *line.parameters[1:]]


def _mark(line: Line) -> str:
    return "" if line.parameters else "  # the script needs it: fill it in"


def _left(arguments: list[Argument], lines: list[Line]) -> list[str]:
    left = [
        argument.flag if argument.default is None else f"{argument.flag} {argument.default}"
        for argument, line in zip(arguments, lines, strict=True)
        if not line.command
    ]
    return [f"# As the script has them: {_comment(', '.join(left))}"] if left else []


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


def _comment(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)
