"""The trial of a study that a program asks: it passes on what the program reports.

It is a process like that of any trial, so the engine, the journal and the app know no difference.
"""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from tuitune.trial.link import TrialStopped

if TYPE_CHECKING:
    from tuitune.trial.api import Trial

ADDRESS = "asks"  # the file in the study folder that has the path of the program's socket


def take(trial: Trial) -> Any:
    """Wait until the program asks for this trial, and report what it tells; its last metrics.

    Stops the study if the program has ended: nobody would ask for the next trial.
    """
    study = trial.folder.absolute().parents[1]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as asker:
        asker.connect((study / ADDRESS).read_text(encoding="utf-8"))
        lines = asker.makefile("rw", encoding="utf-8")
        send(lines, _about(trial))
        for line in lines:
            message = json.loads(line)
            if "failed" in message:
                raise Failed(message["failed"])
            if "done" in message:
                return message["done"]
            _pass_on(trial, message["report"], lines)
    return _stop(study)


class Failed(Exception):  # noqa: N818 - the name stands in the error of the trial
    """The program has told that the trial failed."""


def _about(trial: Trial) -> dict[str, Any]:
    try:
        maximum = trial.max_resource
    except AttributeError:
        maximum = None
    return {"trial": trial.number, "config": trial.config, "max_resource": maximum}


def send(lines: TextIO, message: Mapping[str, Any]) -> None:
    """Write a message, for the trial or for the program, as a line of JSON. Raises OSError."""
    lines.write(json.dumps(message) + "\n")
    lines.flush()


def _pass_on(trial: Trial, metrics: dict[str, Any], lines: TextIO) -> None:
    """Report, and answer whether the trial goes on. Raises TrialStopped if it doesn't."""
    try:
        trial.report(metrics)
    except TrialStopped:
        send(lines, {"go": False})
        raise
    send(lines, {"go": True})


def _stop(study: Path) -> NoReturn:
    """The program has ended: stop the study, which can go on later, and leave."""
    # The engine answers requests; a trial that is asked for needs none of this.
    from tuitune.control import ControlError, request, socket_path  # noqa: PLC0415
    from tuitune.control.requests import Stop  # noqa: PLC0415

    with contextlib.suppress(ControlError):
        request(socket_path(study, "control"), Stop(), timeout=10.0)
    raise TrialStopped("stopped")
