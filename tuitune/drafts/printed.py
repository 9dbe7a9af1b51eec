"""The metric that a script prints or logs, and the pattern that finds it in the output."""

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tuitune.drafts.option import Objective
from tuitune.drafts.script import Script, called, keywords

NUMBER = r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?nan|[-+]?inf)"
_OPEN = r"(?:tensor\(|\[)?"  # what a value that is printed without a format may begin with
_PRINT = (
    *("print", "echo", "secho", "write", "info", "warning", "debug", "log"),
    *("rprint", "tqdm_write"),
)
_GOOD = re.compile(
    r"acc|correct|f1|auc|score|r2|bleu|rouge|\bmap\b|_map|iou|precision|recall|reward|return|success|"
    r"dice|ndcg|mrr|psnr|ssim|exact_match|\bap\b|top[-_ ]?1|elbo"
)
_BAD = re.compile(
    r"loss|err|mse|rmse|mae|perplexity|ppl|nll|bpc|bpb|wer|cer|fid|incorrect|deviance|logloss|\bbce\b"
)
_HELD_OUT = re.compile(r"val|eval|dev|test|hold|oof|\bcv")
_TRAINING = re.compile(r"train")
_LABEL = re.compile(r"([A-Za-z][\w/@-]*(?:[ _][A-Za-z][\w/-]*)?)['\"]?\s*[=:]?\s*\Z")
_COUNT = re.compile(r"\b(epoch|step|iter|iteration)s?\b['\"]?\s*[=:#]?\s*\Z", re.IGNORECASE)
_COLOUR = re.compile(r"\x1b\[[\d;]*m")
_PERCENT = re.compile(r"%[-+ #0]*\d*(?:\.\d+)?[diouxXeEfFgGsr]")
_BRACES = re.compile(r"\{[^{}]*\}")


@dataclass(frozen=True, slots=True)
class _Slot:
    """A value in a printed line."""

    formatted: bool = False  # with a format such as .3f


_Ranked = tuple[tuple[int, int], Objective]  # the better, the higher


def printed(script: Script, beside: Sequence[ast.FunctionDef] = ()) -> Objective | None:
    """The best of the metrics that a script prints: one of held-out data before one of training.

    beside: functions of other commands, whose lines don't count.
    """
    passed = {id(node) for function in beside for node in ast.walk(function)}
    calls = [call for call in script.calls(*_PRINT) if id(call) not in passed]
    ranked = [pair for call in calls for pair in _metrics(script, call)]
    rank, best = max(ranked, key=lambda pair: pair[0], default=((0, 0), None))
    return best if rank[0] >= 2 else _of_framework(script) or best


def _of_framework(script: Script) -> Objective | None:
    """What libraries print by themselves."""
    calls = {called(node) for node in script.find(ast.Call)}
    names = {name.removesuffix("Trainer") for name in calls if name.endswith("Trainer")}
    if script.imported & {"transformers", "trl"} and names:
        pattern = rf"eval_loss'?\s*[:=]\s*'?{NUMBER}"
        return Objective(
            metric="eval_loss", mode="min", pattern=pattern, why="a guess: what Trainer prints"
        )
    if script.imported & {"keras", "tensorflow"} and "fit" in calls:
        fits = [keywords(node) for node in script.calls("fit")]
        held_out = any(given.keys() & {"validation_split", "validation_data"} for given in fits)
        name = "val_loss" if held_out else "loss"
        pattern = rf"(?<!\w){name}: {NUMBER}"
        return Objective(metric=name, mode="min", pattern=pattern, why="a guess: what Keras prints")
    return None


def _metrics(script: Script, call: ast.Call) -> Iterator[_Ranked]:
    for line in _lines(_parts(script, call)):
        whole = "".join(part for part in line if isinstance(part, str)).lower()
        unit = count = ""
        for number, part in enumerate(line):
            text = line[number - 1] if number else ""
            if not isinstance(part, _Slot) or not isinstance(text, str):
                continue
            if (word := _COUNT.search(text)) is not None:
                unit = word[1].lower()
                count = re.escape(word[0].strip()).replace(r"\ ", " ") + r"\s*(\d+)"
                continue
            after = line[number + 1] if number + 1 < len(line) else ""
            found = _metric(text, part, whole, after if isinstance(after, str) else "")
            if found is not None:
                rank, objective = found
                why = f"a guess, from line {call.lineno}"
                yield rank, replace(objective, why=why, unit=unit, count=count)


def _metric(text: str, slot: _Slot, whole: str, after: str) -> _Ranked | None:
    label = _LABEL.search(text)
    if label is None or after.startswith("/"):  # a count of how many
        return None
    words = label[1].lower()
    good, bad = _GOOD.search(words), _BAD.search(words)
    if not good and not bad:
        return None
    name = re.sub(r"\W+", "_", words).strip("_")
    prefix = text.lower()
    held_out = _HELD_OUT.search(words) or (not _TRAINING.search(words) and _HELD_OUT.search(prefix))
    training = _TRAINING.search(words) or _TRAINING.search(prefix)
    around = _HELD_OUT.search(whole) and not training
    if held_out and not _HELD_OUT.search(name):
        name = f"{held_out[0]}_{re.sub(r'(average|mean|avg)_', '', name)}"
    rank = (3 if held_out else 2 if around else 0 if training else 1, 1 if bad else 0)
    # "Test set: Average loss" needs what is before its label to be told from that of training
    start = text[label.start() :]
    if held_out and not _HELD_OUT.search(words):
        start = text[text.rfind("\r") + 1 :]
    start = start[-60:].strip(" ,;|-\t")
    pattern = re.sub(r"(\\ |\\\t)+", r"\\s+", re.escape(start)).replace("'", ".").rstrip()
    guard = r"(?<![\w])" if re.match(r"\w", start) else ""
    opening = "" if slot.formatted else _OPEN
    pattern = rf"{guard}{pattern}\s*{opening}{NUMBER}"
    return rank, Objective(metric=name, mode="min" if bad else "max", pattern=pattern)


