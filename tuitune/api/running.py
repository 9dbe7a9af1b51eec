"""Studies that a Python program begins: as their study file would, with the same engine and app."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypedDict, Unpack

from tuitune.api.loaded import Study, runs_folder
from tuitune.cli import launch, run_request, studies
from tuitune.cli.prepared import file_of, new_folder, prepare
from tuitune.cli.run import print_facts
from tuitune.core.options import Mode
from tuitune.store.folder import newest_study
from tuitune.studyfile import load, targets
from tuitune.studyfile.document import written

Table = Mapping[str, Any]
_POLL = 0.05  # s
_INTERRUPTED = 130  # the exit status after Ctrl-C


class Tables(TypedDict, total=False):
    """Tables of a study file, with the keys that they have there."""

    objective: Table  # beside the metric and the mode
    trial: Table
    search: Table
    pruning: Table
    limits: Table
    devices: Table
    notify: Table
    log: Table


class Plan(NamedTuple):
    """What a study is to be. runs: the folder of study folders; new: a second one of its name."""

    name: str
    runs: Path
    new: bool
    document: dict[str, Any]  # without a target


def run(  # noqa: PLR0913 - as many as a study file has
    train: Callable[..., Any],
    *,
    space: Table,
    metric: str,
    mode: Mode = "min",
    trials: int | None = None,
    name: str | None = None,
    runs: str | os.PathLike[str] | None = None,
    new: bool = False,
    wait: bool = True,
    quiet: bool = False,
    **tables: Unpack[Tables],
) -> Study:
    """Run a study of this function, or continue it, and return it once it has ended.

    The engine is a process of its own: the end of this one ends nothing, `tuitune attach` opens the
    app, and the same call goes on with the study. `space` and the other tables are those of the
    study file, which is written to runs/NAME.toml. A function that can't be imported, as that of a
    notebook, is stored by value with cloudpickle. wait: False returns at once. quiet: print
    nothing. Raises StudyFileError, StoreError, CannotRunError, RefusedError and StartError,
    RuntimeError if the engine fails.
    """
    own = name or str(getattr(train, "__name__", "study")).strip("<>")
    plan = planned(own, runs, new, _head(space, metric, mode, trials), tables)
    study = begin(plan, train)
    if wait:
        follow(study, quiet=quiet)
    return Study(study)


def _head(space: Table, metric: str, mode: Mode, trials: int | None) -> dict[str, Any]:
    search = {} if trials is None else {"trials": trials}
    return {"objective": {"metric": metric, "mode": mode}, "space": space, "search": search}


def planned(
    name: str,
    runs: str | os.PathLike[str] | None,
    new: bool,  # noqa: FBT001 - as it was given
    head: dict[str, Any],
    tables: Mapping[str, Any],
) -> Plan:
    """The study of these arguments; its trials run in the current folder."""
    document: dict[str, Any] = {"study": {"name": name}, "trial": {"cwd": str(Path.cwd())}}
    for table in (*head, *tables):
        given = {**head.get(table, {}), **tables.get(table, {})}
        document[table] = {**document.get(table, {}), **_plain(given, table)}
    return Plan(name, runs_folder(runs).absolute(), new, document)


def begin(
    plan: Plan,
    train: Callable[..., Any] | str,
    prepared: Callable[[studies.StudyFolder], object] = lambda _study: None,
) -> studies.StudyFolder:
    """The study with an engine, unless it is finished. train: a function, or a target.

    `prepared` is called with the study before an engine is started.
    """
    if "TUITUNE_STUDY" in os.environ:
        raise RuntimeError(
            "a study can't be run while its training code is imported, or in a trial: call "
            'tuitune.run under `if __name__ == "__main__":`'
        )
    before = None if plan.new else newest_study(plan.runs, plan.name)
    folder = before or new_folder(plan.runs, plan.name)
    try:
        _write(plan, train, folder, is_new=before is None)
    except BaseException:
        if before is None:  # it is not a study yet
            shutil.rmtree(folder)
            file_of(folder).unlink(missing_ok=True)
        raise
    prepared(studies.StudyFolder(folder))
    return launch.begin_engine(
        run_request.RunRequest(file_of(folder), plan.runs), studies.StudyFolder(folder)
    )


def _write(plan: Plan, train: Callable[..., Any] | str, folder: Path, *, is_new: bool) -> None:
    """Write the study file, and if it is new make the folder a study. Raises StudyFileError."""
    plan.document["trial"]["target"] = train if isinstance(train, str) else _target(train, folder)
    text = f"# written by a Python program\n\n{written(plan.document)}"
    file = file_of(folder)
    file.write_text(text, encoding="utf-8")
    if is_new:
        spec = load(file)
        prepare(folder, text, spec.objective.metric)


def follow(study: studies.StudyFolder, *, quiet: bool) -> None:
    """Return when the study has ended, or on Ctrl-C, which ends nothing.

    Raises RuntimeError if its engine fails.
    """
    try:
        shown = not quiet and study.owner() is not None
        status = print_facts(study, as_json=False) if shown else 0
        if status == _INTERRUPTED and study.owner() is not None:  # by Ctrl-C
            return
        while study.owner() is not None:
            time.sleep(_POLL)
    except KeyboardInterrupt:
        return
    engine = study.reader.engine()
    if engine is not None and engine.phase == "failed":
        raise RuntimeError(engine.words)


def _target(train: Callable[..., Any], folder: Path) -> str:
    """How the zygote finds the function: its file, its module, or a file with it in the folder."""
    name = getattr(train, "__qualname__", "")
    module = sys.modules.get(getattr(train, "__module__", None) or "")
    if module is not None and getattr(module, name, None) is train:
        if module.__name__ != "__main__":
            return f"{module.__name__}:{name}"
        file = getattr(module, "__file__", None)
        if file and file.endswith(".py") and Path(file).is_file():
            return f"{os.path.relpath(file)}:{name}"
    import cloudpickle  # noqa: PLC0415 - only for functions without a file

    path = folder / f"function{targets.PICKLE}"
    path.write_bytes(cloudpickle.dumps(train))
    return f"{path}:train"


def _plain(value: Any, where: str) -> Any:
    """The value as TOML can hold it; numbers of numpy become Python's. Raises TypeError."""
    if isinstance(value, Mapping):
        return {str(name): _plain(one, f"{where}.{name}") for name, one in value.items()}
    if isinstance(value, list | tuple | range):
        return [_plain(one, where) for one in value]
    if isinstance(value, bool | int | float | str):
        return value
    if hasattr(value, "item"):
        return _plain(value.item(), where)
    raise TypeError(f"{where} = {value!r}: a study file can't hold a {type(value).__name__}")
