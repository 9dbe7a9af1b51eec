"""How is a study run in the foreground, with lines in place of the app?"""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from tuitune.cli import early_signals
from tuitune.cli.console import without_waiting
from tuitune.cli.follow import follow
from tuitune.cli.launch import another_runs, remove_unbegun
from tuitune.cli.progress import JsonLines, Lines
from tuitune.cli.run_request import RefusedError, as_run, resolve
from tuitune.cli.studies import StudyFolder, short_path
from tuitune.cli.summary import print_result, result_in, result_of
from tuitune.control import ControlError
from tuitune.engine.failure import EngineFailedError
from tuitune.engine.run import Opening, Outcome, StoppedEarlyError, run
from tuitune.engine.settings import CannotRunError
from tuitune.executors.base import TargetError
from tuitune.store.errors import HeldError, StoreError
from tuitune.store.folder import create_study
from tuitune.studyfile import StudyFileError

if TYPE_CHECKING:
    from pathlib import Path

    from tuitune.cli.run_request import Resolution, RunRequest
    from tuitune.core.spec import StudySpec
    from tuitune.core.study import Study
    from tuitune.engine.run import Watcher

REFUSALS = (StudyFileError, StoreError, CannotRunError, TargetError, RefusedError, ControlError)


def run_study(request: RunRequest) -> int:
    """The command's exit status: 0 done, 1 no trial completed, 2 refused, 130 interrupted."""
    return without_waiting(partial(_attempt, request), json_lines=request.as_json)


def _attempt(request: RunRequest) -> int:
    try:
        return _do(request, resolve(request))
    except REFUSALS as error:
        print(error, file=sys.stderr)
        return 2
    except EngineFailedError as error:
        print(error, file=sys.stderr)
        return 1
    except StoppedEarlyError as error:
        print(error, file=sys.stderr)
        return 130
    except KeyboardInterrupt:
        print("stopped before the study began", file=sys.stderr)
        return 130


def _do(request: RunRequest, resolution: Resolution) -> int:
    study = resolution.study
    if study is None:
        folder = create_study(request.runs, resolution.spec.name, another=request.new)
        if folder is None:  # somebody has begun it at the same moment
            return _do(request, resolve(request))
        return _run(request, resolution.spec, folder)
    if resolution.does == "follow":
        return _follow(study, request)
    if resolution.does == "tell":
        if not request.as_json:
            mend = "`--trials N` adds trials, `--new` starts another study"
            print(f"{study.name}: finished; {mend}")
        return print_result(result_in(study), as_json=request.as_json)
    for change in resolution.taken:
        print(f"{study.name}: taken over: {change}", file=sys.stderr)
    return _run(request, resolution.spec, study.path)


def _follow(study: StudyFolder, request: RunRequest) -> int:
    early_signals.let_come()
    print(f"{study.name}: an engine runs it already; following it", file=sys.stderr)
    return follow(study, as_json=request.as_json)


def _run(request: RunRequest, spec: StudySpec, folder: Path) -> int:
    def watcher(study: Study) -> Watcher:
        return JsonLines() if request.as_json else Lines(study, short_path(folder))

    opening = opening_of(request, spec, folder)
    try:
        outcome = run(opening, watcher)
    except HeldError:
        if not another_runs(folder, request.timeouts):
            raise
        return _follow(StudyFolder(folder), request)
    except BaseException:
        remove_unbegun(folder)
        raise
    return tell(outcome, as_json=request.as_json)


def opening_of(request: RunRequest, spec: StudySpec, folder: Path) -> Opening:
    """The study under its folder's name, which is another than the file's once there are two."""
    named = replace(spec, name=folder.name)
    text = as_run(request, folder.name)
    return Opening(
        named,
        folder,
        text,
        request.file.resolve(),
        steal=request.steal,
        executor=request.executor,
        is_whole_process=True,
    )


def tell(outcome: Outcome, *, as_json: bool) -> int:
    """Print how a run has ended; the command's exit status."""
    study = outcome.study
    status = print_result(result_of(study), as_json=as_json)
    if outcome.store_error is not None:
        print(outcome.store_error, file=sys.stderr)
        return 1
    if outcome.interrupted:
        print(f"{outcome.finished.why}; the same command continues", file=sys.stderr)
        return 130
    halted = study.state.halted
    if halted is not None and halted.failed:
        print(halted.why, file=sys.stderr)
        return 1
    return status
