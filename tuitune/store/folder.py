"""Study folders: how they are made and found, and the registry of this user's studies."""

import contextlib
import errno
import fcntl
import json
import os
import re
import shlex
import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from tuitune.ipc.files import replace_file
from tuitune.store import owner
from tuitune.store.errors import StoreError

DATABASE = "study.db"
# Under these names a study remembers its name and its places in storages (`--storage`), the newest
# place first, one a line.
STORAGE_KEY, STORAGES = "key", "storage"


def remember(folder: Path) -> bool:
    """Add this study to the registry, for `ls` and for finding it by name from anywhere.

    False if the user's state folder can't be written: a study runs without it, too.
    """
    import hashlib  # noqa: PLC0415 - it loads OpenSSL: seldom needed

    folder = folder.resolve()
    try:
        place = _place()
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        entry = place / f"{hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]}.json"
        replace_file(entry, json.dumps({"folder": str(folder)}))
    except (OSError, RuntimeError, ValueError):  # no home, not writable, an odd path
        return False
    _forget_removed(place)
    return True


def known_studies() -> list[Path]:
    """Folders of the studies that still exist, the one run last first."""
    try:
        entries = sorted(_place().glob("*.json"), key=_age)
    except (OSError, RuntimeError):
        return []
    folders = (_folder(entry) for entry in entries)
    return [folder for folder in folders if folder is not None and is_file(folder / DATABASE)]


def node_folder(study: str) -> Path:
    """Where a node keeps the files of a study whose folder it does not see."""
    return _place().with_name("nodes") / study


def is_file(path: Path) -> bool:
    """As Path.is_file; False for a path that is too long or may not be read."""
    try:
        return path.is_file()
    except OSError:
        return False


def expanded(text: str) -> Path:
    """As Path.expanduser; "~name" of an unknown user stays as it is, as in a shell."""
    path = Path(text)
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def _place() -> Path:
    from platformdirs import user_state_path  # noqa: PLC0415 - only commands that need it pay

    return user_state_path("tuitune", appauthor=False) / "studies"


def _age(entry: Path) -> float:
    try:
        return -entry.stat().st_mtime
    except OSError:
        return 0.0


