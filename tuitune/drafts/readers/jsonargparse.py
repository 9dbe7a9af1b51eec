"""Options of jsonargparse: LightningCLI, and functions and classes that it calls."""

import ast
from collections.abc import Iterator

from tuitune.drafts.option import VALUE, Objective, Option, Reading, python
from tuitune.drafts.printed import logged
from tuitune.drafts.readers import annotations
from tuitune.drafts.script import Script, called, keywords
from tuitune.studyfile.fill_ins import FILL_IN

_CALLBACK = "tuitune.integrations.lightning.TuituneCallback"


def read_lightning(script: Script) -> Reading | None:
    """The model and the data module of a LightningCLI, and what the model logs."""
    calls = list(script.calls("LightningCLI", "FabricCLI"))
    calls += [
        call
        for name, node in script.classes.items()
        if "LightningCLI" in map(called, node.bases)
        for call in script.calls(name)
    ]
    if not calls:
        return None
    given = dict(zip(("model_class", "datamodule_class"), calls[0].args, strict=False))
    given |= keywords(calls[0])
    options = [
        *_constructor(script, called(given.get("model_class")), "model"),
        *_constructor(script, called(given.get("datamodule_class")), "data"),
    ]
    run = given.get("run")
    words = () if isinstance(run, ast.Constant) and run.value is False else ("fit",)
    metric, mode = logged(script) or (FILL_IN, "min")
    return Reading(
        source="LightningCLI",
        command=python(script, *words),
        options=tuple(options),
        folder=("--trainer.default_root_dir={trial.folder}", f"--trainer.callbacks={_CALLBACK}"),
        objective=Objective(metric=metric, mode=mode, why="what the model logs"),
        reports_itself=True,
    )


def _constructor(script: Script, name: str, prefix: str) -> Iterator[Option]:
    """The parameters of a class's constructor, or of its first base that has one."""
    node = script.classes.get(name)
    if node is None:
        return
    inits = [f for f in node.body if isinstance(f, ast.FunctionDef) and f.name == "__init__"]
    if inits:
        yield from _options(script, annotations.parameters(script, inits[0]), f"{prefix}.")
        return
    for base in node.bases:
        yield from _constructor(script, called(base), prefix)


def _options(script: Script, entries: list[annotations.Entry], prefix: str = "") -> list[Option]:
    inner = annotations.flat(script, entries, prefix, only_dataclasses=True)
    return [annotations.option_of(entry, f"--{entry.name}={VALUE}") for entry in inner]


def read_jsonargparse(script: Script) -> Reading | None:
    """The function or class that jsonargparse's CLI or auto_cli calls."""
    calls = [c for c in script.calls("CLI", "auto_cli") if "jsonargparse" in script.imported]
    if not calls:
        return None
    first = calls[0].args[0] if calls[0].args else keywords(calls[0]).get("components")
    name = called(first)
    own = [f for f in script.tree.body if isinstance(f, ast.FunctionDef) and f.name[0] != "_"]
    if first is None and len(own) == 1:
        name = own[0].name
    if name in script.functions:
        entries = annotations.parameters(script, script.functions[name])
        options = _options(script, entries)
        if all(entry.nested is None for entry in entries):
            options = [_positional(option) if option.needed else option for option in options]
    elif name in script.classes and annotations.is_dataclass(script.classes[name]):
        options = _options(script, annotations.fields(script, script.classes[name]))
    else:
        return None
    return Reading(source="jsonargparse", command=python(script), options=tuple(options))


def _positional(option: Option) -> Option:
    """A parameter without a default."""
    return Option(name=option.name, words=(VALUE,), kind=option.kind, needed=True, said=option.name)
