"""How is a running engine asked for something from another terminal?"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from tuitune.cli.studies import StudyFolder, open_study
from tuitune.control import ControlError, request, socket_path

if TYPE_CHECKING:
    from pathlib import Path


def stop_study(study: str, runs: Path, *, finish: bool) -> int:
    found = open_study(study, runs)
    if found is None:
        return 2
    answer = _ask(found, {"do": "stop", "finish": finish})
    if answer is None:
        return 2
    how = "when they end" if finish else "as soon as they have saved"
    print(f"{found.name}: stopping; {answer['running']} running trials leave {how}")
    return 0


def kill_trials(study: str, runs: Path, trials: tuple[int, ...]) -> int:
    found = open_study(study, runs)
    if found is None:
        return 2
    answer = _ask(found, {"do": "kill", "trials": list(trials)})
    if answer is None:
        return 2
    if answer["killed"]:
        print(f"{found.name}: killing trial {', '.join(map(str, answer['killed']))}")
    for words in answer["over"]:
        print(f"{found.name}: {words}; nothing to kill")
    return 0


def _ask(study: StudyFolder, message: dict[str, Any]) -> dict[str, Any] | None:
    try:
        answer = request(socket_path(study.path, "control"), message, timeout=10.0)
    except ControlError as error:
        if study.owner() is None:
            words = f"{study.name}: no engine runs it; `tuitune {study.source}` goes on with it"
            print(words, file=sys.stderr)
        else:
            print(f"{study.name}: {error}", file=sys.stderr)
        return None
    if "error" in answer:
        print(f"{study.name}: {answer['error']}", file=sys.stderr)
        return None
    return answer
