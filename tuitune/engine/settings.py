"""Settings of a study that may change between runs, and whether this machine can run them."""

import os
from collections.abc import Callable, Container, Sequence
from pathlib import Path

from tuitune.core import events, space
from tuitune.core.placement import host, hours, visibility
from tuitune.core.placement.snapshots import GpuSample, Snapshot
from tuitune.core.spec import StudySpec
from tuitune.core.study import Study
from tuitune.devices import locks, parking, quarantine, rocm
from tuitune.executors.local.interpreter import OURS, Interpreter, InterpreterError, ask_version
from tuitune.ipc.files import replace_file
from tuitune.messages.reasons import reason_words
from tuitune.store.errors import StoreError
from tuitune.store.folder import DOCUMENT
from tuitune.studyfile import interpreter, load, load_whole
from tuitune.studyfile.changes import changes
from tuitune.studyfile.document import written
from tuitune.studyfile.problems import WrongValueError
from tuitune.studyfile.trial import working_folder


class CannotRunError(Exception):
    """The study can't run on this machine; str() says why, and what to change."""


def settings_of(spec: StudySpec, *, has_gpus: bool = False) -> events.Settings:
    """The settings of a study file; without `gpus` in it a trial gets one GPU if there are any."""
    gpus = spec.trial.gpus
    return events.Settings(
        trials=spec.search.trials,
        concurrency=spec.search.concurrency,
        cpus=spec.trial.cpus,
        memory=spec.trial.memory,
        retries=spec.trial.retries,
        timeout=spec.trial.timeout,
        time_limit=spec.limits.time,
        target=spec.limits.target,
        gpus=float(has_gpus) if gpus is None else gpus,
        on_foreign=spec.devices.on_foreign,
        leave_within=spec.trial.leave_within,
        keep_checkpoints=spec.trial.keep_checkpoints,
        disk_free=spec.limits.disk_free,
        max_gpus=spec.devices.max_gpus,
        hours=spec.devices.hours,
        yield_to=spec.devices.yield_to,
        pause=spec.trial.pause,
        notify=spec.notify.command,
    )


def check_machine(
    spec: StudySpec, machine: host.HostResources, seen: Snapshot | None = None
) -> None:
    """Check that the machine can run a trial, else raise CannotRunError; `seen`: GPUs, if known."""
    problem = host.shortage(machine, host.HostResources(spec.trial.cpus, spec.trial.memory or 0))
    if not problem and seen is not None:
        problem = _gpu_shortage(spec, seen)
        if not problem and wants_gpus(spec) and has_gpus(spec, seen):
            problem = never_allowed(spec) or _no_locks() or _no_parking(spec, seen)
    if problem:
        raise CannotRunError(f"{spec.file}: {problem}")


def never_allowed(spec: StudySpec) -> str:
    """Why no trial is ever allowed its GPUs; empty where it is at some time of the day."""
    most, count = hours.most_ever(spec.devices.max_gpus, spec.devices.hours), spec.trial.gpu_count
    if most is None or count <= most:
        return ""
    return (
        f"[devices] max_gpus and hours allow {most} at most, and a trial has {count}; raise them, "
        f"or set gpus = 0 in [trial] to run on CPUs"
    )


def _no_parking(spec: StudySpec, seen: Snapshot) -> str:
    """Why trials can't be parked here; empty if they can, or are not to be."""
    if not spec.parks:
        return ""
    ours = [device for device in our_gpus(spec, seen) if not device.trouble]
    why = parking.why_not_here(seen, ours)
    parks = spec.trial.pause == "park"
    key, other = ("pause", "save") if parks else ("on_foreign", "pause")
    table = "trial" if parks else "devices"
    return f'[{table}] {key} = "park": {why}; or write {key} = "{other}"' if why else ""


def our_gpus(spec: StudySpec, seen: Snapshot) -> Sequence[GpuSample]:
    """The GPUs that the study may use; none where CUDA_VISIBLE_DEVICES or `allow` is wrong."""
    try:
        return visibility.allowed(seen.devices, os.environ, spec.devices.allow)
    except visibility.NotAllowedError:
        return ()


def _no_locks() -> str:
    """Why GPUs can't be locked; empty if they can."""
    try:
        locks.lock_folder(os.environ)
    except locks.LocksError as error:
        return str(error)
    return ""


def check_program(spec: StudySpec) -> None:
    """Raise CannotRunError if the program of a command can't be found on this machine."""
    problem = _no_program(spec)
    if problem:
        raise CannotRunError(f"{spec.file}: {problem}")


