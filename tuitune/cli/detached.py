"""How does an engine run that no terminal is there for? Its words go to the study's engine.log."""

from __future__ import annotations

import signal
from functools import partial
from typing import TYPE_CHECKING

from tuitune.cli.console import without_waiting
from tuitune.cli.progress import Lines
from tuitune.cli.run import REFUSALS, opening_of, tell
from tuitune.cli.startup_pipe import Failed, Listening, StartupReporter
from tuitune.engine.failure import EngineFailedError
from tuitune.engine.run import StoppedEarlyError, run
from tuitune.store.errors import HeldError
from tuitune.studyfile import load

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tuitune.cli.run_request import RunRequest
    from tuitune.core import events as ev
    from tuitune.core.study import Study


class Log:
    """Lines for each thing worth keeping.

    Notes before the first fact repeat what the import has printed, which is in the log already.
    """

    def __init__(self, lines: Lines, reporter: StartupReporter) -> None:
        self._lines = lines
        self._reporter = reporter
        self._importing = True

    def __call__(self, facts: Sequence[ev.AnyFact]) -> None:
        self._importing = False
        self._reporter.close()  # trials start: all that can go wrong is in the store from here on
        self._lines(facts)

    def note(self, text: str) -> None:
        if not self._importing:
            self._lines.note(text)

    def close(self) -> None:
        self._lines.close()


def run_detached(request: RunRequest, folder: Path, startup: int) -> int:
    """Run the study of this folder; what prevents it is told to whoever started it."""
    return without_waiting(partial(_run, request, folder, startup))


def _run(request: RunRequest, folder: Path, startup: int) -> int:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    reporter = StartupReporter(startup)

    def watcher(study: Study) -> Log:
        return Log(Lines(study, str(folder)), reporter)

    def listening() -> None:
        reporter.send(Listening())

    try:
        spec = load(request.file, overrides=request.overrides)
        return tell(run(opening_of(request, spec, folder), watcher, listening), as_json=False)
    except REFUSALS as error:
        reporter.send(Failed(str(error), isinstance(error, HeldError)))
        print(error)
        return 2
    except EngineFailedError as error:
        reporter.send(Failed(str(error)))
        print(error)
        return 1
    except StoppedEarlyError as error:
        print(error)
        return 130
