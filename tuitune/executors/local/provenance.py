"""The code that a trial runs: its files, whether they have changed, and its git commit."""

import asyncio
import hashlib
import os
import shlex
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

_GIT_SECONDS = 1.0
# A daemon that git started for the file system would stay behind as our child.
_GIT_STATUS = shlex.split(
    "-c core.fsmonitor=false --no-optional-locks status --porcelain=v2 --branch -uno"
)
Stamp = tuple[int, int, int]


class Commit(NamedTuple):
    """What a folder has checked out."""

    name: str  # empty outside a repository
    dirty: bool | None  # tracked files differ from it; None outside a repository


class Sources:
    """Files, as they were when they were imported."""

    def __init__(self, files: Iterable[str], folder: str) -> None:
        self._folder = folder
        self._stamps = {file: _stamp(file) for file in sorted(files)}
        self.code = self._hash()

    @property
    def files(self) -> tuple[str, ...]:
        """Sorted."""
        return tuple(self._stamps)

    def have_changed(self) -> bool:
        """Whether a file's text differs, or one is gone."""
        now = {file: _stamp(file) for file in self._stamps}
        if now == self._stamps:
            return False
        if any(stamp is None and self._stamps[file] is not None for file, stamp in now.items()):
            return True
        if self._hash() != self.code:
            return True
        self._stamps = now  # touched, or written again with the same text
        return False

    def changed(self) -> str:
        """The first file written since, relative to the folder; empty for none."""
        found = (file for file, stamp in self._stamps.items() if _stamp(file) != stamp)
        return next((os.path.relpath(file, os.path.realpath(self._folder)) for file in found), "")

    def _hash(self) -> str:
        digest = hashlib.sha256()
        for file in self._stamps:
            try:
                content = Path(file).read_bytes()
            except OSError:
                content = b""
            name = os.path.relpath(file, self._folder).encode()
            digest.update(b"%d %s %d " % (len(name), name, len(content)) + content)
        return digest.hexdigest()[:12]


def files_of(command: Sequence[str], folder: str, but: str = "") -> list[str]:
    """The files of `folder` that a command line names: its scripts, modules and their settings.

    Not those below the folder `but`, which trials write.
    """
    root = os.path.realpath(folder) + os.sep
    without = os.path.realpath(but) + os.sep if but else ""
    modules = (after for word, after in pairwise(command) if word == "-m")
    names = [*command, *(name for module in modules for name in _module_files(module))]
    found = {file for name in names if (file := _file_of(name, folder)).startswith(root)}
    return sorted(file for file in found if not without or not file.startswith(without))


def _module_files(module: str) -> tuple[str, str]:
    """Where the code of a module may be that is run by its name."""
    place = module.replace(".", os.sep)
    return f"{place}.py", f"{place}{os.sep}__main__.py"


def _file_of(text: str, folder: str) -> str:
    """Its real path; empty if the text names no file, or can't be a name."""
    try:
        file = os.path.realpath(os.path.join(folder, text))  # noqa: PTH118
        return file if Path(file).is_file() else ""
    except (OSError, ValueError):
        return ""


async def commit_of(folder: str) -> Commit:
    """The git commit checked out in `folder`, and whether tracked files differ from it."""
    if not any((parent / ".git").exists() for parent in (Path(folder), *Path(folder).parents)):
        return Commit("", None)  # asking git would take longer
    try:
        git = await asyncio.create_subprocess_exec(
            "git", *_GIT_STATUS,
            cwd=folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
    except OSError:
        return Commit("", None)
    try:
        output, _ = await asyncio.wait_for(git.communicate(), _GIT_SECONDS)
    except TimeoutError:
        git.kill()
        await git.wait()
        return Commit("", None)
    return _read_status(output.decode("utf-8", "replace"))


def _read_status(text: str) -> Commit:
    name, dirty = "", False
    for line in text.splitlines():
        if line.startswith("# branch.oid "):
            name = line.split()[2].strip("()")  # "(initial)" before the first commit
        elif not line.startswith("#"):
            dirty = True
    return Commit(name, dirty) if name and name != "initial" else Commit("", None)


def stamps(files: Iterable[str]) -> dict[str, Stamp | None]:
    """Each file's time, size and inode, which change when it is written; None if it is gone."""
    return {file: _stamp(file) for file in files}


def _stamp(file: str) -> Stamp | None:
    try:
        status = os.stat(file)  # noqa: PTH116 - asked at every launch
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