def _no_program(spec: StudySpec) -> str:
    """Why the program of a command can't be run; empty if it can, or is a parameter."""
    word = fixed_program(spec)
    folder = working_folder(spec.file, spec.trial.cwd)
    return missing_program(word, folder, spec.trial.env.get("PATH", "")) if word else ""


def fixed_program(spec: StudySpec) -> str:
    """The program of a command; empty where it is a parameter, or there is no command."""
    word = next(iter(spec.trial.command or ()), "")
    return word if isinstance(word, str) and "{" not in word else ""


def missing_program(word: str, folder: Path, search_path: str) -> str:
    """Why this program can't be run in a folder; empty if it can.

    search_path: the PATH that the study file sets; empty: that of this process.
    """
    if os.sep in word:
        path = folder / word
        if os.access(path, os.X_OK) and path.is_file():
            return ""
        what = "may not be executed: chmod +x it" if path.is_file() else "is not there: correct it"
    else:
        given = search_path or os.environ.get("PATH", os.defpath)
        places = [folder / place for place in given.split(os.pathsep)]
        if _is_in(places, word):
            return ""
        what = "is not a program on PATH: install it, or write its path"
        if word == "python" and _is_in(places, "python3"):
            what = 'is not a program on PATH: write "python3"'
        elif (folder / word).is_file():
            what = f'is not a program on PATH: write "./{word}"'
    if word.endswith(".py") and (folder / word).is_file():
        what = f'is a script: write ["python", {space.spell(word)}, …]'
    return f"[trial] command: {space.spell(word)} {what}"


def _is_in(places: Sequence[Path], program: str) -> bool:
    found = (place / program for place in places)
    return any(os.access(path, os.X_OK) and path.is_file() for path in found)


def interpreter_of(spec: StudySpec) -> Interpreter:
    """The interpreter of targets. Raises CannotRunError if it can't run them."""
    text = spec.trial.python
    if text is None:
        return OURS
    try:
        return ask_version(interpreter.find_interpreter(text, Path(spec.file).parent))
    except (WrongValueError, InterpreterError) as error:
        raise CannotRunError(
            f"{spec.file}: [trial] python = {space.spell(text)}: {error}"
        ) from error


def no_notifier(spec: StudySpec) -> str:
    """Why the command of [notify] can't be run; empty if it can, or there is none."""
    word = next(iter(spec.notify.command), "")
    folder = Path(spec.file).parent
    places = [folder] if os.sep in word else os.environ.get("PATH", os.defpath).split(os.pathsep)
    if not word or _is_in([folder / place for place in places], word):
        return ""
    return (
        f"[notify] command: {space.spell(word)} is not a program here; install it, or write its "
        f"path"
    )


def wants_gpus(spec: StudySpec) -> bool:
    """Whether the study may use GPUs, so that they have to be sampled."""
    return spec.trial.gpus != 0


def look_for(spec: StudySpec, waiting: Callable[[str], None] = lambda _text: None) -> Snapshot:
    """The GPUs for a study: NVIDIA's; or AMD's, if it asks for GPUs or its torch is built for them.

    May take as long as the driver needs to wake up; waiting: see `watchdog.look`.
    """
    from tuitune.devices.watchdog import look  # noqa: PLC0415 - it loads asyncio

    if not wants_gpus(spec):
        return Snapshot(problem="no GPU was asked for when this study began", absent=True)
    seen = look(waiting)
    number = rocm.count() if seen.absent else 0
    if number and (spec.trial.gpus is not None or rocm.torch_uses_rocm()):
        return rocm.snapshot(number, os.environ)
    return seen


def pause_warning(spec: StudySpec) -> str:
    """A warning that on_foreign = "pause" loses what a command has done; else empty."""
    trial = spec.trial
    if trial.command is None or trial.saves is not None or spec.devices.on_foreign != "pause":
        return ""
    return (
        '[devices] on_foreign = "pause": a command is ended by SIGTERM when another user comes to '
        "its GPU, and begins again from its start unless it saves by trial.report(save=...); name "
        'its checkpoint in `saves` of [trial], or write "drain": its trials run to their end'
    )


def has_gpus(spec: StudySpec, seen: Snapshot) -> bool:
    """Whether this machine has GPUs that the study may use."""
    return bool(our_gpus(spec, seen))


