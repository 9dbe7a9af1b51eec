"""Where a study's checkpoints outlive its nodes: `--storage`, and what is remembered of it."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tuitune.core.spec import StudySpec
from tuitune.core.study import Study, checkpoints
from tuitune.engine.settings import CannotRunError
from tuitune.messages.text import trial_name
from tuitune.storage.depot import Depot, StorageError, TornError, check_scheme, digest
from tuitune.store.folder import STORAGE_KEY, STORAGES, TRIALS, expanded
from tuitune.store.journal import Journal
from tuitune.trial.checkpoints import CHECKPOINTS, written

if TYPE_CHECKING:
    from tuitune.executors.remote import protocol

_LOCAL = "file://"
_ITS_OWN = ("memory:", "local:")  # each process, or each node, has another


def place_of(text: str) -> str:
    """`--storage` as it is remembered: an absolute path, or a URL."""
    path = text.removeprefix(_LOCAL)
    return text if "://" in path else str(expanded(path).absolute())


def check_storage(place: str, on: str | None) -> None:
    """Check `--storage` as far as it can be on this machine, else raise CannotRunError."""
    told = f"--storage {place}"
    if on is None:
        raise CannotRunError(f"{told}: it is for trials on several nodes: add --on ray")
    if place.startswith(_ITS_OWN):
        raise CannotRunError(f"{told}: no two nodes see the same there: name a path or a URL")
    if "://" in place:
        try:
            check_scheme(place)
        except StorageError as error:
            raise CannotRunError(f"{told}: {error}") from error
    elif not Path(place).is_dir():
        raise CannotRunError(f"{told}: there is no such folder: make it where all nodes see it")
    else:
        import tempfile  # noqa: PLC0415 - few studies have such a folder

        try:
            Path(tempfile.mkdtemp(prefix=".check-", dir=place)).rmdir()
        except OSError as error:
            raise CannotRunError(
                f"{told}: nothing can be written there ({error.strerror}): name another folder, or "
                f"a URL"
            ) from error


def files_of(
    spec: StudySpec, journal: Journal, folder: Path, storage: str | None
) -> protocol.Files:
    """What nodes are told of the study's files; remembers its storage. Raises CannotRunError."""
    from tuitune.executors.remote import package, protocol  # noqa: PLC0415 - few have nodes

    key, places = _key(journal, folder), _places(journal)
    cwd = spec.trial.cwd
    has_own = cwd is not None and Path(cwd).is_absolute()  # each node has it
    code = None if has_own else package.code_of(Path(spec.file))
    files = protocol.Files(key, saves=spec.trial.saves, code=code)
    if storage is None:
        return files
    if "://" not in storage:
        try:
            Path(storage, key).mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise CannotRunError(f"--storage {storage}: {error.strerror}") from error
    earlier = tuple(place for place in places if place != storage)
    journal.put(STORAGES, "\n".join((storage, *earlier)))
    return msgspec.structs.replace(files, storage=storage, earlier=earlier)


def moved_storage(journal: Journal, storage: str | None) -> str:
    """A message if the study kept its checkpoints elsewhere before; empty if it did not."""
    before = next(iter(_places(journal)), "")
    if not before or before == storage:
        return ""
    return f"kept its checkpoints in {before} before, now in {storage or 'the study folder'}"


def bring_back(study: Study, journal: Journal, folder: Path, note: Callable[[str], None]) -> None:
    """Copy what a storage has of this study into its folder, which keeps it from now on.

    Raises CannotRunError if a storage can't be read.
    """
    places = _places(journal)
    if not places:
        return
    state = study.state
    wanted = [t for t in state.trials if t.checkpoint is not None and checkpoints.kept(state, t)]
    count = 0
    for place in places:
        try:
            depot = Depot(place, _key(journal, folder))
            count += sum(_bring(depot, folder, study, trial.number) for trial in wanted)
        except (StorageError, OSError) as error:
            raise CannotRunError(
                f"{folder.name}: its checkpoints are in {place}, and can't be copied from there "
                f"({error}): let this machine reach it, or run the study --on a cluster that does, "
                f"with --storage {place}"
            ) from error
    journal.put(STORAGES, "")
    if count:
        what = "checkpoint was" if count == 1 else "checkpoints were"
        note(f"{count} {what} copied back from {' and '.join(places)}")


async def bring_best(
    study: Study, journal: Journal, folder: Path, note: Callable[[str], None]
) -> None:
    """Copy the best trial's checkpoint into the study folder, for `best` and `train`."""
    places, best = _places(journal), study.state.leader
    if not places or best is None or study.state.trials[best].checkpoint is None:
        return
    key = _key(journal, folder)

    def bring() -> str | None:
        found = (p for p in places if _bring(Depot(p, key), folder, study, best))
        return next(found, None)

    try:
        if place := await asyncio.to_thread(bring):
            note(f"the checkpoint of {trial_name(best)} was copied from {place}")
    except (StorageError, OSError) as error:
        note(f"the checkpoint of {trial_name(best)} stays in {places[0]}: {error}")


def _bring(depot: Depot, folder: Path, study: Study, trial: int) -> bool:
    """Whether the trial's newest checkpoint there was newer than all in the study folder."""
    configuration = digest(study.spec.space.nested(study.state.trials[trial].config))
    place = folder / TRIALS / f"{trial:04d}" / CHECKPOINTS
    found = [int(one.name) for one in place.glob("[0-9]*")] if place.is_dir() else []
    known = checkpoints.known_step(study.state.trials[trial])
    here = [step for step in found if step <= known]
    for copy in depot.newest(trial, configuration, None, known):
        if copy.step <= max(here, default=-1):
            return False
        with contextlib.suppress(TornError):
            with written(place, copy.step, copy.attempt) as aside:
                depot.bring(trial, copy, aside)
            return True
    return False


def _key(journal: Journal, folder: Path) -> str:
    """The study's name among the studies of all users."""
    key = journal.get(STORAGE_KEY)
    if key is None:
        key = f"{folder.name}-{secrets.token_hex(4)}"
        journal.put(STORAGE_KEY, key)
    return key


def _places(journal: Journal) -> tuple[str, ...]:
    """The storages that may have checkpoints of the study, the newest first."""
    return tuple((journal.get(STORAGES) or "").splitlines())
