"""What does `tuitune FILE` mean now: begin, go on, follow, or tell how it ended?"""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import tomli_w

from tuitune.cli.follow import follow
from tuitune.cli.progress import JsonLines, Lines
from tuitune.cli.studies import StudyFolder, short_path
from tuitune.cli.summary import summary, summary_json
from tuitune.control import ControlError
from tuitune.devices.host import host_room
from tuitune.engine.run import Opening, Outcome, run
from tuitune.engine.settings import CannotRunError, check_machine
from tuitune.execution.executor import TargetError
from tuitune.store.errors import StoreError
from tuitune.store.folder import create_study, newest_study
from tuitune.study.state import COMPLETE
from tuitune.studyfile import StudyFileError, load, load_document
from tuitune.studyfile.changes import changes

if TYPE_CHECKING:
    from pathlib import Path

    from tuitune.engine.run import Watcher
    from tuitune.spec import StudySpec
    from tuitune.study import Study


@dataclass(frozen=True, slots=True)
class Wish:
    """What was said on the command line."""

    file: Path
    overrides: tuple[str, ...]
    runs: Path
    new: bool
    steal: bool
    as_json: bool


class RefusedError(Exception):
    """The study file has become another study's; str() says what differs and the mend."""


def run_study(wish: Wish) -> int:
    """The command's exit status: 0 done, 1 no trial completed, 2 refused, 130 interrupted."""
    wish = replace(wish, runs=wish.runs.absolute())  # trials have another current folder
    try:
        spec = load(wish.file, overrides=wish.overrides)
        check_machine(spec, host_room())
        found = None if wish.new else newest_study(wish.runs, spec.name)
        if found is None:
            return _begin(wish, spec)
        return _go_on(wish, spec, StudyFolder(found))
    except (
        StudyFileError,
        StoreError,
        CannotRunError,
        TargetError,
        RefusedError,
        ControlError,
    ) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted before the study had begun", file=sys.stderr)
        return 130


def _begin(wish: Wish, spec: StudySpec) -> int:
    folder = create_study(wish.runs, spec.name)
    try:
        return _run(wish, spec, folder)
    except TargetError:
        shutil.rmtree(folder)  # nothing has happened in it yet
        raise


def _go_on(wish: Wish, spec: StudySpec, study: StudyFolder) -> int:
    taken, refused = changes(study.spec, spec)
    rows = study.reader.trials()
    if refused and rows:
        raise RefusedError(_refusal(wish, study, [str(change) for change in refused]))
    if study.owner() is not None:
        print(f"{study.name}: an engine runs it already; following it", file=sys.stderr)
        return follow(study, as_json=wish.as_json)
    trials_then = study.spec.search.trials
    if study.state() == "finished" and spec.search.trials <= max(len(rows), trials_then):
        print(f"{study.name}: finished; `--trials N` adds trials, `--new` starts another study")
        print(summary(study.replayed()))
        return 0
    for change in taken:
        print(f"{study.name}: taken over: {change}", file=sys.stderr)
    return _run(wish, spec, study.path)


def _refusal(wish: Wish, study: StudyFolder, differences: list[str]) -> str:
    command = " ".join(["tuitune", short_path(wish.file), *_said(wish), "--new"])
    lines = [
        f"{study.name}: {wish.file} has become another study's:",
        *(f"  {difference}" for difference in differences),
        f"`{command}` begins that one; or change these keys back to go on with {study.name}.",
    ]
    return "\n".join(lines)


def _said(wish: Wish) -> list[str]:
    return [word for override in wish.overrides for word in ("--set", f"'{override}'")]


def _run(wish: Wish, spec: StudySpec, folder: Path) -> int:
    def watcher(study: Study) -> Watcher:
        return JsonLines() if wish.as_json else Lines(study, short_path(folder))

    opening = Opening(spec, folder, _as_run(wish, spec.name), wish.file.resolve(), steal=wish.steal)
    outcome = run(opening, watcher)
    return _tell(outcome, as_json=wish.as_json)


def _as_run(wish: Wish, name: str) -> str:
    """The study file with what was said on the command line worked in."""
    document = load_document(wish.file, wish.overrides)
    named = {**document, "study": {**document.get("study", {}), "name": name}}
    return f"# {wish.file.resolve()} as it was last run\n\n{tomli_w.dumps(named)}"


def _tell(outcome: Outcome, *, as_json: bool) -> int:
    study = outcome.study
    if as_json:
        print(summary_json(study))
    else:
        print(summary(study))
    if outcome.store_error is not None:
        print(outcome.store_error, file=sys.stderr)
        return 1
    if outcome.interrupted:
        words = f"interrupted: {outcome.finished.why}; the same command goes on from here"
        print(words, file=sys.stderr)
        return 130
    halted = study.state.halted
    if halted is not None and halted.failed:
        print(halted.why, file=sys.stderr)
        return 1
    return 0 if any(t.state == COMPLETE for t in study.state.trials) else 1