def _lines(parts: list[str | _Slot]) -> Iterator[list[str | _Slot]]:
    """The parts of a printed text, cut at the ends of its lines."""
    line: list[str | _Slot] = []
    for part in parts:
        if isinstance(part, _Slot):
            line.append(part)
            continue
        first, *rest = _COLOUR.sub("", part).split("\n")
        line = _joined(line, first)
        for text in rest:
            yield line
            line = [text]
    yield line


def _joined(line: list[str | _Slot], text: str) -> list[str | _Slot]:
    """A line with text at its end, in one piece with the text that is there."""
    last = line[-1] if line else None
    return [*line[:-1], last + text] if isinstance(last, str) else [*line, text]


def _parts(script: Script, call: ast.Call) -> list[str | _Slot]:
    """What a call prints, as texts and values."""
    args = list(call.args)
    if not args:
        return []
    first = args[0]
    logs = called(call) in ("info", "warning", "debug", "log") and len(args) > 1
    text = script.literal(first)
    if logs and isinstance(text, str) and _PERCENT.search(text):
        return _split(text, _PERCENT)
    sep = script.literal(keywords(call).get("sep"))
    parts: list[str | _Slot] = []
    for arg in args:
        if parts:
            parts = _joined(parts, sep if isinstance(sep, str) else " ")
        for part in _pieces(script, arg):
            parts = _joined(parts, part) if isinstance(part, str) else [*parts, part]
    return parts


def _pieces(script: Script, node: ast.expr) -> list[str | _Slot]:
    match node:
        case ast.Constant(value=str() as text):
            return [text]
        case ast.JoinedStr(values=values):
            return [piece for value in values for piece in _pieces(script, value)]
        case ast.FormattedValue(format_spec=spec):
            return [_Slot(formatted=spec is not None)]
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            return [*_pieces(script, left), *_pieces(script, right)]
        case ast.Dict(keys=keys):
            return _dictionary([script.literal(key) for key in keys])
        case _:
            return _template(script, node)


def _template(script: Script, node: ast.expr) -> list[str | _Slot]:
    """The pieces of "…" % values and "…".format(values); one value for all else."""
    text, field = None, _BRACES
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        text, field = script.literal(node.left), _PERCENT
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        text = script.literal(node.func.value) if node.func.attr == "format" else None
    return _split(text, field) if isinstance(text, str) else [_Slot()]


def _dictionary(keys: list[Any]) -> list[str | _Slot]:
    parts: list[str | _Slot] = []
    for key in keys:
        text = f"{', ' if parts else '{'}{key!r}: "
        parts = [*_joined(parts, text), _Slot()]
    return parts


def _split(text: str, field: re.Pattern[str]) -> list[str | _Slot]:
    parts: list[str | _Slot] = []
    place = 0
    for found in field.finditer(text):
        parts += [
            text[place : found.start()],
            _Slot(formatted=bool(re.search(r"[.:]\d*\.?\d*[efg]|%[^s]*[efgd]", found[0]))),
        ]
        place = found.end()
    return [*parts, text[place:]]


def logged(script: Script) -> tuple[str, str] | None:
    """The best metric that a script logs by self.log, wandb.log and the like, and its mode."""
    names = [n for call in script.calls("log") for n in _log_names(script, call)]
    ranked = [
        ((3 if _HELD_OUT.search(n) else 0 if _TRAINING.search(n) else 1, bool(_BAD.search(n))), n)
        for n in names
        if _GOOD.search(n) or _BAD.search(n)
    ]
    if not ranked:
        return None
    best = max(ranked, key=lambda pair: (pair[0], "val" in pair[1]))[1]
    return best, "min" if _BAD.search(best) else "max"


def _log_names(script: Script, call: ast.Call) -> Iterator[str]:
    first = call.args[0] if call.args else None
    name = script.literal(first)
    if isinstance(name, str):
        yield name
    elif isinstance(first, ast.Dict):
        yield from (key for key in map(script.literal, first.keys) if isinstance(key, str))
    elif isinstance(first, ast.JoinedStr):
        texts = [p.value if isinstance(p, ast.Constant) else None for p in first.values]
        for stage in ("val", "valid", "validation", "test", "train"):
            if _is_passed(script, stage) and texts.count(None) == 1:
                yield "".join(stage if text is None else str(text) for text in texts)


def _is_passed(script: Script, word: str) -> bool:
    """Whether a call of the script has this word as an argument."""
    for call in script.find(ast.Call):
        for node in [*call.args, *keywords(call).values()]:
            if isinstance(node, ast.Constant) and node.value == word:
                return True
    return False
