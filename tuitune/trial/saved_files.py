"""Files that a command saves, as the study file's `saves` finds them: looks, copies, removal."""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import re
import shutil
from collections.abc import Iterator
from typing import NamedTuple

from tuitune.ipc import process_tree
from tuitune.trial.checkpoints import CHECKPOINTS

OF_THE_FOLDER = ("output.log", "config.json")  # in the trial's folder, and none of the command's
_NO_LINK = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP)
_ZIP, _ZIP_END, _ZIP_TAIL = b"PK\x03\x04", b"PK\x05\x06", 65_557  # the longest end of an archive


class SavedFile(NamedTuple):
    """A file, or a folder with files, as it was when it was looked at."""

    place: str  # relative to the trial's folder
    mtime: float  # Unix seconds; a folder's is that of its newest file
    stamp: tuple[tuple[str, int, int, int], ...]  # name, size, time and inode of each file


def find(folder: str, pattern: str) -> list[str]:
    """What the pattern matches below a trial's folder, relative to it; nothing of tuitune's own."""
    found = glob.glob(pattern, root_dir=folder, recursive=True)  # noqa: PTH207 - Path's is slower
    ours = CHECKPOINTS, *OF_THE_FOLDER
    return [place for place in found if place.split(os.sep, 1)[0] not in ours]


def by_age(folder: str, pattern: str) -> list[SavedFile]:
    """The matches, newest first."""
    found = (look(folder, place) for place in find(folder, pattern))
    return sorted((saved for saved in found if saved is not None), key=age, reverse=True)


def newest(folder: str, pattern: str) -> SavedFile | None:
    """The match with the newest file in it."""
    return next(iter(by_age(folder, pattern)), None)


def age(saved: SavedFile) -> tuple[float, list[tuple[int, str]]]:
    """What is larger of a newer one; of equal times, of the last by name, with 10 after 9."""
    return saved.mtime, _natural(saved.place)


def look(folder: str, place: str) -> SavedFile | None:
    """The file at this place; None if there is none, or it can't be read."""
    path = os.path.join(folder, place)  # noqa: PTH118 - looked at several times a second
    try:
        stamp = tuple(sorted(_stamps(path)))
    except OSError:  # it has just been removed, or is a link to nothing
        return None
    if not stamp:
        return None
    return SavedFile(place, max(time for _, _, time, _ in stamp) / 1e9, stamp)


def restore(folder: str, pattern: str, checkpoint: str | None) -> None:
    """Let the trial's folder hold what it held when the checkpoint was written. Raises OSError.

    Newer matches are removed: they may be torn, and are of an attempt that was abandoned.
    """
    wanted = None if checkpoint is None else newest(checkpoint, pattern)
    for place in find(folder, pattern):
        found = look(folder, place)
        is_wanted = wanted is not None and place == wanted.place
        if not is_wanted and (wanted is None or found is None or found.mtime > wanted.mtime):
            remove(f"{folder}/{place}")
    if wanted is None or checkpoint is None:
        return
    there = look(folder, wanted.place)
    if there is None or not _is_copy(there, wanted):
        target = f"{folder}/{wanted.place}"
        aside = f"{target}.tuitune-{os.getpid()}"
        copy(f"{checkpoint}/{wanted.place}", aside, link=False)
        remove(target)
        os.rename(aside, target)  # noqa: PTH104


def remove(path: str) -> None:
    """Remove a file, a link or a folder; it may be gone."""
    with contextlib.suppress(FileNotFoundError):
        if os.path.islink(path) or not os.path.isdir(path):  # noqa: PTH112, PTH114
            os.unlink(path)  # noqa: PTH108
        else:
            shutil.rmtree(path)


def _is_copy(there: SavedFile, wanted: SavedFile) -> bool:
    """Whether it has the same content, and is not the same file: that may be written again."""
    one, other = ([stamp[:3] for stamp in saved.stamp] for saved in (there, wanted))
    shared = {stamp[3] for stamp in there.stamp} & {stamp[3] for stamp in wanted.stamp}
    return one == other and not shared


def _natural(name: str) -> list[tuple[int, str]]:
    parts = enumerate(re.split(r"(\d+)", name))
    return [(int(part), "") if at % 2 else (0, part) for at, part in parts]


def _stamps(path: str) -> Iterator[tuple[str, int, int, int]]:
    """What changes when the file, or a file in the folder, is written. Raises OSError."""
    if not os.path.isdir(path):  # noqa: PTH112
        status = os.stat(path)  # noqa: PTH116
        if os.path.isfile(path):  # noqa: PTH113
            yield "", status.st_size, status.st_mtime_ns, status.st_ino
        return
    for file in _files_in(path):
        status = os.stat(f"{path}/{file}")  # noqa: PTH116
        yield file, status.st_size, status.st_mtime_ns, status.st_ino


def _files_in(folder: str) -> Iterator[str]:
    """Regular files and links to such; folders that are links are not entered."""
    for place, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)  # noqa: PTH118
            if os.path.isfile(path):  # noqa: PTH113
                yield os.path.relpath(path, folder)


def copy(source: str, target: str, *, link: bool) -> None:
    """Copy a file or folder with its times, following links; `link`: by hard links if possible."""
    if not os.path.isdir(source):  # noqa: PTH112
        _copy_file(source, target, link=link)
        return
    for file in _files_in(source):
        _copy_file(f"{source}/{file}", f"{target}/{file}", link=link)


def _copy_file(source: str, target: str, *, link: bool) -> None:
    os.makedirs(os.path.dirname(target), exist_ok=True)  # noqa: PTH103, PTH120
    if link:
        try:
            os.link(os.path.realpath(source), target)
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
        else:
            return
    shutil.copy2(source, target)


def is_torn(folder: str, saved: SavedFile) -> bool:
    """Whether all is empty, or an archive (torch, npz and keras write such) lacks its end."""
    if not any(size for _, size, _, _ in saved.stamp):
        return True
    base = f"{folder}/{saved.place}"
    try:
        return any(_lacks_end(f"{base}/{name}" if name else base) for name, *_ in saved.stamp)
    except OSError:
        return True


def _lacks_end(path: str) -> bool:
    with open(path, "rb") as file:  # noqa: PTH123
        if file.read(len(_ZIP)) != _ZIP:
            return False
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _ZIP_TAIL))
        return _ZIP_END not in file.read()


def is_being_written(path: str) -> bool:
    """Whether a process that descends from this one has it, or a file in it, open to write."""
    waiting = [os.getpid()]
    while waiting:
        children = process_tree.children(waiting.pop())
        waiting += children
        if any(_writes(child, path) for child in children):
            return True
    return False


def _writes(pid: int, path: str) -> bool:
    try:
        for descriptor in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208
            file = os.readlink(f"/proc/{pid}/fd/{descriptor}")  # noqa: PTH115
            if file != path and not file.startswith(f"{path}/"):
                continue
            with open(f"/proc/{pid}/fdinfo/{descriptor}", encoding="ascii") as info:  # noqa: PTH123
                flags = re.search(r"^flags:\s*([0-7]+)", info.read(), re.MULTILINE)
            if flags is not None and int(flags[1], 8) & os.O_ACCMODE != os.O_RDONLY:
                return True
    except OSError:  # it has ended, or has just closed a descriptor
        return False
    return False
