"""A study run by this process, in the foreground or detached, or followed from another one."""

import signal
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from tuitune import control, studyfile
from tuitune.cli import console, early_signals, launch, progress, startup_pipe, studies, summary
from tuitune.cli.run_request import RefusedError, Resolution, RunRequest, as_run, resolve
from tuitune.core import events, events as ev
from tuitune.core.spec import StudySpec
from tuitune.core.study import Study
from tuitune.engine import failure, settings
from tuitune.engine.run import Opening, Outcome, StoppedEarlyError, Watcher, run
from tuitune.executors.base import TargetError
from tuitune.messages.reasons import reason_words
from tuitune.store.errors import HeldError, StoreError

_POLL = 0.5  # s
_HOLD = 10.0  # s that an engine started for a request waits for it


def print_facts(folder: studies.StudyFolder, *, as_json: bool) -> int:
    """Print what the engine stores until the study ends or its engine is gone; the exit status."""
    study = Study(folder.spec)
    watcher = (
        progress.JsonLines() if as_json else progress.Lines(study, studies.short_path(folder.path))
    )
    seen = 0
    try:
        while True:
            alive = folder.owner() is not None  # asked before reading, so that no fact is missed
            found = folder.reader.facts(seen)
            facts = [fact for _, fact in found]
            for fact in facts:  # one by one: each line shows the study as it was at that fact
                study.evolve(fact)
                watcher([fact])
            seen = found[-1][0] if found else seen
            if study.state.finished and (not alive or _ends(facts)):
                break
            engine = None if alive else folder.reader.engine()
            if engine is not None and engine.broke_down:
                print(f"{folder.name}: {engine.words}", file=sys.stderr)
                return 1
            if not alive:
                command = f"`tuitune {folder.words}`"
                print(
                    f"{folder.name}: its engine has ended; {command} continues it", file=sys.stderr
                )
                return 130
            time.sleep(_POLL)
    except KeyboardInterrupt:
        print(f"\n{folder.name}: still running; `tuitune stop {folder.name}` stops it")
        return 130
    finally:
        watcher.close()
    return summary.print_result(summary.result_of(study), as_json=as_json)


def _ends(facts: Sequence[events.AnyFact]) -> bool:
    return bool(facts) and isinstance(facts[-1], events.Finished)


_REFUSALS = (
    studyfile.StudyFileError,
    StoreError,
    settings.CannotRunError,
    TargetError,
    RefusedError,
    control.ControlError,
)


def run_study(request: RunRequest) -> int:
    """The command's exit status: 0 done, 1 no trial completed, 2 refused, 130 interrupted."""
    return console.without_waiting(partial(_attempt, request), json_lines=request.as_json)


def _attempt(request: RunRequest) -> int:
    try:
        return _do(request, resolve(request))
    except _REFUSALS as error:
        print(error, file=sys.stderr)
        return 2
    except failure.EngineFailedError as error:
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
    if resolution.does == "follow":
        return _follow(study, request)
    if resolution.does == "tell":
        if not request.as_json:
            hint = "`--trials N` adds trials, `--new` starts another study"
            print(f"{study.name}: finished; {hint}")
        return summary.print_result(summary.result_in(study), as_json=request.as_json)
    return _run(request, resolution)


def _follow(study: studies.StudyFolder, request: RunRequest) -> int:
    early_signals.let_come()
    print(f"{study.name}: an engine runs it already; following it", file=sys.stderr)
    return print_facts(study, as_json=request.as_json)


def _run(request: RunRequest, resolution: Resolution) -> int:
    folder = resolution.study.path

    def watcher(study: Study) -> Watcher:
        return (
            progress.JsonLines()
            if request.as_json
            else progress.Lines(study, studies.short_path(folder))
        )

    opening = _opening(request, resolution.spec, resolution.document, folder)
    try:
        outcome = run(opening, watcher, waiting=partial(print, file=sys.stderr))
    except HeldError:
        if not launch.another_runs(folder, request.timeouts):
            raise
        return _follow(studies.StudyFolder(folder), request)
    except BaseException:
        launch.remove_unbegun(folder)
        raise
    return _print_outcome(outcome, as_json=request.as_json)


def _opening(
    request: RunRequest, spec: StudySpec, document: Mapping[str, Any], folder: Path
) -> Opening:
    """The study under its folder's name, which differs from the file's for a second study."""
    named = replace(spec, name=folder.name)
    text = as_run(request, document, folder.name)
    return Opening(
        named,
        folder,
        text,
        request.file.resolve(),
        steal=request.steal,
        executor=request.executor,
        on=request.on,
        storage=request.storage,
        is_whole_process=True,
        hold=_HOLD if request.hold else 0.0,
    )


def _print_outcome(outcome: Outcome, *, as_json: bool) -> int:
    """Print how a run has ended; the command's exit status."""
    study = outcome.study
    status = summary.print_result(summary.result_of(study), as_json=as_json)
    if outcome.store_error is not None:
        print(outcome.store_error, file=sys.stderr)
        return 1
    if outcome.interrupted:
        print(f"{reason_words(outcome.finished.why)}; the same command continues", file=sys.stderr)
        return 130
    halted = study.state.halted
    if halted is not None and halted.failed:
        print(f"{reason_words(halted.why)}; {summary.AGAIN}", file=sys.stderr)
        return 1
    return status


class _Log:
    """Lines of the engine's log.

    Notes before the first fact repeat what the import has printed, which is in the log already.
    """

    def __init__(self, lines: progress.Lines, reporter: startup_pipe.StartupReporter) -> None:
        self._lines = lines
        self._reporter = reporter
        self._importing = True

    def __call__(self, facts: Sequence[ev.AnyFact]) -> None:
        self._importing = False
        self._reporter.close()  # trials start: later problems are in the store
        self._lines(facts)

    def note(self, text: str, *, is_progress: bool = False) -> None:
        if not self._importing:
            self._lines.note(text, is_progress=is_progress)

    def close(self) -> None:
        self._lines.close()


def run_detached(request: RunRequest, folder: Path, startup: int) -> int:
    """Run the study of this folder; the exit status. startup: descriptor for a StartupReporter."""
    return console.without_waiting(partial(_run_engine, request, folder, startup))


def _run_engine(request: RunRequest, folder: Path, startup: int) -> int:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    reporter = startup_pipe.StartupReporter(startup)

    def watcher(study: Study) -> _Log:
        return _Log(progress.Lines(study, str(folder)), reporter)

    def listening() -> None:
        reporter.send(startup_pipe.Listening())

    def waiting(text: str) -> None:
        reporter.send(startup_pipe.Waiting(text))
        print(text)

    try:
        spec, document = studyfile.load_whole(request.file, overrides=request.overrides)
        opening = _opening(request, spec, document, folder)
        return _print_outcome(run(opening, watcher, listening, waiting), as_json=False)
    except _REFUSALS as error:
        reporter.send(startup_pipe.Failed(str(error), isinstance(error, HeldError)))
        print(error)
        return 2
    except failure.EngineFailedError as error:
        reporter.send(startup_pipe.Failed(str(error)))
        print(error)
        return 1
    except StoppedEarlyError as error:
        print(error)
        return 130
