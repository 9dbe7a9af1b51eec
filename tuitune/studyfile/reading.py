"""The tables of a study file, read into a `StudySpec`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuitune.core.spec import Limits, Objective, StudySpec
from tuitune.studyfile import hints, methods
from tuitune.studyfile.devices import check_parking, read_devices, read_log, read_notify
from tuitune.studyfile.problems import Problems, kind
from tuitune.studyfile.space import read_space
from tuitune.studyfile.table import Table
from tuitune.studyfile.trial import check_interpreter, check_metrics, folder_of, read_trial

LONGEST_NAME = 100  # bytes, which leaves room for suffixes and the names of files
_NEEDED = {
    "objective": 'write [objective] with metric = "val_loss" and mode = "min"',
    "trial": 'write [trial] with target = "train.py:train", or a command',
    "space": "write [space] with the parameters to search",
}


def read_study(
    document: Mapping[str, Any], path: Path, problems: Problems, *, check_target: bool
) -> StudySpec:
    """The study of a whole document; usable only if no problem was recorded."""
    _unknown(document, problems)
    for name, words in _NEEDED.items():
        if name not in document:
            problems.missing(name, "", words)
    tables = {name: _content(document, name, problems) for name in hints.KEYS}
    content = tables.pop("space")
    read = {name: Table(name, table, problems) for name, table in tables.items()}
    folder = folder_of(read["trial"], path) if check_target else None
    space, parameters = read_space(content, folder, problems, here="python" not in tables["trial"])
    if not parameters and "space" in document:
        problems.add("space", "", None, "has no parameter; write lr = { low = …, high = … }, say")
    if check_target:
        check_interpreter(read["trial"], path)
    for name in hints.KEYS.keys() - {
        "space",
        "search",
        "pruning",
    }:  # those have keys of their methods
        read[name].check_keys(_tools(tables["log"]) if name == "log" else ())
    objective = _objective(read["objective"], missing="objective" not in document)
    pruning = methods.read_pruning(read["pruning"])
    trial = read_trial(read["trial"], parameters, space, folder, missing="trial" not in document)
    if trial.command is not None:
        check_metrics(problems, trial.metrics, objective.metric, pruning.resource)
    if pruning.resource is not None and pruning.resource == objective.metric:
        words = "is the metric; name the key that counts epochs or steps, or leave it out"
        problems.add("pruning", "resource", pruning.resource, words)
    devices = read_devices(read["devices"])
    check_parking(problems, trial, devices)
    return StudySpec(
        name=_name(read["study"], path),
        objective=objective,
        trial=trial,
        space=space,
        search=methods.read_search(read["search"], parameters, space),
        pruning=pruning,
        limits=Limits(
            time=read["limits"].duration("time", None),
            target=read["limits"].number("target", None),
            disk_free=read["limits"].bytes("disk_free", None, zero=True),
        ),
        file=str(path),
        devices=devices,
        notify=read_notify(read["notify"]),
        log=read_log(read["log"]),
    )


def _tools(log: Mapping[str, Any]) -> list[str]:
    """The names in `to` of [log], each of which may have a key there."""
    found = log.get("to")
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []


def _unknown(document: Mapping[str, Any], problems: Problems) -> None:
    """Record unknown tables, and what these and all unknown keys most likely mean."""
    for name, value in document.items():
        if name not in hints.KEYS:
            problems.add(
                "", name, None if isinstance(value, dict) else value, hints.unknown_table(name)
            )
            problems.meant.add(hints.meant("", name) or (hints.nearest(name, hints.KEYS) or "", ""))
            continue
        keys = value if isinstance(value, dict) and name != "space" else ()
        guesses = (hints.meant(name, key) for key in keys if key not in hints.KEYS[name])
        problems.meant.update(guess for guess in guesses if guess is not None)


def _content(document: Mapping[str, Any], name: str, problems: Problems) -> dict[str, Any]:
    content = document.get(name, {})
    if isinstance(content, dict):
        return content
    problems.add("", name, content, f"is {kind(content)}, not a table; write [{name}] on a line")
    return {}


def _objective(table: Table, *, missing: bool) -> Objective:
    if not missing:
        table.needs("metric", '"val_loss"')
        table.needs("mode", '"min" or "max"')
    return Objective(
        metric=table.text("metric", ""),
        mode=table.one_of("mode", "min", ("min", "max")),
        value=table.one_of("value", "last", ("last", "best")),
    )


def _name(table: Table, path: Path) -> str:
    name = table.text("name", path.stem)
    plain = name.isprintable() and not set(name) & set("/\\")
    words, size = "", len(name.encode("utf-8", "surrogateescape"))
    if not plain or name[0] in ".- " or name.endswith((" ", ".toml")):
        words = 'can\'t name a folder; write a short one such as "cifar"'
    elif size > LONGEST_NAME:
        words = f"has {size} bytes, and it names a folder; write {LONGEST_NAME} or less"
    if words and "name" in table.content:
        table.wrong("name", words)
    elif words:
        table.problems.note(f"its name is the study's, which {words} as name in [study]")
    return name