def _folder(entry: Path) -> Path | None:
    try:
        return Path(json.loads(entry.read_text(encoding="utf-8"))["folder"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _forget_removed(place: Path) -> None:
    """Remove entries of deleted studies; one whose disk is not mounted is kept."""
    for entry in place.glob("*.json"):
        folder = _folder(entry)
        with contextlib.suppress(OSError):
            if folder is None or (folder.parent.is_dir() and not (folder / DATABASE).exists()):
                entry.unlink()


DOCUMENT = "study.toml"
TRIALS = "trials"
LOG = "engine.log"  # what the engine and the imported training code print
RAY_LOG = "ray.log"  # what Ray prints in the process that holds the connection to it
NAME = ".study"  # has the study's name: folder cifar-2 may be the second cifar, or a cifar-2
# The files that an engine makes before its study has begun.
_BARE = (
    rf"{re.escape(DATABASE)}(-wal|-shm|-journal)?|{re.escape(DOCUMENT)}(\.new|\.[0-9]+)?|\{NAME}"
    rf"|\.gitignore|{re.escape(LOG)}|{re.escape(RAY_LOG)}|\{owner.LOCK}|\{owner.ROW}(\.[0-9]+)?"
)
_ELSEWHERE = "choose another place with --runs DIR"
_NUMBER = r"-([1-9][0-9]*)"


def trial_folder(study: Path, trial: int) -> Path:
    """The folder of a trial. study: the study folder."""
    return study / TRIALS / f"{trial:04d}"


def create_study(runs: Path, name: str, *, another: bool = True) -> Path | None:
    """A new folder, for its user alone, for a study of this name: name, name-2, name-3 ...

    A folder whose engine died before the study began is used again. `another`: also make one if
    there are studies of this name; without it None is returned then. Raises StoreError if `name`
    can't be a folder's, or `runs` can't be written.
    """
    if not name or name.startswith(".") or "/" in name or "\0" in name:
        raise StoreError(
            f"study name {name!r}: it becomes a folder, so it can't be empty, start with a dot or "
            f"hold a slash; set [study] name"
        )
    try:
        runs.mkdir(parents=True, exist_ok=True)
        with _alone(runs):
            folder = next(f for f in _folders(runs, name) if _is_abandoned(f) or _make(f))
            # Checked last: by now a folder that was skipped above is a complete study.
            if not another and newest_study(runs, name) is not None:
                if not (folder / NAME).exists():
                    folder.rmdir()
                return None
            (folder / ".gitignore").write_text("*\n", encoding="utf-8")
            (folder / NAME).write_bytes(os.fsencode(name))
    except UnicodeEncodeError as error:
        raise StoreError(
            f"study name {name!a}: this locale has no such characters in names of files; set "
            f"LC_ALL=C.UTF-8, or [study] name"
        ) from error
    except OSError as error:
        raise StoreError(
            f"{error.filename or runs}: can't be written ({error.strerror}); {_ELSEWHERE}"
        ) from error
    return folder


def check_place(runs: Path) -> None:
    """Raise StoreError if `create_study` would, as far as that is known without writing."""
    place = next(p for p in (runs, *runs.parents) if os.path.lexists(p))
    trouble = "" if os.access(place, os.W_OK | os.X_OK) else os.strerror(errno.EACCES)
    if not place.is_dir():
        trouble = os.strerror(errno.ENOTDIR if place != runs else errno.EEXIST)
    if trouble:
        raise StoreError(f"{runs}: can't be written ({trouble}); {_ELSEWHERE}")


def newest_study(runs: Path, name: str) -> Path | None:
    """The newest folder of a study of this name; None if there is none."""
    found = [(_number(folder, name), folder) for folder in studies_in(runs)]
    return max(((n, folder) for n, folder in found if n), default=(0, None))[1]


def studies_in(runs: Path) -> list[Path]:
    """The study folders of a runs folder, by name."""
    try:
        folders = sorted(runs.iterdir())
    except OSError:
        return []
    return [folder for folder in folders if _is_study(folder)]


def all_studies(runs: Path) -> list[Path]:
    """The folders of the studies of a runs folder and of those that the registry knows.

    Absolute, each once: the one run last first, then those that were never run on this machine.
    """
    folders = (folder.resolve() for folder in [*known_studies(), *studies_in(runs)])
    return list(dict.fromkeys(folder for folder in folders if _is_study(folder)))


def find_study(text: str, runs: Path) -> Path:
    """The study folder that `text` names: in the runs folder, the registry, or as a path.

    A bare name means the newest study of that name. Raises StoreError, with similar names.
    """
    found = _named(runs, text)
    if found is not None:
        return found
    known = known_studies()
    places = dict.fromkeys(folder.parent for folder in known)
    matches = [match for match in (_named(place, text) for place in places) if match is not None]
    if len(matches) > 1:
        raise StoreError(
            f"{text}: several studies have this name; give the path of one: "
            f"{', '.join(str(match) for match in matches)}"
        )
    if matches:
        return matches[0]
    path = expanded(text)
    for folder in (path, path.parent) if path.name in (DATABASE, DOCUMENT) else (path,):
        if _is_study(folder):
            return folder
    raise _unknown(text, runs, [*studies_in(runs), *known])


def remove_bare(folder: Path) -> bool:
    """Remove a study's folder, unless it holds more than an engine makes before it begins.

    Returns whether it was removed. Raises OSError.
    """
    found = sorted(folder.iterdir())
    if not all(re.fullmatch(_BARE, path.name) and path.is_file() for path in found):
        return False
    for path in found:
        path.unlink()
    folder.rmdir()
    return True


def check_deletable(folder: Path) -> None:
    """Raise StoreError if an engine runs the study, here or perhaps on another machine."""
    if owner.running(folder) is not None:
        name = folder.name
        mend = f"`tuitune stop {_word(name)}` ends it first"
        raise StoreError(owner.out_of_reach(folder) or f"{name}: an engine runs it; {mend}")


def delete_study(folder: Path) -> None:
    """Delete a study's folder with all that is in it. Raises StoreError, as `check_deletable` does.

    It is renamed first, so that nobody sees a half of it; a link to a folder is deleted with it.
    """
    check_deletable(folder)
    real = folder.resolve()
    aside = real.with_name(f".{real.name}.deleted-{os.getpid()}")
    held = owner.claim(real)
    try:
        real.rename(aside)
        shutil.rmtree(aside)
        if folder.is_symlink():
            folder.unlink()
    except OSError as error:
        raise StoreError(
            f"{error.filename or folder}: can't be deleted ({error.strerror})"
        ) from error
    finally:
        held.release()
    _forget_removed(_place())


def _word(name: str) -> str:
    """The name as an argument of a command: quoted, and after -- if it begins with a dash."""
    return f"{'-- ' if name.startswith('-') else ''}{shlex.quote(name)}"


def _named(runs: Path, text: str) -> Path | None:
    if not text or "/" in text or text in (".", ".."):
        return None
    newest = newest_study(runs, text)
    if newest is not None:
        return newest
    return runs / text if _is_study(runs / text) else None


def _unknown(text: str, runs: Path, studies: list[Path]) -> StoreError:
    import difflib  # noqa: PLC0415 - only a mistake pays for it

    names = list(dict.fromkeys(folder.name for folder in studies))
    near = difflib.get_close_matches(text, names, n=3)
    if near:
        hint = f"did you mean {' or '.join(near)}?"
    elif names:
        hint = f"there are: {', '.join(names[:10])}"
    else:
        hint = "there are none yet; `tuitune STUDY.toml` runs one"
    return StoreError(f"{text}: no such study in {runs}, on this machine, or as a path; {hint}")


@contextlib.contextmanager
def _alone(runs: Path) -> Iterator[None]:
    """Lock `runs`, so that no other process makes a folder, if the file system has locks."""
    lock = os.open(runs, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _folders(runs: Path, name: str) -> Iterator[Path]:
    yield runs / name
    yield from (runs / f"{name}-{number}" for number in count(2))


def _make(folder: Path) -> bool:
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        return False
    return True


def _is_study(folder: Path) -> bool:
    """Hidden folders are those of studies that are being deleted."""
    hidden = folder.name.startswith(".")
    return not hidden and is_file(folder / DATABASE) and not _is_abandoned(folder)


def _is_abandoned(folder: Path) -> bool:
    """Whether an engine made this folder and died before its study had begun."""
    return (
        (folder / NAME).is_file()
        and not (folder / DOCUMENT).exists()
        and not (folder / TRIALS).exists()
    )


def _number(folder: Path, name: str) -> int:
    """Which study of this name the folder holds, from 1; 0 if it has another name."""
    try:
        own = os.fsdecode((folder / NAME).read_bytes())
    except OSError:
        own = folder.name
    if own != name:
        return 0
    if folder.name == name:
        return 1
    match = re.fullmatch(_NUMBER, folder.name.removeprefix(name))
    return int(match[1]) if match else 0
