"""Options from dataclasses: HfArgumentParser, tyro, simple_parsing and Tap."""

import ast
from collections.abc import Iterator
from dataclasses import replace

from tuitune.drafts.option import VALUE, Option, Reading, python, unique
from tuitune.drafts.readers.annotations import Entry, fields, flat, option_of, parameters
from tuitune.drafts.script import Script, called, keywords

# The fields of transformers.TrainingArguments that matter here, with their defaults there.
_TRAINING = (
    Entry("learning_rate", "float", 5e-5, needed=False),
    Entry("weight_decay", "float", 0.0, needed=False),
    Entry("per_device_train_batch_size", "int", 8, needed=False),
    Entry("num_train_epochs", "float", 3.0, needed=False),
    Entry("seed", "int", 42, needed=False),
)
_TRL = (Entry("learning_rate", "float", 2e-5, needed=False), *_TRAINING[1:])
_HERE = "the script"
_OF_LIBRARIES = {"Seq2SeqTrainingArguments": _TRAINING, "TrainingArguments": _TRAINING}


def read_hf(script: Script) -> Reading | None:
    """The dataclasses that transformers.HfArgumentParser or trl.TrlParser turns into flags."""
    calls = list(script.calls("HfArgumentParser", "TrlParser", "H4ArgumentParser"))
    if not calls:
        return None
    given = [*calls[0].args, *keywords(calls[0]).values()]
    names = [name for node in given for name in _classes(script, node)]
    found: list[Option] = []
    folder: tuple[str, ...] = ()
    for name in names:
        entries = _inherited(script, name)
        found += [
            replace(option_of(entry, f"--{entry.name}", VALUE), origin=_origin(entry))
            for entry in entries
        ]
        if any(_origin(entry) != _HERE for entry in entries):
            folder = ("--output_dir", "{trial.folder}")
    found = [option for option in found if not (folder and option.name == "output_dir")]
    command = python(script)
    return Reading(source="HfArgumentParser", command=command, options=unique(found), folder=folder)


def _origin(entry: Entry) -> str:
    """Where the default of a field is from."""
    if any(entry is other for other in _TRAINING):
        return "transformers"
    return "trl" if any(entry is other for other in _TRL) else _HERE


def _classes(script: Script, node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Tuple | ast.List):
        for item in node.elts:
            yield from _classes(script, item)
    elif isinstance(node, ast.Name):
        for assigned in script.find(ast.Assign):
            if called(assigned.targets[0]) == node.id:
                yield from _classes(script, assigned.value)
                return
        yield node.id
    elif isinstance(node, ast.Attribute):
        yield node.attr


def _inherited(script: Script, name: str) -> list[Entry]:
    """The fields of a dataclass of the script, or of one that the table of libraries has."""
    node = script.classes.get(name)
    if node is None:
        trl = _TRL if name.endswith("Config") and name != "ModelConfig" else ()
        return [*_OF_LIBRARIES.get(name, trl)]
    bases = [entry for base in node.bases for entry in _inherited(script, called(base))]
    return list({entry.name: entry for entry in [*bases, *fields(script, node)]}.values())


def read_tyro(script: Script) -> Reading | None:
    """The dataclass or the function that tyro.cli turns into flags."""
    if "tyro" not in script.imported:
        return None
    for call in script.calls("cli"):
        node = called(call.args[0]) if call.args else ""
        if node in script.classes:
            entries = fields(script, script.classes[node])
        elif node in script.functions:
            entries = parameters(script, script.functions[node])
        else:
            continue
        options = tuple(_tyro(entry) for entry in flat(script, entries))
        return Reading(source="tyro", command=python(script), options=options)
    return None


def _tyro(entry: Entry) -> Option:
    flag = f"--{entry.name.replace('_', '-')}"
    option = option_of(entry, flag, VALUE)
    if entry.kind != "bool":
        return option
    table, dot, last = flag.removeprefix("--").rpartition(".")
    return replace(option, switch=(flag, f"--{table}{dot}no-{last}"))


def read_simple_parsing(script: Script) -> Reading | None:
    """The dataclasses of simple_parsing, and the class of a typed argument parser (Tap)."""
    if "simple_parsing" in script.imported:
        names = [
            called(call.args[0]) for call in script.calls("add_arguments", "parse") if call.args
        ]
    elif "tap" in script.imported:
        names = [n for n, node in script.classes.items() if "Tap" in map(called, node.bases)]
    else:
        return None
    entries = [e for name in names if name in script.classes for e in _inherited(script, name)]
    if not entries:
        return None
    source = "Tap" if "tap" in script.imported else "simple_parsing"
    return Reading(
        source=source,
        command=python(script),
        options=unique([_typed(entry, source) for entry in entries if entry.nested is None]),
    )


def _typed(entry: Entry, source: str) -> Option:
    flag = f"--{entry.name}"
    if source == "Tap" and entry.kind == "bool":
        switch = ("", flag) if entry.default is True else (flag, "")
        name = entry.name
        return Option(name=name, kind="bool", default=entry.default, switch=switch, said=flag)
    return option_of(entry, flag, VALUE)