def _gpu_shortage(spec: StudySpec, seen: Snapshot) -> str:
    gpus = spec.trial.gpus
    if gpus == 0 or (gpus is None and seen.absent):
        return ""
    asked = "" if gpus is None else f"[trial] gpus = {gpus if gpus == 'auto' else f'{gpus:g}'}: "
    if seen.problem:
        return f"{asked}{seen.problem}; mend that, or set gpus = 0 in [trial] to run on CPUs"
    try:
        allowed_here = visibility.allowed(seen.devices, os.environ, spec.devices.allow)
    except visibility.NotAllowedError as error:
        return str(error)
    return _unusable(spec, seen, allowed_here, asked)


def _unusable(spec: StudySpec, seen: Snapshot, there: Sequence[GpuSample], asked: str) -> str:
    aside = {one.uuid: reason_words(one.why) for one in quarantine.listed_here(os.environ)}
    ill = {
        device.index: device.trouble or aside[device.uuid]
        for device in seen.devices
        if device.trouble or device.uuid in aside
    }
    there = usable(there, aside)
    if ill and not there and not visibility.hides_all(os.environ):
        index, why = next(iter(ill.items()))
        remedy = f"tuitune set {spec.name} devices.clear={index} uses it again"
        mend = "mend that" if why not in aside.values() else remedy
        return f"{asked}GPU {index} can't be used: {why}; {mend}, or set gpus = 0 to run on CPUs"
    few = _too_few(spec, there)
    return f"{asked}{few}" if few else ""


def usable(devices: Sequence[GpuSample], aside: Container[str]) -> list[GpuSample]:
    """Those that are not in trouble. aside: the UUIDs of those that are set aside."""
    return [one for one in devices if not one.trouble and one.uuid not in aside]


def _too_few(spec: StudySpec, there: Sequence[GpuSample]) -> str:
    """Why these GPUs are too few for a trial; empty if they are enough."""
    gpus, spared = spec.trial.gpus, spec.devices.leave_free
    count = 1.0 if gpus == "auto" else gpus
    if count is not None and count > 1:
        whole = [device for device in there if not device.parent]
        if there and not whole:
            what = f"the GPUs here are {len(there)} MIG instances, of which a trial has one at most"
            return f"{what}; set gpus = 1"
        there = whole
    if count is None or count <= max(0, len(there) - spared):
        return ""
    some = "1 GPU here is" if len(there) == 1 else f"{len(there)} GPUs here are"
    left = f", {spared} of which must stay free for others" if spared else ""
    return f"{some} ours to use{left}; ask for fewer, or set gpus = 0 to run on CPUs"


class NotWhileRunningError(Exception):
    """A change that a running study can't take up; str() says what it needs instead."""


class StudyDocument:
    """`study.toml` of a study folder."""

    def __init__(self, folder: Path, machine: host.HostResources, seen: Snapshot | None) -> None:
        """seen: the GPUs of this machine; None where the trials run on others."""
        self._path = folder / DOCUMENT
        self._machine = machine
        self._seen = seen

    def write(self, text: str) -> None:
        """Replace the file atomically. Raises StoreError."""
        try:
            replace_file(self._path, text)
        except OSError as error:
            raise StoreError(f"{self._path}: can't be written: {error.strerror}") from error

    def change(self, overrides: Sequence[str], study: Study) -> tuple[events.Settings, list[str]]:
        """Change the file. Returns the new settings, and what changed, as text.

        Raises StudyFileError, and NotWhileRunningError for what a running study can't take up.
        """
        spec, document = load_whole(self._path, overrides=overrides, check_target=False)
        taken, refused = changes(study.spec, spec)
        if self._seen is None:
            now = study.state.settings
            there = now is not None and now.gpus != 0
        else:
            there = has_gpus(spec, self._seen)
        settings = settings_of(spec, has_gpus=there)
        other = [str(change) for change in refused]
        late = [str(change) for change in taken if not change.is_setting]
        if other:
            raise NotWhileRunningError(f"that would be another study: {'; '.join(other)}")
        if late:
            raise NotWhileRunningError(
                f"{'; '.join(late)}: stop the study, then run its file with that"
            )
        try:
            check_machine(spec, self._machine, self._seen)
        except CannotRunError as error:
            raise NotWhileRunningError(str(error)) from error
        changed = []
        if settings != study.state.settings:
            before = load(self._path, check_target=False)  # with what was set since
            changed = [str(change) for change in changes(before, spec)[0]]
        self.write(written(document))
        return settings, changed
