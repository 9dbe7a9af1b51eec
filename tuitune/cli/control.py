"""The commands that ask a running engine for something."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tuitune.cli.arguments import Refusal
from tuitune.cli.studies import StudyFolder, open_study
from tuitune.control import ControlError, request, requests, socket_path
from tuitune.messages.states import leaving
from tuitune.messages.text import configuration_words, duration, trial_name, trial_names
from tuitune.store import owner
from tuitune.studyfile.document import parsed

_ACTS: dict[str, type[requests.Kill | requests.Pause | requests.Resume | requests.Retry]] = {
    "kill": requests.Kill,
    "pause": requests.Pause,
    "resume": requests.Resume,
    "retry": requests.Retry,
}
_LAUNCHING = {
    "pause": "no new trial is launched; running trials continue",
    "resume": "trials are launched again",
}
_DOING = {"kill": "killing", "pause": "pausing", "resume": "resuming", "retry": "retrying"}


def stop_study(study: str | None, runs: Path, *, finish: bool, now: bool) -> int:
    """Ask the engine to stop; the exit status. finish: trials run to their end; now: killed."""
    found, answer = _ask(study, runs, requests.Stop(finish, now))
    running = answer["running"]
    s = "" if running == 1 else "s"
    if not running:
        how = "no trial is running"
    elif finish:
        how = f"waiting for {running} running trial{s} to end"
    elif now:
        how = f"killing {running} running trial{s}"
    else:
        may_save = found.spec.trial.may_save or any(r.checkpoint for r in found.reader.trials())
        how = f"waiting for {running} running trial{s} to {leaving(may_save=may_save)}"
        if within := answer.get("within"):
            plus = " plus the time of a save" if may_save else ""
            how += f", for at most {duration(within)}{plus}; --now does not wait"
    print(f"{found.name}: stopping; {how}")
    return 0


def act_on_trials(study: str | None, runs: Path, act: str, trials: Sequence[int]) -> int:
    """Kill, pause, resume or retry trials; without trials pause or resume launching."""
    found, answer = _ask(study, runs, _ACTS[act](tuple(trials)))
    if not trials:
        print(f"{found.name}: {_LAUNCHING[act]}")
    if answer["done"]:
        print(f"{found.name}: {_DOING[act]} {trial_names(answer['done'])}")
    for words in answer["refused"]:
        print(f"{found.name}: {words}", file=sys.stderr)
    return 0 if answer["done"] or not answer["refused"] else 2


def add_trial(study: str | None, runs: Path, values: Sequence[str], like: int | None) -> int:
    """Add a trial. Other values are those of trial `like`, or chosen by the search method."""
    config: dict[str, Any] = {}
    for text in values:
        path, value = parsed(text)
        if not path:
            raise Refusal(f"{text}: write a parameter and its value, as lr=0.01")
        config[".".join(path)] = value
    found, answer = _ask(study, runs, requests.Add(config, like))
    shown = configuration_words(answer["config"])
    print(f"{found.name}: added {trial_name(answer['trial'])}: {shown}")
    return 0


def set_settings(study: str | None, runs: Path, overrides: Sequence[str]) -> int:
    """Change settings of a running study, each written KEY=VALUE; the exit status.

    GPUs that were set aside are used again whether or not the study runs.
    """
    found = open_study(study, runs)
    cleared, others = requests.apart(overrides)
    if cleared and not others and found.owner() is None:
        return _clear_gpus(found.name, cleared)
    answer = _ask_engine(found, requests.Set(tuple(overrides)))
    for words in answer["changed"] or ["nothing has changed"]:
        print(f"{found.name}: {words}")
    return 0


def _clear_gpus(name: str, cleared: Sequence[str]) -> int:
    from tuitune.devices.locks import LocksError, lock_folder  # noqa: PLC0415 - seldom needed
    from tuitune.devices.quarantine import Quarantine  # noqa: PLC0415

    try:
        quarantine = Quarantine(lock_folder(os.environ))
        for which in cleared:
            numbers = [aside.number for aside in quarantine.clear(which)]
            print(f"{name}: {requests.cleared_words(which, numbers)}")
    except (LocksError, OSError) as error:
        raise Refusal(f"{name}: {error}") from error
    return 0


def _ask(
    text: str | None, runs: Path, message: requests.Request
) -> tuple[StudyFolder, dict[str, Any]]:
    """The study and its engine's answer. Raises Refusal if there is none."""
    study = open_study(text, runs)
    return study, _ask_engine(study, message)


def _ask_engine(study: StudyFolder, message: requests.Request) -> dict[str, Any]:
    """Its engine's answer. Raises Refusal if there is none."""
    try:
        socket = socket_path(study.path, "control")
        answer = request(socket, message, timeout=10.0)
    except ControlError as error:
        words = owner.out_of_reach(study.path) or str(error)
        if study.owner() is None:
            words = _without_engine(study)
        raise Refusal(f"{study.name}: {words}") from error
    if "error" in answer:
        raise Refusal(f"{study.name}: {answer['error']}")
    return answer


def _without_engine(study: StudyFolder) -> str:
    file = study.words
    if study.state() == "finished":  # the file alone would only print its result
        return f"it is finished; `tuitune {file} --trials N` adds trials"
    return f"no engine runs it; `tuitune {file}` continues it"
